//! Tenants on a fleet: which nodes have them, what reports make of them, and what agents are
//! told.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tessera_reconciler::{
    Known, Manager, Reporter, TenantManager, World, apply_tenant_reports, news_for, request_run,
};
use tessera_types::node::NodeStatus;
use tessera_types::sync::{InstallState, TenantAssignment, TenantReport};
use tessera_types::tenant::{RunState, TenantNodeState, TenantRun, TenantStatus};
use tessera_types::{
    Actor, BootTime, Change, Committed, Duration, Edit, Kind, KindName, Name, Node, Now, Object,
    Resource, ResourceKey, Revision, Tenant, Timestamp, Uid, WaitReason, Write, limits,
};

fn now() -> Now {
    Now { wall: Timestamp::EPOCH.plus(Duration::from_secs(1000)), boot: BootTime::from_millis(1) }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn object<K: Kind>(kind: KindName, text: &str, id: u64, spec: serde_json::Value) -> Object<K> {
    let key = ResourceKey::new(kind, None, name(text));
    let spec = Arc::new(serde_json::from_value(spec).unwrap());
    let mut object = Object::<K>::new(&key, spec, Actor::API, now().wall);
    object.id = Uid(id);
    object.revision = Revision(1);
    object
}

fn node(text: &str, id: u64, zone: &str) -> Object<Node> {
    let mut node = object::<Node>(KindName::Node, text, id, json!({}));
    node.status = NodeStatus::Ready;
    node.labels = BTreeMap::from([("zone".to_owned(), zone.to_owned())]).into();
    node
}

fn tenant(text: &str, id: u64) -> Object<Tenant> {
    let spec = json!({"node_selector": {"zone": "a"}, "manifest": "one"});
    object(KindName::Tenant, text, id, spec)
}

/// A world to which what is written comes back.
struct Fleet(World);

impl Fleet {
    fn of(resources: Vec<Resource>) -> Self {
        Self(World::load(Revision(1), resources))
    }

    /// One tenant, and nodes in zone a and one in zone b.
    fn usual() -> Self {
        Self::of(vec![
            Node::wrap(Arc::new(node("n1", 1, "a"))),
            Node::wrap(Arc::new(node("n2", 2, "a"))),
            Node::wrap(Arc::new(node("n3", 3, "b"))),
            Tenant::wrap(Arc::new(tenant("circ", 10))),
        ])
    }

    fn commit(&mut self, writes: Vec<Write>) {
        let revision = self.0.revision().next();
        let change = |write: Write| {
            let key = write.key();
            match write {
                Write::Create { mut resource, .. } | Write::Update { mut resource, .. } => {
                    if let Resource::Tenant(tenant) = &mut resource {
                        Arc::make_mut(tenant).revision = revision;
                    }
                    Change { key, id: resource.id(), after: Some(resource) }
                }
                Write::Delete { id, .. } => Change { key, id, after: None },
            }
        };
        let changes = writes.into_iter().map(change).collect();
        self.0.apply(&Committed { revision, at: now().wall, changes });
    }

    fn find(&self) -> Arc<Object<Tenant>> {
        Arc::clone(self.0.tenants.get(Uid(10)).unwrap())
    }

    /// Reconciles until nothing is to be written.
    fn settle(&mut self) {
        for _ in 0..10 {
            let Some(tenant) = self.0.tenants.get(Uid(10)) else { return };
            let plan = TenantManager.reconcile(tenant, &self.0, now());
            if plan.writes.is_empty() {
                return;
            }
            self.commit(plan.writes);
        }
        panic!("it does not come to rest: {:?}", self.find());
    }

    fn edit_node(&mut self, id: u64, change: impl FnOnce(&mut Object<Node>)) {
        let mut node = Object::clone(self.0.nodes.get(Uid(id)).unwrap());
        change(&mut node);
        self.commit(vec![Write::Update {
            resource: Node::wrap(Arc::new(node)),
            records: Vec::new(),
        }]);
        self.settle();
    }

    fn edit(&mut self, change: impl FnOnce(&mut Edit<Tenant>)) {
        let mut edit = Edit::of(&self.find(), now().wall);
        change(&mut edit);
        let writes = edit.finish().map(Write::update).into_iter().collect();
        self.commit(writes);
        self.settle();
    }

    /// What the agent of a node is told of the tenant.
    fn told(&self, node: u64, since: Revision) -> Option<Vec<TenantAssignment>> {
        let known = Known { since, ..Known::default() };
        news_for(&self.0, Uid(node), known).unwrap().tenants
    }

    fn report(&mut self, node: u64, seq: u64, state: InstallState) -> Vec<Uid> {
        let tenant = self.find();
        let hash = matches!(state, InstallState::Installed).then(|| tenant.spec.hash());
        let report = json!({
            "id": tenant.id, "seq": seq, "generation": tenant.generation, "state": state,
            "hash": hash,
        });
        self.reports(node, &[serde_json::from_value(report).unwrap()])
    }

    fn reports(&mut self, node: u64, reports: &[TenantReport]) -> Vec<Uid> {
        let node_name = self.0.nodes.get(Uid(node)).unwrap().name.clone();
        let from = Reporter { node: &node_name, node_id: Uid(node), session: "s" };
        let reported = apply_tenant_reports(&self.0, from, reports, now().wall);
        if !reported.writes.is_empty() {
            self.commit(reported.writes);
        }
        self.settle();
        reported.stale
    }

    fn states(&self) -> Vec<(String, TenantNodeState)> {
        let nodes = &self.find().observed.nodes;
        nodes.iter().map(|on| (on.node.to_string(), on.state)).collect()
    }

    fn waits_for(&self) -> (WaitReason, String) {
        let waiting = self.find().waiting_for.clone().unwrap();
        (waiting.reason, waiting.message)
    }
}

#[test]
fn it_is_on_the_nodes_with_its_labels_and_installed_once_all_say_so() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    assert_eq!(fleet.find().status, TenantStatus::Installing);
    assert_eq!(fleet.waits_for(), (WaitReason::Agent, "n1, n2 to install it".to_owned()));
    assert_eq!(fleet.told(3, Revision::ZERO), Some(Vec::new()));
    let told = fleet.told(1, Revision::ZERO).unwrap();
    assert!(told[0].spec.is_some() && told[0].report && !told[0].remove, "{told:?}");
    fleet.report(1, 1, InstallState::Installed);
    assert_eq!(fleet.find().status, TenantStatus::Installing);
    fleet.report(2, 1, InstallState::Installed);
    assert_eq!(fleet.find().status, TenantStatus::Installed);
    assert_eq!(fleet.find().waiting_for, None);
}

