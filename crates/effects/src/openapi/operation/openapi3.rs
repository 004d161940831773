//! Operations of OpenAPI 3.0 and 3.1.

use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use url::Url;

use super::{Body, Operation, Parameter, Where, declared, flag, method, preferred, text};
use crate::fault;
use crate::openapi::document::{Document, Entry};
use crate::openapi::style::{Shape, Style};

pub(in crate::openapi) fn operation(
    document: &Document,
    entry: &Entry<'_>,
) -> Result<Operation, Error> {
    let parameters = declared(document, entry);
    Ok(Operation {
        method: method(entry),
        server: server(document, entry)?,
        path: entry.path.to_owned(),
        parameters: parameters.into_iter().filter_map(|it| parameter(document, it)).collect(),
        body: body(document, document.field(entry.operation, "requestBody")),
        accepts: accepts(document, entry.operation),
    })
}

fn parameter(document: &Document, declared: &Json) -> Option<Parameter> {
    let (name, place) = (text(declared, "name")?, text(declared, "in")?);
    let place = match place {
        "path" => Where::Path,
        "query" => Where::Query,
        "header" => Where::Header,
        "cookie" => Where::Cookie,
        _ => return None,
    };
    if place == Where::Header && is_reserved(name) {
        return None;
    }
    let is_content = document.field(declared, "content").is_object();
    let shape = match (text(declared, "style"), place) {
        _ if is_content => Shape::Json,
        (Some("label"), _) => Shape::Label,
        (Some("matrix"), _) => Shape::Matrix,
        (Some("spaceDelimited"), _) => Shape::Delimited(" "),
        (Some("pipeDelimited"), _) => Shape::Delimited("|"),
        (Some("deepObject"), _) => Shape::Deep,
        (Some("form"), _) | (None, Where::Query | Where::Cookie | Where::Form) => Shape::Form,
        _ => Shape::Simple,
    };
    let explode = flag(declared, "explode").unwrap_or(shape == Shape::Form);
    let allow_reserved = flag(declared, "allowReserved").unwrap_or(false);
    let is_required = place == Where::Path || flag(declared, "required").unwrap_or(false);
    let style = Style { shape, explode, allow_reserved };
    Some(Parameter { name: name.to_owned(), place, style, is_required })
}

/// Headers that the specification takes from elsewhere.
fn is_reserved(name: &str) -> bool {
    ["accept", "content-type", "authorization"].iter().any(|it| name.eq_ignore_ascii_case(it))
}

fn body(document: &Document, declared: &Json) -> Option<Body> {
    let types = document.field(declared, "content").as_object()?;
    let types: Vec<_> = types.keys().map(String::as_str).collect();
    let media_type = preferred(&types)?.to_owned();
    let is_required = flag(declared, "required").unwrap_or(false);
    Some(Body { name: "body".to_owned(), media_type, is_required })
}

fn accepts(document: &Document, operation: &Json) -> Vec<String> {
    let responses = operation.get("responses").and_then(Json::as_object);
    let fine = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    let mut all: Vec<&str> = Vec::new();
    for (_, response) in fine {
        let content = document.field(document.follow(response), "content").as_object();
        all.extend(content.into_iter().flatten().map(|(media_type, _)| media_type.as_str()));
    }
    all.dedup();
    all.into_iter().map(str::to_owned).collect()
}

/// The first server that there is: the operation's, its path's, or the document's.
fn server(document: &Document, entry: &Entry<'_>) -> Result<Url, Error> {
    let places = [entry.operation, entry.item, &document.root];
    let declared = places.into_iter().find_map(|it| document.list(it, "servers").first().copied());
    let Some(declared) = declared else { return super::server(document, "/") };
    let mut address = text(declared, "url").unwrap_or("/").to_owned();
    let variables = document.field(declared, "variables").as_object();
    for (name, variable) in variables.into_iter().flatten() {
        let value = match variable.get("default") {
            Some(Json::String(text)) => text.clone(),
            Some(value @ (Json::Number(_) | Json::Bool(_))) => value.to_string(),
            _ => {
                let at = document.at.shown();
                return Err(fault::configuration(format!(
                    "the variable `{name}` of a server of {at} has no default"
                )));
            }
        };
        address = address.replace(&format!("{{{name}}}"), &value);
    }
    super::server(document, &address)
}
