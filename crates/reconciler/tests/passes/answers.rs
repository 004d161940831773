//! What an agent is told that knows something already, against all there is: whatever
//! happened since, and however often it was told something, it knows everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tessera_reconciler::{Known, News, World, news_for};
use tessera_types::sync::{Assignment, Held};
use tessera_types::workload::{Assigned, OnDisconnect, Resources, WorkloadStatus};
use tessera_types::{Actor, Edited, Name, Object, Revision, Uid, Workload, Write};

use crate::plane::Plane;

const NODES: usize = 2;

#[derive(Clone, Debug)]
enum Happens {
    /// A workload is placed on a node of this number, or on the same one again.
    Placed(usize, usize),
    /// It leaves its node.
    Left(usize),
    /// Its spec is changed.
    Edited(usize),
    /// It is to be stopped.
    Stopped(usize),
    /// Its agent, if it knows of it, has reported.
    Reported(usize),
    Deleted(usize),
    /// The agent of this node is told what is new.
    Told(usize),
    /// The agent of this node registers anew, and is told what is new then.
    Registered(usize),
    /// The control plane is started anew.
    Restarted,
    /// The agent of this node knows nothing any more.
    Forgotten(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    let workload = || 0..6usize;
    prop_oneof![
        6 => (workload(), 0..NODES).prop_map(|(one, node)| Happens::Placed(one, node)),
        2 => workload().prop_map(Happens::Left),
        2 => workload().prop_map(Happens::Edited),
        1 => workload().prop_map(Happens::Stopped),
        2 => workload().prop_map(Happens::Reported),
        1 => workload().prop_map(Happens::Deleted),
        8 => (0..NODES).prop_map(Happens::Told),
        3 => (0..NODES).prop_map(Happens::Registered),
        1 => Just(Happens::Restarted),
        1 => (0..NODES).prop_map(Happens::Forgotten),
    ]
}

/// What an agent knows of its workloads, each with its spec.
type All = BTreeMap<Uid, Assignment>;

fn known(one: &Assignment, before: &All) -> Assignment {
    let spec = || before.get(&one.id).and_then(|known| known.spec.clone());
    Assignment { spec: one.spec.clone().or_else(spec), ..one.clone() }
}

/// As an agent counts it.
fn held(all: &All) -> u64 {
    Held::digest(all.values().map(|one| one.held().expect("it has a spec")))
}

struct Agents {
    plane: Plane,
    nodes: Vec<Uid>,
    agents: Vec<(Revision, All)>,
}

impl Agents {
    fn new() -> Self {
        let mut plane = Plane::new();
        let nodes: Vec<_> = (0..NODES).map(|i| plane.node(&format!("node-{i}"), 1000)).collect();
        plane.settle();
        Self { plane, nodes, agents: vec![Default::default(); NODES] }
    }

    fn happens(&mut self, step: &Happens) {
        match *step {
            Happens::Placed(one, node) => self.place(one, node),
            Happens::Left(one) => self.edit(one, |it| it.observed.assigned = None),
            Happens::Edited(one) => self.edit(one, |it| {
                it.generation += 1;
                let spec = Arc::make_mut(&mut it.spec);
                spec.args = vec![it.generation.to_string()];
            }),
            Happens::Stopped(one) => self.edit(one, |it| it.status = WorkloadStatus::Stopping),
            Happens::Reported(one) => self.report(one),
            Happens::Deleted(one) => {
                if let Some(workload) = self.find(one) {
                    let at = self.plane.now.wall;
                    self.plane.commit(vec![Write::delete(&workload, Actor::API, "asked", at)]);
                }
            }
            Happens::Told(node) => self.tell(node),
            Happens::Registered(node) => self.register(node),
            Happens::Restarted => {
                let world = &self.plane.world;
                self.plane.world = World::load(world.revision(), world.all());
            }
            Happens::Forgotten(node) => self.agents[node] = Default::default(),
        }
    }

    fn find(&self, one: usize) -> Option<Arc<Object<Workload>>> {
        let name = Name::new(&format!("workload-{one}")).unwrap();
        self.plane.world.workloads.find(Some(&Name::default_namespace()), &name).cloned()
    }

    fn place(&mut self, one: usize, node: usize) {
        if self.find(one).is_none() {
            self.plane.declare(&format!("workload-{one}"), json!({}));
        }
        let assigned = Assigned {
            node: Name::new(&format!("node-{node}")).unwrap(),
            node_id: self.nodes[node],
            since: self.plane.now.wall,
            resources: Resources::default(),
            on_disconnect: OnDisconnect::default(),
            ports: Vec::new(),
        };
        self.edit(one, |it| {
            it.observed.epoch = it.observed.epoch.next();
            it.observed.assigned = Some(assigned);
            it.status = WorkloadStatus::Scheduled;
        });
    }

