//! Where secrets are in a resource: the values of the environment, and the texts of a
//! tenant that have an environment in them. Whoever gets the
//! resource itself sees them; whatever else is said of it has [`MASK`] in their place.

use serde_json::Value;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// The names of the fields that have the environment: in a workload's spec, and
/// wherever one stands inside another kind's.
const ENV: &str = "env";

/// The fields of a tenant's spec that may have an environment in their text.
const TEXTS: [&str; 2] = ["manifest", "units"];

/// The fields below which they are: what is declared, and what is known, as an
/// instance keeps the definitions that it was made from.
const ROOTS: [&str; 2] = ["spec", "observed"];

/// Labels are never secret, whatever their keys are.
const LABELS: &str = "labels";

/// How far below an environment a path is; none when it is not inside one.
fn depth_in_env(path: &str) -> Option<usize> {
    let mut words = path.split(['.', '[']).filter(|word| !word.is_empty());
    let root = words.find(|word| ROOTS.contains(word) || *word == LABELS)?;
    if root == LABELS {
        return None;
    }
    let mut below = words.clone();
    if root == ROOTS[0] && below.next().is_some_and(|word| TEXTS.contains(&word)) {
        return Some(below.count());
    }
    words.position(|word| word == ENV)?;
    Some(words.count())
}

/// Whether what is at this dotted path is a secret, or has some in it.
#[must_use]
pub fn is_secret(path: &str) -> bool {
    depth_in_env(path).is_some()
}

/// Puts [`MASK`] in the place of every secret in `value`, which is at `path`; the names
/// of variables are none.
#[must_use]
pub fn masked(path: &str, value: Value) -> Value {
    match (depth_in_env(path), value) {
        (None, Value::Object(fields)) => {
            let inner = |(name, value)| {
                let value = masked(&format!("{path}.{name}"), value);
                (name, value)
            };
            Value::Object(fields.into_iter().map(inner).collect())
        }
        (None, Value::Array(items)) => {
            Value::Array(items.into_iter().map(|item| masked(path, item)).collect())
        }
        (None, value) => value,
        (Some(0), Value::Object(mut variables)) => {
            variables.values_mut().for_each(|value| *value = MASK.into());
            Value::Object(variables)
        }
        (Some(_), _) => MASK.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_the_environment_are_masked_and_nothing_else() {
        let value = json!({"A": "1"});
        for (path, shown) in [
            ("spec.env", json!({"A": "***"})),
            ("spec.env.A", json!("***")),
            ("spec.env.A.B", json!("***")),
            ("spec.environment", value.clone()),
            ("labels.env", value.clone()),
            ("spec.units", json!({"A": "***"})),
            ("manifests[0].spec.manifest", json!({"A": "***"})),
            ("observed.manifest", value.clone()),
            ("spec", value.clone()),
            ("spec.workloads[0].spec.env", json!({"A": "***"})),
            ("spec.workload.env.A", json!("***")),
            ("observed.definition.spec.workload.env.A", json!("***")),
            ("observed.jobs.grade.spec.workload.env", json!({"A": "***"})),
            ("manifests[3].spec.env.A", json!("***")),
            ("labels.spec.env", value.clone()),
            ("observed.score", value.clone()),
        ] {
            assert_eq!(masked(path, value.clone()), shown, "{path}");
        }
        assert_eq!(masked("spec.env", json!(["A=1"])), "***");
        let workloads = json!([{"name": "a", "spec": {"command": "x", "env": {"A": "1"}}}]);
        let shown = json!([{"name": "a", "spec": {"command": "x", "env": {"A": "***"}}}]);
        assert_eq!(masked("spec.workloads", workloads), shown);
    }

    /// All of a resource, as a log or an event might have it.
    #[test]
    fn nothing_of_the_environment_is_left_of_a_whole_resource() {
        let env = json!({"KEY": "s3cret"});
        let workload = json!({"command": "x", "env": env});
        let job = json!({
            "kind": "Job", "name": "a", "spec": {"definition": {"type_key": "x"}, "env": env},
            "observed": {
                "definition": {"type_key": "x", "spec": {"workload": workload}},
                "jobs": {"grade": {"spec": {"workload": workload}}},
            },
        });
        let shown = masked("", job).to_string();
        assert!(!shown.contains("s3cret") && shown.matches(MASK).count() == 3, "{shown}");
    }
}
