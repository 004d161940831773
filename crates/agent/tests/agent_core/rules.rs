//! One rule at a time, with what people get to read.

use std::sync::Arc;

use tessera_agent::core::{Action, Adopted, AgentCore, CopyId, Listed, RunEnd, RunEvent, RunId};
use tessera_types::node::Capacity;
use tessera_types::sync::{Assignment, CopyState, RefusedReport, Report, ReportResponse};
use tessera_types::workload::{ExitOutcome, Health, Instance, WorkloadSpec};
use tessera_types::{Bytes, Duration, Epoch, Millicores, Name, Revision, Timestamp, Uid};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_micros(ms * 1000)
}

fn assignment(epoch: u64, spec: serde_json::Value) -> Assignment {
    let spec: WorkloadSpec = serde_json::from_value(spec).unwrap();
    Assignment {
        id: Uid(1),
        namespace: Name::default_namespace(),
        name: Name::new("web").unwrap(),
        epoch: Epoch(epoch),
        generation: epoch,
        stop: false,
        report_seq: 0,
        spec: Some(Arc::new(spec)),
    }
}

fn run(epoch: u64, attempt: u32) -> RunId {
    RunId { copy: CopyId { id: Uid(1), epoch: Epoch(epoch) }, attempt }
}

/// A core with a clock of its own that remembers the lists' revisions.
struct Node {
    core: AgentCore,
    now: Timestamp,
    revision: u64,
}

impl Node {
    fn new() -> Self {
        Self { core: AgentCore::new(), now: at(0), revision: 0 }
    }

    fn list(&mut self, list: &[Assignment]) -> Vec<Action> {
        self.revision += 1;
        let lease = self.now.plus(Duration::from_secs(15));
        self.core.synced(self.now, lease, Some(Listed::all(Revision(self.revision), list)));
        self.effects()
    }

    fn event(&mut self, run: RunId, event: RunEvent) -> Vec<Action> {
        self.core.event(self.now, run, event);
        self.effects()
    }

    fn started(&mut self, run: RunId) -> Vec<Action> {
        let instance = Instance { pid: Some(4711), container_id: None, started_at: self.now };
        self.event(run, RunEvent::Started(instance))
    }

    fn ended(&mut self, run: RunId, outcome: ExitOutcome) -> Vec<Action> {
        let end = RunEnd {
            at: self.now,
            outcome,
            requested: false,
            permanent: false,
            last_lines: vec!["panic".to_owned()],
        };
        self.event(run, RunEvent::Ended(end))
    }

    fn pass(&mut self, ms: u64) -> Vec<Action> {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.core.tick(self.now);
        self.effects()
    }

    fn effects(&mut self) -> Vec<Action> {
        let actions = self.core.take_actions();
        actions.into_iter().filter(|action| !matches!(action, Action::Save { .. })).collect()
    }

    fn last(&self) -> Report {
        self.core.reports(100).pop().expect("something was reported")
    }

    fn says(&self, state: CopyState, reason: &str) {
        let last = self.last();
        assert_eq!((last.state, last.reason.as_str()), (state, reason));
    }
}

#[test]
fn a_start_is_told_with_what_comes_of_it_unless_that_takes_long() {
    let told = |node: &Node| node.core.due_reports(node.now).count();
    let mut slow = Node::new();
    slow.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    assert_eq!((told(&slow), slow.core.next_wakeup(slow.now)), (0, Some(at(100))));
    slow.pass(100);
    assert_eq!(told(&slow), 1);
    let mut quick = Node::new();
    quick.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    quick.started(run(1, 1));
    assert_eq!(told(&quick), 2);
}

