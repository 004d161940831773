//! Each predicate is given a claim in a world where it is so, and in one where it is not.

use std::sync::Arc;

use serde_json::{Value, json};
use tessera_types::session::SessionStatus;
use tessera_types::timed::{
    DesiredTimedStatus, PhaseRun, Request, Requested, Timed, Timeslot, UnwantedJob,
};
use tessera_types::workload::{Assigned, Resources};
use tessera_types::{Actor, Host, Kind, OwnerRef, Pod, Revision, Session};

use super::*;
use crate::check::made::{at, object};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Something timed from 100 to 200, with ten seconds before and after it.
fn timed<K: Timed>(text: &str, id: u64, status: K::Status, more: &[(&str, Value)]) -> Object<K> {
    let (lead_time, teardown_buffer) = (Duration::from_secs(10), Duration::from_secs(10));
    let slot = Timeslot { start: at(100), end: at(200), lead_time, teardown_buffer };
    let mut spec = json!({"definition": {"type_key": "x"},
        "timeslot": {"start": slot.start, "end": slot.end}});
    more.iter().for_each(|(field, value)| spec[*field] = value.clone());
    let mut object = object::<K>(text, id, spec);
    K::timed_mut(&mut object).timeslot = Some(slot);
    object.status = status;
    object
}

fn part(id: u64, order: u32, status: TimedStatus, gate: Value) -> Object<SessionPart> {
    let text = ["one", "two"][order as usize];
    let more = [("part", json!(text)), ("order", json!(order)), ("gate", gate)];
    owned(timed(text, id, status, &more), KindName::Session, 1)
}

fn owned<K: Kind>(mut object: Object<K>, kind: KindName, owner: u64) -> Object<K> {
    object.owner = Some(OwnerRef { kind, name: name("owner"), id: Uid(owner) });
    object
}

fn node(id: u64, status: NodeStatus) -> Object<Node> {
    let mut node = object::<Node>("n", id, json!({}));
    (node.status, node.observed.capacity) = (status, crate::machine::capacity(2000));
    node
}

fn workload(id: u64, status: WorkloadStatus, on: Option<u64>) -> Object<Workload> {
    let spec = json!({"command": "x", "resources": {"cpu": 1000}});
    let mut workload = object::<Workload>(&format!("w{id}"), id, spec);
    workload.status = status;
    workload.observed.assigned = on.map(|node| Assigned {
        node: name("n"),
        node_id: Uid(node),
        since: at(0),
        resources: Resources::default(),
        on_disconnect: workload.spec.on_disconnect,
        ports: Vec::new(),
    });
    workload
}

/// Whether what `object` says in this world at 50 is so.
fn is_so<K: Kind>(mut object: Object<K>, says: Says<'_>, others: &[Resource]) -> bool {
    object.waiting_for = says.map(|(reason, message, until)| WaitingFor {
        reason,
        message: message.to_owned(),
        since: at(0),
        until: until.map(at),
    });
    let resource = K::wrap(Arc::new(object));
    let world = World::load(Revision(1), others.iter().cloned().chain([resource.clone()]));
    let look = Look { world: &world, wall: at(50), heard: BTreeSet::from([Uid(90)]) };
    tells_the_truth(&look, &resource).is_ok()
}

type Says<'a> = Option<(WaitReason, &'a str, Option<u64>)>;

fn one<K: Kind>(object: Object<K>) -> Resource {
    K::wrap(Arc::new(object))
}

