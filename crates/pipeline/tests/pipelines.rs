//! Where steps come from, what is refused, and how a pipeline goes on.

#[path = "pipelines/running.rs"]
mod running;

use serde_json::{Value, json};
use tessera_pipeline::{
    Handler, OverridesPolicy, Pipeline, Resolved, Sources, Tier, refuse_pipelines, resolve,
    standard_names,
};
use tessera_types::catalogue::PodDefinition;
use tessera_types::timed::PipelineSpec;
use tessera_types::{Invalid, Manifest};

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
        ["pipeline.steps[1].needs: these steps need each other: two → three → two"]
    );
    assert_eq!(
        problems(&json!([
            {"name": "one", "handler": "c", "needs": ["nobody"]},
            {"name": "one", "handler": "b", "with": {"x": 1}},
        ])),
        [
            "pipeline.steps[1]: there is another step `one`: names differ",
            "pipeline.steps[0].needs: step one needs `nobody`, which is no step of this pipeline",
            "pipeline.steps[0].handler: there is no handler `c`: there are a, b",
            "pipeline.steps[1].with.x: `b` takes no arguments",
        ]
    );
    let problems = problems(
        &json!([{"name": "one", "handler": "a", "skip_when": ".a |", "with": {"x": "${ .b. }"}}]),
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("pipeline.steps[0].skip_when: "), "{problems:?}");
    assert!(problems[1].starts_with("pipeline.steps[0].with.x: "), "{problems:?}");
}

/// Everything wrong with a definition whose phase `provision` is this, below the phase.
fn refused(pipeline: &Value) -> Vec<String> {
    let spec = json!({
        "type_key": "lab", "version": "1.0.0", "pod_type": "fleet",
        "parameters": {"lab": "one", "size": "small"},
        "lifecycle": {"phases": [{
            "name": "provision", "trigger_on_status": "Provisioning", "engine": "pipeline",
            "pipeline": pipeline,
        }]},
    });
    let manifest: Manifest<PodDefinition> =
        serde_json::from_value(json!({"name": "lab", "spec": spec})).unwrap();
    let problems = refuse_pipelines(&manifest).into_iter();
    let below = |problem: Invalid| {
        let path = problem.path.strip_prefix("spec.lifecycle.phases[0].pipeline").unwrap();
        format!("{}: {}", path.trim_start_matches('.'), problem.message)
    };
    problems.map(below).collect()
}

#[test]
fn what_is_wrong_stands_where_it_was_written() {
    assert_eq!(
        refused(&json!({"extends": "standard-provision", "remove": ["portz"]})),
        ["remove[0]: there is no step `portz`: did you mean `ports`?"]
    );
    assert_eq!(
        refused(&json!({
            "extends": "standard-provision",
            "overrides": {
                "ports": {"needs": ["bind-hots"]},
                "healthy": {"handler": "wait_health"},
                "ready": {"with": {"x": 1}},
                "workloads": {"skip_when": ".a |"},
            },
            "insert_after": {"healthy": [
                {"name": "one", "handler": "archive"},
                {"name": "two", "handler": "archive", "needs": ["on"], "with": {"y": 1}},
            ]},
        })),
        [
            "overrides.ports.needs: step ports needs `bind-hots`, which is no step of this pipeline: did you mean `bind-host`?",
            "insert_after.healthy[1].needs: step two needs `on`, which is no step of this pipeline: did you mean `one`?",
            "overrides.workloads.skip_when: something is missing at the end",
            "overrides.healthy.handler: there is no handler `wait_health`: did you mean `wait_healthy`?",
            "insert_after.healthy[1].with.y: `archive` takes no arguments",
            "overrides.ready.with.x: `mark_ready` takes no arguments",
        ]
    );
}

#[test]
fn expressions_name_what_is_there() {
    let with = |value: &str| {
        refused(&json!({"steps": [
            {"name": "boot", "job": "boot@v1", "outputs": {"port": ".port"}},
            {"name": "other", "job": "boot@v1", "needs": ["boot"]},
            {"name": "aside", "job": "boot@v1"},
            {"name": "check", "job": "check@v1", "needs": ["other"], "with": {"a": {"b": [value]}}},
        ]}))
    };
    for right in [
        "plain",
        "${ . }",
        "${ .inputs.lab }",
        "${ .outputs.boot.port }",
        "${ .outputs.other.x.y }",
        "${ .instance.host }",
        "${ .instance.labels.team }",
        "${ .inputs.colour // \"red\" }",
        "${ \"echo ${HOME} \\(.inputs.lab)\" }",
        "costs 5 $",
        "${HOME",
        ".inputs",
        "see .inputs.lab",
        "${ .outputs | keys }",
        "${ .inputs | map(.x) }",
    ] {
        assert_eq!(with(right), [""; 0], "{right}");
    }
    for (wrong, message) in [
        ("${ .input.a }", "there is no `.input` here: did you mean `.inputs`?"),
        ("${ .config }", "there is no `.config` here: there are .inputs, .outputs, .instance"),
        ("${ .inputs.lba }", "there is no input `lba`: did you mean `lab`?"),
        ("${ {colour: .inputs.colour} }", "there is no input `colour`: there are lab, size"),
        ("${ .outputs.zzz.y }", "there is no step `zzz`: there are boot, other, aside"),
        ("${ .outputs.bot.port }", "there is no step `bot`: did you mean `boot`?"),
        (
            "${ .outputs.check.x }",
            "step check cannot read its own output: it has none before it is done",
        ),
        (
            "${ .outputs.aside }",
            "step check does not need step `aside`, whose output it reads: add `aside` to its `needs`",
        ),
        ("${ .outputs.boot.prt }", "step boot has no output `prt`: did you mean `port`?"),
        ("${ .instance.hots }", "an instance has no `hots`: did you mean `host`?"),
        ("x ${ .inputs.lab }", LOST),
        ("${ .inputs.lab }-${ .inputs.size }", LOST),
        (
            ".inputs.lab",
            "`.inputs.lab` is text here: write `${ .inputs.lab }` for what it stands for",
        ),
    ] {
        assert_eq!(with(wrong), [format!("steps[3].with.a.b[0]: {message}")], "{wrong}");
    }
}

const LOST: &str = "`${ … }` within text is not evaluated: write all of it as one expression, as \
                    `${ \"lab \\(.inputs.lab)\" }`";

#[test]
fn conditions_name_what_is_there() {
    assert_eq!(
        refused(&json!({"extends": "standard-provision", "overrides": {
            "ports": {"skip_when": ".inputs.lba == \"none\""},
            "healthy": {"skip_when": "${ .outputs.ready }"},
        }})),
        [
            "overrides.ports.skip_when: there is no input `lba`: did you mean `lab`?",
            "overrides.healthy.skip_when: step healthy does not need step `ready`, whose output it reads: add `ready` to its `needs`",
        ]
    );
}