#[test]
fn a_crash_loop_backs_off_and_says_so() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    node.says(CopyState::Provisioning, "starting");
    node.started(run(1, 1));
    node.says(CopyState::Running, "started as process 4711");
    node.ended(run(1, 1), ExitOutcome::Exited { code: 1 });
    node.says(CopyState::BackingOff, "exited with code 1; next start in 500ms");
    assert_eq!(node.core.next_wakeup(node.now), Some(at(500)));
    assert!(node.pass(499).is_empty());
    assert!(matches!(&node.pass(1)[..], [Action::Start(launch)] if launch.run == run(1, 2)));
    node.says(CopyState::Provisioning, "starting again");
    node.started(run(1, 2));
    node.ended(run(1, 2), ExitOutcome::Signaled { signal: 9 });
    node.says(CopyState::BackingOff, "ended by signal 9 (SIGKILL); next start in 1s (2 in a row)");
    let last = node.last();
    assert_eq!(last.restarts, 1);
    assert_eq!(last.last_exit.unwrap().last_lines, ["panic"]);
    assert_eq!(last.next_start_at, Some(node.now.plus(Duration::from_secs(1))));
}

#[test]
fn what_was_written_last_is_told_once_for_each_end() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    let with_lines = |node: &Node| {
        let reports = node.core.reports(100).into_iter();
        let has_lines =
            |it: &Report| it.last_exit.as_ref().is_some_and(|it| !it.last_lines.is_empty());
        reports.filter(has_lines).map(|it| it.state).collect::<Vec<_>>()
    };
    for attempt in 1..=2 {
        node.started(run(1, attempt));
        node.ended(run(1, attempt), ExitOutcome::Exited { code: 1 });
        node.pass(60_000);
    }
    assert_eq!(with_lines(&node), [CopyState::BackingOff; 2]);
    // The report that had them does not fit any more: the next one has them.
    for by_ms in 0..20 {
        node.core.clock_set(node.now, by_ms);
        node.event(run(1, 3), RunEvent::Trouble(Some(by_ms.to_string())));
    }
    assert_eq!(with_lines(&node), [CopyState::Provisioning]);
    assert_eq!(node.core.reports(100)[0].last_exit.as_ref().unwrap().last_lines, ["panic"]);
}

#[test]
fn no_end_is_told_without_what_was_written_before_it() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    for attempt in 1..=10 {
        node.started(run(1, attempt));
        node.ended(run(1, attempt), ExitOutcome::Exited { code: 1 });
        node.pass(60_000);
        let told = node.core.reports(100);
        let first_exit = told.iter().find_map(|it| it.last_exit.as_ref()).unwrap();
        assert_eq!(first_exit.last_lines, ["panic"], "after {attempt} ends: {told:?}");
    }
}

#[test]
fn a_report_that_cannot_be_told_is_shortened_and_then_dropped() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    node.started(run(1, 1));
    node.event(run(1, 1), RunEvent::Trouble(Some("x".repeat(1000))));
    let refuse = |node: &mut Node| {
        let sent = node.core.reports(100);
        let refused = sent.iter().map(|it| RefusedReport {
            id: it.id,
            epoch: it.epoch,
            seq: it.seq,
            reason: "too large".to_owned(),
        });
        let answer = ReportResponse { refused: refused.collect(), ..ReportResponse::default() };
        node.core.acknowledged(&sent, &answer);
    };
    refuse(&mut node);
    let left = node.core.reports(100);
    assert_eq!(left.iter().map(|it| it.seq).collect::<Vec<_>>(), [3], "only the newest counts");
    assert!(left[0].trouble.as_ref().unwrap().len() <= 100);
    refuse(&mut node);
    assert!(!node.core.has_reports());
}

#[test]
fn a_new_placement_waits_for_the_old_copy_to_be_gone() {
    let mut node = Node::new();
    let spec = serde_json::json!({"command": "a", "stop": {"signal": "INT", "grace": "3s"}});
    node.list(&[assignment(1, spec.clone())]);
    node.started(run(1, 1));
    let actions = node.list(&[assignment(2, spec)]);
    assert!(matches!(&actions[..], [Action::Stop { run: old, .. }] if *old == run(1, 1)));
    node.says(CopyState::Provisioning, "waits until the copy of its earlier placement is gone");
    let actions = node.ended(run(1, 1), ExitOutcome::Signaled { signal: 2 });
    assert!(matches!(
        &actions[..],
        [Action::Remove { .. }, Action::Start(launch), Action::Forget { copy }]
            if launch.run == run(2, 1) && copy.epoch == Epoch(1)
    ));
    assert!(node.core.reports(100).iter().all(|report| report.epoch == Epoch(2)));
}