#[test]
fn who_is_not_at_rest_may_not_be_silent_whatever_it_is() {
    use TimedStatus::{Active, Failed, Grading, Provisioning, Ready, Scheduled, TearingDown};
    for status in [Scheduled, Provisioning, Ready, Grading, Failed, TearingDown] {
        assert!(!is_so(timed::<Pod>("p", 1, status, &[]), None, &[]), "{status}");
        assert!(!is_so(part(2, 0, status, json!("none")), None, &[]), "{status}");
        assert!(!is_so(timed::<Host>("h", 3, status, &[]), None, &[]), "{status}");
    }
    assert!(is_so(timed::<Pod>("p", 1, Active, &[]), None, &[]));
    let mut over = timed::<Pod>("p", 1, TimedStatus::Terminated, &[]);
    assert!(is_so(over.clone(), None, &[]));
    over.deletion_requested_at = Some(at(1));
    assert!(!is_so(over, None, &[]), "it is being deleted");
    assert!(!is_so(timed::<Session>("s", 1, SessionStatus::Pending, &[]), None, &[]));
    let session = || timed::<Session>("s", 1, SessionStatus::Active, &[]);
    assert!(is_so(session(), None, &[one(part(2, 0, Active, json!("none")))]));
    assert!(!is_so(session(), None, &[one(part(2, 0, Ready, json!("none")))]));
    assert!(!is_so(object::<Job>("j", 1, json!({"definition": {"type_key": "x"}})), None, &[]));
    assert!(!is_so(object::<Report>("r", 1, json!({"definition": {"type_key": "x"}})), None, &[]));
    assert!(!is_so(node(1, NodeStatus::Offline), None, &[]));
    assert!(is_so(node(1, NodeStatus::Ready), None, &[]));
    for status in [WorkloadStatus::Pending, WorkloadStatus::Stopping] {
        assert!(!is_so(workload(1, status, None), None, &[]), "{status}");
    }
}

#[test]
fn a_claim_that_no_node_fits_is_recounted() {
    let says = Some((WaitReason::NoNodeFits, "none of 1 nodes fits", None));
    for (status, is_right) in [(NodeStatus::Ready, false), (NodeStatus::Offline, true)] {
        let web = workload(2, WorkloadStatus::Pending, None);
        assert_eq!(is_so(web, says, &[one(node(1, status))]), is_right);
    }
    // Nothing is promised of a node that is in no group, whatever is said.
    let says = Some((WaitReason::NoNodeFits, "1 node: promised to sessions (group: cpu)", None));
    let web = workload(2, WorkloadStatus::Pending, None);
    assert!(!is_so(web, says, &[one(node(1, NodeStatus::Ready))]));
}

#[test]
fn a_workload_waits_for_what_its_state_and_its_node_let_it() {
    use WorkloadStatus::{BackingOff, Lost, Pending, Provisioning, Scheduled, Stopping};
    for (reason, status) in [
        (WaitReason::Agent, Scheduled),
        (WaitReason::Start, Provisioning),
        (WaitReason::Backoff, BackingOff),
        (WaitReason::Stop, Stopping),
        (WaitReason::NodeOffline, Lost),
    ] {
        let is_right = |status, on, node_status| {
            is_so(workload(2, status, on), Some((reason, "", None)), &[one(node(1, node_status))])
        };
        let (right, wrong) = match reason {
            WaitReason::NodeOffline => (NodeStatus::Offline, NodeStatus::Ready),
            _ => (NodeStatus::Ready, NodeStatus::Offline),
        };
        assert!(is_right(status, Some(1), right), "{reason:?}");
        assert!(!is_right(status, Some(1), wrong), "{reason:?}: of its node");
        assert!(!is_right(status, None, right), "{reason:?}: it has none");
        assert!(!is_right(Pending, Some(1), right), "{reason:?}: it is Pending");
    }
}

#[test]
fn children_are_counted() {
    use TimedStatus::{TearingDown, Terminated};
    let children = |message| Some((WaitReason::Children, message, None));
    let workloads = [2, 3].map(|id| one(workload(id, WorkloadStatus::Stopping, Some(1))));
    let leaving = || node(1, NodeStatus::Draining);
    assert!(is_so(leaving(), children("2 workloads to leave"), &workloads));
    assert!(!is_so(leaving(), children("1 workload to leave"), &workloads));
    assert!(!is_so(leaving(), children("0 workloads to leave"), &[]));

    let parts = |second| {
        [one(part(2, 0, TearingDown, json!("none"))), one(part(3, 1, second, json!("none")))]
    };
    let session = || timed::<Session>("s", 1, SessionStatus::Finalizing, &[]);
    assert!(is_so(session(), children("2 of its 2 parts to be gone"), &parts(TearingDown)));
    assert!(!is_so(session(), children("2 of its 2 parts to be gone"), &parts(Terminated)));
    assert!(!is_so(session(), children("0 of its 0 parts to be gone"), &[]));

    let pod = owned(timed::<Pod>("p", 4, TearingDown, &[]), KindName::SessionPart, 2);
    let of_pod = |status, others: &[Resource]| {
        is_so(part(2, 0, status, json!("none")), children("1 of its 1 pods to be gone"), others)
    };
    assert!(of_pod(TearingDown, &[one(pod)]));
    assert!(!of_pod(TearingDown, &[]));

    let mut pod = timed::<Pod>("p", 4, TimedStatus::Active, &[]);
    let binding = json!({"host": "h", "host_id": Uid(1),
        "window": {"from": at(90), "until": at(210)}, "demand": {}});
    pod.observed.binding = serde_json::from_value(binding).unwrap();
    let host = || timed::<Host>("h", 1, TearingDown, &[]);
    assert!(is_so(host(), children("1 pod on it to be over"), &[one(pod.clone())]));
    assert!(!is_so(host(), children("2 pods on it to be over"), &[one(pod)]));
    assert!(!is_so(host(), children("1 pod on it to be over"), &[]));
}

