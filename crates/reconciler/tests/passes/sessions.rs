//! Who speaks for a node, whatever agents do.

use std::collections::BTreeSet;

use crate::plane::Plane;
use proptest::prelude::*;
use tessera_reconciler::{KILL_MARGIN, NotInSession, Permit, Sessions, World};
use tessera_types::node::{Capacity, Executors, NodeStatus};
use tessera_types::sync::Registration;
use tessera_types::{Duration, Labels, Name, limits};

fn registration(agent: &str, session: &str) -> Registration {
    Registration {
        agent_id: agent.to_owned(),
        session: session.to_owned(),
        start: 0,
        version: "test".to_owned(),
        capacity: Capacity { workloads: 10, ..Capacity::default() },
        labels: Labels::new(),
        executors: Executors { process: true, ..Executors::default() },
    }
}

struct Desk {
    plane: Plane,
    sessions: Sessions,
    name: Name,
}

impl Desk {
    fn new() -> Self {
        Self { plane: Plane::new(), sessions: Sessions::default(), name: Name::new("a").unwrap() }
    }

    fn register(&mut self, agent: &str, session: &str) -> Result<(), NotInSession> {
        self.start(agent, session, 0)
    }

    fn start(&mut self, agent: &str, session: &str, start: u64) -> Result<(), NotInSession> {
        let registration = Registration { start, ..registration(agent, session) };
        let permit = self.ask(&registration)?;
        self.enter(&registration, permit)
    }

    fn ask(&self, registration: &Registration) -> Result<Permit, NotInSession> {
        let (world, now) = (&self.plane.world, self.plane.now);
        self.sessions.may_register(world, &self.name, registration, now.boot)
    }

    fn enter(&mut self, registration: &Registration, permit: Permit) -> Result<(), NotInSession> {
        let (world, now) = (&self.plane.world, self.plane.now);
        let existing = world.nodes.find(None, &self.name).cloned();
        let write =
            tessera_reconciler::registered(existing.as_ref(), &self.name, registration, now.wall);
        if let Some(write) = write {
            self.plane.commit(vec![write]);
        }
        let id = self.plane.world.nodes.find(None, &self.name).unwrap().id;
        let world = &self.plane.world;
        self.sessions.registered(world, &self.name, id, registration, permit, now.boot)?;
        self.plane.world.heard(id, now.boot, Duration::from_secs(15));
        Ok(())
    }

    fn speaks(&self, session: &str) -> Result<(), NotInSession> {
        self.sessions.speaks_for(&self.plane.world, &self.name, session).map(|_| ())
    }
}

#[test]
fn a_restarted_agent_is_let_in_at_once_and_the_one_before_is_superseded_for_good() {
    let mut desk = Desk::new();
    desk.register("agent", "1").unwrap();
    desk.register("agent", "2").unwrap();
    assert_eq!(desk.speaks("2"), Ok(()));
    assert_eq!(desk.speaks("1"), Err(NotInSession::Superseded));
    assert_eq!(desk.register("agent", "1"), Err(NotInSession::Superseded));
    desk.plane.wait(Duration::from_secs(60));
    assert_eq!(desk.register("agent", "1"), Err(NotInSession::Superseded));
    assert_eq!(desk.register("agent", "2"), Ok(()), "it may say it again");
    assert_eq!(desk.speaks("3"), Err(NotInSession::NotRegistered));
}

/// It asked, ended, and was started again before it was heard.
#[test]
fn an_earlier_start_that_is_heard_late_does_not_supersede_a_later_one() {
    let mut desk = Desk::new();
    desk.start("agent", "2", 2).unwrap();
    assert_eq!(desk.start("agent", "1", 1), Err(NotInSession::Superseded));
    assert_eq!(desk.speaks("2"), Ok(()));
    desk.start("agent", "copy", 2).unwrap();
    assert_eq!(desk.speaks("2"), Err(NotInSession::Superseded), "of a copied folder the last one");
    desk.start("agent", "4", 4).unwrap();
    // A folder that was put back counts from where it was, and nobody else is there.
    assert_eq!(desk.start("agent", "3", 3), Err(NotInSession::Superseded));
    desk.plane.wait(Duration::from_secs(15));
    assert_eq!(desk.start("agent", "3", 3), Ok(()));
    assert_eq!(desk.start("agent", "4a", 4), Ok(()));
    assert_eq!(desk.register("agent", "uncounted"), Ok(()));
}

