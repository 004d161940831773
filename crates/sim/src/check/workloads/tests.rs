//! Each end is given what is declared so that it is none.

use std::sync::Arc;

use serde_json::{Value, json};
use tessera_types::workload::{Exit, ExitOutcome};
use tessera_types::{Actor, KindName, Name, ResourceKey, WaitReason, WaitingFor};

use super::*;
use crate::check::made::{object, world};
use crate::check::rules::tests::machine;

const NOW: Timestamp = Timestamp::EPOCH;

/// A workload that ended like this.
fn ended(status: WorkloadStatus, code: i32, restart: &Value) -> Object<Workload> {
    let spec = json!({"command": "x", "restart": restart});
    let mut workload = workload(spec);
    workload.status = status;
    let outcome = ExitOutcome::Exited { code };
    workload.observed.last_exit = Some(Exit { at: NOW, outcome, last_lines: Vec::new() });
    workload
}

fn workload(spec: Value) -> Object<Workload> {
    let key = ResourceKey::new(KindName::Workload, None, Name::new("w").unwrap());
    Object::new(&key, Arc::new(serde_json::from_value(spec).unwrap()), Actor::API, NOW)
}

fn is_fine(workload: &Object<Workload>) -> bool {
    has_come_to_be(workload, NOW).is_ok()
}

#[test]
fn what_is_always_started_again_is_never_done() {
    for (code, restart, fine) in [
        (0, "never", true),
        (0, "on_failure", true),
        (0, "always", false),
        (1, "never", false),
        (1, "on_failure", false),
    ] {
        let workload = ended(WorkloadStatus::Completed, code, &json!(restart));
        assert_eq!(is_fine(&workload), fine, "{code} {restart}");
    }
}

#[test]
fn what_is_started_again_without_an_end_never_fails() {
    let bounded = json!({"policy": "on_failure", "attempts_max": 2});
    for (code, restart, fine) in [
        (1, json!("never"), true),
        (1, bounded.clone(), true),
        (1, json!("on_failure"), false),
        (1, json!("always"), false),
        (0, json!("never"), false),
        (0, bounded, false),
    ] {
        let workload = ended(WorkloadStatus::Failed, code, &restart);
        assert_eq!(is_fine(&workload), fine, "{code} {restart}");
    }
    let mut impossible = ended(WorkloadStatus::Failed, 1, &json!("always"));
    Arc::make_mut(&mut impossible.spec).command = Some(life::IMPOSSIBLE.to_owned());
    assert!(is_fine(&impossible));
}

#[test]
fn a_start_that_never_comes_is_no_end() {
    let mut starting = workload(json!({"command": "x"}));
    starting.status = WorkloadStatus::Provisioning;
    let (reason, message) = (WaitReason::Start, String::new());
    starting.waiting_for = Some(WaitingFor { reason, message, since: NOW, until: None });
    assert!(is_fine(&starting));
    let later = NOW.plus(START_MAX).plus(Duration::from_secs(1));
    assert!(has_come_to_be(&starting, later).is_err());
    starting.waiting_for = None;
    assert!(!is_fine(&starting), "nobody says why");
}

#[test]
fn what_runs_otherwise_than_it_is_said_is_seen() {
    use WorkloadStatus::{BackingOff, Running, Stopped};
    let one = [machine()];
    let agrees = |status, epoch, machines| reality_agrees(Uid(1), status, epoch, machines).is_ok();
    assert!(agrees(Running, 1, &one) && agrees(BackingOff, 1, &one));
    assert!(!agrees(Running, 2, &one), "of another placement");
    assert!(!agrees(Stopped, 1, &one) && !agrees(Running, 1, &[]));
    assert!(!agrees(Running, 1, &[machine(), machine()]));
}

#[test]
fn a_run_whose_workload_is_gone_is_seen() {
    let there = object::<Workload>("a", 1, json!({"command": "x"}));
    let there = world([tessera_types::Resource::Workload(Arc::new(there))]);
    assert_eq!(nothing_is_left_over(&there, &[machine()]), Ok(()));
    let seen = nothing_is_left_over(&world([]), &[machine()]).unwrap_err();
    assert!(seen.contains("its workload is gone"), "{seen}");
}
