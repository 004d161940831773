//! Any pipeline, whatever dies and whatever becomes of the engine's events: each step
//! comes to what its jobs came to, each try has one key, and nothing that Tessera does
//! itself is done twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use tessera_types::timed::{StepState, TimedStatus};
use tessera_types::{Duration, Name, Pod, PodDefinition};

use crate::exam::Exam;
use crate::plane::{Plane, Post};

const POD: &str = "lab";
/// The step that makes the pod's workload: the effect that could be doubled.
const MAKES: usize = 1;

/// A step of a pipeline, and what becomes of its tries.
#[derive(Clone, Debug)]
struct Planned {
    /// Which of those before it needs.
    needs: Vec<bool>,
    /// Whether each of its jobs does what it should; none for what Tessera does itself.
    jobs: Option<Vec<bool>>,
    attempts_max: usize,
    /// Whether it is skipped.
    is_skipped: bool,
    /// Whether the pipeline goes on without it.
    goes_on: bool,
}

impl Planned {
    /// What it comes to, and how many tries that takes.
    fn end(&self) -> (StepState, usize) {
        let Some(jobs) = &self.jobs else { return (StepState::Completed, 1) };
        let tries = (0..self.attempts_max).map(|at| jobs.get(at).copied().unwrap_or(true));
        match tries.into_iter().position(|succeeds| succeeds) {
            _ if self.is_skipped => (StepState::Skipped, 0),
            Some(at) => (StepState::Completed, at + 1),
            None => (StepState::Failed, self.attempts_max),
        }
    }

    fn stops_all(&self) -> bool {
        self.end().0 == StepState::Failed && !self.goes_on
    }
}

fn name(index: usize) -> String {
    format!("s{index}")
}

/// The pipeline as a definition has it. Each step is given what those before it gave.
fn pipeline(steps: &[Planned]) -> Value {
    let step = |(index, step): (usize, &Planned)| {
        let needs = (0..index).filter(|at| step.needs.get(*at) == Some(&true));
        let needs: Vec<_> = needs.map(name).collect();
        let mut json = json!({"name": name(index), "needs": needs});
        if step.jobs.is_none() {
            let handler = if index == MAKES { "create_workloads" } else { "archive" };
            json["handler"] = json!(handler);
            return json;
        }
        let backoff = json!({"initial": "1s", "max": "1s"});
        let retry = json!({"attempts_max": step.attempts_max, "backoff": backoff, "timeout": "5m"});
        json["job"] = json!("work@v1");
        json["retry"] = retry;
        json["with"] =
            needs.iter().map(|it| (it.clone(), format!("${{ .outputs.{it} }}"))).collect();
        json["on_failure"] = json!(if step.goes_on { "continue" } else { "abort" });
        if step.is_skipped {
            json["skip_when"] = json!(".instance.name == \"lab\"");
        }
        json
    };
    Value::Array(steps.iter().enumerate().map(step).collect())
}

/// What is seen in the end: how each step stands after how many jobs, and what they were
/// given.
#[derive(Debug, PartialEq)]
struct End {
    is_ready: bool,
    steps: BTreeMap<String, (StepState, usize, Vec<Value>)>,
    made: usize,
}

fn live(steps: &[Planned], post: Post, away: u64, crash: impl FnOnce(&mut Plane)) -> End {
    let mut plane = Exam::default().plane();
    let planned = steps.to_vec();
    plane.engine.script = Box::new(move |step, number| {
        let index: usize = step[1..].parse().unwrap();
        let jobs = planned[index].jobs.as_ref().unwrap();
        let time = Duration::from_secs(1 + (index + number) as u64 % 4);
        match jobs.get(number - 1) {
            Some(false) => (time, Err("no licence")),
            _ => (time, Ok(json!({"by": step, "number": number}))),
        }
    });
    plane.engine.post = Some(post);
    let phase = json!({
        "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
        "retry": {"attempts_max": 1, "timeout": "50m"}, "pipeline": {"steps": pipeline(steps)},
    });
    let workload = json!({"name": "vm", "spec": {"command": "vm"}});
    plane.apply::<PodDefinition>(json!({"name": "lab", "spec": {
        "type_key": "lab", "version": "1.0.0", "pod_type": "fleet", "workloads": [workload],
        "lead_time": "50m", "teardown_buffer": "20s", "lifecycle": {"phases": [phase]},
    }}));
    crash(&mut plane);
    let start = plane.at(60 * 60);
    let timeslot = json!({"start": start.to_string(), "duration": "60s"});
    let spec = json!({"definition": {"type_key": "lab"}, "timeslot": timeslot});
    plane.apply::<Pod>(json!({"name": POD, "spec": spec}));
    let began = start.minus(Duration::from_secs(50 * 60));
    plane.run_until(began.plus(Duration::from_secs(away)));
    plane.engine.is_away = true;
    plane.run_until(began.plus(Duration::from_secs(away + 15)));
    plane.engine.is_away = false;
    // All that can happen has happened by then.
    plane.run_until(began.plus(Duration::from_secs(45 * 60)));
    let end = end(&plane, steps.len());
    // All of it goes, whatever was under way.
    plane.run_until(start.plus(Duration::from_secs(100)));
    let pod = plane.pod(POD);
    assert_eq!(pod.status, TimedStatus::Terminated);
    assert!(pod.observed.timed.unwanted_jobs.is_empty(), "{pod:#?}");
    end
}

