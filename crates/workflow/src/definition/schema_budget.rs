//! What checking data against a schema may cost.
//!
//! Without references the work is bounded by the sizes of the schema and of the data. With them it
//! can double at each of a few dozen lines. So each reference is wrapped, before the schema is
//! compiled, in a condition that counts and fails once too many were followed; and chains of them
//! are bounded when the schema is read, since checking recurses along them.

use std::cell::Cell;
use std::collections::BTreeMap;

use jsonschema::{Keyword, ValidationError, ValidationOptions};
use serde_json::{Map, Value, json};

/// References that one check may follow.
pub(super) const STEPS_MAX: u32 = 50_000;
/// Schemas that may apply to one value, each because of the one before it.
const CHAIN_MAX: usize = 64;
/// The keyword that counts. It has no meaning in any draft.
const COUNT: &str = "tessera:count";

/// Keywords whose value is data and not a schema.
const DATA: [&str; 5] = ["const", "default", "enum", "example", "examples"];
/// Keywords whose value is a map of names to schemas.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
/// Keywords whose schemas apply to the same value.
const IN_PLACE: [&str; 9] =
    ["allOf", "anyOf", "dependencies", "dependentSchemas", "else", "if", "not", "oneOf", "then"];
/// Keywords that refer to another schema.
const REFERENCES: [&str; 3] = ["$dynamicRef", "$recursiveRef", "$ref"];

thread_local! {
    /// The references that the check under way may still follow. A check stays on its thread, and
    /// sets this before it begins; nothing lasts from one to the next.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// Begins a check.
pub(super) fn begin() {
    LEFT.set(STEPS_MAX);
}

/// Whether the check that ended was cut off.
pub(super) fn is_exhausted() -> bool {
    LEFT.get() == 0
}

struct Count;

impl Count {
    fn go_on() -> bool {
        let left = LEFT.get().saturating_sub(1);
        LEFT.set(left);
        left > 0
    }
}

impl<'i> Keyword<'i> for Count {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        match Self::go_on() {
            true => Ok(()),
            false => Err(ValidationError::custom("too many references")),
        }
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        Self::go_on()
    }
}

/// Options under which references count.
pub(super) fn counting(options: ValidationOptions<'_>) -> ValidationOptions<'_> {
    options.with_keyword(COUNT, |_, _, _| Ok(Box::new(Count)))
}

/// Admits a schema and makes its references count.
///
/// # Errors
/// Why it is not admitted: references out of the schema, to nothing, or too many in a row.
pub(super) fn admit(schema: &Value) -> Result<Value, String> {
    if let Some(draft) = schema.get("$schema").and_then(Value::as_str)
        && ["draft-03", "draft-04", "draft-06"].iter().any(|old| draft.contains(old))
    {
        return Err("drafts before 7 are not supported; 2020-12 is the newest".to_owned());
    }
    let mut chains = Chains { root: schema, anchors: BTreeMap::new(), known: BTreeMap::new() };
    chains.collect(schema, true)?;
    chains.each(schema)?;
    Ok(counted(schema))
}

/// A schema with its references wrapped.
fn counted(schema: &Value) -> Value {
    match schema {
        Value::Array(all) => all.iter().map(counted).collect(),
        Value::Object(fields) => Value::Object(counted_fields(fields)),
        other => other.clone(),
    }
}

fn counted_fields(fields: &Map<String, Value>) -> Map<String, Value> {
    let (mut done, mut references) = (Map::new(), Map::new());
    for (key, value) in fields {
        match value {
            Value::String(_) if REFERENCES.contains(&key.as_str()) => {
                references.insert(key.clone(), value.clone());
            }
            _ if DATA.contains(&key.as_str()) => drop(done.insert(key.clone(), value.clone())),
            Value::Object(named) if NAMED.contains(&key.as_str()) => {
                let named = named.iter().map(|(name, it)| (name.clone(), counted(it)));
                done.insert(key.clone(), Value::Object(named.collect()));
            }
            _ => drop(done.insert(key.clone(), counted(value))),
        }
    }
    if references.is_empty() {
        return done;
    }
    // At the end of `allOf`, so that pointers into it stay right.
    let counted = json!({ "if": { COUNT: true }, "then": references, "else": false });
    match done.get_mut("allOf") {
        Some(Value::Array(all)) => all.push(counted),
        _ => drop(done.insert("allOf".to_owned(), json!([counted]))),
    }
    done
}

/// The schemas that follow one another on the same value.
struct Chains<'s> {
    root: &'s Value,
    anchors: BTreeMap<&'s str, &'s Value>,
    /// The longest chain from a schema, by its address; none while it is looked at.
    known: BTreeMap<*const Value, Option<usize>>,
}