#[test]
fn a_stop_is_carried_out_in_every_state() {
    let spec = serde_json::json!({"command": "a"});
    let stop = Assignment { stop: true, ..assignment(1, spec.clone()) };

    let mut node = Node::new();
    assert!(node.list(std::slice::from_ref(&stop)).is_empty());
    node.says(CopyState::Stopped, "stopped before it was started");

    let mut node = Node::new();
    node.list(&[assignment(1, spec.clone())]);
    assert!(matches!(&node.list(std::slice::from_ref(&stop))[..], [Action::Stop { .. }]));
    node.says(CopyState::Stopping, "asked to stop: SIGTERM, and SIGKILL after 10s");
    assert!(node.list(std::slice::from_ref(&stop)).is_empty(), "once is enough");
    node.started(run(1, 1));
    node.ended(run(1, 1), ExitOutcome::Exited { code: 0 });
    node.says(CopyState::Stopped, "stopped: exited with code 0");

    let mut node = Node::new();
    node.list(&[assignment(1, spec.clone())]);
    node.ended(run(1, 1), ExitOutcome::Exited { code: 3 });
    node.list(&[stop]);
    node.says(CopyState::Stopped, "stopped before it was started again");
    assert_eq!(node.last().last_exit.unwrap().outcome, ExitOutcome::Exited { code: 3 });
    node.list(&[assignment(1, spec)]);
    assert!(node.pass(100_000).is_empty(), "a stop is not taken back in the same epoch");
}

#[test]
fn the_window_closes_without_the_control_plane() {
    let mut node = Node::new();
    let spec = serde_json::json!({"command": "a", "not_after": "1970-01-01T00:00:30Z"});
    node.list(&[assignment(1, spec)]);
    node.started(run(1, 1));
    assert_eq!(node.core.next_wakeup(node.now), Some(at(30_000)));
    assert!(matches!(&node.pass(30_000)[..], [Action::Stop { .. }]));
    node.ended(run(1, 1), ExitOutcome::Signaled { signal: 15 });
    node.says(CopyState::Stopped, "stopped: its not_after has passed");
    assert_eq!(node.last().last_exit.unwrap().outcome, ExitOutcome::WindowClosed);
}

#[test]
fn a_moved_window_needs_no_restart() {
    let mut node = Node::new();
    let ending = |end: &str| {
        let spec = serde_json::json!({"command": "a", "not_after": end});
        Assignment {
            epoch: Epoch(1),
            ..assignment(if end.contains("00:01") { 2 } else { 1 }, spec)
        }
    };
    node.list(&[ending("1970-01-01T00:00:30Z")]);
    node.started(run(1, 1));
    let actions = node.list(&[ending("1970-01-01T00:01:00Z")]);
    assert!(
        matches!(&actions[..], [Action::SetNotAfter { at: Some(end), .. }] if *end == at(60_000))
    );
    assert!(node.pass(30_000).is_empty());
    assert!(matches!(&node.pass(30_000)[..], [Action::Stop { .. }]));
}

/// What is written down is known to the next agent only: the supervisor was not told.
#[test]
fn a_window_that_was_moved_and_not_told_is_told_by_the_next_agent() {
    let mut node = Node::new();
    let ending = |generation, end: &str| {
        let spec = serde_json::json!({"command": "a", "not_after": end});
        Assignment { generation, ..assignment(1, spec) }
    };
    node.list(&[ending(1, "1970-01-01T00:01:00Z")]);
    node.started(run(1, 1));
    let (now, lease) = (node.now, node.now.plus(Duration::from_secs(15)));
    node.core.synced(
        now,
        lease,
        Some(Listed::all(Revision(2), &[ending(2, "1970-01-01T00:00:30Z")])),
    );
    let actions = node.core.take_actions();
    let [Action::Save { progress, .. }, Action::SetNotAfter { .. }] = &actions[..] else {
        panic!("it is written down, and then told: {actions:?}");
    };
    let there = Adopted { run: run(1, 1), instance: progress.instance.clone(), end: None };
    let mut next = AgentCore::restore(node.now, vec![(**progress).clone()], vec![there]);
    let told = |action: &Action| matches!(action, Action::SetNotAfter { at: Some(end), .. } if *end == at(30_000));
    assert!(next.take_actions().iter().any(told));
}