#[test]
fn a_node_that_is_left_is_waited_for_until_nothing_is_left_there() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    [1, 2].into_iter().for_each(|node| drop(fleet.report(node, 1, InstallState::Installed)));
    let since = fleet.0.revision();
    assert_eq!(fleet.told(1, since), None);
    fleet.edit_node(1, |node| node.labels = Arc::default());
    assert_eq!(fleet.find().status, TenantStatus::Installed);
    assert_eq!(fleet.waits_for(), (WaitReason::Agent, "n1 to remove it".to_owned()));
    let told = fleet.told(1, since).unwrap();
    assert!(told[0].remove && told[0].spec.is_none(), "{told:?}");
    fleet.edit_node(1, |node| node.status = NodeStatus::Offline);
    let message = "n1 to remove it, of which n1 is Offline".to_owned();
    assert_eq!(fleet.waits_for(), (WaitReason::NodeOffline, message));
    fleet.edit_node(1, |node| node.status = NodeStatus::Ready);
    // What it said before it was told is not the end.
    fleet.report(1, 2, InstallState::Installed);
    assert_eq!(fleet.states()[0].1, TenantNodeState::Removing);
    fleet.report(1, 3, InstallState::Removed);
    assert_eq!(fleet.states(), [("n2".to_owned(), TenantNodeState::Installed)]);
    assert_eq!(fleet.report(1, 4, InstallState::Removed), [Uid(10)], "it is not there any more");
}