#[test]
fn who_is_deleted_waits_for_what_it_still_has() {
    let says = Some((WaitReason::Children, "its jobs to be deleted", None));
    let mut pod = timed::<Pod>("p", 1, TimedStatus::Terminated, &[]);
    let job = object::<Job>("j", 2, json!({"definition": {"type_key": "x"}}));
    let job = [one(owned(job, KindName::Pod, 1))];
    assert!(!is_so(pod.clone(), says, &job), "nobody has asked for that");
    pod.deletion_requested_at = Some(at(1));
    assert!(is_so(pod.clone(), says, &job));
    assert!(!is_so(pod.clone(), says, &[]));
    let unwanted = UnwantedJob {
        correlation_id: "1.a".to_owned(),
        job_id: None,
        scenario: "lab@v1".to_owned(),
    };
    pod.observed.timed.unwanted_jobs.push(unwanted);
    assert!(is_so(pod, says, &[]), "the engine still has one");
}

#[test]
fn the_own_time_is_the_one_that_is_next_and_to_come() {
    let says = |status, until| {
        is_so(timed::<Pod>("p", 1, status, &[]), Some((WaitReason::Time, "", Some(until))), &[])
    };
    assert!(says(TimedStatus::Scheduled, 90) && says(TimedStatus::Ready, 100));
    assert!(!says(TimedStatus::Scheduled, 100) && !says(TimedStatus::Ready, 90));
    assert!(!says(TimedStatus::Active, 200), "its window is open");
}

#[test]
fn a_gate_that_is_open_is_not_waited_for() {
    let says = Some((WaitReason::Gate, "", Some(200)));
    let two = || {
        let mut two = part(3, 1, TimedStatus::Ready, json!("none"));
        two.desired_status = DesiredTimedStatus::Ready;
        two
    };
    let with = |status, one_: Object<SessionPart>| {
        is_so(two(), says, &[one(timed::<Session>("s", 1, status, &[])), one(one_)])
    };
    let approval = || part(2, 0, TimedStatus::Active, json!("approval"));
    assert!(with(SessionStatus::Active, approval()));
    assert!(with(SessionStatus::Pending, part(2, 0, TimedStatus::Active, json!("none"))));
    assert!(!with(SessionStatus::Active, part(2, 0, TimedStatus::Active, json!("none"))));
    let mut approved = approval();
    approved.observed.approved_by = Some(Actor::API);
    assert!(!with(SessionStatus::Active, approved));
    assert!(with(SessionStatus::Active, part(2, 0, TimedStatus::Active, json!("completed"))));
    assert!(!with(SessionStatus::Active, part(2, 0, TimedStatus::Terminated, json!("completed"))));
    let mut begun = two();
    begun.desired_status = DesiredTimedStatus::Active;
    let active = one(timed::<Session>("s", 1, SessionStatus::Active, &[]));
    assert!(!is_so(begun, says, &[active, one(approval())]), "it was let begin");
}

#[test]
fn a_pod_waits_for_its_part_to_begin_as_long_as_that_may() {
    use TimedStatus::{Active, Ready, TearingDown};
    for (reason, status, is_right) in [
        (WaitReason::Gate, Ready, true),
        (WaitReason::Gate, Active, false),
        (WaitReason::Gate, TearingDown, false),
        (WaitReason::Phase, TearingDown, true),
        (WaitReason::Phase, Ready, false),
    ] {
        let pod = owned(timed::<Pod>("p", 4, Ready, &[]), KindName::SessionPart, 2);
        let part = [one(part(2, 0, status, json!("none")))];
        assert_eq!(is_so(pod, Some((reason, "", None)), &part), is_right, "{reason:?} {status}");
    }
}