/// What ran under the installation before, and must be alone, is dead by then.
/// Both may register while nobody is heard of, and one of them is slower.
#[test]
fn of_two_starts_that_are_let_in_together_the_later_one_stays() {
    let mut desk = Desk::new();
    desk.start("agent", "2", 2).unwrap();
    desk.plane.wait(Duration::from_secs(15));
    let at = |start: u64| Registration { start, ..registration("agent", &start.to_string()) };
    let (three, four) = (desk.ask(&at(3)).unwrap(), desk.ask(&at(4)).unwrap());
    desk.enter(&at(4), four).unwrap();
    assert_eq!(desk.enter(&at(3), three), Err(NotInSession::Superseded));
    assert_eq!((desk.speaks("4"), desk.speaks("3")), (Ok(()), Err(NotInSession::NotRegistered)));
    // A folder that was put back to what it was is let in when the later start is not there.
    desk.plane.wait(Duration::from_secs(15));
    let three = desk.ask(&at(3)).unwrap();
    desk.enter(&at(3), three).unwrap();
    assert_eq!(desk.speaks("3"), Ok(()));
}

#[test]
fn another_installation_waits_for_the_lease_and_for_the_killing() {
    let mut desk = Desk::new();
    desk.register("agent", "1").unwrap();
    let until = desk.plane.now.boot.plus(Duration::from_secs(15)).plus(KILL_MARGIN);
    assert_eq!(desk.register("other", "9"), Err(NotInSession::NameTaken { until }));
    desk.plane.wait(Duration::from_secs(15));
    assert_eq!(desk.register("other", "9"), Err(NotInSession::NameTaken { until }));
    assert_eq!(desk.register("agent", "2"), Ok(()), "the same one is let in at once");
    desk.plane.wait(Duration::from_secs(15).plus(KILL_MARGIN));
    assert_eq!(desk.register("other", "9"), Ok(()));
    assert_eq!(desk.speaks("2"), Err(NotInSession::NotRegistered));
    assert!(matches!(desk.register("agent", "3"), Err(NotInSession::NameTaken { .. })));
}

/// Its registration waits for the disk, and the node is not marked Offline yet.
#[test]
fn another_installation_waits_where_the_one_before_is_heard_of_meanwhile() {
    let mut desk = Desk::new();
    desk.register("agent", "1").unwrap();
    desk.plane.wait(Duration::from_secs(15).plus(KILL_MARGIN));
    let other = registration("other", "9");
    let permit = desk.ask(&other).unwrap();
    assert_eq!(desk.speaks("1"), Ok(()));
    let node = desk.plane.world.nodes.find(None, &desk.name).unwrap().id;
    desk.plane.world.heard(node, desk.plane.now.boot, Duration::from_secs(15));
    let until = desk.plane.now.boot.plus(Duration::from_secs(15)).plus(KILL_MARGIN);
    assert_eq!(desk.enter(&other, permit), Err(NotInSession::NameTaken { until }));
    assert_eq!(desk.speaks("1"), Ok(()));
    assert_eq!(desk.register("agent", "2"), Ok(()), "and is let in as ever");
}