/// It left the node, came back, and is to leave again. What the agent says that has not heard of
/// the last of these, such as one that begins, is about the first.
#[test]
fn what_is_said_of_an_earlier_removal_does_not_count() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    let stays = |node: &mut Object<Node>| {
        node.labels = BTreeMap::from([("zone".into(), "a".into())]).into();
    };
    let leaves = |node: &mut Object<Node>| node.labels = Arc::default();
    let told = |fleet: &Fleet| fleet.told(1, Revision::ZERO).unwrap()[0].turn;
    let says = |fleet: &mut Fleet, seq: u64, turn: u64, state: InstallState| {
        let tenant = fleet.find();
        let report = json!({
            "id": tenant.id, "seq": seq, "generation": tenant.generation, "turn": turn,
            "state": state, "hash": tenant.spec.hash(),
        });
        fleet.reports(1, &[serde_json::from_value(report).unwrap()]);
        fleet.find().on(Uid(1)).map(|on| on.state)
    };
    let came = told(&fleet);
    assert_eq!(
        says(&mut fleet, 1, came, InstallState::Installed),
        Some(TenantNodeState::Installed)
    );
    fleet.edit_node(1, leaves);
    let left = told(&fleet);
    assert_eq!(says(&mut fleet, 2, left, InstallState::Removed), None);
    fleet.edit_node(1, stays);
    let again = told(&fleet);
    // Late, from when it was there for the first time.
    assert_eq!(says(&mut fleet, 1, came, InstallState::Installed), Some(TenantNodeState::Waiting));
    fleet.edit_node(1, leaves);
    assert_eq!(says(&mut fleet, 3, left, InstallState::Removed), Some(TenantNodeState::Removing));
    assert_eq!(
        says(&mut fleet, 4, again, InstallState::Installed),
        Some(TenantNodeState::Removing)
    );
    let last = told(&fleet);
    assert_eq!(says(&mut fleet, 5, last, InstallState::Removed), None);
}

#[test]
fn a_node_that_is_wanted_again_gets_the_spec_again_and_is_asked() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    fleet.report(1, 1, InstallState::Installed);
    fleet.edit_node(1, |node| node.labels = Arc::default());
    let since = fleet.0.revision();
    fleet.edit_node(1, |node| node.labels = BTreeMap::from([("zone".into(), "a".into())]).into());
    let told = fleet.told(1, since).unwrap();
    assert!(!told[0].remove && told[0].report && told[0].spec.is_some(), "{told:?}");
    // The agent may have removed it meanwhile.
    fleet.report(1, 2, InstallState::Removed);
    assert_eq!(fleet.states()[0].1, TenantNodeState::Waiting);
    fleet.report(1, 3, InstallState::Installed);
    assert_eq!(fleet.states()[0].1, TenantNodeState::Installed);
}

#[test]
fn what_is_said_of_an_older_spec_does_not_count() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    let old = fleet.find();
    let declare = |fleet: &mut Fleet, text: &str| {
        fleet.edit(|edit| {
            let before = Arc::clone(&edit.object.spec);
            Arc::make_mut(&mut edit.object.spec).manifest = text.to_owned();
            edit.object.generation += 1;
            Tenant::declared(&mut edit.object, &before);
        });
    };
    declare(&mut fleet, "two");
    let report = json!({
        "id": old.id, "seq": 1, "generation": old.generation, "state": "Failed",
        "reason": "one does not work",
    });
    fleet.reports(1, &[serde_json::from_value(report).unwrap()]);
    let on = fleet.find().on(Uid(1)).unwrap().clone();
    assert_eq!((on.state, on.reason), (TenantNodeState::Waiting, None));
    // Back to what is installed: the agent has nothing to change, and is asked all the same.
    let since = fleet.0.revision();
    declare(&mut fleet, "one");
    assert!(fleet.told(1, since).unwrap()[0].report);
}

#[test]
fn what_is_wrong_on_a_node_is_said_with_the_node() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    fleet.report(2, 1, InstallState::Installed);
    let tenant = fleet.find();
    let report = json!({
        "id": tenant.id, "seq": 1, "generation": 1, "state": "Conflict",
        "conflicts": [{"path": "/u/circ.timer", "found": "a file"}],
    });
    fleet.reports(1, &[serde_json::from_value(report).unwrap()]);
    assert_eq!(fleet.find().status, TenantStatus::Degraded);
    let message = "on n1: /u/circ.timer is in the way (a file)";
    assert_eq!(fleet.waits_for(), (WaitReason::Conflict, message.to_owned()));
    fleet.edit_node(2, |node| node.status = NodeStatus::Offline);
    assert_eq!(fleet.waits_for().1, format!("{message}; n2 is Offline"));
    fleet.edit_node(2, |node| node.status = NodeStatus::Cordoned);
    fleet.report(1, 2, InstallState::Installed);
    assert_eq!(fleet.find().status, TenantStatus::Installed);
}

