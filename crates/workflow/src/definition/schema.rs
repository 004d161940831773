//! JSON schemas of data.
//!
//! A schema is compiled when its document is read, so a run only checks. Nothing outside of the
//! schema is ever fetched for it.

use std::sync::Arc;

use super::{Resource, schema_budget};
use crate::value::{Value, to_json};

/// A JSON schema.
#[derive(Debug)]
pub enum Schema {
    /// One in the document.
    Inline(Arc<JsonSchema>),
    /// One that is fetched when it is first needed, and then compiled by
    /// [`JsonSchema::from_text`].
    Resource(Resource),
}

/// A compiled JSON schema.
pub struct JsonSchema {
    validator: jsonschema::Validator,
}

/// Steps of a pattern's backtracking. A pattern that needs more does not match.
const BACKTRACK_MAX: usize = 100_000;
/// Size of a compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Violations that a message names.
const VIOLATIONS_MAX: usize = 3;
/// The longest message about one violation, in characters.
const VIOLATION_CHARS_MAX: usize = 200;

impl JsonSchema {
    /// Compiles a schema. Its `$schema` says which draft it is; without one it is 2020-12.
    ///
    /// # Errors
    /// What is wrong with it. A reference to anything outside of the schema is.
    pub fn new(schema: &serde_json::Value) -> Result<Self, String> {
        let schema = schema_budget::admit(schema)?;
        let patterns = jsonschema::PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACK_MAX)
            .size_limit(PATTERN_BYTES_MAX);
        let options = jsonschema::options().offline().with_pattern_options(patterns);
        let validator = schema_budget::counting(options)
            .build(&schema)
            .map_err(|error| clipped(&refusal(&error)))?;
        Ok(Self { validator })
    }

    /// Compiles a schema that was fetched: JSON or YAML.
    ///
    /// # Errors
    /// As for [`JsonSchema::new`], and if the text is neither.
    pub fn from_text(name: &str, text: &str) -> Result<Self, String> {
        let document = crate::reading::plain_document(name, text)?;
        Self::new(&document)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first few violations, each with the place in the data and the rule. The data itself is
    /// not repeated: it may be secret.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let json = to_json(value).map_err(|error| error.to_string())?;
        schema_budget::begin();
        let valid = self.validator.is_valid(&json);
        let violations = if valid { Vec::new() } else { self.violations(&json) };
        if schema_budget::is_exhausted() {
            return Err(format!(
                "checking it follows more than {} references of its schema",
                schema_budget::STEPS_MAX
            ));
        }
        if violations.is_empty() { Ok(()) } else { Err(violations.join("; ")) }
    }

    fn violations(&self, json: &serde_json::Value) -> Vec<String> {
        let mut violations: Vec<String> = Vec::new();
        let mut more = false;
        for error in self.validator.iter_errors(json) {
            if violations.len() == VIOLATIONS_MAX {
                more = true;
                break;
            }
            violations.push(violation(&error));
        }
        if more {
            violations.push("and more".to_owned());
        }
        violations
    }
}

/// What is wrong with a schema, and where in it.
fn refusal(error: &jsonschema::ValidationError<'_>) -> String {
    let (place, said) = (error.instance_path().to_string(), error.to_string());
    if place.ends_with("/type") && said.contains("'anyOf'") {
        let types = "array, boolean, integer, null, number, object, string, or a list of these";
        return format!("`{place}` is {}; a type is {types}", error.instance());
    }
    match place.is_empty() {
        true => said,
        false => format!("`{place}`: {said}"),
    }
}

fn violation(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { "the value".to_owned() } else { format!("`{place}`") };
    let said = error.masked_with(place.clone()).to_string();
    let said = if said.contains(&place) { said } else { format!("{place}: {said}") };
    clipped(&format!("{said} (rule {})", error.schema_path()))
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(VIOLATION_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl std::fmt::Debug for JsonSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonSchema").finish_non_exhaustive()
    }
}
