//! Operations of Swagger 2.0.

use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use url::Url;

use super::{Body, Operation, Parameter, Where, declared, flag, method, preferred, text};
use crate::fault;
use crate::fetch::Place;
use crate::openapi::document::{Document, Entry};
use crate::openapi::style::{Shape, Style};

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

pub(in crate::openapi) fn operation(
    document: &Document,
    entry: &Entry<'_>,
) -> Result<Operation, Error> {
    let declared = declared(document, entry);
    Ok(Operation {
        method: method(entry),
        server: server(document, entry)?,
        path: entry.path.to_owned(),
        body: body(document, entry, &declared),
        parameters: declared.into_iter().filter_map(parameter).collect(),
        accepts: types(document, entry, "produces").into_iter().map(str::to_owned).collect(),
    })
}

fn parameter(declared: &Json) -> Option<Parameter> {
    let (name, place) = (text(declared, "name")?, text(declared, "in")?);
    let place = match place {
        "path" => Where::Path,
        "query" => Where::Query,
        "header" => Where::Header,
        "formData" => Where::Form,
        _ => return None,
    };
    let (shape, explode) = match text(declared, "collectionFormat") {
        Some("multi") => (Shape::Form, true),
        Some("ssv") => (Shape::Delimited(" "), false),
        Some("tsv") => (Shape::Delimited("\t"), false),
        Some("pipes") => (Shape::Delimited("|"), false),
        _ if matches!(place, Where::Path | Where::Header) => (Shape::Simple, false),
        _ => (Shape::Form, false),
    };
    let is_required = place == Where::Path || flag(declared, "required").unwrap_or(false);
    let style = Style { shape, explode, allow_reserved: false };
    Some(Parameter { name: name.to_owned(), place, style, is_required })
}

fn body(document: &Document, entry: &Entry<'_>, declared: &[&Json]) -> Option<Body> {
    let types = types(document, entry, "consumes");
    let all_of = |place: &str| {
        declared.iter().filter(move |it| text(it, "in") == Some(place)).copied().collect::<Vec<_>>()
    };
    if let Some(declared) = all_of("body").first() {
        let media_type = preferred(&types).unwrap_or("application/json").to_owned();
        let name = text(declared, "name").unwrap_or("body").to_owned();
        let is_required = flag(declared, "required").unwrap_or(false);
        return Some(Body { name, media_type, is_required });
    }
    let fields = all_of("formData");
    if fields.is_empty() {
        return None;
    }
    let has_file = fields.iter().any(|it| text(it, "type") == Some("file"));
    let is_multipart = has_file || types.contains(&MULTIPART) && !types.contains(&FORM);
    let media_type = if is_multipart { MULTIPART } else { FORM }.to_owned();
    // Its fields are parameters of their own.
    Some(Body { name: String::new(), media_type, is_required: false })
}

/// What an operation, or else the document, consumes or produces.
fn types<'d>(document: &'d Document, entry: &Entry<'d>, name: &str) -> Vec<&'d str> {
    let list = entry.operation.get(name).or_else(|| document.root.get(name));
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

/// The scheme of the document where that is one of those that the service has, else https, else the
/// first; the document's own host when it names none.
fn server(document: &Document, entry: &Entry<'_>) -> Result<Url, Error> {
    let schemes = entry.operation.get("schemes").or_else(|| document.root.get("schemes"));
    let schemes = schemes.and_then(Json::as_array).into_iter().flatten();
    let schemes: Vec<_> = schemes.filter_map(Json::as_str).collect();
    let of_document = match &document.at {
        Place::Web(uri) => Some(uri),
        Place::File(_) => None,
    };
    let own = of_document.map(Url::scheme);
    let scheme = match own {
        Some(own) if schemes.is_empty() || schemes.contains(&own) => own,
        _ if schemes.is_empty() || schemes.contains(&"https") => "https",
        _ => schemes[0],
    };
    let own_host =
        of_document.map(|uri| uri[url::Position::BeforeHost..url::Position::AfterPort].to_owned());
    let host = text(&document.root, "host").map(str::to_owned).or(own_host).ok_or_else(|| {
        fault::configuration(format!("{} names no `host`, and is a file", document.at.shown()))
    })?;
    let path = text(&document.root, "basePath").unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    super::server(document, &format!("{scheme}://{host}{slash}{path}"))
}