fn told(fleet: &Fleet, seq: u64, state: &str, reason: &str) -> TenantReport {
    let id = fleet.find().id;
    let report = json!({"id": id, "seq": seq, "generation": fleet.find().generation, "state": state, "reason": reason});
    serde_json::from_value(report).unwrap()
}

#[test]
fn the_same_trouble_on_several_nodes_is_said_once() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    for node in [1, 2] {
        let report = told(&fleet, 1, "Failed", "app.sh is not there");
        fleet.reports(node, &[report]);
    }
    assert_eq!(fleet.waits_for().1, "on n1, n2: app.sh is not there");
}

#[test]
fn what_a_removal_waits_for_is_said() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    fleet.edit(Edit::request_deletion);
    let report = told(&fleet, 1, "Removing", "waits for the end of circ.service, which is running");
    fleet.reports(1, &[report]);
    let message =
        "n1, n2 to remove it (on n1: waits for the end of circ.service, which is running)";
    assert_eq!(fleet.waits_for().1, message);
}

#[test]
fn a_tenant_is_gone_when_the_last_node_says_so_or_is_gone() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    fleet.report(1, 1, InstallState::Installed);
    fleet.edit(Edit::request_deletion);
    assert_eq!(fleet.find().status, TenantStatus::Terminating);
    assert_eq!(fleet.waits_for().1, "n1, n2 to remove it");
    fleet.report(1, 2, InstallState::Removed);
    assert_eq!(fleet.find().status, TenantStatus::Terminating);
    let node = Arc::clone(fleet.0.nodes.get(Uid(2)).unwrap());
    fleet.commit(vec![Write::delete(&node, Actor::API, "gone", now().wall)]);
    fleet.settle();
    assert!(fleet.0.tenants.get(Uid(10)).is_none());
    assert_eq!(fleet.told(1, Revision::ZERO), Some(Vec::new()));
}

#[test]
fn without_a_node_it_says_what_it_waits_for() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    [1, 2].into_iter().for_each(|node| drop(fleet.report(node, 1, InstallState::Installed)));
    for id in [1, 2] {
        fleet.edit_node(id, |node| node.labels = Arc::default());
        fleet.report(id, 2, InstallState::Removed);
    }
    assert_eq!(fleet.find().status, TenantStatus::Pending);
    let message = "a node with zone=a: none of 3 has".to_owned();
    assert_eq!(fleet.waits_for(), (WaitReason::NoNodeFits, message));
}

#[test]
fn a_node_has_a_hundred_tenants_and_the_next_one_waits() {
    let mut all: Vec<_> = (0..limits::NODE_TENANTS_MAX as u64)
        .map(|i| {
            let mut one = tenant(&format!("t{i}"), 100 + i);
            one.observed.nodes =
                vec![tessera_types::tenant::TenantNode::chosen(name("n1"), Uid(1), 1)];
            Tenant::wrap(Arc::new(one))
        })
        .collect();
    all.push(Node::wrap(Arc::new(node("n1", 1, "a"))));
    all.push(Tenant::wrap(Arc::new(tenant("circ", 10))));
    let mut fleet = Fleet::of(all);
    fleet.settle();
    assert_eq!(fleet.states(), []);
    assert_eq!(fleet.find().observed.no_room_on, [name("n1")]);
    assert_eq!(fleet.waits_for().0, WaitReason::NoNodeFits);
    let other = Arc::clone(fleet.0.tenants.get(Uid(100)).unwrap());
    fleet.commit(vec![Write::delete(&other, Actor::API, "gone", now().wall)]);
    fleet.settle();
    assert_eq!(fleet.states(), [("n1".to_owned(), TenantNodeState::Waiting)]);
    assert!(fleet.find().observed.no_room_on.is_empty());
}

fn run(id: &str) -> TenantRun {
    serde_json::from_value(json!({
        "id": id, "node": "n1", "node_id": Uid(1), "requested_at": now().wall,
        "requested_by": "api", "state": "Requested",
    }))
    .unwrap()
}

