//! CloudEvents over HTTP.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tessera_serving::events::read;

/// Lines of headers up to an empty line, then the body.
pub(super) fn run(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(40) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    match read(&headers, body) {
        Err(problem) => {
            assert!(!problem.detail.is_empty());
            assert!((400..500).contains(&problem.status), "{}", problem.status);
        }
        Ok(events) => {
            // As they are stored and sent on: structured, in one batch.
            let batch = Value::Array(
                events.iter().map(|event| Value::Object(event.json.clone())).collect(),
            );
            let mut structured = HeaderMap::new();
            let content_type = HeaderValue::from_static("application/cloudevents-batch+json");
            structured.insert(http::header::CONTENT_TYPE, content_type);
            let again = read(&structured, batch.to_string().as_bytes());
            assert_eq!(again.as_deref().ok(), Some(&events[..]), "{batch}: {again:?}");
        }
    }
}
