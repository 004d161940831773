//! The checks are given what no run may come to, made by hand: each sees its own.

use std::sync::Arc;

use serde_json::json;
use tessera_types::timed::{StepProgress, UnwantedJob};
use tessera_types::{Actor, KindName, Resource, ResourceKey, Revision};

use super::*;
use crate::clock::{BEGIN, Clock};
use crate::engine::OfStep;
use crate::rng::Rng;

const KEY: &str = "1.a/lab/1";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    BEGIN.plus(Duration::from_secs(seconds))
}

/// An engine that has the jobs of these keys, which end after ten seconds at the latest.
fn engine(keys: &[&str]) -> Engine {
    let mut engine = Engine::new(true, None, Clock::default());
    for (number, key) in (1_u64..).zip(keys) {
        let pod = ResourceKey::new(KindName::Pod, None, name("p"));
        let (phase, step, correlation_id) = (name("provision"), name("lab"), (*key).to_owned());
        let of = OfStep { key: pod, phase, step, correlation_id };
        engine.submit(&of, &json!({}), at(0), &mut Rng::of(number, 0)).unwrap();
    }
    engine
}

fn run(engine: &mut Engine) {
    for second in 1..30 {
        engine.advance(at(second));
    }
}

/// A pod whose step `lab` stands so.
fn pod(id: u64, change: impl FnOnce(&mut StepProgress)) -> Object<Pod> {
    let key = ResourceKey::new(KindName::Pod, None, name("p"));
    let timeslot = json!({"start": at(60).to_string(), "duration": "60s"});
    let spec = json!({"definition": {"type_key": "x"}, "timeslot": timeslot});
    let spec = Arc::new(serde_json::from_value(spec).unwrap());
    let mut pod = Object::<Pod>::new(&key, spec, Actor::API, at(0));
    (pod.id, pod.revision) = (Uid(id), Revision(1));
    let mut stands = StepProgress::begin(StepState::Suspended, 1, at(0), Duration::from_secs(9));
    stands.correlation_id = Some(KEY.to_owned());
    stands.job_id = Some(format!("{:032x}", 1));
    change(&mut stands);
    let progress = [(name("lab"), stands)].into_iter().collect();
    pod.observed.timed.pipeline_progress.insert(name("provision"), progress);
    pod
}

fn world(pod: Object<Pod>) -> World {
    World::load(Revision(1), [Resource::Pod(Arc::new(pod))])
}

fn seen(pod: Object<Pod>, engine: &Engine) -> Result<(), String> {
    Tries::default().check(&world(pod), engine)
}

fn refused(result: Result<(), String>, words: &str) {
    let why = result.unwrap_err();
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_step_that_waits_for_its_job_is_as_it_should_be() {
    let engine = engine(&[KEY]);
    assert_eq!(seen(pod(1, |_| {}), &engine), Ok(()));
    assert_eq!(converged(&world(pod(1, |_| {})), &engine, at(10)), Ok(()));
}

#[test]
fn a_job_that_runs_twice_is_seen() {
    let mut engine = engine(&[KEY]);
    engine.jobs.get_mut(KEY).unwrap().runs = 2;
    refused(seen(pod(1, |_| {}), &engine), "ran 2 times");
}

#[test]
fn a_key_of_two_tries_is_seen() {
    let (engine, mut tries) = (engine(&[KEY]), Tries::default());
    assert_eq!(tries.check(&world(pod(1, |_| {})), &engine), Ok(()));
    let second = pod(1, |stands| stands.attempt = 2);
    refused(tries.check(&world(second), &engine), "is the key of");
    refused(tries.check(&world(pod(2, |_| {})), &engine), "is the key of");
}

#[test]
fn a_step_that_is_completed_without_its_job_is_seen() {
    let completed = || pod(1, |stands| stands.state = StepState::Completed);
    let mut engine = engine(&[KEY]);
    refused(seen(completed(), &engine), "is completed, and not");
    run(&mut engine);
    engine.jobs.get_mut(KEY).unwrap().ending = Ok(json!({}));
    assert!(engine.jobs[KEY].is_over());
    assert_eq!(seen(completed(), &engine), Ok(()));
    engine.jobs.get_mut(KEY).unwrap().ending = Err("no licence is free".to_owned());
    refused(seen(completed(), &engine), "is completed, and not");
}

#[test]
fn a_try_beside_an_earlier_one_is_seen() {
    let engine = engine(&[KEY, "1.a/lab/0"]);
    let mut beside = pod(1, |_| {});
    let (correlation_id, scenario) = ("1.a/lab/0".to_owned(), "lab@v1".to_owned());
    let unwanted = UnwantedJob { correlation_id, job_id: None, scenario };
    beside.observed.timed.unwanted_jobs.push(unwanted);
    refused(seen(beside, &engine), "runs beside");
}

#[test]
fn a_step_that_is_lost_or_never_ends_is_seen() {
    let mut engine = engine(&[KEY]);
    refused(converged(&world(pod(1, |_| {})), &engine, at(40)), "waits for ever");
    run(&mut engine);
    refused(converged(&world(pod(1, |_| {})), &engine, at(10)), "has nothing to do");
}

#[test]
fn a_job_that_runs_for_nobody_is_seen() {
    let engine = engine(&[KEY, "1.a/lab/0"]);
    refused(converged(&world(pod(1, |_| {})), &engine, at(10)), "runs for nobody");
}
