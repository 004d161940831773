//! How calls are authenticated.

use std::sync::Arc;

use super::data::{base64, secret_missing, text};
use super::run::Machine;
use super::scope::ScopeId;
use super::{Authorization, Error};
use crate::definition::{Authentication, Credentials, Scheme};
use crate::value::{Value, field, object};

impl Machine {
    /// What a call is authenticated with, and that as `$authorization`.
    pub(super) fn authorization(
        &mut self,
        id: ScopeId,
        authentication: Option<&Authentication>,
    ) -> Result<Option<(Authorization, Value)>, Error> {
        let Some(Authentication { scheme, credentials }) = authentication else { return Ok(None) };
        let properties = match credentials {
            Credentials::Secret(name) => {
                let secret = self.secret(id, name)?;
                match secret {
                    Value::Obj(_) => secret,
                    _ => return Err(no_properties(name, *scheme)),
                }
            }
            Credentials::Inline(template) => {
                let input = match self.task(id) {
                    Ok(frame) => frame.input().clone(),
                    Err(_) => self.run_of(id)?.raw.clone(),
                };
                self.evaluate(id, template, &input, "authentication")?
            }
        };
        let described = describe(*scheme, &properties);
        if let Value::TStr(parameter) = field(&described, "parameter") {
            self.mask.add(&String::from_utf8_lossy(parameter));
        }
        Ok(Some((Authorization { scheme: *scheme, properties }, described)))
    }

    /// The same, which the rest of the task then sees as `$authorization`.
    pub(super) fn authorize(
        &mut self,
        id: ScopeId,
        authentication: Option<&Arc<Authentication>>,
    ) -> Result<Option<Authorization>, Error> {
        let Some((authorization, described)) =
            self.authorization(id, authentication.map(|it| &**it))?
        else {
            return Ok(None);
        };
        self.task_mut(id)?.authorization = Some(described);
        Ok(Some(authorization))
    }

    fn secret(&self, id: ScopeId, name: &Arc<str>) -> Result<Value, Error> {
        match field(&self.run_of(id)?.secrets, name) {
            Value::Null => Err(secret_missing(name)),
            secret => Ok(secret.clone()),
        }
    }
}

/// What stands after `Basic` for a user and a password.
pub(super) fn basic(user: &Value, password: &Value) -> String {
    base64(format!("{}:{}", text(user), text(password)).as_bytes())
}

/// A secret has to be an object with what a scheme wants.
fn no_properties(secret: &str, scheme: Scheme) -> Error {
    let form = match scheme {
        Scheme::Basic | Scheme::Digest => r#"{"username": "…", "password": "…"}"#,
        Scheme::Bearer => r#"{"token": "…"}"#,
        Scheme::OAuth2 | Scheme::Oidc => {
            r#"{"authority": "…", "grant": "…", "client": {"id": "…", "secret": "…"}}"#
        }
    };
    Error::authorization(format!(
        "the secret `{secret}` is no object: for authentication it is one in JSON, such as {form}"
    ))
}

/// Only what is known before the call is described: the other schemes get their parameter from
/// somebody else.
fn describe(scheme: Scheme, properties: &Value) -> Value {
    let get = |name| field(properties, name);
    let (name, parameter) = match scheme {
        Scheme::Basic => ("Basic", Some(basic(get("username"), get("password")))),
        Scheme::Bearer => ("Bearer", Some(text(get("token")))),
        Scheme::Digest => ("Digest", None),
        Scheme::OAuth2 | Scheme::Oidc => ("Bearer", None),
    };
    let mut fields = vec![("scheme", Value::utf8_str(name))];
    fields.extend(parameter.map(|it| ("parameter", Value::utf8_str(it))));
    object(fields)
}