    fn edit(&mut self, one: usize, edit: impl FnOnce(&mut Object<Workload>)) {
        let Some(workload) = self.find(one) else { return };
        let mut object = (*workload).clone();
        edit(&mut object);
        self.plane.commit(vec![Write::update(Edited { object, transitions: Vec::new() })]);
    }

    /// Who reports knows the number of the report, and nobody else reports.
    fn report(&mut self, one: usize) {
        let Some(workload) = self.find(one) else { return };
        let assigned = workload.observed.assigned.as_ref();
        let Some(at) = assigned.and_then(|at| self.nodes.iter().position(|id| *id == at.node_id))
        else {
            return;
        };
        let copy = self.agents[at].1.get_mut(&workload.id);
        if let Some(copy) = copy.filter(|copy| copy.epoch == workload.observed.epoch) {
            copy.report_seq += 1;
            self.edit(one, |it| it.observed.report_seq += 1);
        }
    }

    /// It asks anew, and says what it has.
    fn register(&mut self, node: usize) {
        let (_, before) = std::mem::take(&mut self.agents[node]);
        let (since, held) = (Revision::ZERO, Some(held(&before)));
        let known = Known { since, partial: true, held };
        let news = news_for(&self.plane.world, self.nodes[node], known).unwrap();
        assert_eq!(news.unchanged, before == self.all(node));
        assert_eq!(news.unchanged, news.assignments.is_none(), "all is listed, or nothing");
        assert!(news.tenants.is_some(), "it asks for both");
        match news.unchanged {
            true => self.agents[node] = (news.revision, before),
            false => self.tell(node),
        }
    }

    /// As the agent does it: what is not left out is news, and what is listed is all.
    fn tell(&mut self, node: usize) {
        let (since, before) = self.agents[node].clone();
        let news = self.news(node, since);
        let Some(list) = news.assignments else {
            assert_eq!(before, self.all(node), "there is no news");
            return;
        };
        let mut after = match news.since {
            Revision::ZERO => All::new(),
            known => {
                assert_eq!(known, since, "what is left out is what the agent knows");
                before.clone()
            }
        };
        after.extend(list.iter().map(|one| (one.id, known(one, &before))));
        assert_eq!(after, self.all(node), "after {list:?}, which leaves out {}", news.since);
        self.agents[node] = (news.revision, after);
    }

    fn news(&self, node: usize, since: Revision) -> News {
        let known = Known { since, partial: true, held: None };
        news_for(&self.plane.world, self.nodes[node], known).unwrap()
    }

    fn all(&self, node: usize) -> All {
        let news = self.news(node, Revision::ZERO);
        assert_eq!(news.since, Revision::ZERO, "all are wanted");
        let list = news.assignments.unwrap();
        list.into_iter().map(|one| (one.id, one)).collect()
    }
}

proptest! {
    #[test]
    fn an_agent_that_is_told_what_is_new_knows_all(
        steps in prop::collection::vec(happens(), 1..80)
    ) {
        let mut agents = Agents::new();
        for step in steps {
            agents.happens(&step);
        }
        (0..NODES).for_each(|node| agents.tell(node));
        let world = &agents.plane.world;
        let mut counted = BTreeMap::new();
        for one in world.all() {
            *counted.entry((one.kind(), one.status())).or_default() += 1;
        }
        let kept = world.counts().map(|(kind, status, count)| ((kind, status), count));
        prop_assert_eq!(kept.collect::<BTreeMap<_, usize>>(), counted);
    }
}

#[test]
fn what_an_agent_knows_is_left_out_until_something_goes() {
    let mut agents = Agents::new();
    (0..5).for_each(|one| agents.place(one, 0));
    let told = |agents: &mut Agents| {
        let (since, _) = agents.agents[0];
        let news = agents.news(0, since);
        agents.tell(0);
        news.assignments.unwrap().len()
    };
    assert_eq!(told(&mut agents), 5);
    agents.place(5, 0);
    assert_eq!(told(&mut agents), 1);
    agents.happens(&Happens::Edited(2));
    assert_eq!(told(&mut agents), 1);
    agents.happens(&Happens::Left(3));
    assert_eq!(told(&mut agents), 5);
}