fn end(plane: &Plane, steps: usize) -> End {
    let pod = plane.pod(POD);
    let progress = &pod.observed.timed.pipeline_progress[&Name::new("provision").unwrap()];
    let of_step = |index: usize| {
        let name = Name::new(&name(index)).unwrap();
        let stands = progress.get(&name);
        let of = format!("pod/default/{POD} {name}");
        let mut jobs: Vec<_> = plane
            .engine
            .jobs
            .values()
            .filter(|job| job.of == of)
            .map(|job| job.input.clone())
            .collect();
        jobs.sort_by_key(Value::to_string);
        stands.map(|stands| (name.to_string(), (stands.state, jobs.len(), jobs)))
    };
    End {
        is_ready: pod.status == TimedStatus::Ready,
        steps: (0..steps).filter_map(of_step).collect(),
        made: plane.made.iter().filter(|name| *name == "lab-vm").count(),
    }
}

/// What has to come of it, from the steps alone.
fn check(steps: &[Planned], end: &End) {
    let all_go = !steps.iter().any(Planned::stops_all);
    assert_eq!(end.is_ready, all_go, "{end:#?}");
    assert!(end.made <= 1, "{end:#?}");
    for (index, step) in steps.iter().enumerate() {
        let (state, tries) = step.end();
        let tries = if step.jobs.is_some() { tries } else { 0 };
        let found = end.steps.get(&name(index));
        match found {
            Some(found) if all_go => assert_eq!((found.0, found.1), (state, tries), "{end:#?}"),
            // Another one failed, at whatever time; so this may not have come as far.
            Some(found) => {
                assert!(found.0 == state || found.0 == StepState::Cancelled, "{end:#?}");
                assert!(found.1 <= tries, "{end:#?}");
            }
            None => assert!(!all_go, "step {index} is lost: {end:#?}"),
        }
    }
}

fn planned(index: usize) -> impl Strategy<Value = Planned> {
    let needs = prop::collection::vec(any::<bool>(), index);
    let jobs = prop::collection::vec(prop::bool::weighted(0.6), 0..4);
    let jobs = prop::option::weighted(0.7, jobs)
        .prop_filter("it makes the workload", move |jobs| index != MAKES || jobs.is_none());
    let rest = (1..4_usize, prop::bool::weighted(0.15), prop::bool::weighted(0.4));
    (needs, jobs, rest).prop_map(|(needs, jobs, (attempts_max, is_skipped, goes_on))| Planned {
        needs,
        jobs,
        attempts_max,
        is_skipped,
        goes_on,
    })
}

fn steps() -> impl Strategy<Value = Vec<Planned>> {
    (3..7_usize).prop_flat_map(|count| (0..count).map(planned).collect::<Vec<_>>())
}

fn post() -> impl Strategy<Value = Post> {
    let late = prop_oneof![3 => Just(0_u64), 1 => 1..30_000_u64].prop_map(Duration::from_millis);
    let fate = prop::collection::vec(late, 0..4);
    (prop::collection::vec(fate, 1..9), 2..20_u64)
        .prop_map(|(fates, seconds)| Post { fates, asks_every: Duration::from_secs(seconds) })
}

/// Nothing is lost, doubled or late.
fn good_post() -> Post {
    Post { fates: vec![vec![Duration::ZERO]], asks_every: Duration::from_secs(10) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_pipeline_comes_to_the_same_whatever_dies_and_is_lost(
        steps in steps(),
        post in post(),
        away in 0..60_u64,
        after in 1..120_usize,
    ) {
        let quiet = live(&steps, good_post(), 0, |_| {});
        check(&steps, &quiet);
        let once = live(&steps, post.clone(), away, |plane| plane.crash_after = Some(after));
        check(&steps, &once);
        let always = live(&steps, post, away, |plane| plane.crashes_always = true);
        check(&steps, &always);
        if quiet.is_ready {
            prop_assert_eq!(&once, &quiet);
            prop_assert_eq!(&always, &quiet);
        }
    }
}
