//! From an operation and its arguments to a request.

use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value as Json};
use tessera_workflow::machine::Error;
use url::Url;

use super::operation::{Body, Operation, Parameter, Where};
use super::style::Style;
use crate::fault;
use crate::http::{Ask, Form, encoded};

/// Parts the fields of a multipart form; what holds it cannot be sent that way.
const BOUNDARY: &str = "----tessera-form-boundary-5f2a";
const MULTIPART: &str = "multipart/form-data";

/// The request that calls an operation with these arguments.
///
/// An argument that no parameter has the name of goes into the body where the operation has one of
/// JSON or a form and no argument is the body itself; else it does not count.
pub(super) fn request(operation: &Operation, arguments: &Json) -> Result<Ask, Error> {
    let empty = Map::new();
    let arguments = match arguments {
        Json::Object(fields) => fields,
        Json::Null => &empty,
        _ => return Err(fault::validation("the parameters of an operation are an object")),
    };
    let body = body(operation, arguments);
    require(operation, arguments, body.is_some())?;
    let given = |place: Where| {
        let of_place = operation.parameters.iter().filter(move |it| it.place == place);
        of_place.filter_map(|it| Some((it, argument(arguments, it)?)))
    };
    let mut uri = address(operation, given(Where::Path))?;
    query(&mut uri, given(Where::Query));
    let mut ask = Ask::new(operation.method.clone(), uri);
    for (Parameter { name, style, .. }, value) in given(Where::Header) {
        ask.append(name, &style.inline(name, value, str::to_owned))?;
    }
    let cookies = given(Where::Cookie).flat_map(|(it, value)| it.style.pairs(&it.name, value));
    let cookies: Vec<_> = cookies.map(|(k, v)| format!("{k}={}", component(&v))).collect();
    if !cookies.is_empty() {
        ask.set(header::COOKIE, &cookies.join("; "))?;
    }
    accept(&mut ask, &operation.accepts);
    let fields: Form =
        given(Where::Form).flat_map(|(it, value)| it.style.pairs(&it.name, value)).collect();
    match (&operation.body, body) {
        (Some(declared), Some(value)) => with_body(ask, declared, &value),
        (Some(declared), None) if !fields.is_empty() => {
            with_form(ask, &declared.media_type, &fields)
        }
        _ => Ok(ask),
    }
}

/// The argument for a parameter. None is as good as null.
fn argument<'a>(arguments: &'a Map<String, Json>, parameter: &Parameter) -> Option<&'a Json> {
    arguments.get(&parameter.name).filter(|value| !value.is_null())
}

/// What the body is: the argument of its name, or all that no parameter takes.
fn body(operation: &Operation, arguments: &Map<String, Json>) -> Option<Json> {
    let declared = operation.body.as_ref().filter(|it| !it.name.is_empty())?;
    let is_taken = |name: &str| operation.parameters.iter().any(|it| it.name == name);
    let named = [declared.name.as_str(), "body"];
    let named = named.into_iter().find(|name| arguments.contains_key(*name) && !is_taken(name));
    if let Some(body) = named.and_then(|name| arguments.get(name)) {
        return Some(body.clone());
    }
    let rest: Map<_, _> = arguments
        .iter()
        .filter(|(name, _)| !is_taken(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!rest.is_empty()).then_some(Json::Object(rest))
}

fn require(
    operation: &Operation,
    arguments: &Map<String, Json>,
    has_body: bool,
) -> Result<(), Error> {
    let required = operation.parameters.iter().filter(|it| it.is_required);
    let missing = required.filter(|it| argument(arguments, it).is_none());
    let mut missing: Vec<_> = missing.map(|it| format!("`{}`", it.name)).collect();
    if let Some(declared) = operation.body.as_ref().filter(|it| it.is_required && !has_body) {
        missing.push(format!("`{}` (the body)", declared.name));
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(fault::validation(format!(
            "{} {} lacks {}",
            operation.method,
            operation.path,
            missing.join(", ")
        ))),
    }
}

fn address<'a>(
    operation: &Operation,
    given: impl Iterator<Item = (&'a Parameter, &'a Json)>,
) -> Result<Url, Error> {
    let mut path = operation.path.clone();
    for (Parameter { name, style, .. }, value) in given {
        let written = style.inline(name, value, component);
        if matches!(written.as_str(), "." | "..") {
            // Encoded or not, it would lead to another path.
            return Err(fault::validation(format!("`{name}` cannot be `{written}` in a path")));
        }
        path = path.replace(&format!("{{{name}}}"), &written);
    }
    let mut uri = operation.server.clone();
    uri.set_query(None);
    uri.set_fragment(None);
    let whole = format!("{}/{}", uri.as_str().trim_end_matches('/'), path.trim_start_matches('/'));
    crate::http::address(&whole)
}

