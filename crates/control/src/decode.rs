//! Reads manifests from request bodies: strictly, with the place of what is
//! wrong and the nearest known field.

use std::any::Any;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tessera_pipeline::refuse_pipelines;
use tessera_types::api::ManifestText;
use tessera_types::manifest::WRITTEN_BY_TESSERA;
use tessera_types::problem::Code;
use tessera_types::secret::is_secret;
use tessera_types::tenant::TenantSpec;
use tessera_types::{Invalid, Kind, KindName, Manifest, Name, Problem, nearest};

/// Reads the manifest of the resource that the request's path names.
pub(crate) fn manifest<K: Kind>(
    mut json: Value,
    name: &Name,
    namespace: Option<&Name>,
) -> Result<Manifest<K>, Problem> {
    if let Some(fields) = json.as_object_mut() {
        fields.entry("name").or_insert_with(|| name.as_str().into());
        if let Some(namespace) = namespace {
            fields.entry("namespace").or_insert_with(|| namespace.as_str().into());
        }
    }
    let manifest = any_manifest::<K>(json)?;
    let contradicts = |field: &str, path: &Name, body: &Name| {
        Problem::new(
            Code::InvalidRequest,
            format!("the path names {field} `{path}` and the manifest `{body}`"),
        )
        .remedy("make them agree")
    };
    if manifest.name != *name {
        return Err(contradicts("the resource", name, &manifest.name));
    }
    if let (Some(path), Some(body)) = (namespace, &manifest.namespace)
        && path != body
    {
        return Err(contradicts("the namespace", path, body));
    }
    Ok(manifest)
}

/// Reads and validates a manifest that names its resource itself.
pub(crate) fn any_manifest<K: Kind>(mut json: Value) -> Result<Manifest<K>, Problem> {
    if let Some(fields) = json.as_object_mut() {
        for field in WRITTEN_BY_TESSERA {
            fields.remove(field);
        }
    }
    checked(strictly(json)?)
}

/// Reads and validates a manifest of a batch. Most are right, and are read from the text
/// at once; of any other, what is wrong is found out step by step.
pub(crate) fn manifest_of<K: Kind>(text: &ManifestText) -> Result<Manifest<K>, Problem> {
    match serde_json::from_str(text.as_str()) {
        Ok(manifest) => checked(manifest),
        Err(_) => any_manifest(json(text)?),
    }
}

/// A manifest of a batch as a value.
pub(crate) fn json(text: &ManifestText) -> Result<Value, Problem> {
    serde_json::from_str(text.as_str())
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))
}

/// The kind of a manifest of a batch; of a workload if it names none.
pub(crate) fn kind_of(text: &ManifestText) -> Result<KindName, Problem> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        kind: Option<KindName>,
    }
    if let Ok(head) = serde_json::from_str::<Head>(text.as_str()) {
        return Ok(head.kind.unwrap_or(KindName::Workload));
    }
    match json(text)?.get("kind") {
        None | Some(Value::Null) => Ok(KindName::Workload),
        Some(named) => kind(named.clone()),
    }
}

fn checked<K: Kind>(manifest: Manifest<K>) -> Result<Manifest<K>, Problem> {
    if let Some(kind) = manifest.kind.filter(|kind| *kind != K::KIND) {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!("this is the path of {}, and the manifest is a {kind}", K::KIND.plural()),
        )
        .remedy(format!("send it to /v1/{}", kind.plural())));
    }
    let mut problems = manifest.problems();
    problems.extend(refuse_pipelines(&manifest));
    problems.extend(refuse_tenant(&manifest, problems.is_empty()));
    match problems {
        problems if problems.is_empty() => Ok(manifest),
        problems => Err(Problem::invalid(manifest.key(), problems)),
    }
}

/// All that would keep a tenant from being installed. What breaks a limit is not looked
/// into.
fn refuse_tenant<K: Kind>(manifest: &Manifest<K>, is_within_limits: bool) -> Vec<Invalid> {
    let spec: &dyn Any = &*manifest.spec;
    match spec.downcast_ref::<TenantSpec>().filter(|_| is_within_limits) {
        Some(spec) => {
            let (zones, now) = (jiff::tz::db(), jiff::Timestamp::now());
            tessera_tenant::fleet::problems(&manifest.name, spec, zones, now)
        }
        None => Vec::new(),
    }
}

/// Reads the kind of a manifest.
pub(crate) fn kind(json: Value) -> Result<KindName, Problem> {
    strictly(json)
        .map_err(|problem| Problem { detail: format!("kind: {}", problem.detail), ..problem })
}

fn strictly<T: DeserializeOwned>(json: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let message = match error.inner().to_string() {
            message if is_secret(&path) => without_value(&message),
            message => message,
        };
        let detail = if path == "." { message.clone() } else { format!("{path}: {message}") };
        let problem = Problem::new(Code::InvalidRequest, detail);
        match suggestion(&message) {
            Some(near) => problem.remedy(format!("did you mean `{near}`?")),
            None => problem,
        }
    })
}

/// What serde says of a value that may be a secret, without the value. It stands
/// before what was expected: `invalid type: integer `17`, expected a string`.
fn without_value(message: &str) -> String {
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => "the value cannot be read".to_owned(),
    }
}

/// The nearest known word, from serde's message about an unknown one: the
/// words in it stand between backticks, the unknown one first.
fn suggestion(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    nearest(unknown, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_types::Workload;

    fn refused(json: Value) -> Problem {
        manifest::<Workload>(json, &Name::new("web").unwrap(), None).unwrap_err()
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_known_one() {
        let problem = refused(serde_json::json!({"spec": {"comand": "x"}}));
        assert_eq!(problem.code, Code::InvalidRequest);
        assert!(
            problem.detail.starts_with("spec.comand: unknown field `comand`"),
            "{}",
            problem.detail
        );
        assert_eq!(problem.remedy.unwrap(), "did you mean `command`?");
    }

    #[test]
    fn the_path_and_the_manifest_must_agree() {
        let problem = refused(serde_json::json!({"name": "db", "spec": {"command": "x"}}));
        assert_eq!(problem.detail, "the path names the resource `web` and the manifest `db`");
    }

    #[test]
    fn no_value_of_the_environment_is_repeated() {
        for (env, detail) in [
            (serde_json::json!({"PIN": 4711}), "spec.env.PIN: expected a string"),
            (serde_json::json!({"PIN": {"value": "4711"}}), "spec.env.PIN: expected a string"),
            (serde_json::json!("PIN=4711"), "spec.env: expected a map"),
            (serde_json::json!(["PIN=4711"]), "spec.env: expected a map"),
        ] {
            let problem = refused(serde_json::json!({"spec": {"command": "x", "env": env}}));
            assert_eq!(problem.detail, detail);
        }
    }

    #[test]
    fn all_broken_rules_are_told() {
        let spec = serde_json::json!({"command": "", "working_dir": "x"});
        let problem = refused(serde_json::json!({"spec": spec}));
        assert_eq!(problem.code, Code::InvalidSpec);
        assert_eq!(problem.invalid.len(), 2);
    }
}
