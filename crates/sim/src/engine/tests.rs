//! The engine dies before and after each of its commits, and each job comes to what it would have
//! come to.

use std::collections::BTreeSet;

use serde_json::json;
use tessera_types::KindName;
use tessera_workflow::machine::{Action, StepId};

use super::*;
use crate::clock::BEGIN;

const INPUT: &str = "what it is given";

fn at(ms: u64) -> Timestamp {
    BEGIN.plus(Duration::from_millis(ms))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn of(key: &str) -> OfStep {
    let pod = ResourceKey::new(KindName::Pod, None, name("p"));
    let (phase, step, correlation_id) = (name("provision"), name(key), key.to_owned());
    OfStep { key: pod, phase, step, correlation_id }
}

/// Keys whose jobs have each of the documents that end by themselves.
fn keys() -> Vec<String> {
    let mut seen = BTreeSet::new();
    let keys = ('a'..='z').map(String::from);
    keys.filter(|key| seen.insert(format!("{:?}", Scenario::of(&of(key))))).collect()
}

/// Lets an engine that dies after this step do these jobs; whoever gets no answer asks again.
fn done(keys: &[String], dies_after: Option<u64>, is_steady: bool) -> (Engine, Vec<News>) {
    let (mut engine, mut told) = (Engine::new(is_steady, dies_after, Clock::default()), Vec::new());
    for ms in (0..120_000).step_by(100) {
        if std::mem::take(&mut engine.has_died) {
            engine.start(at(ms));
        }
        for (number, key) in (0..).zip(keys) {
            let rng = &mut Rng::of(number, 0);
            engine.submit(&of(key), &json!(INPUT), at(ms), rng).unwrap();
        }
        engine.advance(at(ms));
        told.extend(engine.tells(at(ms)));
        assert_eq!(engine.check(at(ms)), Ok(()), "{dies_after:?}");
    }
    (engine, told)
}

/// Each job's end, how often it began, and all that was told of it.
fn ends(engine: &Engine, told: &[News]) -> Vec<String> {
    let job = |(key, job): (&String, &Job)| {
        let of_job: Vec<_> = told.iter().filter(|it| it.of.correlation_id == *key).collect();
        let (first, last) = (of_job[0], of_job[of_job.len() - 1]);
        let numbers: Vec<_> = of_job.iter().map(|it| it.sequence).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{key}");
        let told = (&first.news, &last.news, last.is_last);
        format!("{key} {:?} {} {told:?}", job.ending, job.runs)
    };
    engine.jobs.iter().map(job).collect()
}

#[test]
fn each_document_comes_to_its_end() {
    let keys = keys();
    assert_eq!(keys.len(), 5);
    let (engine, _) = done(&keys, None, true);
    for job in engine.jobs.values() {
        let output = job.ending.as_ref().unwrap();
        assert_eq!((job.runs, &output["job"]), (1, &json!("well")), "{job:?}");
    }
    let heard = engine.jobs.values().filter_map(|job| job.ending.as_ref().ok()?.get("heard"));
    assert_eq!(heard.collect::<Vec<_>>(), [&json!([1, 2])]);
}

#[test]
fn it_may_die_after_any_step() {
    let keys = keys();
    let (engine, told) = done(&keys, None, true);
    let wanted = ends(&engine, &told);
    assert!(engine.steps > 40, "{}", engine.steps);
    for step in 1..=engine.steps {
        let (engine, told) = done(&keys, Some(step), true);
        assert_eq!(ends(&engine, &told), wanted, "after step {step}");
    }
}

#[test]
fn jobs_fail_are_tried_again_and_wait_for_ever() {
    let keys: Vec<_> = (0..60).map(|number| format!("k{number}")).collect();
    let (engine, _) = done(&keys, Some(77), false);
    let count = |is_it: fn(&Job) -> bool| engine.jobs.values().filter(|job| is_it(job)).count();
    let (well, failed) = (count(|job| job.ending.is_ok()), count(|job| job.ending.is_err()));
    assert!(well > 30 && failed > 5, "{well} {failed}");
    assert!((1..15).contains(&count(|job| !job.is_over())));
    assert!(engine.jobs.values().all(|job| job.runs == 1));
}

#[test]
fn what_waits_for_ever_is_cancelled_also_while_it_is_new() {
    let mut engine = Engine::new(true, None, Clock::default());
    engine.submit(&of("a"), &json!(INPUT), at(0), &mut Rng::of(0, 0)).unwrap();
    engine.submit(&of("b"), &json!(INPUT), at(0), &mut Rng::of(1, 0)).unwrap();
    let id = |engine: &Engine, key: &str| engine.jobs[key].id.clone();
    let (a, b) = (id(&engine, "a"), id(&engine, "b"));
    engine.cancel(&a, at(1));
    engine.advance(at(300));
    engine.cancel(&b, at(400));
    assert!(engine.jobs.values().all(|job| job.is_over() && job.ending.is_err()));
    assert_eq!(engine.next_at(at(400)), None);
    let last: Vec<_> =
        engine.tells(at(400)).into_iter().map(|it| (it.sequence, it.is_last)).collect();
    assert_eq!(last, [(1, true), (1, false), (2, true)]);
}

/// An effect of a task, under a key.
fn effect(task: &str, key: &str) -> Effect {
    let arguments = tessera_workflow::value::from_json(json!({"n": 1}));
    let action = Action::Adapter { name: "lab.one".into(), arguments };
    Effect { id: StepId(0), task: task.into(), idempotency_key: key.into(), action }
}

fn refused<T: std::fmt::Debug>(asked: Result<T, String>, words: &str) {
    let why = asked.unwrap_err();
    assert!(why.contains(words), "{why}");
}

#[test]
fn keys_that_are_shared_doubled_or_over_are_seen() {
    let mut outside = Outside::default();
    let first = outside.asks("j", &effect("/do/0", "j/0"), false).unwrap();
    assert_eq!(outside.asks("j", &effect("/do/0", "j/0"), true).unwrap(), first);
    refused(outside.asks("j", &effect("/do/1", "j/0"), false), "is the key of");
    refused(outside.asks("j", &effect("/do/0", "j/1"), false), "has the key j/0, and j/1");
    outside.settles("j/0");
    refused(outside.asks("j", &effect("/do/0", "j/0"), false), "its end is known");
    assert!(outside.asks("j", &effect("/do/0", "j/1"), false).is_ok());
    assert_eq!(outside.count(), 2);
}

/// An engine whose only job, of two effects, has had the end of the first stored, and has given it to
/// the second.
fn half_done() -> Engine {
    let mut engine = Engine::new(true, None, Clock::default());
    let is_first = |key: &String| format!("{:?}", Scenario::of(&of(key))) == "Scenario(0)";
    let key = keys().into_iter().find(is_first).unwrap();
    engine.submit(&of(&key), &json!(INPUT), at(0), &mut Rng::of(0, 0)).unwrap();
    for ms in (0..1000).step_by(100) {
        engine.advance(at(ms));
    }
    assert!(engine.jobs.values().all(|job| !job.is_over() && !job.stored.journal.is_empty()));
    engine.dies();
    engine
}

#[test]
fn a_replay_that_comes_to_something_else_is_seen() {
    let mut engine = half_done();
    engine.start(at(1000));
    assert_eq!(engine.check(at(1000)), Ok(()));
    // An entry that was told of is lost, or says something else.
    let mut engine = half_done();
    engine.jobs.values_mut().for_each(|job| job.stored.journal.clear());
    engine.start(at(1000));
    refused(engine.check(at(1000)), "replayed, says");
    let mut engine = half_done();
    for entry in engine.jobs.values_mut().flat_map(|job| &mut job.stored.journal) {
        *entry = entry.replace("\"did\"", "\"said\"");
    }
    engine.start(at(1000));
    refused(engine.check(at(1000)), "replayed, waits for");
}

#[test]
fn a_run_that_waits_for_a_time_that_has_come_is_seen() {
    let mut engine = Engine::new(true, None, Clock::default());
    for key in keys() {
        engine.submit(&of(&key), &json!(INPUT), at(0), &mut Rng::of(0, 0)).unwrap();
    }
    let is_late = |engine: &Engine, ms: u64| engine.check(at(ms + 4000)).is_err();
    let mut ms = 0;
    while !is_late(&engine, ms) {
        ms += 100;
        assert!(ms < 10_000, "none of them waits");
        engine.advance(at(ms));
        assert_eq!(engine.check(at(ms)), Ok(()));
    }
    refused(engine.check(at(ms + 4000)), "a run still waits");
}
