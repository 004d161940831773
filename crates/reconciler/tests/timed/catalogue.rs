//! Catalogues that do not fit together are told apart from those that do.

use std::collections::HashSet;

use serde_json::{Value, json};
use tessera_reconciler::Tabled;
use tessera_reconciler::admission::check_catalogue;
use tessera_types::{
    Actor, LabLocation, Manifest, PartDefinition, PodDefinition, ResourceKey, SessionDefinition,
    Write,
};

use crate::exam::Exam;
use crate::plane::Plane;

struct Seeds<'a> {
    plane: &'a Plane,
    writes: Vec<Write>,
    declared: HashSet<ResourceKey>,
}

impl Seeds<'_> {
    fn with<K: Tabled>(mut self, name: &str, more: &Value) -> Self {
        let mut spec = json!({"type_key": name, "version": "1.0.0"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let manifest = json!({"name": name, "spec": spec});
        let manifest: Manifest<K> = serde_json::from_value(manifest).unwrap();
        let key = manifest.key();
        let before = self.plane.world.find(&key);
        let before = before.as_ref().and_then(K::unwrap);
        let declared = manifest.declare(before, Actor::SEEDER, self.plane.now.wall).unwrap();
        self.writes.extend(declared.write());
        self.declared.insert(key);
        self
    }

    fn found(self) -> Vec<String> {
        let found = check_catalogue(&self.plane.world, &self.writes, &self.declared);
        found.into_iter().map(|(key, invalid)| format!("{key} {invalid}")).collect()
    }
}

fn seeds(plane: &Plane) -> Seeds<'_> {
    Seeds { plane, writes: Vec::new(), declared: HashSet::new() }
}

#[test]
fn what_comes_together_may_refer_to_each_other_and_to_what_is_there() {
    let plane = Exam::default().plane();
    let parts = json!({"parts": [
        {"name": "a", "selector": {"type_key": "new"}},
        {"name": "b", "selector": {"type_key": "part-one"}},
    ]});
    let pods =
        json!({"duration": "1h", "pods": [{"name": "vm", "selector": {"type_key": "lab-one"}}]});
    let found = seeds(&plane)
        .with::<SessionDefinition>("session", &parts)
        .with::<PartDefinition>("new", &pods)
        .found();
    assert_eq!(found, [""; 0]);
}

#[test]
fn selectors_that_match_nothing() {
    let plane = Exam::default().plane();
    let phase = json!({"name": "grade", "engine": "workflow", "trigger_on_status": "Grading",
        "definition": {"type_key": "grades"}});
    let found = seeds(&plane)
        .with::<SessionDefinition>(
            "session",
            &json!({"report": {"type_key": "sums"}, "parts": [
                {"name": "a", "selector": {"type_key": "part-one", "version": "2"}},
            ]}),
        )
        .with::<PartDefinition>(
            "part",
            &json!({"duration": "1h", "teardown_buffer": "1m", "lifecycle": {"phases": [phase]},
                "pods": [{"name": "vm", "selector": {"type_key": "lab-two"}}, {"name": "x", "selector": {"type_key": "lab-three"}}]}),
        )
        .with::<LabLocation>("north", &json!({"hosting_site": "ouest"}))
        .with::<PodDefinition>(
            "pod",
            &json!({"pod_type": "proxmox", "host": {"location": "nort"}}),
        )
        .found();
    assert_eq!(
        found,
        [
            "sessiondefinition/session spec.parts[0].selector: no partdefinition matches type part-one, version ^2; there is version 1.0.0",
            "sessiondefinition/session spec.report: no reportdefinition matches type sums; did you mean `sum`?",
            "partdefinition/part spec.pods[1].selector: no poddefinition matches type lab-three; did you mean `lab-one`?",
            "partdefinition/part spec.lifecycle.phases[0].definition: no jobdefinition matches type grades; did you mean `grade`?",
            "poddefinition/pod spec.host.location: no lablocation matches type nort; did you mean `north`?",
            "lablocation/north spec.hosting_site: no hostingsitelocation matches type ouest; there is none at all: seed some (tesseractl seed)",
        ]
    );
}

#[test]
fn two_of_one_type_and_version_and_what_was_wrong_before() {
    let mut plane = Exam::default().plane();
    let twin = json!({"type_key": "part-one", "duration": "1h"});
    let found = seeds(&plane).with::<PartDefinition>("twin", &twin).found();
    assert_eq!(
        found[0],
        "partdefinition/twin spec.version: partdefinition/part-one is part-one 1.0.0 too: give one of them another version or type_key"
    );
    // The session that is there selects it.
    assert!(found[1].starts_with("sessiondefinition/exam spec.parts[0].selector: "), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
    // What was wrong before is not held against what has nothing to do with it.
    plane.apply::<PartDefinition>(json!({"name": "twin", "spec": {
        "type_key": "part-one", "version": "1.0.0", "duration": "1h",
    }}));
    let site = seeds(&plane).with::<LabLocation>("north", &json!({})).found();
    assert_eq!(site, [""; 0]);
}

#[test]
fn parts_of_a_sequence_that_overlap() {
    let plane = Exam::default().plane();
    let parts = |order: &str, offset: &str| {
        json!({"part_execution": {"order": order}, "parts": [
            {"name": "a", "selector": {"type_key": "part-one"}, "offset": "10m", "duration": "1h"},
            {"name": "b", "selector": {"type_key": "part-two"}, "offset": offset},
            {"name": "c", "selector": {"type_key": "part-two"}},
        ]})
    };
    let found = |order, offset| {
        seeds(&plane).with::<SessionDefinition>("session", &parts(order, offset)).found()
    };
    assert_eq!(found("sequential", "70m"), [""; 0]);
    assert_eq!(found("parallel", "1m"), [""; 0]);
    assert_eq!(
        found("sequential", "60m"),
        [
            "sessiondefinition/session spec.parts[1].offset: part b begins 1h after the session, and part a, before it in the sequence, is over 1h10m after: give it an offset of 1h10m or more, or none"
        ]
    );
}
