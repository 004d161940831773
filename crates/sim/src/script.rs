//! What people do in a run that is compared with others: step by step, each until it is
//! acknowledged.
//!
//! The one idea: nothing in it depends on what fate did. Whoever got no answer does the same
//! again, and goes on only then; so the same things are declared in the same order, whatever
//! goes wrong meanwhile.

use std::sync::Arc;

use serde_json::Value;
use tessera_reconciler::admission::{self, Stretch};
use tessera_reconciler::{Tabled, request_run};
use tessera_types::node::DesiredNodeStatus;
use tessera_types::timed::{DesiredTimedStatus, Request, Requested, Timed};
use tessera_types::{
    Actor, Duration, Edit, KindName, Name, Object, ResourceKey, Session, SessionPart, Tenant,
    Timestamp, with_object,
};

use crate::api::{declare_as, delete, edit, in_default, of_fleet, run_on};
use crate::clock::BEGIN;
use crate::control::Control;
use crate::life;

/// What people do, and how long they and the system have.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What it is called.
    pub name: String,
    /// Machines.
    pub nodes: u64,
    /// How long people are active.
    pub busy: Duration,
    /// How long everything then has to come to be.
    pub calm: Duration,
    /// What they do, one after the other.
    pub steps: Vec<Step>,
}

/// One thing that somebody does, or waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Lets time pass.
    Pause(Duration),
    /// Waits until so much has passed since everything began.
    Until(Duration),
    /// Declares a resource of any kind.
    Declare(KindName, Value),
    /// Declares one that must be refused, with nothing changed.
    Refused(KindName, Value),
    /// Deletes one.
    Delete(ResourceKey),
    /// Wants this of a node.
    Node(Name, DesiredNodeStatus),
    /// Labels a node.
    Zone(Name, String),
    /// Asks for something of a part.
    Ask(Name, Request),
    /// Lets a session last longer.
    Extend(Name, Duration),
    /// Gives a session up.
    GiveUp(Name),
    /// Has a tenant run on a node, once.
    Run {
        /// Which tenant.
        tenant: Name,
        /// Where.
        node: Name,
        /// The run, by its id.
        id: String,
    },
    /// Goes on when this has that status.
    Await(ResourceKey, String),
    /// Goes on when this is gone.
    Gone(ResourceKey),
    /// A machine is cut off, or is so no more.
    CutOff(usize, bool),
    /// A machine loses its power, with everything that runs on it, and starts again.
    Reboot(usize),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pause(time) => write!(f, "pause {time}"),
            Self::Until(time) => write!(f, "wait until {time}"),
            Self::Declare(kind, json) => write!(f, "declare {kind} {}", json["name"]),
            Self::Refused(kind, json) => write!(f, "declare a bad {kind} {}", json["name"]),
            Self::Delete(key) => write!(f, "delete {key}"),
            Self::Node(name, desired) => write!(f, "{name}: {desired} is wanted"),
            Self::Zone(name, zone) => write!(f, "{name} is in zone {zone}"),
            Self::Ask(part, request) => write!(f, "{request} {part}"),
            Self::Extend(session, by) => write!(f, "extend {session} by {by}"),
            Self::GiveUp(session) => write!(f, "give up {session}"),
            Self::Run { tenant, node, id } => write!(f, "run {tenant} on {node} as {id}"),
            Self::Await(key, status) => write!(f, "wait until {key} is {status}"),
            Self::Gone(key) => write!(f, "wait until {key} is gone"),
            Self::CutOff(machine, is_so) => write!(f, "machine {machine} is cut off: {is_so}"),
            Self::Reboot(machine) => write!(f, "machine {machine} loses its power"),
        }
    }
}

/// Tries a step that is about resources. True when it is done, however often it was tried.
pub(crate) fn follow(control: &mut Control, step: &Step, now: Timestamp) -> bool {
    match step {
        Step::Until(time) => now >= BEGIN.plus(*time),
        Step::Pause(_) | Step::CutOff(..) | Step::Reboot(_) => true,
        Step::Declare(kind, json) => declare_as(control, *kind, json, now),
        Step::Refused(kind, json) => {
            let before = control.world.revision();
            !declare_as(control, *kind, json, now) && control.world.revision() == before
        }
        Step::Delete(key) => delete(control, key, now),
        Step::Node(name, desired) => {
            life::set_desired(control, name, *desired, now);
            let node = control.world.nodes.find(None, name);
            node.is_some_and(|node| node.desired_status == *desired)
        }
        Step::Zone(name, zone) => label(control, name, zone, now),
        Step::Ask(part, request) => ask(control, part, *request, now),
        Step::Extend(name, by) => extend(control, name, *by, now),
        Step::GiveUp(name) => {
            is_changed::<Session>(control, &in_default(KindName::Session, name), now, |edit| {
                edit.desire(DesiredTimedStatus::TornDown);
            })
        }
        Step::Run { tenant, node, id } => run(control, tenant, node, id, now),
        Step::Await(key, status) => {
            let found = control.world.find(key);
            found
                .is_some_and(|it| with_object!(&it, object => object.status.to_string() == *status))
        }
        Step::Gone(key) => control.world.find(key).is_none(),
    }
}

/// Changes one that is there; false where there is none, or it cannot be written.
fn is_changed<K: Tabled>(
    control: &mut Control,
    key: &ResourceKey,
    now: Timestamp,
    change: impl FnOnce(&mut Edit<K>),
) -> bool {
    edit(control, key, now, change).unwrap_or(false)
}

fn label(control: &mut Control, name: &Name, zone: &str, now: Timestamp) -> bool {
    let key = of_fleet(KindName::Node, name);
    is_changed::<tessera_types::Node>(control, &key, now, |edit| {
        Arc::make_mut(&mut edit.object.labels).insert("zone".to_owned(), zone.to_owned());
    })
}

/// Whoever does it again does it under the same key, so that it is longer by that once.
fn extend(control: &mut Control, name: &Name, by: Duration, now: Timestamp) -> bool {
    let sessions = control.world.table::<Session>();
    let found = sessions.find(Some(&Name::default_namespace()), name).cloned();
    let wall = control.clock.wall(now);
    let extended = found.and_then(|session| {
        let by = Stretch::Extend(by);
        admission::extend_session(&control.world, &session, None, by, wall).ok()
    });
    extended.is_some_and(|extended| control.commit(extended.writes, now).is_ok())
}

fn ask(control: &mut Control, part: &Name, request: Request, now: Timestamp) -> bool {
    let key = in_default(KindName::SessionPart, part);
    let at = control.clock.wall(now);
    let requested = Requested { request, by: Actor::API, event: None, at };
    is_changed::<SessionPart>(control, &key, now, |edit| {
        SessionPart::timed_mut(&mut edit.object).request(requested);
    })
}

fn run(control: &mut Control, name: &Name, node: &Name, id: &str, now: Timestamp) -> bool {
    let Some(tenant) = control.world.tenants.find(None, name).cloned() else { return false };
    let is_known =
        |tenant: &Object<Tenant>| tenant.observed.runs.iter().any(|run| run.id.to_string() == id);
    if is_known(&tenant) {
        return true;
    }
    let on = tenant.observed.nodes.iter().find(|on| on.node == *node && on.hash.is_some());
    let Some(on) = on else { return false };
    let run = run_on(on, id, now);
    is_changed::<Tenant>(control, &tenant.key(), now, |edit| request_run(edit, run))
}
