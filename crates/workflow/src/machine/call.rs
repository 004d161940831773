//! Calls: requests over HTTP, functions, adapters.

use std::sync::Arc;

use super::data::text;
use super::run::Machine;
use super::scope::{Env, Parent, ScopeId};
use super::uri::{Pairs, pairs, repeated_pairs};
use super::work::Purpose;
use super::{Action, Error, HttpRequest, OpenApiRequest};
use crate::definition::{Call, HttpCall, OpenApiCall, Task};
use crate::expression::Template;
use crate::value::{Value, object};

impl Machine {
    pub(super) fn call(&mut self, id: ScopeId, call: &Call, input: &Value) -> Result<(), Error> {
        match call {
            Call::Http(http) => self.call_http(id, http, input),
            Call::OpenApi(api) => self.call_openapi(id, api, input),
            Call::Function { task, with, .. } => self.call_function(id, task, with, input),
            Call::Cataloged { name, resource, with } => {
                match self.function(id, name, resource.as_ref())? {
                    Some(task) => self.call_function(id, &task, with, input),
                    None => Ok(()),
                }
            }
            Call::Adapter { name, with } => {
                let arguments = self.evaluate(id, with, input, "with")?;
                let name = name.clone();
                self.want(id, Purpose::Body, Action::Adapter { name, arguments }).map(drop)
            }
        }
    }

    /// A function is a task that is given the arguments as its raw input. It sees no variables of
    /// the loops around the call.
    fn call_function(
        &mut self,
        id: ScopeId,
        task: &Arc<Task>,
        with: &Template,
        input: &Value,
    ) -> Result<(), Error> {
        let arguments = self.evaluate(id, with, input, "with")?;
        let env = self.scope(id)?.env.clone();
        let depth = self.deeper(&env)?;
        let env = Env { locals: Arc::default(), depth, ..env };
        self.add_task(Parent { id, slot: 0 }, env, task.clone(), arguments);
        Ok(())
    }

    /// One workflow or function further in.
    pub(super) fn deeper(&self, env: &Env) -> Result<u32, Error> {
        let max = self.limits.nesting_max;
        if env.depth >= max {
            return Err(Error::runtime(format!(
                "more than {max} workflows and functions are within each other: does one call \
                 itself?"
            )));
        }
        Ok(env.depth + 1)
    }

    fn call_http(&mut self, id: ScopeId, http: &HttpCall, input: &Value) -> Result<(), Error> {
        let endpoint = &http.endpoint;
        let authorization = self.authorize(id, endpoint.authentication.as_ref())?;
        let get = |template: Option<&Template>, field| {
            self.evaluate_some(id, template, input, field).map(Option::unwrap_or_default)
        };
        let method = method(&self.evaluate(id, &http.method, input, "with/method")?)?;
        if &*method == "DELETE" {
            self.is_whole(id, &endpoint.uri)?;
        }
        let request = HttpRequest {
            method,
            uri: self.http_uri(id, &endpoint.uri)?,
            headers: headers(&get(http.headers.as_ref(), "with/headers")?)?,
            query: repeated_pairs(&get(http.query.as_ref(), "with/query")?, "with/query")?,
            body: self.evaluate_some(id, http.body.as_ref(), input, "with/body")?,
            authorization,
            output: http.output,
            redirect: http.redirect,
        };
        self.want(id, Purpose::Body, Action::Http(request)).map(drop)
    }

    fn call_openapi(&mut self, id: ScopeId, api: &OpenApiCall, input: &Value) -> Result<(), Error> {
        let authorization = self.authorize(id, api.authentication.as_ref())?;
        let parameters =
            self.evaluate_some(id, api.parameters.as_ref(), input, "with/parameters")?;
        let none = || object::<String>([]);
        let operation = self.evaluate(id, &api.operation_id, input, "with/operationId")?;
        let request = OpenApiRequest {
            document: self.fetch(id, &api.document)?,
            operation_id: text(&operation).into(),
            parameters: parameters.filter(|it| *it != Value::Null).unwrap_or_else(none),
            authorization,
            output: api.output,
            redirect: api.redirect,
        };
        self.want(id, Purpose::Body, Action::OpenApi(request)).map(drop)
    }
}

fn method(value: &Value) -> Result<Arc<str>, Error> {
    let method = text(value).to_ascii_uppercase();
    if !method.is_empty() && method.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
        return Ok(method.into());
    }
    Err(Error::configuration("with/method: this is no method of HTTP"))
}

fn headers(value: &Value) -> Result<Pairs, Error> {
    let headers = pairs(value, "with/headers")?;
    match headers.iter().find(|(_, value)| value.contains(['\r', '\n', '\0'])) {
        Some((name, _)) => Err(Error::configuration(format!(
            "with/headers: `{name}` must not contain line breaks"
        ))),
        None => Ok(headers),
    }
}