#[test]
fn another_installation_waits_where_nobody_knows_of_the_lease() {
    let mut desk = Desk::new();
    desk.register("agent", "1").unwrap();
    desk.plane.settle();
    desk.plane.wait(Duration::from_secs(16));
    desk.plane.settle();
    // The control plane starts anew: it was Offline, and may have been answered just before.
    let resources: Vec<_> = desk.plane.world.all().collect();
    desk.plane.world = World::load(desk.plane.world.revision(), resources);
    desk.plane.world.started(desk.plane.now.boot, Duration::from_secs(15));
    desk.sessions = Sessions::default();
    let until = desk.plane.now.boot.plus(Duration::from_secs(15)).plus(KILL_MARGIN);
    assert_eq!(desk.register("other", "9"), Err(NotInSession::NameTaken { until }));
    assert_eq!(desk.register("agent", "2"), Ok(()));
}

#[test]
fn a_node_whose_agent_has_left_is_offline_at_once_and_back_when_it_is_heard_of() {
    let mut desk = Desk::new();
    desk.register("agent", "1").unwrap();
    desk.plane.settle();
    let node = desk.plane.world.nodes.find(None, &desk.name).unwrap().id;
    desk.plane.world.left(node, desk.plane.now.boot);
    desk.plane.reconciler.wake(node);
    desk.plane.settle();
    let status = |desk: &Desk| desk.plane.world.nodes.get(node).unwrap().status;
    assert_eq!(status(&desk), NodeStatus::Offline);
    let history = &desk.plane.world.nodes.get(node).unwrap().state_history;
    assert_eq!(history.last().unwrap().reason, "its agent has ended, and nothing runs there");
    assert_eq!(desk.register("other", "9"), Ok(()), "no lease keeps the name");
    desk.plane.reconciler.wake(node);
    desk.plane.settle();
    assert_eq!(status(&desk), NodeStatus::Ready);
}

#[test]
fn with_the_node_everything_about_its_agents_is_forgotten() {
    let mut desk = Desk::new();
    desk.register("agent", "1").unwrap();
    desk.register("agent", "2").unwrap();
    let workload = desk.plane.declare("w", serde_json::json!({}));
    desk.plane.settle();
    let node = desk.plane.world.nodes.find(None, &desk.name).unwrap().clone();
    assert!(desk.plane.workload(workload).observed.assigned.is_some());
    let by = tessera_types::Actor::API;
    let gone = tessera_types::Write::delete(&node, by, "test", desk.plane.now.wall);
    desk.plane.commit(vec![gone]);
    desk.sessions.removed(&desk.name, node.id);
    desk.plane.settle();
    assert_eq!(desk.plane.workload(workload).observed.assigned, None);
    assert_eq!(desk.speaks("2"), Err(NotInSession::NotRegistered));
    assert_eq!(desk.register("agent", "1"), Ok(()));
    assert!(desk.plane.world.load_of(node.id).is_none());
    assert!(desk.plane.world.lease_until(node.id).is_none());
}

proptest! {
    /// Of any number of starts of one installation, each speaks at most once: the
    /// node never goes back and forth.
    #[test]
    fn a_node_never_goes_back(steps in prop::collection::vec(0u8..6, 1..60)) {
        let mut desk = Desk::new();
        let mut over = BTreeSet::new();
        let mut speaker = None;
        for step in steps {
            match desk.register("agent", &step.to_string()) {
                Ok(()) => {
                    prop_assert!(!over.contains(&step));
                    over.extend(speaker.filter(|before| *before != step));
                    speaker = Some(step);
                }
                Err(error) => {
                    prop_assert_eq!(error, NotInSession::Superseded);
                    prop_assert!(over.contains(&step));
                }
            }
            for one in 0..6 {
                prop_assert_eq!(desk.speaks(&one.to_string()).is_ok(), speaker == Some(one));
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded(count in 1usize..200) {
        let mut desk = Desk::new();
        for session in 0..count {
            desk.register("agent", &session.to_string()).unwrap();
        }
        let newest_superseded = count.checked_sub(2);
        if let Some(session) = newest_superseded {
            prop_assert!(desk.register("agent", &session.to_string()).is_err());
        }
        let forgotten = count > limits::SUPERSEDED_MAX + 1;
        prop_assert_eq!(desk.register("agent", "0").is_ok(), forgotten || count == 1);
    }
}