#[test]
fn a_run_counts_as_running_when_its_check_has_passed_and_ends_when_it_fails() {
    let mut node = Node::new();
    let health = serde_json::json!({
        "tcp": {"port": 80}, "start_period": "0s", "interval": "1s", "retries": 2
    });
    node.list(&[assignment(1, serde_json::json!({"command": "a", "health": health}))]);
    assert!(matches!(&node.started(run(1, 1))[..], [Action::Probe { .. }]));
    node.says(
        CopyState::Provisioning,
        "started as process 4711; waits for its health check to pass",
    );
    assert_eq!(node.last().health, Some(Health::Starting));
    node.event(run(1, 1), RunEvent::Probed(Ok(())));
    node.says(CopyState::Running, "its health check passes");
    assert_eq!(node.last().health, Some(Health::Healthy));
    let refused = || RunEvent::Probed(Err("connection refused".to_owned()));
    assert!(matches!(&node.pass(1000)[..], [Action::Probe { .. }]));
    node.event(run(1, 1), refused());
    node.says(CopyState::Running, "health check failed 1 of 2 times: connection refused");
    assert_eq!(node.last().health, Some(Health::Unhealthy));
    node.pass(1000);
    assert!(matches!(&node.event(run(1, 1), refused())[..], [Action::Stop { .. }]));
    node.ended(run(1, 1), ExitOutcome::Signaled { signal: 15 });
    node.says(CopyState::BackingOff, "unhealthy: connection refused; next start in 500ms");
}

#[test]
fn a_check_that_was_added_while_it_started_is_waited_for_by_the_next_agent_too() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    let health = serde_json::json!({"tcp": {"port": 80}});
    node.list(&[assignment(1, serde_json::json!({"command": "a", "health": health}))]);
    node.started(run(1, 1));
    assert_eq!(node.last().health, Some(Health::Starting));
    let instance = Instance { pid: Some(4711), container_id: None, started_at: node.now };
    let there = Adopted { run: run(1, 1), instance: Some(instance), end: None };
    let saved = node.core.copies().cloned().collect();
    node.core = AgentCore::restore(node.now, saved, vec![there]);
    node.pass(0);
    node.event(run(1, 1), RunEvent::Probed(Ok(())));
    node.says(CopyState::Running, "its health check passes");
}

#[test]
fn a_program_that_can_never_start_fails() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "/bin/nope"}))]);
    let end = RunEnd::start_failed(node.now, "no such file: /bin/nope".to_owned(), true);
    node.event(run(1, 1), RunEvent::Ended(end));
    node.says(CopyState::Failed, "could not be started: no such file: /bin/nope");
    assert!(node.pass(1_000_000).is_empty());
}

#[test]
fn a_copy_that_must_not_outlive_the_lease_waits_for_the_control_plane() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a", "on_disconnect": "stop"}))]);
    node.started(run(1, 1));
    node.pass(15_000);
    node.ended(run(1, 1), ExitOutcome::Disconnected);
    assert_eq!(node.last().state, CopyState::BackingOff);
    assert!(node.pass(1_000_000).is_empty());
    let lease = node.now.plus(Duration::from_secs(15));
    node.core.synced(node.now, lease, None);
    assert!(matches!(&node.effects()[..], [Action::Start(_)]));
}

#[test]
fn a_spec_that_is_not_known_is_asked_for() {
    let mut node = Node::new();
    let full = assignment(1, serde_json::json!({"command": "a"}));
    let bare = Assignment { spec: None, ..full.clone() };
    assert!(node.list(std::slice::from_ref(&bare)).is_empty());
    assert_eq!(node.core.since(), Revision::ZERO);
    assert!(matches!(&node.list(&[full])[..], [Action::Start(_)]));
    assert_eq!(node.core.since(), Revision(2));
    assert!(node.list(&[bare]).is_empty());
    assert_eq!(node.core.since(), Revision(3));
}