impl<'s> Chains<'s> {
    /// Gathers the anchors, and refuses schemas with an address of their own.
    fn collect(&mut self, schema: &'s Value, root: bool) -> Result<(), String> {
        for name in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = schema.get(name).and_then(Value::as_str) {
                self.anchors.insert(anchor, schema);
            }
        }
        if !root && schema.get("$id").is_some_and(Value::is_string) {
            return Err("a schema within the schema has an `$id` of its own; \
                        refer to it by its place: #/$defs/name"
                .to_owned());
        }
        below(schema).into_iter().try_for_each(|(_, it)| self.collect(it, false))
    }

    fn each(&mut self, schema: &'s Value) -> Result<(), String> {
        self.from(schema, 0)?;
        below(schema).into_iter().try_for_each(|(_, it)| self.each(it))
    }

    fn from(&mut self, schema: &'s Value, depth: usize) -> Result<usize, String> {
        if depth > CHAIN_MAX {
            return Err(format!(
                "more than {CHAIN_MAX} schemas apply to one value because of one another"
            ));
        }
        if let Some(known) = self.known.get(&std::ptr::from_ref(schema)) {
            let length = known.unwrap_or_default();
            return if depth + length > CHAIN_MAX {
                Err(format!(
                    "more than {CHAIN_MAX} schemas apply to one value because of one another"
                ))
            } else {
                Ok(length)
            };
        }
        self.known.insert(schema, None);
        let mut length = 0;
        for (key, it) in below(schema) {
            if IN_PLACE.contains(&key) {
                length = length.max(1 + self.from(it, depth + 1)?);
            }
        }
        for key in REFERENCES {
            if let Some(reference) = schema.get(key).and_then(Value::as_str) {
                let target = self.target(reference)?;
                length = length.max(1 + self.from(target, depth + 1)?);
            }
        }
        self.known.insert(schema, Some(length));
        Ok(length)
    }

    /// What a reference refers to.
    fn target(&self, reference: &str) -> Result<&'s Value, String> {
        let shown = tessera_manifest::quoted(reference);
        let local = match reference.strip_prefix('#') {
            Some(local) => local,
            None => {
                let id = self.root.get("$id").and_then(Value::as_str).unwrap_or("#");
                let rest = reference.strip_prefix(id.trim_end_matches('#'));
                let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('#'));
                let outside =
                    || format!("{shown} is outside of the schema; nothing is fetched for it");
                rest.map(|rest| rest.trim_start_matches('#')).ok_or_else(outside)?
            }
        };
        let found = match local {
            "" => Some(self.root),
            pointer if pointer.starts_with('/') => self.root.pointer(&decoded(pointer)),
            anchor => self.anchors.get(anchor).copied(),
        };
        found.ok_or_else(|| format!("{shown} refers to nothing"))
    }
}

/// The schemas directly in a schema, each with its keyword.
fn below(schema: &Value) -> Vec<(&str, &Value)> {
    let Some(fields) = schema.as_object() else { return Vec::new() };
    let mut all = Vec::new();
    for (key, value) in fields {
        let key = key.as_str();
        match value {
            _ if DATA.contains(&key) => {}
            Value::Object(named) if NAMED.contains(&key) => {
                all.extend(named.values().map(|it| (key, it)));
            }
            Value::Object(_) => all.push((key, value)),
            Value::Array(several) => all.extend(several.iter().map(|it| (key, it))),
            _ => {}
        }
    }
    all
}

