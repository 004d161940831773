//! Manifests as the API takes them, and what becomes of them: a control plane in miniature declares
//! each, and its managers do what they want about it, while days pass.

use serde_json::Value;
use tessera_control::fuzzing;
use tessera_types::{Kind, Problem, with_kind};

use crate::plane::Plane;

/// Steps from one thing that is due to the next, after each manifest.
const STEPS: usize = 6;

/// One manifest, or a list of them.
pub(super) fn run(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return };
    let manifests = match json {
        Value::Array(manifests) => manifests,
        one => vec![one],
    };
    let mut plane = Plane::new();
    for json in manifests.into_iter().take(8) {
        match fuzzing::kind(json.get("kind").cloned().unwrap_or_default()) {
            Ok(kind) => with_kind!(kind, K => declare::<K>(&mut plane, json)),
            Err(problem) => is_clear(&problem),
        }
        plane.run(STEPS);
    }
    plane.load_again();
}

fn declare<K: Kind>(plane: &mut Plane, json: Value) {
    let manifest = match fuzzing::manifest::<K>(json) {
        Ok(manifest) => manifest,
        Err(problem) => return is_clear(&problem),
    };
    // What is written is read as the same.
    let written = serde_json::to_value(&manifest).expect("a manifest can be written");
    let again = fuzzing::manifest::<K>(written.clone());
    let again = again.unwrap_or_else(|problem| panic!("{problem:?}: {written}"));
    assert_eq!(again, manifest, "{written}");
    let key = manifest.key();
    if plane.declare(manifest.clone()) {
        assert!(plane.declare(manifest), "{key} is declared once, and then not again");
    }
}

fn is_clear(problem: &Problem) {
    assert!((400..500).contains(&problem.status), "{problem:?}");
    assert!(!problem.detail.is_empty());
    for invalid in &problem.invalid {
        assert!(!invalid.to_string().is_empty());
    }
}