#[test]
fn an_agent_that_halts_leaves_its_copies_to_the_next_one() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    node.started(run(1, 1));
    node.core.halt(node.now);
    assert!(matches!(&node.effects()[..], [Action::Stop { .. }]));
    let end = RunEnd {
        at: node.now,
        outcome: ExitOutcome::Signaled { signal: 15 },
        requested: true,
        permanent: false,
        last_lines: vec![],
    };
    node.event(run(1, 1), RunEvent::Ended(end));
    assert_eq!(node.core.live_runs().count(), 0);
    node.says(CopyState::BackingOff, "stopped together with its agent; it starts again with it");
    let saved = node.core.copies().cloned().collect();
    let mut next = AgentCore::restore(node.now, saved, vec![]);
    next.take_actions();
    let wanted = [assignment(1, serde_json::json!({"command": "a"}))];
    next.synced(node.now, node.now, Some(Listed::all(Revision(9), &wanted)));
    let actions = next.take_actions();
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Start(launch) if launch.run == run(1, 2)))
    );
    let last = next.reports(100).pop().unwrap();
    assert_eq!(last.restarts, 0, "nothing went wrong with it");
}

#[test]
fn what_is_never_started_again_is_not_even_after_its_agent_has_stopped_it() {
    let wanted = assignment(1, serde_json::json!({"command": "a", "restart": "never"}));
    let mut node = Node::new();
    node.list(std::slice::from_ref(&wanted));
    node.started(run(1, 1));
    node.core.halt(node.now);
    let end = RunEnd {
        at: node.now,
        outcome: ExitOutcome::Exited { code: 0 },
        requested: true,
        permanent: false,
        last_lines: vec![],
    };
    node.event(run(1, 1), RunEvent::Ended(end));
    node.says(CopyState::Failed, "stopped together with its agent");
    let saved = node.core.copies().cloned().collect();
    let mut next = AgentCore::restore(node.now, saved, vec![]);
    let lease = node.now.plus(Duration::from_secs(15));
    next.synced(node.now, lease, Some(Listed::all(Revision(9), &[wanted])));
    let starts = next.take_actions();
    assert!(!starts.iter().any(|action| matches!(action, Action::Start(_))), "{starts:?}");
}

#[test]
fn reports_go_on_from_what_the_control_plane_has() {
    let mut node = Node::new();
    let known = Assignment { report_seq: 41, ..assignment(1, serde_json::json!({"command": "a"})) };
    node.list(&[known]);
    assert_eq!(node.last().seq, 42);
    node.started(run(1, 1));
    let sent = node.core.reports(1);
    node.core.acknowledged(&sent, &ReportResponse::default());
    let seqs: Vec<_> = node.core.reports(10).iter().map(|report| report.seq).collect();
    assert_eq!(seqs, [43]);
    let stale = ReportResponse { stale: vec![Uid(1)], ..ReportResponse::default() };
    node.core.acknowledged(&node.core.reports(10), &stale);
    assert!(!node.core.has_reports());
    assert_eq!(node.core.since(), Revision::ZERO, "a refusal means that the plans have changed");
}

/// The reports of the two have the same numbers, so the control plane took the later one for news
/// that it had, and waited for the end of the copy for ever.
#[test]
fn what_an_agent_told_and_could_not_save_is_not_taken_for_what_the_next_one_tells() {
    let mut node = Node::new();
    let spec = serde_json::json!({"command": "a", "restart": {"policy": "never"}});
    let wanted = assignment(1, spec);
    node.list(std::slice::from_ref(&wanted));
    node.started(run(1, 1));
    let saved = node.core.copies().cloned().collect();
    // It is told that it runs no more, which is not written down.
    node.ended(run(1, 1), ExitOutcome::Exited { code: 1 });
    let applied = node.last().seq;
    let end = RunEnd {
        at: node.now,
        outcome: ExitOutcome::Exited { code: 1 },
        requested: false,
        permanent: false,
        last_lines: vec!["bye".to_owned()],
    };
    let found = Adopted { run: run(1, 1), instance: None, end: Some(end) };
    let mut next = AgentCore::restore(node.now, saved, vec![found]);
    let of_next: Vec<_> = next.reports(10).iter().map(|report| report.seq).collect();
    assert!(of_next.contains(&applied), "{of_next:?} and {applied}");
    let known = Assignment { report_seq: applied, ..wanted };
    let lease = node.now.plus(Duration::from_secs(15));
    next.synced(node.now, lease, Some(Listed::all(Revision(9), std::slice::from_ref(&known))));
    let again = next.reports(10);
    let [again] = &again[..] else { panic!("{again:?}") };
    assert_eq!((again.seq, again.state), (applied + 1, CopyState::Failed));
    assert_eq!(again.last_exit.as_ref().unwrap().last_lines, ["bye"], "that was dropped, too");
    // It says so once.
    next.acknowledged(std::slice::from_ref(again), &ReportResponse::default());
    let known = Assignment { report_seq: applied + 1, ..known };
    next.synced(node.now, lease, Some(Listed::all(Revision(10), &[known])));
    assert!(!next.has_reports());
}

