//! The way from a run's values to JSON.

use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use tessera_workflow::value::Value;

use crate::fault;

/// A value as JSON.
///
/// # Errors
/// What an expression can make and JSON has no words for.
pub fn to_json(value: &Value) -> Result<Json, Error> {
    serde_json::from_str(&value.to_string())
        .map_err(|error| fault::validation(format!("a value is no JSON: {error}")))
}

/// A value as the text of a parameter: a text as it is, the rest as JSON.
pub(crate) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
