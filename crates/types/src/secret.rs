//! Where secrets are in a resource: the values of the environment. Whoever gets the
//! resource itself sees them; whatever else is said of it has [`MASK`] in their place.

use serde_json::Value;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

const ENV: &str = "spec.env";

/// Whether what is at this dotted path is a secret, or has some in it.
#[must_use]
pub fn is_secret(path: &str) -> bool {
    path.strip_prefix(ENV).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Puts [`MASK`] in the place of every secret in `value`, which is at `path`; the names
/// of variables are none.
#[must_use]
pub fn masked(path: &str, value: Value) -> Value {
    match value {
        value if !is_secret(path) => value,
        Value::Object(mut variables) if path == ENV => {
            variables.values_mut().for_each(|value| *value = MASK.into());
            Value::Object(variables)
        }
        _ => MASK.into(),
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
            ("spec", value.clone()),
        ] {
            assert_eq!(masked(path, value.clone()), shown, "{path}");
        }
        assert_eq!(masked("spec.env", json!(["A=1"])), "***");
    }
}
