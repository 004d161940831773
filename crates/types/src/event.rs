//! CloudEvents 1.0: what an event from outside says.

use serde_json::{Map, Value};

use crate::limits;

/// An event (CloudEvents 1.0.2, section 3). Attributes of extensions are kept
/// beside those of the specification.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    /// Unique together with the source.
    pub id: String,
    /// Where it happened: a URI reference.
    pub source: String,
    /// What happened, such as `student.submitted`.
    pub kind: String,
    /// What it happened to.
    pub subject: Option<String>,
    /// All other attributes, with their values as text.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// What it carries, if that is JSON.
    pub data: Option<Value>,
}

/// Why something is not a CloudEvent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    /// It is no JSON object.
    #[error("a CloudEvent is a JSON object")]
    NotAnObject,
    /// An attribute is missing, empty, or no text.
    #[error("the attribute `{0}` is missing: it is a text that is not empty")]
    Missing(&'static str),
    /// The version is another one.
    #[error("`specversion` is `{0}`: only 1.0 is understood")]
    Version(String),
    /// An attribute is too long.
    #[error("the attribute `{0}` has more than {max} bytes", max = limits::EVENT_ATTRIBUTE_BYTES_MAX)]
    TooLong(String),
    /// A header's value is not encoded as the binding says.
    #[error(
        "the header `ce-{0}` is not percent-encoded UTF-8 of printable characters: write `%` as \
         `%25`, and others as `%` and two hexadecimal digits for each byte"
    )]
    Encoding(String),
    /// An attribute's name is none.
    #[error("`{0}` is not a name of an attribute: lower-case letters and digits, at most 20")]
    Name(String),
}

impl CloudEvent {
    /// Reads an event in the JSON format (CloudEvents JSON event format 1.0.2).
    ///
    /// # Errors
    /// [`NoEvent`] says what is wrong.
    pub fn from_json(json: Value) -> Result<Self, NoEvent> {
        let Value::Object(mut members) = json else { return Err(NoEvent::NotAnObject) };
        let data = members.remove("data");
        members.remove("data_base64");
        let attributes = members.into_iter().filter_map(|(name, value)| {
            let text = match value {
                Value::Null => return None,
                Value::String(text) => text,
                other => other.to_string(),
            };
            Some((name, text))
        });
        Self::from_attributes(attributes, data)
    }

    /// Makes an event of its attributes and data, as the binary content mode has
    /// them.
    ///
    /// # Errors
    /// [`NoEvent`] says what is wrong.
    pub fn from_attributes(
        attributes: impl IntoIterator<Item = (String, String)>,
        data: Option<Value>,
    ) -> Result<Self, NoEvent> {
        let mut attributes: std::collections::BTreeMap<_, _> = attributes.into_iter().collect();
        for (name, value) in &attributes {
            check_attribute(name, value)?;
        }
        let mut take = |name: &'static str| {
            attributes.remove(name).filter(|it| !it.is_empty()).ok_or(NoEvent::Missing(name))
        };
        let version = take("specversion")?;
        if version != "1.0" {
            return Err(NoEvent::Version(limits::clip(&version, 20)));
        }
        let (id, source, kind) = (take("id")?, take("source")?, take("type")?);
        let subject = take("subject").ok();
        Ok(Self { id, source, kind, subject, attributes, data })
    }

    /// A part of its data, if that is an object.
    #[must_use]
    pub fn data_object(&self) -> Option<&Map<String, Value>> {
        self.data.as_ref().and_then(Value::as_object)
    }
}

fn check_attribute(name: &str, value: &str) -> Result<(), NoEvent> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty() || name.len() > 20 || !name.chars().all(is_allowed) {
        return Err(NoEvent::Name(limits::clip(name, 40)));
    }
    if value.len() > limits::EVENT_ATTRIBUTE_BYTES_MAX {
        return Err(NoEvent::TooLong(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_read_with_its_extensions() {
        let event = CloudEvent::from_json(json!({
            "specversion": "1.0", "id": "1", "source": "https://lms", "type": "student.submitted",
            "subject": "session/default/exam-1", "part": "theory", "attempt": 2, "data": {"a": 1}
        }))
        .unwrap();
        assert_eq!(event.kind, "student.submitted");
        assert_eq!(event.attributes["part"], "theory");
        assert_eq!(event.attributes["attempt"], "2");
        assert_eq!(event.data_object().unwrap()["a"], 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |json| CloudEvent::from_json(json).unwrap_err();
        assert_eq!(refused(json!([])), NoEvent::NotAnObject);
        assert_eq!(refused(json!({})), NoEvent::Missing("specversion"));
        assert_eq!(refused(json!({"specversion": "0.3"})), NoEvent::Version("0.3".to_owned()));
        let no_type = json!({"specversion": "1.0", "id": "1", "source": "x", "type": ""});
        assert_eq!(refused(no_type), NoEvent::Missing("type"));
        let upper =
            json!({"specversion": "1.0", "id": "1", "source": "x", "type": "t", "Part": "a"});
        assert_eq!(refused(upper), NoEvent::Name("Part".to_owned()));
    }
}
