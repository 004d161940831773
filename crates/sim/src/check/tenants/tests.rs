//! The checks are given machines and a world that do not go together.

use std::sync::Arc;

use serde_json::json;
use tessera_types::tenant::TenantNode;
use tessera_types::{Resource, Revision, Uid};

use super::*;
use crate::check::made::object;
use crate::check::rules::tests::machine;

#[test]
fn a_run_that_is_started_on_two_machines_or_twice_on_one_is_seen() {
    let run = |text: &str| serde_json::from_value::<RunRequestId>(json!(text)).unwrap();
    let mut machines = [machine(), machine()];
    machines[0].tenants.ground.started.insert(run("a"), 1);
    machines[1].tenants.ground.started.insert(run("b"), 1);
    assert_eq!(no_run_is_started_twice(&machines), Ok(()));
    machines[1].tenants.ground.started.insert(run("a"), 1);
    assert!(no_run_is_started_twice(&machines).is_err(), "on both");
    machines[1].tenants.ground.started.remove(&run("a"));
    machines[1].tenants.ground.started.insert(run("b"), 2);
    assert!(no_run_is_started_twice(&machines).is_err(), "twice on one");
}

#[test]
fn what_is_said_to_be_installed_and_never_was_is_seen() {
    let mut machine = machine();
    let node = object::<Node>(machine.name.as_str(), 1, json!({}));
    let mut tenant = object::<Tenant>("t", 2, json!({"manifest": ""}));
    let hash = tenant.spec.hash();
    let mut on = TenantNode::chosen(node.name.clone(), node.id, 1);
    (on.state, on.hash) = (TenantNodeState::Installed, Some(hash));
    tenant.observed.nodes.push(on);
    let world = World::load(Revision(1), [Resource::Tenant(Arc::new(tenant))]);
    let made_up = nothing_is_made_up(&world, &machine, &node).unwrap_err();
    assert!(made_up.contains("was never installed"), "{made_up}");
    machine.tenants.ground.was_installed.insert((Uid(2), hash));
    assert_eq!(nothing_is_made_up(&world, &machine, &node), Ok(()));
}