/// A pointer in a URI's fragment without its percent signs.
fn decoded(pointer: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), pointer.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::JsonSchema;
    use crate::value::from_json;

    fn check(schema: &Value, data: Value) -> Result<(), String> {
        JsonSchema::new(schema).unwrap().check(&from_json(data))
    }

    #[test]
    fn references_work_as_without_counting() {
        let schema = json!({
            "$ref": "#/$defs/node",
            "allOf": [{ "title": "stays the first" }],
            "unevaluatedProperties": false,
            "$defs": {
                "node": {
                    "type": "object",
                    "required": ["value"],
                    "properties": {
                        "value": { "$ref": "#/$defs/a%20b" },
                        "$ref": { "const": { "$ref": "data" } },
                        "left": { "$ref": "#tree" },
                        "right": { "$ref": "#tree" },
                    },
                },
                "a b": { "type": "integer", "minimum": 0 },
                "tree": { "$anchor": "tree", "anyOf": [{ "type": "null" }, { "$ref": "#" }] },
            },
        });
        assert_eq!(
            check(&schema, json!({ "value": 1, "left": { "value": 2 }, "right": null })),
            Ok(())
        );
        assert_eq!(check(&schema, json!({ "value": 1, "$ref": { "$ref": "data" } })), Ok(()));
        assert!(check(&schema, json!({ "value": 1, "other": 1 })).is_err());
        let error = check(&schema, json!({ "value": 1, "left": { "value": -1 } })).unwrap_err();
        assert!(error.contains("/left"), "{error}");
    }

    #[test]
    fn schemas_that_double_are_cut_off() {
        let mut definitions = Map::new();
        for i in 0..20 {
            let next = json!({ "$ref": format!("#/$defs/d{}", i + 1) });
            definitions.insert(format!("d{i}"), json!({ "anyOf": [next, next] }));
        }
        definitions.insert("d20".to_owned(), json!({ "type": "string" }));
        let schema = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
        let error = check(&schema, json!(1)).unwrap_err();
        assert!(error.contains("50000 references"), "{error}");
        assert_eq!(check(&schema, json!("x")), Ok(()), "nothing is left from the check before");

        let twice = json!({ "properties": { "n": { "$ref": "#" } } });
        let schema = json!({ "allOf": [twice, twice], "not": { "const": 1 } });
        let mut data = json!(1);
        for _ in 0..30 {
            data = json!({ "n": data });
        }
        let error = check(&schema, data).unwrap_err();
        assert!(error.contains("50000 references"), "{error}");
    }

    #[test]
    fn what_recurses_too_deep_or_leads_outside_is_refused() {
        let error = |schema: Value| JsonSchema::new(&schema).unwrap_err();
        let mut definitions = Map::new();
        for i in 0..20_000 {
            definitions.insert(format!("d{i}"), json!({ "$ref": format!("#/$defs/d{}", i + 1) }));
        }
        definitions.insert("d20000".to_owned(), json!({}));
        let long = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
        assert!(error(long).contains("more than 64 schemas"));
        for outside in ["https://example.com/x", "file:///etc/passwd", "other.json#/a", "/x"] {
            let said = error(json!({ "properties": { "a": { "$ref": outside } } }));
            assert!(said.contains("outside of the schema"), "{said}");
        }
        assert!(error(json!({ "$ref": "#/$defs/x" })).contains("refers to nothing"));
        assert!(error(json!({ "$defs": { "a": { "$id": "https://x.org/a" } } })).contains("`$id`"));
        assert!(
            error(json!({ "$schema": "http://json-schema.org/draft-04/schema#" }))
                .contains("drafts")
        );
        assert!(error(json!({ "pattern": "(x{1000}){1000}" })).contains("regex"));
    }

    #[test]
    fn circles_on_one_value_end() {
        assert_eq!(check(&json!({ "$ref": "#" }), json!(1)), Ok(()));
        let schema = json!({ "anyOf": [{ "not": { "$ref": "#" } }, { "type": "string" }] });
        let _ = check(&schema, json!(1));
    }
}