#[test]
fn a_session_says_what_its_part_says() {
    let mut first = part(2, 0, TimedStatus::Ready, json!("none"));
    let message = "its start at 100".to_owned();
    let (reason, until) = (WaitReason::Time, Some(at(100)));
    first.waiting_for = Some(WaitingFor { reason, message, since: at(0), until });
    let says = |reason, message, until| {
        let session = timed::<Session>("s", 1, SessionStatus::Active, &[]);
        is_so(session, Some((reason, message, until)), &[one(first.clone())])
    };
    let right = "part one: its start at 100";
    assert!(says(WaitReason::Time, right, Some(100)));
    assert!(!says(WaitReason::Gate, right, Some(100)));
    assert!(!says(WaitReason::Time, right, None));
    assert!(!says(WaitReason::Time, "part two: its start at 100", Some(100)));
}

#[test]
fn a_phase_is_waited_for_while_it_has_something_to_do() {
    let job = |status| {
        let mut job = object::<Job>("j", 2, json!({"definition": {"type_key": "x"}}));
        job.status = status;
        [one(owned(job, KindName::Pod, 1))]
    };
    let pod = |state| {
        let mut pod = timed::<Pod>("p", 1, TimedStatus::Active, &[]);
        pod.observed.timed.phases.push(PhaseRun {
            name: name("greet"),
            state,
            attempt: 1,
            since: at(10),
            job: Some(name("j")),
            retry_at: Some(at(60)),
            message: None,
        });
        pod
    };
    let phase = Some((WaitReason::Phase, "phase greet: job/j (Running)", None));
    assert!(is_so(pod(PhaseState::Running), phase, &job(JobStatus::Running)));
    assert!(!is_so(pod(PhaseState::Running), phase, &job(JobStatus::Succeeded)));
    assert!(!is_so(pod(PhaseState::Running), phase, &[]));
    assert!(!is_so(pod(PhaseState::Done), phase, &job(JobStatus::Running)));
    assert!(!is_so(pod(PhaseState::Running), None, &job(JobStatus::Running)), "it is silent");
    let pause = |until| Some((WaitReason::Backoff, "phase greet: the pause", Some(until)));
    assert!(is_so(pod(PhaseState::BackingOff), pause(60), &[]));
    assert!(!is_so(pod(PhaseState::BackingOff), pause(61), &[]));
    assert!(!is_so(pod(PhaseState::CleaningUp), pause(60), &[]));
}

#[test]
fn somebody_is_waited_for_until_the_retry_is_asked_for() {
    let says = Some((WaitReason::Phase, "somebody to retry it", None));
    let mut host = timed::<Host>("h", 1, TimedStatus::Failed, &[]);
    assert!(is_so(host.clone(), says, &[]));
    let (request, by) = (Request::Retry, Actor::API);
    let requested = Requested { request, by, event: None, at: at(1) };
    host.observed.timed.request(requested);
    assert!(!is_so(host, says, &[]));
}

#[test]
fn a_host_is_overbooked_or_short_of_nodes_by_a_count_of_its_own() {
    let host = |licences: u64| {
        let capacity = json!({"cpu": 4000, "counted": {"licences": licences}});
        timed::<Host>("h", 1, TimedStatus::Active, &[("capacity", capacity)])
    };
    let mut pod = timed::<Pod>("p", 2, TimedStatus::Active, &[]);
    let binding = json!({"host": "h", "host_id": Uid(1), "window": {"from": at(100), "until": at(200)},
        "demand": {"cpu": 1000, "counted": {"licences": 2}}});
    pod.observed.binding = serde_json::from_value(binding).unwrap();
    let says = Some((WaitReason::Overbooked, "room for what is booked", None));
    assert!(is_so(host(1), says, &[one(pod.clone())]));
    assert!(!is_so(host(2), says, &[one(pod.clone())]));
    assert!(!is_so(host(1), says, &[]));

    let mut group = host(2);
    let spec = json!({"type_key": "group", "version": "1.0.0", "host_type": "node_group",
        "pod_types": ["fleet"]});
    let pinned = json!({"name": "g", "type_key": "group", "version": "1.0.0", "spec": spec});
    group.observed.definition = serde_json::from_value(pinned).unwrap();
    let short = Some((WaitReason::Children, "a node that belongs to it to be Ready", None));
    assert!(is_so(group.clone(), short, &[one(node(3, NodeStatus::Offline))]));
    assert!(!is_so(group, short, &[one(node(3, NodeStatus::Ready))]));
}

