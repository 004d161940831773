//! One document of a manifest: which kind it is, what it declares, and where its
//! mistakes are.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tessera_manifest::{Document, Position, Problem, code};
use tessera_pipeline::refuse_pipelines;
use tessera_types::manifest::DeclaredOwner;
use tessera_types::manifest::WRITTEN_BY_TESSERA;
use tessera_types::{Kind, KindName, Labels, Manifest, Name, Revision, Uid, nearest, with_kind};

use super::{Declaration, Namespace};

/// What `get -o yaml` prints besides [`WRITTEN_BY_TESSERA`], and nobody declares.
const DELETION: &str = "deletion_requested_at";
/// The path and code of problems that validation finds.
const BREAKS_A_RULE: &str = "invalid_spec";

/// A manifest as `get -o yaml` prints it: with what Tessera writes, which a
/// declaration does not repeat. Only read where there is any of that, so that
/// the hints for a misspelt field name what a person may write.
#[derive(Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
struct Printed<K: Kind> {
    #[serde(default)]
    kind: Option<KindName>,
    name: Name,
    #[serde(default)]
    namespace: Option<Name>,
    #[serde(default)]
    labels: Labels,
    spec: K::Spec,
    #[serde(default)]
    desired_status: Option<K::Desired>,
    #[serde(default)]
    id: Option<Uid>,
    #[serde(default)]
    revision: Option<Revision>,
    #[serde(default, rename = "generation")]
    _generation: IgnoredAny,
    #[serde(default)]
    owner: Option<DeclaredOwner>,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
    #[serde(default, rename = "status_since")]
    _status_since: IgnoredAny,
    #[serde(default, rename = "waiting_for")]
    _waiting_for: IgnoredAny,
    #[serde(default, rename = "observed")]
    _observed: IgnoredAny,
    #[serde(default, rename = "state_history")]
    _state_history: IgnoredAny,
    #[serde(default, rename = "created_at")]
    _created_at: IgnoredAny,
    #[serde(default, rename = "updated_at")]
    _updated_at: IgnoredAny,
    #[serde(default, rename = "deletion_requested_at")]
    _deletion_requested_at: IgnoredAny,
}

impl<K: Kind> From<Printed<K>> for Manifest<K> {
    fn from(printed: Printed<K>) -> Self {
        Self {
            kind: printed.kind,
            name: printed.name,
            namespace: printed.namespace,
            labels: printed.labels.into(),
            spec: printed.spec.into(),
            desired_status: printed.desired_status,
            owner: printed.owner,
            id: printed.id,
            revision: printed.revision,
        }
    }
}

/// What a document declares.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn declaration(
    document: &Document,
    namespace: &Namespace,
) -> Result<Declaration, Vec<Problem>> {
    let kind = kind_of(document).map_err(|problem| vec![problem])?;
    with_kind!(kind, K => declaration_of::<K>(document, namespace))
}

fn kind_of(document: &Document) -> Result<KindName, Problem> {
    // A kind that is no text is for decoding to complain about.
    let Some(word) = document.root().get("kind").and_then(|kind| kind.as_str()) else {
        return Ok(KindName::Workload);
    };
    let names = KindName::ALL.map(KindName::as_str);
    let is_meant = |kind: &KindName| kind.as_str().eq_ignore_ascii_case(word);
    KindName::ALL.into_iter().find(is_meant).ok_or_else(|| {
        let message = format!("there is no kind `{}`", tessera_types::limits::clip(word, 40));
        let hint = match nearest(word, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", names.join(", ")),
        };
        document.problem("kind", code::UNKNOWN_VARIANT, message, Some(hint))
    })
}

fn declaration_of<K: Kind>(
    document: &Document,
    namespace: &Namespace,
) -> Result<Declaration, Vec<Problem>> {
    let mut manifest =
        decode::<K>(document).map_err(|problems| with_misplaced_fields::<K>(document, problems))?;
    let broken = manifest.problems().into_iter().chain(refuse_pipelines(&manifest));
    let mut problems: Vec<_> = broken
        .map(|broken| document.problem(&broken.path, BREAKS_A_RULE, broken.message, None))
        .collect();
    problems.extend(settle_namespace(document, &mut manifest, namespace));
    if !problems.is_empty() {
        return Err(problems);
    }
    manifest.kind = Some(K::KIND);
    let position = document.position(document.root().span);
    let at = format!("{}:{}:{}", document.source_name(), position.line, position.column);
    let key = manifest.key();
    let manifest = serde_json::to_value(&manifest)
        .expect("a manifest has text keys only, and was read from text");
    Ok(Declaration { key, manifest, at })
}

fn decode<K: Kind>(document: &Document) -> Result<Manifest<K>, Vec<Problem>> {
    let is_written = |key: &str| key == DELETION || WRITTEN_BY_TESSERA.contains(&key);
    if document.root().entries().iter().any(|entry| is_written(&entry.key)) {
        return document.decode::<Printed<K>>().map(Manifest::from);
    }
    document.decode()
}

