//! What of an operation is needed to call it, whichever format it was described in.

pub(super) mod openapi3;
pub(super) mod swagger2;

use http::Method;
use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use url::Url;

use super::document::{Document, Entry};
use super::style::Style;
use crate::fault;
use crate::fetch::Place;

/// An operation.
#[derive(Debug)]
pub(in crate::openapi) struct Operation {
    pub(in crate::openapi) method: Method,
    /// What the path is under.
    pub(in crate::openapi) server: Url,
    /// The path with `{name}` where parameters go.
    pub(in crate::openapi) path: String,
    pub(in crate::openapi) parameters: Vec<Parameter>,
    pub(in crate::openapi) body: Option<Body>,
    /// What answers may be, the preferred one first.
    pub(in crate::openapi) accepts: Vec<String>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::openapi) struct Parameter {
    pub(in crate::openapi) name: String,
    pub(in crate::openapi) place: Where,
    pub(in crate::openapi) style: Style,
    pub(in crate::openapi) is_required: bool,
}

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::openapi) enum Where {
    Path,
    Query,
    Header,
    Cookie,
    /// A field of a form in the body.
    Form,
}

/// What an operation's body may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::openapi) struct Body {
    /// The argument that it is.
    pub(in crate::openapi) name: String,
    /// Its media type.
    pub(in crate::openapi) media_type: String,
    pub(in crate::openapi) is_required: bool,
}

fn text<'d>(value: &'d Json, name: &str) -> Option<&'d str> {
    value.get(name).and_then(Json::as_str)
}

fn flag(value: &Json, name: &str) -> Option<bool> {
    value.get(name).and_then(Json::as_bool)
}

fn method(entry: &Entry<'_>) -> Method {
    Method::from_bytes(entry.method.to_ascii_uppercase().as_bytes())
        .expect("the names of methods are methods")
}

/// The parameters of an operation: those of its path, unless it has its own of the same name and
/// place, and its own.
fn declared<'d>(document: &'d Document, entry: &Entry<'d>) -> Vec<&'d Json> {
    let own = document.list(entry.operation, "parameters");
    let id = |it: &Json| (text(it, "name").map(str::to_owned), text(it, "in").map(str::to_owned));
    let inherited = document.list(entry.item, "parameters").into_iter();
    let inherited = inherited.filter(|it| !own.iter().any(|own| id(own) == id(it)));
    inherited.chain(own.iter().copied()).collect()
}

/// The media type that is sent or asked for: JSON where that may be, else a form, else the first.
fn preferred<'a>(types: &[&'a str]) -> Option<&'a str> {
    let plain = |it: &str| it.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = |it: &&&str| plain(it) == "application/json" || plain(it).ends_with("+json");
    let any_json = |it: &&&str| matches!(plain(it).as_str(), "*/*" | "application/*");
    let is_form = |it: &&&str| plain(it) == "application/x-www-form-urlencoded";
    let found = types.iter().find(is_json).copied();
    let found = found.or_else(|| types.iter().find(any_json).map(|_| "application/json"));
    found.or_else(|| types.iter().find(is_form).copied()).or_else(|| types.first().copied())
}

/// A server's address, which may be relative to the document's.
fn server(document: &Document, written: &str) -> Result<Url, Error> {
    let at = document.at.shown();
    let url = match (Url::parse(written), &document.at) {
        (Ok(url), _) => Ok(url),
        (Err(_), Place::Web(base)) => base.join(written),
        (Err(error), Place::File(_)) => Err(error),
    };
    let url = url.map_err(|_| {
        fault::configuration(format!(
            "the server `{written}` of {at} is no URI that a call could go to"
        ))
    })?;
    crate::http::address(url.as_str())
}
