//! Authentication of calls: the five schemes, and what they put into requests.
//!
//! The one idea: [`Auth::call`] sends a request so that its scheme is served, which may take more
//! than one: digest answers a challenge, and a kept token that is refused is asked for again, once.

mod digest;
mod grant;
mod jwt;
mod tokens;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value as Json;
use tessera_workflow::definition::Scheme;
use tessera_workflow::machine::{Authorization, Error};

use crate::fault;
use crate::http::{Answer, Ask, Http, Redirects};
use crate::json::to_json;
use crate::mask::Mask;
#[cfg(feature = "fuzzing")]
pub(crate) use digest::answers;
#[cfg(feature = "fuzzing")]
pub(crate) use jwt::claims;
pub(crate) use jwt::random;
use tokens::Tokens;

/// What serves the schemes of authentication. Cheap to clone; clones share their tokens.
#[derive(Clone)]
pub(crate) struct Auth {
    http: Http,
    tokens: Tokens,
}

impl Auth {
    pub(crate) fn new(http: Http) -> Self {
        let tokens = Tokens::new(http.clone());
        Self { http, tokens }
    }

    /// Sends a request as a scheme wants it. No error shows what is secret.
    pub(crate) async fn call(
        &self,
        ask: Ask,
        authorization: Option<&Authorization>,
        redirects: Redirects,
    ) -> Result<Answer, Error> {
        let mask = mask(&ask.headers, authorization);
        let result = match authorization {
            None => self.http.send(ask, redirects).await,
            Some(Authorization { scheme, properties }) => {
                let properties = Properties(to_json(properties)?);
                self.with(*scheme, &properties, ask, redirects).await
            }
        };
        result.map_err(|error| mask.error(error))
    }

    async fn with(
        &self,
        scheme: Scheme,
        properties: &Properties,
        mut ask: Ask,
        redirects: Redirects,
    ) -> Result<Answer, Error> {
        match scheme {
            Scheme::Basic => {
                let (user, password) = (properties.text("username")?, properties.text("password")?);
                ask.headers.insert(header::AUTHORIZATION, basic(user, password));
                self.http.send(ask, redirects).await
            }
            Scheme::Bearer => {
                ask.set(header::AUTHORIZATION, &format!("Bearer {}", properties.text("token")?))?;
                self.http.send(ask, redirects).await
            }
            Scheme::Digest => digest::call(&self.http, properties, ask, redirects).await,
            Scheme::OAuth2 | Scheme::Oidc => {
                self.by_token(scheme, properties, ask, redirects).await
            }
        }
    }

    async fn by_token(
        &self,
        scheme: Scheme,
        properties: &Properties,
        ask: Ask,
        redirects: Redirects,
    ) -> Result<Answer, Error> {
        let mut is_first = true;
        loop {
            let token = self.tokens.get(scheme, properties).await?;
            let mut with = ask.clone();
            with.set(header::AUTHORIZATION, &format!("Bearer {}", token.text))?;
            let mut mask = Mask::default();
            mask.add(&token.text);
            let answer = self.http.send(with, redirects).await.map_err(|it| mask.error(it))?;
            let is_refused = answer.status == StatusCode::UNAUTHORIZED;
            if is_refused {
                self.tokens.forget(scheme, properties);
            }
            if !(is_refused && is_first && token.is_kept) {
                return Ok(answer);
            }
            is_first = false;
        }
    }
}

/// The secrets of an authorization and of a request's headers, for errors that quote the answer.
pub(crate) fn mask(headers: &HeaderMap, authorization: Option<&Authorization>) -> Mask {
    let properties = authorization.and_then(|it| to_json(&it.properties).ok());
    let mut mask = Mask::of(&properties.unwrap_or_default());
    for (_, value) in headers.iter().filter(|(name, _)| is_secret(name)) {
        let value = value.to_str().unwrap_or_default();
        mask.add(value);
        mask.add(value.rsplit(' ').next().unwrap_or(value));
    }
    mask
}

fn is_secret(name: &header::HeaderName) -> bool {
    let words = ["authorization", "cookie", "api-key", "apikey", "token", "secret"];
    words.iter().any(|word| name.as_str().contains(word))
}

/// The value of `Authorization` for a user and a password (RFC 7617).
pub(crate) fn basic(user: &str, password: &str) -> HeaderValue {
    let value = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
    let mut value = HeaderValue::from_str(&value).expect("base64 can stand in a header");
    value.set_sensitive(true);
    value
}

/// A secret in JSON that has a property, such as `{"client": {"secret": "…"}}`.
fn form_of(path: &str) -> String {
    let value = Json::String("…".to_owned());
    path.rsplit('.').fold(value, |value, name| serde_json::json!({ name: value })).to_string()
}

/// The properties of a scheme.
pub(crate) struct Properties(Json);

impl Properties {
    /// The text at a path such as `client.secret`.
    fn find(&self, path: &str) -> Option<&str> {
        let mut at = &self.0;
        for name in path.split('.') {
            at = at.get(name)?;
        }
        at.as_str().filter(|text| !text.is_empty())
    }

    /// One that must be there.
    fn text(&self, path: &str) -> Result<&str, Error> {
        self.find(path).ok_or_else(|| {
            fault::configuration(format!(
                "the authentication has no `{path}`, or it is no text; where it is `use: SECRET`, \
                 that secret is an object such as {}",
                form_of(path)
            ))
        })
    }

    /// The texts of a list.
    fn list(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
            Some(Json::String(one)) => vec![one],
            _ => Vec::new(),
        }
    }
}