/// Says of a field of the spec that stands beside the spec where it belongs: that it
/// is not known there says nothing.
fn with_misplaced_fields<K: Kind>(document: &Document, problems: Vec<Problem>) -> Vec<Problem> {
    let fields = K::spec_fields();
    let misplaced: Vec<_> = document
        .root()
        .entries()
        .iter()
        .filter(|entry| fields.contains(&entry.key))
        .map(|entry| document.position(entry.key_span))
        .collect();
    let is_misplaced = |problem: &Problem| {
        let here = |position: &Position| {
            (position.line, position.column) == (problem.line, problem.column)
        };
        problem.code == code::UNKNOWN_FIELD && misplaced.iter().any(here)
    };
    let told = |problem: Problem| match is_misplaced(&problem) {
        true => Problem { hint: Some("it belongs in `spec`".to_owned()), ..problem },
        false => problem,
    };
    problems.into_iter().map(told).collect()
}

/// Gives a manifest its namespace, unless it is in another than it must be.
fn settle_namespace<K: Kind>(
    document: &Document,
    manifest: &mut Manifest<K>,
    namespace: &Namespace,
) -> Option<Problem> {
    if !K::KIND.is_namespaced() {
        return None;
    }
    let own = manifest.namespace.get_or_insert_with(|| namespace.name.clone());
    if !namespace.is_required || *own == namespace.name {
        return None;
    }
    let message = format!(
        "the manifest is in namespace `{own}`, and --namespace asks for `{}`",
        namespace.name
    );
    let hint = "remove one of the two".to_owned();
    Some(document.problem("namespace", code::INVALID_VALUE, message, Some(hint)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tessera_manifest::{Format, Limits, Source, parse};

    fn declared(value: &serde_json::Value) -> Result<Declaration, Vec<Problem>> {
        let source = Source::new("x.json", value.to_string());
        let documents = parse(source, Format::Json, &Limits::default()).unwrap();
        declaration(&documents[0], &Namespace::default())
    }

    #[test]
    fn all_that_tessera_writes_is_dropped_and_preconditions_are_kept() {
        let mut value = json!({
            "name": "web", "spec": {"command": "x"}, "id": "00000000000000ab", "revision": 7,
        });
        for field in WRITTEN_BY_TESSERA.into_iter().chain([DELETION]) {
            value[field] = json!({"anything": [1, 2]});
        }
        let manifest = declared(&value).unwrap().manifest;
        let expected = json!({
            "kind": "Workload", "name": "web", "namespace": "default", "spec": {"command": "x"},
            "id": "00000000000000ab", "revision": 7,
        });
        assert_eq!(manifest, expected);
    }

    #[test]
    fn a_misspelt_field_is_compared_with_what_people_write() {
        let problems =
            declared(&json!({"name": "web", "spec": {"command": "x"}, "lables": {}})).unwrap_err();
        assert_eq!(problems[0].hint.as_deref(), Some("did you mean `labels`?"));
    }

    #[test]
    fn what_is_wrong_with_a_pipeline_has_its_line() {
        let text = "kind: PodDefinition\nname: lab\nspec:\n  type_key: lab\n  version: 1.0.0\n  \
            pod_type: proxmox\n  lifecycle:\n    phases:\n      - name: provision\n        \
            trigger_on_status: Provisioning\n        engine: pipeline\n        pipeline:\n          \
            extends: standard-provision\n          overrides:\n            \
            ports: {needs: [bind-hots]}\n";
        let source = Source::new("lab.yaml", text);
        let documents = parse(source, Format::Yaml, &Limits::default()).unwrap();
        let problems = declaration(&documents[0], &Namespace::default()).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert_eq!((problem.line, problem.column), (15, 28));
        assert_eq!(problem.path, "spec.lifecycle.phases[0].pipeline.overrides.ports.needs");
        assert!(problem.message.contains("did you mean `bind-host`?"), "{}", problem.message);
    }

    #[test]
    fn a_kind_is_read_in_any_case() {
        for word in ["workload", "WORKLOAD", "Workload"] {
            let value = json!({"kind": word, "name": "web", "spec": {"command": "x"}});
            assert_eq!(declared(&value).unwrap().manifest["kind"], "Workload");
        }
        let problems =
            declared(&json!({"kind": "worklod", "name": "web", "spec": {}})).unwrap_err();
        assert_eq!(problems[0].hint.as_deref(), Some("did you mean `Workload`?"));
    }

    #[test]
    fn a_field_of_the_spec_beside_it_is_sent_there() {
        let problems = declared(
            &json!({"name": "web", "image": "x", "replicas": 2, "spec": {"command": "x"}}),
        )
        .unwrap_err();
        let hint = |field: &str| {
            let is_its = |problem: &&Problem| problem.message.contains(field);
            problems.iter().find(is_its).unwrap().hint.clone().unwrap()
        };
        assert_eq!(hint("`image`"), "it belongs in `spec`");
        assert!(hint("`replicas`").starts_with("known fields"));
    }
}
