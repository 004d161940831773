//! What goes wrong on a node is no trouble of the others, nor of what else runs there.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use tessera_testkit::user_manager;
use tessera_types::node::NodeStatus;
use tessera_types::tenant::{TenantNode, TenantNodeState};
use tessera_types::{Object, Tenant};

use crate::fleet::{Fleeted, lead, on, program};

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
        let is_installed = |on: &TenantNode| on.state == TenantNodeState::Installed;
        // Of alpha's agent no more is known than that it has been told: it looks at units just now, or has
        // given up for a while.
        state("beta").is_some_and(is_installed)
            && state("alpha").is_some_and(|on| !is_installed(on))
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
    let before = fs::read_link(&link).unwrap();
    let arguments = ["--label", "role=lake", "--tenant-interval", "1s"];
    let within = it.manager("alpha").command_line();
    it.fleet.add_node_within("gamma", &arguments, within).await;
    let is = |tenant: &Object<Tenant>| {
        let found = tenant.observed.nodes.iter().find(|on| on.node.as_str() == "gamma");
        // Either may have to wait for the other's look at the units, and says so meanwhile.
        found.is_some_and(|on| on.state == TenantNodeState::Conflict)
            && on(tenant, "alpha").state == TenantNodeState::Installed
    };
    it.until("mine", "in conflict for the second agent, and for no other", is).await;
    assert_eq!(fs::read_link(&link).unwrap(), before);
}

const RARELY: &str = "schedule = \"*-01-01 00:00:00 UTC\"";
const EVERY_SECOND: &str = "schedule = \"*-*-* *:*:* UTC\"";

async fn one_node() -> Option<Fleeted> {
    Some(Fleeted::of(BTreeMap::from([("alpha", user_manager()?)])).await)
}

fn is_in_conflict(tenant: &Object<Tenant>) -> bool {
    on(tenant, "alpha").state == TenantNodeState::Conflict
}

/// systemd forgets a unit that nothing refers to as soon as it has ended well.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_systemd_forgets_is_not_started_again() {
    let Some(mut it) = one_node().await else { return };
    program(&it.fleet.area().join("once"), 0, true);
    it.declare("once", "1.0.0").await;
    it.installed("once").await;
    it.manager("alpha").systemctl(&["disable", "--now", "once.timer"]);
    it.ask("once", "alpha", "o-1").await;
    let has_begun = async || (!it.ran("alpha").is_empty()).then_some(());
    it.fleet.eventually("the run has begun", has_begun).await;
    it.fleet.node("alpha").kill();
    it.manager("alpha").systemctl(&["disable", "--now", "once.timer"]);
    fs::write(it.manager("alpha").home().join("go"), "").unwrap();
    let is_over = async || {
        let state = it.manager("alpha").systemctl(&["show", "-P", "ActiveState", "once.service"]);
        (state.trim() == "inactive").then_some(())
    };
    it.fleet.eventually("the run is over", is_over).await;
    it.fleet.node("alpha").start();
    it.ended("once", "o-1").await;
    assert_eq!(it.ran("alpha").len(), 1, "{:?}", it.ran("alpha"));
    // While it is looked after, its timer is put right first, and then the end is known.
    let is_on = async || {
        let state = it.manager("alpha").systemctl(&["show", "-P", "ActiveState", "once.timer"]);
        (state.trim() == "active").then_some(())
    };
    it.fleet.eventually("the timer is on again", is_on).await;
    it.manager("alpha").systemctl(&["disable", "--now", "once.timer"]);
    it.ask("once", "alpha", "o-2").await;
    assert_eq!(it.ended("once", "o-2").await.exit_code, Some(0));
    assert_eq!(it.ran("alpha").len(), 2, "{:?}", it.ran("alpha"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_runs_without_a_pause_can_be_deleted() {
    let Some(it) = one_node().await else { return };
    let script = "entrypoint = [\"/bin/sh\", \"-c\", \"echo ran >>$HOME/ran; sleep 1.5\"]";
    let lifecycle = format!("{script}\n[services.busy]\n{EVERY_SECOND}\n");
    it.declare_with("busy", "1.0.0", &lifecycle).await;
    it.installed("busy").await;
    let runs = async || (it.ran("alpha").len() > 1).then_some(());
    it.fleet.eventually("it runs again and again", runs).await;
    it.delete("busy").await;
    it.gone("busy").await;
    let state = it.manager("alpha").systemctl(&["show", "-P", "LoadState", "busy-busy.timer"]);
    assert_eq!(state.trim(), "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_refused_leaves_all_of_the_installed_one() {
    let Some(mut it) = one_node().await else { return };
    program(&it.fleet.area().join("kept"), 0, false);
    it.declare("kept", "1.0.0").await;
    it.installed("kept").await;
    let state_dir = it.fleet.node("alpha").state_dir().to_owned();
    let manifest = state_dir.join("folders/kept/tessera-tenant.toml");
    let before = fs::read_to_string(&manifest).unwrap();
    let mine = it.manager("alpha").config().join("systemd/user/kept-more.timer");
    fs::write(&mine, "[Timer]\nOnCalendar=daily\n").unwrap();
    let entrypoint = "entrypoint = [\"/bin/true\"]";
    let lifecycle = format!("{entrypoint}\n[services.more]\n{RARELY}\n");
    it.declare_with("kept", "2.0.0", &lifecycle).await;
    it.until("kept", "in conflict", is_in_conflict).await;
    assert_eq!(fs::read_to_string(&manifest).unwrap(), before);
    fs::remove_file(&mine).unwrap();
    it.installed("kept").await;
    assert!(fs::read_to_string(&manifest).unwrap().contains("2.0.0"));
}

/// Somebody who installs a tenant of the same name by force has taken it over.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_taken_over_outlasts_the_deletion() {
    let Some(it) = one_node().await else { return };
    program(&it.fleet.area().join("mine"), 0, false);
    it.declare("mine", "1.0.0").await;
    it.installed("mine").await;
    let units = it.manager("alpha").config().join("systemd/user");
    let own = it.fleet.area().join("own.timer");
    fs::write(&own, "[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n").unwrap();
    let link = units.join("mine.timer");
    lead(&link, &own);
    it.manager("alpha").systemctl(&["daemon-reload"]);
    it.manager("alpha").systemctl(&["enable", "mine.timer"]);
    it.manager("alpha").systemctl(&["restart", "mine.timer"]);
    it.until("mine", "in conflict", is_in_conflict).await;
    it.delete("mine").await;
    it.gone("mine").await;
    assert_eq!(fs::read_link(&link).unwrap(), own);
    let state = it.manager("alpha").systemctl(&["is-active", "mine.timer"]);
    assert_eq!(state.trim(), "active");
}