/// The numbers are taken by what the first has told; the second dies before it is listed anything, and the third finds
/// its record.
#[test]
fn what_an_agent_could_not_save_is_remembered_beyond_the_next_one() {
    let mut node = Node::new();
    let spec = serde_json::json!({"command": "a", "restart": {"policy": "never"}});
    let wanted = assignment(1, spec);
    node.list(std::slice::from_ref(&wanted));
    node.started(run(1, 1));
    let saved = node.core.copies().cloned().collect();
    node.ended(run(1, 1), ExitOutcome::Exited { code: 1 });
    let applied = node.last().seq;
    let second = AgentCore::restore(node.now, saved, vec![]);
    let saved = second.copies().cloned().collect();
    let mut third = AgentCore::restore(node.now, saved, vec![]);
    let known = Assignment { report_seq: applied, ..wanted };
    let lease = node.now.plus(Duration::from_secs(15));
    let listed = Listed::all(Revision(9), std::slice::from_ref(&known));
    third.synced(node.now, lease, Some(listed));
    let last = third.reports(10).pop().expect("it is told again");
    assert_eq!((last.seq, last.state), (applied + 1, CopyState::Failed));
    // It is remembered no longer than that.
    let saved: Vec<_> = third.copies().cloned().collect();
    third.acknowledged(std::slice::from_ref(&last), &ReportResponse::default());
    let mut fourth = AgentCore::restore(node.now, saved, vec![]);
    let known = Assignment { report_seq: applied + 1, ..known };
    fourth.synced(node.now, lease, Some(Listed::all(Revision(10), &[known])));
    assert!(!fourth.has_reports());
}

#[test]
fn a_copy_that_was_let_go_does_not_come_back_in_its_epoch() {
    let mut node = Node::new();
    let wanted = assignment(1, serde_json::json!({"command": "a"}));
    node.list(std::slice::from_ref(&wanted));
    node.started(run(1, 1));
    assert!(matches!(&node.list(&[])[..], [Action::Stop { .. }]));
    assert!(!node.core.has_reports());
    assert!(node.list(&[wanted]).is_empty());
    node.ended(run(1, 1), ExitOutcome::Signaled { signal: 15 });
    node.says(CopyState::Stopped, "stopped: ended by signal 15 (SIGTERM)");
    assert!(node.pass(1_000_000).is_empty());
}

#[test]
fn an_end_counts_once_though_the_agent_crashed_before_it_cleaned_up() {
    let mut node = Node::new();
    node.list(&[assignment(1, serde_json::json!({"command": "a"}))]);
    node.started(run(1, 1));
    node.ended(run(1, 1), ExitOutcome::Exited { code: 1 });
    let saved: Vec<_> = node.core.copies().cloned().collect();
    let there = Adopted {
        run: run(1, 1),
        instance: None,
        end: Some(RunEnd {
            at: node.now,
            outcome: ExitOutcome::Exited { code: 1 },
            requested: false,
            permanent: false,
            last_lines: vec![],
        }),
    };
    let mut next = AgentCore::restore(node.now, saved.clone(), vec![there]);
    let actions = next.take_actions();
    assert!(matches!(&actions[..], [Action::Save { .. }, Action::Remove { .. }]), "{actions:?}");
    assert_eq!(next.copies().cloned().collect::<Vec<_>>(), saved);
}

