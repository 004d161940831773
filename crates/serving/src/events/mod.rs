//! Events from outside: CloudEvents 1.0 over HTTP, in the structured, binary and batched content
//! modes (CloudEvents HTTP protocol binding 1.0.2, section 3), and from whom they are taken.

mod headers;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use tessera_types::event::{CloudEvent, NoEvent};
use tessera_types::problem::Code;
use tessera_types::{Problem, limits};

/// An event as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// What it says.
    pub event: CloudEvent,
    /// The same in the JSON format, with all that it came with.
    pub json: Map<String, Value>,
}

/// Reads the events of one request.
///
/// # Errors
/// A problem that says what is wrong with which of them.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Received>, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let events = match media_type.to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => vec![json(body)?],
        "application/cloudevents-batch+json" => {
            let Value::Array(batch) = json(body)? else {
                return Err(no_event("a batch is a JSON array of events"));
            };
            if batch.len() > limits::EVENTS_MAX {
                let detail = format!(
                    "a batch has at most {} events, this one has {}",
                    limits::EVENTS_MAX,
                    batch.len()
                );
                return Err(Problem::new(Code::TooLarge, detail).remedy("send it in several"));
            }
            batch
        }
        _ if is_structured(headers, body) => return Err(not_read_as_structured(media_type)),
        _ => {
            let event = binary(headers, body).map_err(|error| no_event(&error.to_string()))?;
            vec![Value::Object(event)]
        }
    };
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(i, event)| received(event).map_err(|error| no_event(&format!("event {i}: {error}"))))
        .collect()
}

fn received(json: Value) -> Result<Received, NoEvent> {
    let event = CloudEvent::from_json(json.clone())?;
    match json {
        Value::Object(json) => Ok(Received { event, json }),
        _ => Err(NoEvent::NotAnObject),
    }
}

/// Whether events of a source are taken where these are allowed; one that ends with `*` stands for
/// all that begin so.
#[must_use]
pub fn is_allowed(source: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|it| match it.strip_suffix('*') {
        Some(prefix) => source.starts_with(prefix),
        None => *it == source,
    })
}

/// The refusal of an event for its source.
#[must_use]
pub fn not_let_in(source: &str, remedy: String) -> Problem {
    let source = limits::clip(source, 200);
    let detail = format!("events of source `{source}` are not let in");
    Problem::new(Code::SourceNotAllowed, detail).remedy(remedy)
}

/// Whether a body is an event of the structured mode, and no header says anything of one.
fn is_structured(headers: &HeaderMap, body: &[u8]) -> bool {
    let has_attributes = headers.keys().any(|name| name.as_str().starts_with("ce-"));
    let has_version =
        |json: Value| json.as_object().is_some_and(|it| it.contains_key("specversion"));
    !has_attributes && serde_json::from_slice(body).is_ok_and(has_version)
}

fn not_read_as_structured(media_type: &str) -> Problem {
    let content_type = match media_type {
        "" => "there is no content-type".to_owned(),
        other => format!("content-type is {}", limits::clip(other, 100)),
    };
    let detail = format!("{content_type}: the event is read in binary mode (ce-… headers)");
    Problem::new(Code::InvalidRequest, detail)
        .remedy("send a structured event as application/cloudevents+json")
}

/// The binary content mode: attributes in headers, the data in the body; as a text where that is
/// not JSON.
fn binary(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, NoEvent> {
    let attributes = headers::attributes(headers)?.into_iter();
    let mut event: Map<_, _> =
        attributes.map(|(name, value)| (name, Value::String(value))).collect();
    if !body.is_empty() {
        let data = serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
        event.insert("data".to_owned(), data);
    }
    Ok(event)
}

fn json(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|error| no_event(&format!("it is not JSON: {error}")))
}

fn no_event(detail: &str) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
        .remedy("send a CloudEvent 1.0 with specversion, id, source and type")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(content_type: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.extend(content_type.map(|it| (CONTENT_TYPE, it.parse().unwrap())));
        headers
    }

    fn attributes(headers: &mut HeaderMap) {
        for (name, value) in
            [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "a%20b"), ("ce-type", "t")]
        {
            headers.insert(name, value.parse().unwrap());
        }
    }

    #[test]
    fn a_structured_event_of_another_content_type_is_told_what_it_lacks() {
        let event = br#"{"specversion": "1.0", "id": "1", "source": "s", "type": "t"}"#;
        for (content_type, begin) in [
            (Some("application/json; charset=utf-8"), "content-type is application/json: "),
            (None, "there is no content-type: "),
        ] {
            let mut headers = with(content_type);
            let problem = read(&headers, event).unwrap_err();
            assert!(problem.detail.starts_with(begin), "{}", problem.detail);
            // With attributes in headers it is an event whose data looks like one.
            attributes(&mut headers);
            assert_eq!(read(&headers, event).unwrap().len(), 1);
        }
    }

    #[test]
    fn each_mode_says_the_same() {
        let event = json!({"specversion": "1.0", "id": "1", "source": "a b", "type": "t", "data": {"x": 1}});
        let structured =
            read(&with(Some("application/cloudevents+json")), event.to_string().as_bytes());
        let structured = structured.unwrap();
        assert_eq!((structured.len(), &structured[0].json), (1, event.as_object().unwrap()));
        let batch = json!([event, event]).to_string();
        let batch =
            read(&with(Some("application/cloudevents-batch+json")), batch.as_bytes()).unwrap();
        assert_eq!(batch, [structured[0].clone(), structured[0].clone()]);
        let mut headers = with(Some("application/json"));
        attributes(&mut headers);
        assert_eq!(read(&headers, br#"{"x": 1}"#).unwrap(), structured);
        assert_eq!(read(&headers, b"plain").unwrap()[0].json["data"], "plain");
        let none = json!([event, {"specversion": "1.0", "id": "", "source": "s", "type": "t"}]);
        let problem =
            read(&with(Some("application/cloudevents-batch+json")), none.to_string().as_bytes());
        assert!(problem.unwrap_err().detail.starts_with("event 1: the attribute `id`"));
    }

    #[test]
    fn a_source_is_allowed_by_its_name_or_its_beginning() {
        let allowed = ["https://lms/*".to_owned(), "tool".to_owned()];
        assert!(is_allowed("https://lms/a", &allowed) && is_allowed("tool", &allowed));
        assert!(!is_allowed("tools", &allowed) && !is_allowed("https://lms", &allowed));
    }
}