fn query<'a>(uri: &mut Url, given: impl Iterator<Item = (&'a Parameter, &'a Json)>) {
    let mut all = Vec::new();
    for (Parameter { name, style, .. }, value) in given {
        let pairs = style.pairs(name, value).into_iter();
        all.extend(pairs.map(|(k, v)| format!("{}={}", component(&k), query_value(*style, &v))));
    }
    if !all.is_empty() {
        uri.set_query(Some(&all.join("&")));
    }
}

fn query_value(style: Style, value: &str) -> String {
    match style.allow_reserved {
        // The URI's own parser encodes what cannot stand in it.
        true => value.replace('#', "%23").replace('&', "%26"),
        false => component(value),
    }
}

/// A text in which only what RFC 3986 calls unreserved stays as it is.
fn component(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            byte => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

/// JSON first where answers may be that, since it is what expressions can look into.
fn accept(ask: &mut Ask, accepts: &[String]) {
    let is_json = |it: &&String| it.contains("json") || it.starts_with("*/*");
    let accepts = match accepts {
        [] => "application/json, */*;q=0.5".to_owned(),
        all if all.iter().any(|it| is_json(&it)) => "application/json, */*;q=0.5".to_owned(),
        all => all.join(", "),
    };
    if let Ok(value) = HeaderValue::from_str(&accepts) {
        ask.headers.insert(header::ACCEPT, value);
    }
}

fn with_body(mut ask: Ask, declared: &Body, value: &Json) -> Result<Ask, Error> {
    let media_type = declared.media_type.as_str();
    if let (true, Json::Object(fields)) = (media_type.starts_with(MULTIPART), value) {
        return with_form(ask, media_type, &crate::http::form(fields));
    }
    content_type(&mut ask, media_type)?;
    ask.with_body(Some(value))
}

fn with_form(mut ask: Ask, media_type: &str, fields: &Form) -> Result<Ask, Error> {
    if !media_type.starts_with(MULTIPART) {
        content_type(&mut ask, media_type)?;
        ask.body = encoded(fields).into();
        return Ok(ask);
    }
    content_type(&mut ask, &format!("{MULTIPART}; boundary={BOUNDARY}"))?;
    let mut body = String::new();
    for (name, value) in fields {
        if value.contains(BOUNDARY) {
            return Err(fault::validation(format!(
                "the field `{name}` holds the form's own boundary"
            )));
        }
        let name = name.replace(['"', '\r', '\n'], "_");
        body += &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    ask.body = format!("{body}--{BOUNDARY}--\r\n").into();
    Ok(ask)
}

fn content_type(ask: &mut Ask, media_type: &str) -> Result<(), Error> {
    let name: HeaderName = header::CONTENT_TYPE;
    ask.set(name, media_type)
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;
    use crate::fetch::{Fetched, Place};
    use serde_json::json;

    fn ask(document: &Json, id: &str, arguments: &Json) -> Result<Ask, Error> {
        let at = Place::Web(Url::parse("https://api.example/docs/v1/openapi.json").unwrap());
        let document = Document::read(Fetched { text: document.to_string(), at })?;
        request(&document.operation(id)?, arguments)
    }

    fn petstore() -> Json {
        json!({
            "openapi": "3.0.3",
            "servers": [{"url": "../{stage}/api/", "variables": {"stage": {"default": "prod"}}}],
            "components": {"parameters": {"id": {"name": "id", "in": "path", "required": true}}},
            "paths": {
                "/pets/{id}": {
                    "parameters": [{"$ref": "#/components/parameters/id"}],
                    "get": {"operationId": "getPet", "parameters": [
                        {"name": "tags", "in": "query", "required": true},
                        {"name": "filter", "in": "query", "style": "deepObject"},
                        {"name": "X-Trace", "in": "header"},
                        {"name": "session", "in": "cookie"}
                    ]},
                    "put": {"operationId": "putPet", "requestBody": {"required": true, "content": {
                        "application/xml": {}, "application/json": {}
                    }}}
                },
                "/loop": {"get": {"operationId": "loop", "parameters": [{"$ref": "#/paths/~1loop/get/parameters/0"}]}}
            }
        })
    }

    #[test]
    fn parameters_go_to_their_places() {
        let arguments = json!({
            "id": "a/../b c", "tags": ["x", "y&z"], "filter": {"age": 3}, "X-Trace": 7,
            "session": "s;1", "nobody": "knows"
        });
        let ask = ask(&petstore(), "getPet", &arguments).unwrap();
        assert_eq!(
            ask.uri.as_str(),
            "https://api.example/docs/prod/api/pets/a%2F..%2Fb%20c?tags=x&tags=y%26z&filter%5Bage%5D=3"
        );
        assert_eq!(ask.headers["x-trace"], "7");
        assert_eq!(ask.headers["cookie"], "session=s%3B1");
        assert!(ask.body.is_empty());
    }

    #[test]
    fn what_is_required_is_named_all_at_once() {
        let error = ask(&petstore(), "getPet", &json!({"tags": null})).err().unwrap();
        assert_eq!(error.status, 400);
        assert_eq!(error.detail.as_deref(), Some("GET /pets/{id} lacks `id`, `tags`"));
        let error = ask(&petstore(), "putPet", &json!({"id": 1})).err().unwrap();
        assert_eq!(error.detail.as_deref(), Some("PUT /pets/{id} lacks `body` (the body)"));
    }

    #[test]
    fn the_body_is_the_argument_of_that_name_or_what_is_left() {
        for arguments in
            [json!({"id": 1, "body": {"name": "Rex"}}), json!({"id": 1, "name": "Rex"})]
        {
            let ask = ask(&petstore(), "putPet", &arguments).unwrap();
            assert_eq!(&*ask.body, br#"{"name":"Rex"}"#);
            assert_eq!(ask.headers["content-type"], "application/json");
        }
    }

    #[test]
    fn an_unknown_operation_comes_with_the_nearest() {
        let error = ask(&petstore(), "getPets", &json!({})).err().unwrap();
        assert!(error.detail.unwrap().ends_with("no operation `getPets`; did you mean `getPet`?"));
        assert!(ask(&petstore(), "loop", &json!({})).is_ok(), "a circle of references ends");
    }

    #[test]
    fn swagger_2_has_its_own_places_for_the_same() {
        let document = json!({
            "swagger": "2.0", "host": "pets.example:8080", "basePath": "/v2", "schemes": ["http", "https"],
            "paths": {
                "/pet": {"post": {"operationId": "addPet", "parameters": [
                    {"in": "body", "name": "pet", "required": true}]}},
                "/pet/findByStatus": {"get": {"operationId": "find", "parameters": [
                    {"in": "query", "name": "status", "collectionFormat": "multi"},
                    {"in": "query", "name": "tags"}]}},
                "/pet/{id}": {"post": {"operationId": "form", "consumes": ["application/x-www-form-urlencoded"],
                    "parameters": [{"in": "path", "name": "id"}, {"in": "formData", "name": "name"}]}},
                "/upload": {"post": {"operationId": "upload", "parameters": [
                    {"in": "formData", "name": "file", "type": "file"}]}}
            }
        });
        let sent = |id: &str, arguments: Json| {
            let ask = ask(&document, id, &arguments).unwrap();
            (ask.uri.to_string(), String::from_utf8(ask.body.to_vec()).unwrap())
        };
        let base = "https://pets.example:8080/v2";
        let same = (format!("{base}/pet"), r#"{"name":"Rex"}"#.to_owned());
        assert_eq!(sent("addPet", json!({"pet": {"name": "Rex"}})), same);
        assert_eq!(sent("addPet", json!({"body": {"name": "Rex"}})), same);
        assert_eq!(sent("addPet", json!({"name": "Rex"})), same);
        let (uri, _) = sent("find", json!({"status": ["a", "b"], "tags": ["x", "y"]}));
        assert_eq!(uri, format!("{base}/pet/findByStatus?status=a&status=b&tags=x%2Cy"));
        let (uri, body) = sent("form", json!({"id": 1, "name": "R x"}));
        assert_eq!((uri, body.as_str()), (format!("{base}/pet/1"), "name=R+x"));
        let (_, body) = sent("upload", json!({"file": "text"}));
        assert!(body.contains("name=\"file\"\r\n\r\ntext\r\n"), "{body}");
    }

    #[test]
    fn yaml_is_read_and_anything_else_refused() {
        let at = || Place::Web(Url::parse("http://a/b.yaml").unwrap());
        let yaml = "openapi: 3.1.0\npaths:\n  /a:\n    get:\n      operationId: x\n";
        let document = Document::read(Fetched { text: yaml.to_owned(), at: at() }).unwrap();
        assert_eq!(document.operation("x").unwrap().server.as_str(), "http://a/");
        for text in
            ["", "{", "[]", "openapi: 2.0", "hello", "swagger: \"1.2\"", "{\"openapi\": \"4.0\"}"]
        {
            let read = Document::read(Fetched { text: text.to_owned(), at: at() });
            assert_eq!(read.err().unwrap().status, 400, "{text}");
        }
    }

    #[test]
    fn a_value_of_dots_leads_nowhere_else() {
        let error = ask(&petstore(), "getPet", &json!({"id": "..", "tags": "a"})).err().unwrap();
        assert_eq!(error.detail.as_deref(), Some("`id` cannot be `..` in a path"));
    }
}
