//! What goes wrong on a node is no trouble of the others, nor of what else runs there.

use serde_json::json;
use tessera_types::node::NodeStatus;
use tessera_types::tenant::TenantNodeState;
use tessera_types::{Object, Tenant};

use crate::fleet::{Fleeted, on, program};

#[tokio::test(flavor = "multi_thread")]
async fn a_systemd_that_hangs_holds_up_no_workload_and_no_other_node() {
    let Some(it) = Fleeted::start().await else { return };
    for tenant in ["early", "late"] {
        program(&it.fleet.area().join(tenant), 0, false);
    }
    it.declare("early", "1.0.0").await;
    it.installed("early").await;
    it.manager("alpha").freeze(true);
    it.declare("late", "1.0.0").await;
    let is = |tenant: &Object<Tenant>| {
        let state = |node| tenant.observed.nodes.iter().find(|on| on.node.as_str() == node);
        // It is known of alpha's agent that it has been told, and of nothing else.
        state("beta").is_some_and(|on| on.state == TenantNodeState::Installed)
            && state("alpha").is_some_and(|on| on.state == TenantNodeState::Installing)
    };
    it.until("late", "installed where systemd answers", is).await;
    let mut workload = it.fleet.sleeper("still");
    workload["spec"]["constraints"] = json!([{"label": "node", "in": ["alpha"]}]);
    it.fleet.apply(&workload).await;
    it.fleet.running("still").await;
    it.fleet.node_until("alpha", "heard of", |node| node.status == NodeStatus::Ready).await;
    it.manager("alpha").freeze(false);
    let late = it.installed("late").await;
    assert_eq!(on(&late, "alpha").hash, late.observed.hash);
}

/// Moving load does not concern a tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_drained_keeps_its_tenants_and_one_that_comes_again_has_them() {
    let Some(mut it) = Fleeted::start().await else { return };
    program(&it.fleet.area().join("stays"), 7, false);
    it.declare("stays", "1.0.0").await;
    it.installed("stays").await;
    let is_active = |it: &Fleeted, node: &str| {
        it.manager(node).systemctl(&["is-active", "stays.timer"]).trim() == "active"
    };
    it.fleet.ctl(&["drain", "alpha"]).expect(0);
    it.fleet.node_until("alpha", "drained", |node| node.status == NodeStatus::Drained).await;
    it.fleet.ctl(&["tenant", "run-now", "stays", "--node", "alpha"]).expect(7);
    assert!(is_active(&it, "alpha"));

    // A node that is deleted is forgotten with what is installed there, until it comes again.
    it.fleet.node("beta").terminate().await;
    it.fleet.ctl(&["delete", "node", "beta"]).expect(0);
    let is = |tenant: &Object<Tenant>| tenant.observed.nodes.len() == 1;
    it.until("stays", "on one node", is).await;
    assert!(is_active(&it, "beta"));
    it.fleet.node("beta").start();
    it.installed("stays").await;
    assert!(is_active(&it, "beta"));
}

/// A user has one set of units: what one agent has installed is in the way of another.
#[tokio::test(flavor = "multi_thread")]
async fn two_agents_of_one_user_do_not_take_each_others_units() {
    let Some(mut it) = Fleeted::start().await else { return };
    program(&it.fleet.area().join("mine"), 0, false);
    it.declare("mine", "1.0.0").await;
    it.installed("mine").await;
    let link = it.manager("alpha").config().join("systemd/user/mine.service");
    let before = std::fs::read_link(&link).unwrap();
    let arguments = ["--label", "role=lake", "--tenant-interval", "1s"];
    let within = it.manager("alpha").command_line();
    it.fleet.add_node_within("gamma", &arguments, within).await;
    let is = |tenant: &Object<Tenant>| {
        let found = tenant.observed.nodes.iter().find(|on| on.node.as_str() == "gamma");
        found.is_some_and(|on| on.state == TenantNodeState::Conflict)
    };
    let tenant = it.until("mine", "in conflict for the second agent", is).await;
    assert_eq!(on(&tenant, "alpha").state, TenantNodeState::Installed);
    assert_eq!(std::fs::read_link(&link).unwrap(), before);
}