#[test]
fn a_node_that_was_just_heard_of_is_not_waited_for() {
    let says = Some((WaitReason::Agent, "its agent to be heard of", None));
    assert!(is_so(node(91, NodeStatus::Offline), says, &[]));
    assert!(!is_so(node(90, NodeStatus::Offline), says, &[]));
    assert!(!is_so(node(91, NodeStatus::Ready), says, &[]));
}

#[test]
fn a_job_waits_for_its_own_workload() {
    let job = |status| {
        let mut job = object::<Job>("j", 1, json!({"definition": {"type_key": "x"}}));
        job.status = status;
        job.observed.deadline = Some(at(40));
        job
    };
    let workload = |status| {
        [
            one(owned(workload(2, status, Some(3)), KindName::Job, 1)),
            one(node(3, NodeStatus::Ready)),
        ]
    };
    use WorkloadStatus::{Completed, Running};
    let phase = Some((WaitReason::Phase, "workload/w2: its start", None));
    assert!(is_so(job(JobStatus::Running), phase, &workload(Running)));
    assert!(!is_so(job(JobStatus::Running), phase, &workload(Completed)));
    assert!(!is_so(job(JobStatus::Running), phase, &[]));
    let late = Some((WaitReason::Agent, "node/n to say how it ended", None));
    assert!(is_so(job(JobStatus::Running), late, &workload(Running)));
    assert!(!is_so(job(JobStatus::Running), late, &[]));
    let mut deleted = job(JobStatus::Cancelled);
    deleted.deletion_requested_at = Some(at(1));
    let gone = Some((WaitReason::Children, "its workload to be gone", None));
    assert!(is_so(deleted.clone(), gone, &workload(Running)));
    assert!(!is_so(deleted, gone, &[]));
}

#[test]
fn a_report_waits_for_what_is_not_made() {
    let report = |owner, kind| {
        owned(object::<Report>("r", 9, json!({"definition": {"type_key": "x"}})), kind, owner)
    };
    let children = |message| Some((WaitReason::Children, message, None));
    let grading = |state| {
        let mut part = part(2, 0, TimedStatus::Grading, json!("none"));
        let (job, retry_at, message) = (None, None, None);
        let (name, attempt, since) = (name("grade"), 1, at(10));
        let run = PhaseRun { name, state, attempt, since, job, retry_at, message };
        part.observed.timed.phases.push(run);
        [one(part)]
    };
    let of_part = |state| {
        let says = children("phase grade of sessionpart/one");
        is_so(report(2, KindName::SessionPart), says, &grading(state))
    };
    assert!(of_part(PhaseState::Running) && !of_part(PhaseState::Done));
    let of_session = |status| {
        let says = children("the parts of session/s to be over");
        is_so(report(1, KindName::Session), says, &[one(part(2, 0, status, json!("none")))])
    };
    assert!(of_session(TimedStatus::TearingDown) && !of_session(TimedStatus::Terminated));
}

#[test]
fn a_tenant_waits_for_a_node_on_which_it_is_so() {
    let tenant = |state| {
        let mut tenant = object::<Tenant>("t", 2, json!({"manifest": ""}));
        let mut on = TenantNode::chosen(name("n"), Uid(1), 1);
        on.state = state;
        tenant.observed.nodes.push(on);
        tenant
    };
    use TenantNodeState::{Conflict, Failed, Installed};
    let says = |state, reason, status| {
        is_so(tenant(state), Some((reason, "", None)), &[one(node(1, status))])
    };
    let (ready, offline) = (NodeStatus::Ready, NodeStatus::Offline);
    assert!(says(Conflict, WaitReason::Conflict, ready));
    assert!(!says(Installed, WaitReason::Conflict, ready));
    assert!(!says(Conflict, WaitReason::Conflict, offline));
    assert!(says(Failed, WaitReason::Agent, ready) && !says(Installed, WaitReason::Agent, ready));
    assert!(says(Installed, WaitReason::NodeOffline, offline));
    assert!(!says(Installed, WaitReason::NodeOffline, ready));
    assert!(!says(Installed, WaitReason::NoNodeFits, ready), "it is there");
}
