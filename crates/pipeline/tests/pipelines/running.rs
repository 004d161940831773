//! Pipelines that are looked at again and again, as their managers do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use tessera_pipeline::{Decision, Look, Outcome, Pipeline, Work};
use tessera_types::timed::{PipelineProgress, StepState, UnwantedJob};
use tessera_types::{Duration, Name, Timestamp};

use super::{HANDLERS, resolved};

fn pipeline(steps: &Value) -> Pipeline {
    Pipeline::compile(resolved(json!({ "steps": steps })).unwrap(), HANDLERS).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A pipeline, and how it stands.
struct Run {
    pipeline: Pipeline,
    progress: PipelineProgress,
    now: Timestamp,
    asked_by: Timestamp,
    unwanted: Vec<UnwantedJob>,
    is_engine_silent: bool,
    inputs: Value,
}

impl Run {
    fn new(steps: &Value) -> Self {
        let (progress, now) = (PipelineProgress::new(), Timestamp::from_micros(0));
        let (inputs, unwanted) = (json!({}), Vec::new());
        let (pipeline, asked_by, is_engine_silent) = (pipeline(steps), now, false);
        Self { pipeline, progress, now, asked_by, unwanted, is_engine_silent, inputs }
    }

    fn look(&mut self) -> Decision {
        let instance = json!({"name": "pod-1"});
        let look = Look {
            inputs: &self.inputs,
            instance: &instance,
            run: "7/provision/1",
            asked_by: self.asked_by,
            unwanted: &self.unwanted,
            is_engine_silent: self.is_engine_silent,
            now: self.now,
        };
        let decision = self.pipeline.decide(&mut self.progress, &look);
        let mut again = self.progress.clone();
        let mut unwanted = self.unwanted.clone();
        unwanted.extend(decision.cancel.iter().map(|cancel| UnwantedJob {
            correlation_id: cancel.correlation_id.clone(),
            job_id: cancel.job_id.clone(),
            scenario: cancel.scenario.clone(),
        }));
        let second = self.pipeline.decide(&mut again, &Look { unwanted: &unwanted, ..look });
        assert!(
            second.start.is_empty() && second.cancel.is_empty(),
            "a second look starts nothing"
        );
        assert_eq!(again, self.progress, "a second look changes nothing");
        assert_eq!(second.outcome, decision.outcome);
        decision
    }

    fn done(&mut self, step: &str, result: Value) {
        let attempt = self.progress[&name(step)].attempt;
        assert!(self.pipeline.completed(
            &mut self.progress,
            &name(step),
            attempt,
            result,
            self.now
        ));
    }

    fn fails(&mut self, step: &str) {
        let attempt = self.progress[&name(step)].attempt;
        assert!(self.pipeline.failed(
            &mut self.progress,
            &name(step),
            attempt,
            "no luck",
            self.now
        ));
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
    }

    fn states(&self) -> Vec<(&str, StepState)> {
        self.progress.iter().map(|(name, it)| (name.as_str(), it.state)).collect()
    }
}

fn started(decision: &Decision) -> Vec<&str> {
    decision.start.iter().map(|start| start.step.as_str()).collect()
}

#[test]
fn what_does_not_depend_on_each_other_runs_together() {
    let mut run = Run::new(&json!([
        {"name": "one", "handler": "a"},
        {"name": "two", "handler": "a"},
        {"name": "last", "handler": "b", "needs": ["one", "two"]},
    ]));
    assert_eq!(started(&run.look()), ["one", "two"]);
    run.done("two", json!(null));
    assert!(started(&run.look()).is_empty());
    run.done("one", json!(null));
    assert_eq!(started(&run.look()), ["last"]);
    run.done("last", json!(null));
    assert_eq!(run.look().outcome, Some(Outcome::Completed));
}

#[test]
fn arguments_and_conditions_know_inputs_outputs_and_the_instance() {
    let mut run = Run::new(&json!([
        {"name": "one", "handler": "a", "with": {"x": "${ .inputs.site + \"/\" + .instance.name }"}, "outputs": {"id": ".lab.id"}},
        {"name": "two", "job": "go@v1", "needs": ["one"], "with": {"lab": "${ .outputs.one.id }"}},
        {"name": "three", "handler": "b", "needs": ["one"], "skip_when": ".outputs.one.id == 7"},
    ]));
    run.inputs = json!({"site": "brussels"});
    assert_eq!(run.look().start[0].with, json!({"x": "brussels/pod-1"}));
    run.done("one", json!({"lab": {"id": 7, "secret": "not kept"}}));
    assert_eq!(run.progress[&name("one")].output, json!({"id": 7}));
    let decision = run.look();
    assert_eq!(started(&decision), ["two"]);
    assert_eq!(decision.start[0].with, json!({"lab": 7}));
    let correlation_id = "7/provision/1/two/1".to_owned();
    assert_eq!(decision.start[0].work, Work::Job { scenario: "go@v1".to_owned(), correlation_id });
    assert_eq!(run.progress[&name("two")].state, StepState::Suspended);
    assert_eq!(run.progress[&name("three")].state, StepState::Skipped);
    assert_eq!(decision.waiting_for, ["step two: the engine to take its job"]);
}

#[test]
fn a_step_is_tried_again_after_a_pause_and_then_fails_the_pipeline() {
    let retry = json!({"attempts_max": 2, "backoff": {"initial": "1s", "max": "10s", "reset_after": "1m"}, "timeout": "5s"});
    let mut run = Run::new(&json!([
        {"name": "one", "job": "go@v1", "retry": retry},
        {"name": "beside", "job": "slow@v1"},
        {"name": "after", "handler": "a", "needs": ["one"]},
    ]));
    run.look();
    run.fails("one");
    let decision = run.look();
    assert!(decision.start.is_empty());
    assert_eq!(decision.look_again, Some(Timestamp::from_micros(1_000_000)));
    run.pass(1000);
    assert_eq!(run.look().start[0].attempt, 2);
    // Nobody says anything: the deadline decides.
    run.pass(5000);
    let decision = run.look();
    let cancelled: Vec<&str> =
        decision.cancel.iter().map(|it| it.correlation_id.as_str()).collect();
    assert_eq!(cancelled, ["7/provision/1/one/2", "7/provision/1/beside/1"]);
    let message = "it took longer than 5s".to_owned();
    let (step, attempts, is_final) = (name("one"), 2, false);
    assert_eq!(decision.outcome, Some(Outcome::Failed { step, message, attempts, is_final }));
    assert_eq!(run.states(), [("beside", StepState::Cancelled), ("one", StepState::Failed)]);
}

#[test]
fn a_pause_is_as_long_as_declared_where_the_clock_is_set_back() {
    let retry = json!({"attempts_max": 2, "backoff": {"initial": "1s", "max": "1s"}});
    let mut run = Run::new(&json!([{"name": "one", "job": "go@v1", "retry": retry}]));
    run.pass(3_600_000);
    run.look();
    run.fails("one");
    run.look();
    run.now = Timestamp::from_micros(0);
    let decision = run.look();
    assert_eq!(decision.look_again, Some(Timestamp::from_micros(1_000_000)));
    assert!(decision.start.is_empty());
    run.pass(1000);
    assert_eq!(run.look().start[0].attempt, 2);
}

#[test]
fn a_step_is_not_tried_again_while_its_job_may_still_run() {
    let backoff = json!({"initial": "1s", "max": "1s"});
    let retry = json!({"attempts_max": 2, "backoff": backoff, "timeout": "5s"});
    let mut run = Run::new(&json!([{"name": "one", "job": "go@v1", "retry": retry}]));
    run.look();
    run.pass(5000);
    let decision = run.look();
    let [cancel] = decision.cancel.as_slice() else { panic!("{decision:?}") };
    let correlation_id = cancel.correlation_id.clone();
    let (job_id, scenario) = (Some("j".to_owned()), cancel.scenario.clone());
    run.unwanted = vec![UnwantedJob { correlation_id, job_id, scenario }];
    run.pass(1000);
    let decision = run.look();
    assert!(decision.start.is_empty(), "{decision:?}");
    let waits = "step one: engine-job/j of try 1 of 2 to be cancelled (it took longer than 5s)";
    assert_eq!(decision.waiting_for, [waits]);
    run.unwanted.clear();
    assert_eq!(run.look().start[0].attempt, 2);
}

#[test]
fn a_job_that_may_have_ended_unheard_is_not_given_up_before_the_engine_was_asked() {
    let retry = json!({"attempts_max": 1, "timeout": "5s"});
    let steps = json!([{"name": "one", "job": "go@v1", "retry": retry}]);
    // The answer that has its id may have been lost.
    for id in [Some("j"), None] {
        let mut run = Run::new(&steps);
        run.look();
        run.progress.get_mut(&name("one")).unwrap().job_id = id.map(str::to_owned);
        run.pass(60_000);
        run.asked_by = run.now.plus(Duration::from_secs(1));
        let decision = run.look();
        assert_eq!((decision.look_again, decision.outcome), (Some(run.asked_by), None));
        run.pass(1000);
        let decision = run.look();
        assert_eq!(decision.cancel[0].job_id.as_deref(), id);
        assert!(matches!(decision.outcome, Some(Outcome::Failed { .. })), "{decision:?}");
    }
}

/// How old it is matters only where nobody can be asked.
#[test]
fn it_says_what_a_job_waits_for_and_when_the_engine_said_so() {
    let retry = json!({"attempts_max": 2, "timeout": "5s"});
    let mut run = Run::new(&json!([
        {"name": "one", "job": "go@v1"},
        {"name": "two", "job": "go@v1", "retry": retry},
        {"name": "three", "handler": "a", "retry": {"timeout": "1s"}},
    ]));
    run.look();
    let one = run.progress.get_mut(&name("one")).unwrap();
    one.job_id = Some("j".to_owned());
    let decision = run.look();
    assert_eq!(decision.waiting_for[0], "step one: job j");
    assert_eq!(decision.jobs_until, Some(Timestamp::from_micros(5_000_000)), "that of a job");
    let one = run.progress.get_mut(&name("one")).unwrap();
    one.message = Some("1 of 2 tasks are done".to_owned());
    one.told_at = Some(Timestamp::from_micros(2_300_000));
    assert_eq!(run.look().waiting_for[0], "step one: job j");
    run.is_engine_silent = true;
    let how_far = "step one: job j, 1 of 2 tasks are done as of 1970-01-01T00:00:02Z";
    assert_eq!(run.look().waiting_for[0], how_far);
    let one = run.progress.get_mut(&name("one")).unwrap();
    one.waiting_for = Some("an event\n  lab.up (/do/1)".to_owned());
    let waits = "step one: job j, waiting for an event lab.up (/do/1)";
    assert_eq!(run.look().waiting_for[0], format!("{waits} as of 1970-01-01T00:00:02Z"));
    run.is_engine_silent = false;
    assert_eq!(run.look().waiting_for[0], waits);
    run.fails("one");
    let one = &run.progress[&name("one")];
    assert_eq!((&one.waiting_for, one.told_at), (&None, None));
}

/// What others wrote is quoted on one line; all of it stays with the step.
#[test]
fn a_long_text_of_a_job_is_quoted_in_short() {
    let retry = json!({"attempts_max": 2, "backoff": {"initial": "1s", "max": "1s"}});
    let mut run = Run::new(&json!([{"name": "one", "job": "go@v1", "retry": retry}]));
    let body = format!("HTTP 500:\n{{\n  \"trace\": \"{}\"\n}}", "x".repeat(900));
    for is_last in [false, true] {
        run.look();
        let attempt = run.progress[&name("one")].attempt;
        run.pipeline.failed(&mut run.progress, &name("one"), attempt, &body, run.now);
        assert_eq!(run.progress[&name("one")].message.as_ref(), Some(&body));
        let decision = run.look();
        let text = match decision.outcome {
            Some(Outcome::Failed { message, .. }) => message,
            _ => decision.waiting_for[0].clone(),
        };
        assert!(text.contains("HTTP 500: { \"trace\": \"xxx"), "{text}");
        assert!(text.len() < 300 && !text.contains('\n'), "{text}");
        assert!(is_last || text.starts_with("step one: the pause after try 1 of 2 ("), "{text}");
        run.pass(1000);
    }
}

#[test]
fn what_comes_too_late_or_twice_changes_nothing() {
    let mut run = Run::new(&json!([{"name": "one", "job": "go@v1", "retry": {"attempts_max": 2}}]));
    run.look();
    run.fails("one");
    let before = run.progress.clone();
    let one = name("one");
    assert!(!run.pipeline.completed(&mut run.progress, &one, 1, json!(1), run.now));
    assert!(!run.pipeline.failed(&mut run.progress, &one, 1, "again", run.now));
    assert_eq!(run.progress, before);
    run.pass(60_000);
    run.look();
    assert!(
        !run.pipeline.completed(&mut run.progress, &one, 1, json!(1), run.now),
        "an earlier try"
    );
    assert!(run.pipeline.completed(&mut run.progress, &one, 2, json!(2), run.now));
    assert!(!run.pipeline.completed(&mut run.progress, &one, 2, json!(3), run.now));
    assert_eq!(run.progress[&one].output, json!(2));
}

#[test]
fn a_failure_that_may_be_goes_on() {
    let mut run = Run::new(&json!([
        {"name": "one", "handler": "a", "on_failure": "continue"},
        {"name": "two", "handler": "a", "needs": ["one"], "with": {"x": "${ .outputs.one }"}},
    ]));
    run.look();
    run.fails("one");
    assert_eq!(run.look().start[0].with, json!({"x": null}));
    run.done("two", json!({}));
    assert_eq!(run.look().outcome, Some(Outcome::Completed));
}

#[test]
fn what_is_done_is_not_done_again_because_its_result_cannot_be_used() {
    let large = json!("x".repeat(70_000));
    for (outputs, result, begins) in [
        (json!({"id": ".id + 1"}), json!({"id": "text"}), "its result does not have"),
        (json!({}), large, "its result has"),
    ] {
        let retry = json!({"attempts_max": 3});
        let step = json!({"name": "one", "job": "go@v1", "outputs": outputs, "retry": retry});
        let mut run = Run::new(&json!([step]));
        run.look();
        run.done("one", result);
        let Some(Outcome::Failed { message, attempts: 1, is_final: true, .. }) = run.look().outcome
        else {
            panic!("{:?}", run.progress)
        };
        assert!(message.starts_with(begins), "{message}");
    }
}

#[test]
fn arguments_that_have_no_value_are_not_tried_again() {
    let retry = json!({"attempts_max": 3});
    let with = json!({"x": "${ .inputs | error }"});
    let mut run = Run::new(&json!([{"name": "one", "handler": "a", "with": with, "retry": retry}]));
    let outcome = run.look().outcome;
    assert!(matches!(outcome, Some(Outcome::Failed { is_final: true, .. })), "{outcome:?}");
}

#[test]
fn a_failure_ends_what_tessera_itself_still_does() {
    let mut run = Run::new(&json!([
        {"name": "check", "job": "go@v1"},
        {"name": "waits", "handler": "a", "retry": {"timeout": "365d"}},
    ]));
    run.look();
    run.fails("check");
    let decision = run.look();
    assert!(matches!(decision.outcome, Some(Outcome::Failed { .. })), "{decision:?}");
    assert_eq!(run.states(), [("check", StepState::Failed), ("waits", StepState::Cancelled)]);
}

/// Steps of which each may need earlier ones.
fn graphs() -> impl Strategy<Value = Vec<(BTreeSet<usize>, bool, bool, u32)>> {
    prop::collection::vec(
        (prop::collection::btree_set(0_usize..8, 0..3), any::<bool>(), any::<bool>(), 1_u32..3),
        1..9,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever happens to its steps in whatever order, a pipeline begins each only after what it
    /// needs, each try once, and comes to an end that fits.
    #[test]
    fn any_pipeline_comes_to_an_end(graph in graphs(), choices in prop::collection::vec(any::<(u8, bool)>(), 200)) {
        let steps: Vec<Value> = graph.iter().enumerate().map(|(at, (needs, is_job, goes_on, tries))| {
            let needs: Vec<String> = needs.iter().filter(|need| **need < at).map(|need| format!("s{need}")).collect();
            let work = if *is_job { "job" } else { "handler" };
            let what = if *is_job { "go@v1" } else { "a" };
            let on_failure = if *goes_on { "continue" } else { "abort" };
            json!({"name": format!("s{at}"), "needs": needs, work: what, "on_failure": on_failure, "retry": {"attempts_max": tries}})
        }).collect();
        let mut run = Run::new(&Value::Array(steps));
        let mut tries: BTreeMap<(Name, u32), ()> = BTreeMap::new();
        let mut under_way: Vec<Name> = Vec::new();
        let mut failed_for_good = false;
        let mut choices = choices.into_iter();
        let outcome = loop {
            // A crash: what is stored is all that there is.
            let stored = serde_json::to_string(&run.progress).unwrap();
            run.progress = serde_json::from_str(&stored).unwrap();
            let decision = run.look();
            for start in &decision.start {
                prop_assert!(!failed_for_good);
                prop_assert!(tries.insert((start.step.clone(), start.attempt), ()).is_none());
                let step = run.pipeline.steps().find(|it| it.spec.name == start.step).unwrap();
                for need in &step.spec.needs {
                    prop_assert!(run.progress[need].state.is_over());
                }
                under_way.push(start.step.clone());
            }
            under_way.retain(|step| !run.progress[step].state.is_over());
            prop_assert!(!failed_for_good || decision.outcome.is_some(), "it ends at once");
            if let Some(outcome) = decision.outcome {
                break outcome;
            }
            if under_way.is_empty() {
                let at = decision.look_again.expect("something is waited for");
                prop_assert!(at > run.now);
                run.now = at;
                continue;
            }
            let (choice, succeeds) = choices.next().unwrap_or((0, true));
            let step = under_way.remove(usize::from(choice) % under_way.len());
            if succeeds { run.done(step.as_str(), json!(1)) } else { run.fails(step.as_str()) }
            let spec = &run.pipeline.steps().find(|it| it.spec.name == step).unwrap().spec;
            failed_for_good |= run.progress[&step].state == StepState::Failed
                && spec.on_failure == tessera_types::timed::OnFailure::Abort;
        };
        prop_assert_eq!(matches!(outcome, Outcome::Failed { .. }), failed_for_good);
        if !failed_for_good {
            prop_assert_eq!(run.progress.len(), graph.len());
        }
        prop_assert!(under_way.is_empty());
    }
}

/// Everything that is reconciled waits for a decision, so the expressions of a step may cost little
/// all together; and none of them can end the process.
#[test]
fn expressions_that_cost_too_much_fail_their_step() {
    let failure = |step: &Value, result: Option<Value>| {
        let mut run = Run::new(&json!([step]));
        let mut decision = run.look();
        if let Some(result) = result {
            run.done("one", result);
            decision = run.look();
        }
        match decision.outcome {
            Some(Outcome::Failed { message, is_final: true, .. }) => message,
            other => panic!("{step}: {other:?}"),
        }
    };
    for (skip_when, expected) in [
        ("(null | setpath([range(9000) | \"a\"]; 1)) == 1", "a path has more than 256 keys"),
        ("range(1e9)", "the expression takes more than 10000 steps"),
        ("\"a\" * 9000000 | index(\"b\")", "the expression makes more than 2 MiB of values"),
        ("\"a\" * 500000 | index((\"a\" * 250000) + \"b\")", "more than 10000 steps"),
        ("\"ab\" * 9000 | test(\"[ab]*a[ab]{2000}c\")", "more than 10000 steps"),
        ("def f: 1 + f; f", "the expression recurses too deeply"),
    ] {
        let step = json!({"name": "one", "handler": "a", "skip_when": skip_when});
        let message = failure(&step, None);
        assert!(message.contains(expected), "{skip_when}: {message}");
    }
    let many: serde_json::Map<String, Value> = (0..90)
        .map(|at| (format!("x{at}"), json!(format!("${{ [range({})] | length }}", 900 + at))))
        .collect();
    let step = json!({"name": "one", "handler": "a", "with": {"x": many}});
    assert!(failure(&step, None).contains("together take more than 10000 steps"));
    let step = json!({"name": "one", "handler": "a", "outputs": {"x": "[recurse(.)]"}});
    assert!(failure(&step, Some(json!({"a": 1}))).contains("takes more than 10000 steps"));
}
