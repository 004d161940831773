//! What a declaration changes, field by field. Secrets are masked: that one changed
//! can be seen, and no more.

use serde_json::Value;
use tessera_types::api::FieldChange;
use tessera_types::secret::masked;
use tessera_types::{Kind, Object};

/// The fields of what a person declares that differ.
pub(crate) fn declared<K: Kind>(before: Option<&Object<K>>, after: &Object<K>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let before = before.map_or(Value::Null, declared_part);
    compare("", &before, &declared_part(after), &mut changes);
    changes
}

fn declared_part<K: Kind>(object: &Object<K>) -> Value {
    serde_json::json!({
        "labels": object.labels,
        "spec": object.spec,
        "desired_status": object.desired_status,
    })
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let part = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                compare(&inner, &part(old), &part(new), changes);
            }
        }
        (Value::Null, Value::Object(new)) if path.is_empty() || path == "spec" => {
            for (key, value) in new {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&inner, &Value::Null, value, changes);
            }
        }
        (before, after) => {
            let given = |value: &Value| (!is_nothing(value)).then(|| masked(path, value.clone()));
            let (before, after) = (given(before), given(after));
            if before.is_some() || after.is_some() {
                changes.push(FieldChange { path: path.to_owned(), before, after });
            }
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fields_that_differ_are_told() {
        let before =
            serde_json::json!({"spec": {"command": "x", "args": ["1"], "env": {"A": "1"}}});
        let after = serde_json::json!({"spec": {"command": "x", "args": ["2"], "env": {"B": "1"}}});
        let mut changes = Vec::new();
        compare("", &before, &after, &mut changes);
        let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["spec.args", "spec.env.A", "spec.env.B"]);
        assert_eq!(changes[1].after, None);
        assert_eq!(changes[2].before, None);
    }

    #[test]
    fn no_value_of_the_environment_is_told() {
        let spec = |env: Value| serde_json::json!({"spec": {"command": "x", "env": env}});
        let (old, new) = (
            spec(serde_json::json!({"A": "s3cret", "B": "s3cret", "C": "same"})),
            spec(serde_json::json!({"A": "s3cret2", "D": "s3cret", "C": "same"})),
        );
        for (before, after, paths) in [
            (&old, &new, vec!["spec.env.A", "spec.env.B", "spec.env.D"]),
            (&Value::Null, &new, vec!["spec.command", "spec.env"]),
        ] {
            let mut changes = Vec::new();
            compare("", before, after, &mut changes);
            assert_eq!(changes.iter().map(|change| &change.path).collect::<Vec<_>>(), paths);
            let told = serde_json::to_string(&changes).unwrap();
            assert!(!told.contains("s3cret") && told.contains("***"), "{told}");
        }
    }
}