#[test]
fn only_an_agent_that_was_told_all_since_it_began_says_what_it_has() {
    let mut node = Node::new();
    assert_eq!(node.core.held(), None);
    let one = assignment(1, serde_json::json!({"command": "a"}));
    node.list(std::slice::from_ref(&one));
    let held = node.core.held();
    assert!(held.is_some());
    node.core.registered();
    assert_eq!((node.core.since(), node.core.held()), (Revision::ZERO, held));
    node.core.unchanged(Revision(9));
    assert_eq!((node.core.since(), node.core.held()), (Revision(9), held));
    // Of another placement the spec is not known.
    let unknown = Assignment { epoch: Epoch(2), generation: 2, spec: None, ..one };
    node.revision = 9;
    node.list(&[unknown]);
    assert_eq!((node.core.since(), node.core.held()), (Revision::ZERO, None));
    let saved = node.core.copies().cloned().collect();
    assert_eq!(AgentCore::restore(node.now, saved, Vec::new()).held(), None);
}

/// The earlier agent may have been killed before it wrote down which of them have to go.
#[test]
fn what_an_earlier_agent_has_saved_is_started_only_as_far_as_there_is_room_for_it() {
    let room = Capacity { cpu: Millicores(4000), memory: Bytes(1 << 30), workloads: 2 };
    // One more would be too much for the processors, or would be one too many.
    for room in [Capacity { cpu: Millicores(3000), ..room }, Capacity { workloads: 1, ..room }] {
        let mut node = Node::new();
        let spec = serde_json::json!({"command": "x", "resources": {"cpu": "2"}});
        let one = assignment(1, spec);
        let two = Assignment { id: Uid(2), name: Name::new("db").unwrap(), ..one.clone() };
        node.list(&[one.clone(), two.clone()]);
        let saved: Vec<_> = node.core.copies().cloned().collect();
        node.core = AgentCore::restore(node.now, saved, Vec::new()).with_capacity(room);
        node.pass(60_000);
        let first = RunId { attempt: 2, ..run(1, 1) };
        let second = RunId { copy: CopyId { id: Uid(2), epoch: Epoch(1) }, attempt: 2 };
        let live: Vec<_> = node.core.live_runs().collect();
        assert_eq!(live, [first], "{second} finds no room in {room:?}");
        // It may go on as soon as there is room, or when the control plane has said that both have some.
        node.ended(first, ExitOutcome::Exited { code: 1 });
        assert!(node.core.live_runs().any(|run| run == second));
        node.list(&[one, two]);
        node.pass(60_000);
        assert_eq!(node.core.live_runs().count(), 2);
    }
}

#[test]
fn a_pause_is_as_long_as_it_was_declared_when_the_clock_is_set() {
    for hours in [-2i64, 2] {
        let mut node = Node::new();
        node.now = at(10_000_000);
        let backoff = serde_json::json!({"initial": "4s", "max": "4s"});
        let spec = serde_json::json!({"command": "a", "restart": {"backoff": backoff}});
        node.list(&[assignment(1, spec)]);
        node.started(run(1, 1));
        node.ended(run(1, 1), ExitOutcome::Exited { code: 1 });
        assert!(node.pass(1000).is_empty());
        let by_ms = hours * 3_600_000;
        node.now = node.now.moved_by_ms(by_ms);
        node.core.clock_set(node.now, by_ms);
        assert!(node.pass(2900).is_empty(), "{hours}");
        assert!(matches!(node.pass(100)[..], [Action::Start(_)]), "{hours}");
    }
}

#[test]
fn a_clock_that_was_set_while_there_was_no_agent_does_not_make_a_pause_longer() {
    let mut node = Node::new();
    node.now = at(10_000_000);
    let backoff = serde_json::json!({"initial": "4s", "max": "6s"});
    let spec = serde_json::json!({"command": "a", "restart": {"backoff": backoff}});
    node.list(&[assignment(1, spec)]);
    node.started(run(1, 1));
    node.ended(run(1, 1), ExitOutcome::Exited { code: 1 });
    let saved = node.core.copies().cloned().collect();
    node.now = node.now.moved_by_ms(-7_200_000);
    node.core = AgentCore::restore(node.now, saved, Vec::new());
    assert!(matches!(node.pass(6000)[..], [Action::Start(_)]));
}