#[test]
fn a_run_is_listed_until_its_end_is_told_and_ends_with_its_node() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    fleet.report(1, 1, InstallState::Installed);
    let since = fleet.0.revision();
    fleet.edit(|edit| request_run(edit, run("one")));
    fleet.edit(|edit| request_run(edit, run("two")));
    let told = fleet.told(1, since).unwrap();
    assert_eq!(told[0].runs.len(), 2);
    assert!(told[0].spec.is_none() && !told[0].report, "{told:?}");
    let end = json!({"at": now().wall, "exit_code": 7, "source": "tenant"});
    let report = json!({
        "id": Uid(10), "seq": 2, "generation": 1, "state": "Installed",
        "hash": fleet.find().spec.hash(), "runs": [{"id": "one", "end": end}],
    });
    fleet.reports(1, &[serde_json::from_value(report).unwrap()]);
    assert_eq!(fleet.told(1, since).unwrap()[0].runs.len(), 1);
    fleet.edit(Edit::request_deletion);
    assert!(fleet.told(1, since).unwrap()[0].remove);
    let node = Arc::clone(fleet.0.nodes.get(Uid(1)).unwrap());
    fleet.commit(vec![Write::delete(&node, Actor::API, "gone", now().wall)]);
    fleet.settle();
    let runs = fleet.find().observed.runs.clone();
    let ends: Vec<_> = runs.iter().map(|run| (run.state, run.exit_code)).collect();
    assert_eq!(ends, [(RunState::Done, Some(7)), (RunState::Done, None)]);
    let message = "the tenant is not on n1 any more: it was not started, as far as is known";
    assert_eq!(runs[1].message.as_deref(), Some(message));
}

#[test]
fn of_old_runs_the_last_are_kept_and_none_that_is_not_over() {
    let mut fleet = Fleet::usual();
    fleet.settle();
    fleet.edit(|edit| {
        request_run(edit, run("open"));
        for i in 0..30 {
            let over = TenantRun { state: RunState::Done, ..run(&format!("r{i}")) };
            request_run(edit, over);
        }
    });
    let runs = fleet.find().observed.runs.clone();
    assert_eq!(runs.len(), limits::TENANT_RUNS_MAX);
    assert_eq!((runs[0].id.as_str(), runs[19].id.as_str()), ("open", "r29"));
}

fn any_state() -> impl Strategy<Value = InstallState> {
    prop::sample::select(vec![
        InstallState::Installing,
        InstallState::Installed,
        InstallState::Conflict,
        InstallState::Failed,
    ])
}

proptest! {
    /// Whatever order they arrive in, how often, and which are lost: what is known in the end
    /// is what the last one that arrived says, and no run that is over goes on.
    #[test]
    fn reports_come_to_the_same_in_any_order(
        states in prop::collection::vec(any_state(), 1..6),
        arrivals in prop::collection::vec(0_usize..6, 1..12),
    ) {
        let mut fleet = Fleet::usual();
        fleet.settle();
        fleet.edit(|edit| request_run(edit, run("one")));
        let hash = fleet.find().spec.hash();
        let report = |i: usize| -> TenantReport {
            // From the third report on, the run is over.
            let end = (i >= 2).then(|| json!({"at": now().wall, "exit_code": 0}));
            serde_json::from_value(json!({
                "id": Uid(10), "seq": i + 1, "generation": 1, "state": states[i], "hash": hash,
                "reason": format!("report {i}"), "runs": [{"id": "one", "end": end}],
            }))
            .unwrap()
        };
        let arrived: Vec<_> = arrivals.into_iter().filter(|i| *i < states.len()).collect();
        for i in &arrived {
            fleet.reports(1, &[report(*i)]);
        }
        let on = fleet.find().on(Uid(1)).unwrap().clone();
        match arrived.iter().max() {
            None => prop_assert_eq!(on.state, TenantNodeState::Waiting),
            Some(last) => {
                prop_assert_eq!(on.state.as_str(), states[*last].as_str());
                prop_assert_eq!(on.reason, Some(format!("report {last}")));
                let run = &fleet.find().observed.runs[0];
                prop_assert_eq!(run.state == RunState::Done, *last >= 2);
            }
        }
    }
}
