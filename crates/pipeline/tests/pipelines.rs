//! Where steps come from, what is refused, and how a pipeline goes on.

#[path = "pipelines/running.rs"]
mod running;

use serde_json::{Value, json};
use tessera_pipeline::{
    Handler, OverridesPolicy, Pipeline, Resolved, Sources, Tier, resolve, standard_names,
};
use tessera_types::Invalid;
use tessera_types::timed::PipelineSpec;

const HANDLERS: &[Handler] = &[
    Handler { name: "a", what: "does a", arguments: &["x"] },
    Handler { name: "b", what: "does b", arguments: &[] },
];

fn spec(json: Value) -> PipelineSpec {
    serde_json::from_value(json).unwrap()
}

fn resolved(definition: Value) -> Result<Resolved, Vec<Invalid>> {
    let definition = spec(definition);
    let policy = OverridesPolicy::Merge;
    resolve(&Sources { content: None, definition: Some(&definition), policy, phase: "provision" })
}

/// Each step as `name<needs`, in order.
fn order(resolved: &Resolved) -> Vec<String> {
    let said = |step: &tessera_pipeline::ResolvedStep| {
        let needs: Vec<&str> = step.spec.needs.iter().map(AsRef::as_ref).collect();
        format!("{}<{}", step.spec.name, needs.join("+"))
    };
    resolved.steps.iter().map(said).collect()
}

fn problems(steps: &Value) -> Vec<String> {
    let resolved = resolved(json!({ "steps": steps })).unwrap();
    let problems = Pipeline::compile(resolved, HANDLERS).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_tier_that_has_steps_gives_them() {
    let content = spec(json!({"steps": [{"name": "from-content", "handler": "a"}]}));
    let inline = spec(json!({"steps": [{"name": "inline", "handler": "a"}]}));
    let extends = spec(json!({"extends": "standard-teardown"}));
    let nothing = spec(json!({}));
    let tier = |content, definition, policy, phase| {
        resolve(&Sources { content, definition, policy, phase }).unwrap().tier
    };
    use OverridesPolicy::{Merge, Replace};
    assert_eq!(tier(Some(&content), Some(&inline), Merge, "provision"), Tier::Content);
    assert_eq!(tier(Some(&content), Some(&inline), Replace, "provision"), Tier::Inline);
    assert_eq!(tier(Some(&content), Some(&nothing), Replace, "provision"), Tier::Content);
    assert_eq!(tier(None, Some(&inline), Merge, "provision"), Tier::Inline);
    assert_eq!(tier(None, Some(&extends), Merge, "provision"), Tier::Extends);
    assert_eq!(tier(None, None, Merge, "provision"), Tier::Standard);
    let own = resolve(&Sources { content: None, definition: None, policy: Merge, phase: "mine" });
    assert!(own.unwrap().steps.is_empty(), "a phase without a template has no steps of its own");
}

#[test]
fn the_built_in_templates_are_right() {
    for name in standard_names() {
        let resolved = resolved(json!({ "extends": name })).unwrap();
        assert!(!resolved.steps.is_empty(), "{name}");
        let names: Vec<Handler> = resolved
            .steps
            .iter()
            .map(|step| step.spec.handler.clone().unwrap())
            .map(|name| Handler { name: name.leak(), what: "", arguments: &[] })
            .collect();
        Pipeline::compile(resolved, &names).unwrap();
    }
}

#[test]
fn steps_are_removed_changed_and_inserted() {
    let changed = resolved(json!({
        "extends": "standard-provision",
        "remove": ["ports"],
        "overrides": {"healthy": {"retry": {"attempts_max": 2}, "with": {"x": 1}}},
        "insert_before": {"workloads": [{"name": "lab", "job": "lab_start@v1"}, {"name": "warm", "handler": "a"}]},
        "insert_after": {"healthy": [{"name": "probe", "handler": "b"}]},
    }))
    .unwrap();
    assert_eq!(
        order(&changed),
        [
            "bind-host<",
            "lab<bind-host",
            "warm<lab",
            "workloads<warm",
            "healthy<workloads",
            "probe<healthy",
            "ready<probe"
        ]
    );
    let healthy = &changed.steps[4];
    assert_eq!(healthy.spec.retry.attempts_max, 2);
    assert!(healthy.origin.overridden && !healthy.origin.inserted);
    assert!(changed.steps[1].origin.inserted);
}

#[test]
fn a_change_of_what_is_not_there_is_refused() {
    let problems = resolved(json!({
        "extends": "standard-teardown",
        "remove": ["nothing"],
        "insert_after": {"healthy": [{"name": "x", "handler": "a"}]},
    }))
    .unwrap_err();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "pipeline.remove[0]: there is no step `nothing`: there are workloads, release, archive",
            "pipeline.insert_after.healthy: there is no step `healthy`: there are workloads, release, archive",
        ]
    );
    let problems = resolved(json!({"extends": "standard-x"})).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "pipeline.extends: there is no template `standard-x`: there are standard-provision, standard-teardown"
    );
}

#[test]
fn what_cannot_run_is_found_before_anything_runs() {
    assert_eq!(
        problems(&json!([
            {"name": "one", "handler": "a", "needs": ["two"]},
            {"name": "two", "handler": "a", "needs": ["three"]},
            {"name": "three", "handler": "a", "needs": ["two"]},
        ])),
        ["pipeline.steps.two.needs: these steps need each other: two → three → two"]
    );
    assert_eq!(
        problems(&json!([
            {"name": "one", "handler": "c", "needs": ["nobody"]},
            {"name": "one", "handler": "b", "with": {"x": 1}},
        ])),
        [
            "pipeline.steps.one: there is another step `one`: names differ",
            "pipeline.steps.one.needs: it needs `nobody`, which is no step of this pipeline",
            "pipeline.steps.one.handler: there is no handler `c`: there are a, b",
            "pipeline.steps.one.with.x: `b` takes no arguments",
        ]
    );
    let problems = problems(
        &json!([{"name": "one", "handler": "a", "skip_when": ".a |", "with": {"x": "${ .b. }"}}]),
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("pipeline.steps.one.skip_when: "), "{problems:?}");
    assert!(problems[1].starts_with("pipeline.steps.one.with.x: "), "{problems:?}");
}
