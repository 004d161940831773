//! Tenants through the agents of two nodes, each with a user manager of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tessera_client::call;
use tessera_e2e::Fleet;
use tessera_testkit::{UserManager, user_manager};
use tessera_types::api::RunTenantRequest;
use tessera_types::problem::Code;
use tessera_types::tenant::{RunState, TenantNode, TenantNodeState, TenantRun, TenantStatus};
use tessera_types::{Manifest, Name, Object, Tenant};

use crate::host::wait_for;

const NODES: [&str; 2] = ["alpha", "beta"];

/// Nodes, their managers, and a control plane.
pub(crate) struct Fleeted {
    // First who starts things, then where they are.
    pub(crate) fleet: Fleet,
    managers: BTreeMap<&'static str, UserManager>,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A script that writes down that it ran, waits for `go` in its home if it is to, and ends with this.
pub(crate) fn program(folder: &Path, exit_code: u8, waits: bool) {
    fs::create_dir_all(folder).unwrap();
    let wait = if waits { "until [ -e \"$HOME/go\" ]; do sleep 0.05; done\n" } else { "" };
    let text = format!("echo \"$1 $INVOCATION_ID\" >>\"$HOME/ran\"\n{wait}exit {exit_code}\n");
    fs::write(folder.join("program.sh"), text).unwrap();
}

impl Fleeted {
    pub(crate) async fn start() -> Option<Self> {
        let managers: Option<BTreeMap<_, _>> =
            NODES.iter().map(|node| Some((*node, user_manager()?))).collect();
        Some(Self::of(managers?).await)
    }

    /// With nodes of these names and managers.
    pub(crate) async fn of(managers: BTreeMap<&'static str, UserManager>) -> Self {
        let mut fleet = Fleet::start().await;
        for (node, manager) in &managers {
            let arguments = ["--label", "role=lake", "--tenant-interval", "1s"];
            fleet.add_node_within(node, &arguments, manager.command_line()).await;
        }
        Self { fleet, managers }
    }

    pub(crate) fn manager(&self, node: &str) -> &UserManager {
        &self.managers[node]
    }

    /// Declares a tenant that is `program.sh` in the area's folder of its name.
    pub(crate) async fn declare(&self, tenant: &str, version: &str) {
        let folder = self.fleet.area().join(tenant);
        let entrypoint = format!("entrypoint = [\"/bin/sh\", \"{}/program.sh\"]", folder.display());
        self.declare_with(tenant, version, &entrypoint).await;
    }

    /// Declares a tenant; `lifecycle` is what that section has besides the verbs.
    pub(crate) async fn declare_with(&self, tenant: &str, version: &str, lifecycle: &str) {
        let manifest = format!(
            r#"
name = "{tenant}"
kind = "extract"
version = "{version}"
schema = "things"
owner = "data@library.example"
sources = ["sierra"]
schedule = "*-01-01 00:00:00 UTC"
freshness = "800d"

[telemetry]

[lifecycle]
subcommands = ["run", "status", "dry-run", "migrate"]
{lifecycle}
"#
        );
        let declared = json!({
            "kind": "Tenant",
            "name": tenant,
            "spec": {"node_selector": {"role": "lake"}, "manifest": manifest},
        });
        let declared: Manifest<Tenant> = serde_json::from_value(declared).unwrap();
        let put = self.fleet.api.put(&declared, &Default::default()).await;
        put.unwrap_or_else(|error| panic!("{tenant}: {error}"));
    }

    pub(crate) async fn until(
        &self,
        tenant: &str,
        what: &str,
        is: impl Fn(&Object<Tenant>) -> bool,
    ) -> Object<Tenant> {
        let key = name(tenant);
        let what = format!("tenant {tenant}: {what}");
        self.fleet
            .eventually(&what, async || {
                self.fleet.api.get::<Tenant>(&key, None).await.ok().filter(|it| is(it))
            })
            .await
    }

    pub(crate) async fn installed(&self, tenant: &str) -> Object<Tenant> {
        let is = |it: &Object<Tenant>| {
            let count = self.managers.len();
            it.status == TenantStatus::Installed && it.observed.nodes.len() == count
        };
        self.until(tenant, "installed on all nodes", is).await
    }

    pub(crate) async fn delete(&self, tenant: &str) {
        let asked = self.fleet.api.delete::<Tenant>(&name(tenant), None, Default::default()).await;
        asked.unwrap_or_else(|error| panic!("{tenant}: {error}"));
    }

    pub(crate) async fn gone(&self, tenant: &str) {
        let key = name(tenant);
        self.fleet
            .eventually(&format!("tenant {tenant} is gone"), async || {
                let error = self.fleet.api.get::<Tenant>(&key, None).await.err()?;
                (error.problem()?.code == Code::NotFound).then_some(())
            })
            .await;
    }

    /// Asks for a run, and again under the same id until that is answered.
    pub(crate) async fn ask(&self, tenant: &str, node: &str, id: &str) {
        let body =
            RunTenantRequest { request_id: id.parse().unwrap(), node: name(node), service: None };
        self.fleet
            .eventually(&format!("run {id} is asked for"), async || {
                call(self.fleet.api.tenant_run(&name(tenant), &body)).await.ok()
            })
            .await;
    }

    pub(crate) async fn ended(&self, tenant: &str, id: &str) -> TenantRun {
        let of = |it: &Object<Tenant>| -> Option<TenantRun> {
            let run = it.observed.runs.iter().find(|run| run.id.as_str() == id)?;
            (run.state == RunState::Done).then(|| run.clone())
        };
        let tenant = self.until(tenant, "the run has ended", |it| of(it).is_some()).await;
        of(&tenant).unwrap()
    }

    /// The lines that the program of a tenant wrote on a node.
    pub(crate) fn ran(&self, node: &str) -> Vec<String> {
        let text = fs::read_to_string(self.manager(node).home().join("ran")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn unit(&self, node: &str, unit: &str) -> std::path::PathBuf {
        self.manager(node).config().join("systemd/user").join(unit)
    }

    /// Everything on a node that a tenant could leave: links, units, notes.
    fn traces(&mut self, node: &str) -> Vec<String> {
        let state = self.fleet.node(node).state_dir().to_owned();
        let config = self.manager(node).config();
        let mut found = Vec::new();
        let places = ["tenants", "folders", "tenant-notes"].map(|folder| state.join(folder));
        for place in places.iter().chain([&config]) {
            walk(place, &mut found);
        }
        found
    }
}

/// Makes a link lead elsewhere. It is never away: an agent would make it again in that time.
pub(crate) fn lead(link: &Path, target: &Path) {
    let other = link.with_file_name("other");
    std::os::unix::fs::symlink(target, &other).unwrap();
    fs::rename(other, link).unwrap();
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}

pub(crate) fn on<'t>(tenant: &'t Object<Tenant>, node: &str) -> &'t TenantNode {
    let found = tenant.observed.nodes.iter().find(|on| on.node.as_str() == node);
    found.unwrap_or_else(|| panic!("not on {node}: {:?}", tenant.observed))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_comes_to_two_nodes_runs_there_and_leaves_no_trace() {
    let Some(mut it) = Fleeted::start().await else { return };
    let before: Vec<_> = NODES.iter().map(|node| it.traces(node)).collect();
    program(&it.fleet.area().join("good"), 0, false);
    program(&it.fleet.area().join("bad"), 7, false);
    it.declare("good", "1.0.0").await;
    it.declare("bad", "1.0.0").await;
    for tenant in ["good", "bad"] {
        let installed = it.installed(tenant).await;
        for node in NODES {
            let said = it.manager(node).systemctl(&["is-active", &format!("{tenant}.timer")]);
            assert_eq!(said.trim(), "active");
            assert_eq!(on(&installed, node).hash, installed.observed.hash);
        }
    }
    let next = |tenant: &Object<Tenant>| {
        on(tenant, "alpha").services.first().is_some_and(|service| service.next_run_at.is_some())
    };
    it.until("good", "its next run is known", next).await;

    it.ask("good", "alpha", "g-1").await;
    it.ask("bad", "beta", "b-1").await;
    let good = it.ended("good", "g-1").await;
    assert_eq!(
        (good.exit_code, good.joined, good.result.as_deref()),
        (Some(0), false, Some("success"))
    );
    let bad = it.ended("bad", "b-1").await;
    assert_eq!((bad.exit_code, bad.result.as_deref()), (Some(7), Some("exit-code")));
    assert_eq!(it.ran("alpha"), [format!("run {}", good.invocation_id.unwrap())]);
    assert_eq!(it.ran("beta"), [format!("run {}", bad.invocation_id.unwrap())]);
    let ran = |tenant: &Object<Tenant>| {
        let last = on(tenant, "beta").services[0].last_run.as_ref();
        last.is_some_and(|last| last.exit_code == Some(7))
    };
    it.until("bad", "its last run is told", ran).await;

    let metrics = it.manager("alpha").home().join(".local/state/tessera/telemetry/metrics");
    fs::create_dir_all(&metrics).unwrap();
    for tenant in ["good", "other"] {
        fs::write(metrics.join(format!("tessera_tenant_{tenant}.prom")), "").unwrap();
    }
    it.delete("good").await;
    it.delete("bad").await;
    it.gone("good").await;
    // Nobody else would remove it, and it would be read for ever.
    assert!(!metrics.join("tessera_tenant_good.prom").exists());
    assert!(metrics.join("tessera_tenant_other.prom").exists());
    it.gone("bad").await;
    for (node, before) in NODES.iter().zip(before) {
        // What an agent remembers goes when the control plane has taken in that nothing is there.
        wait_for("nothing is left", || it.traces(node) == before);
        let units = it.manager(node).systemctl(&["list-units", "--all", "good*", "bad*"]);
        assert!(units.contains("0 loaded units"), "{units}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_is_put_right_and_a_conflict_stays_where_it_is() {
    let Some(it) = Fleeted::start().await else { return };
    program(&it.fleet.area().join("kept"), 0, false);
    // Somebody's own unit is in the way on one node.
    let mine = it.unit("beta", "kept.service");
    fs::create_dir_all(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "[Service]\nExecStart=/bin/true\n").unwrap();
    it.declare("kept", "1.0.0").await;
    let is = |tenant: &Object<Tenant>| {
        let state = |node| tenant.observed.nodes.iter().find(|on| on.node.as_str() == node);
        state("alpha").is_some_and(|on| on.state == TenantNodeState::Installed)
            && state("beta").is_some_and(|on| on.state == TenantNodeState::Conflict)
            && tenant.status == TenantStatus::Degraded
    };
    let degraded = it.until("kept", "installed on one and in conflict on the other", is).await;
    let conflict = &on(&degraded, "beta").conflicts[0];
    assert_eq!(
        (conflict.path.as_str(), conflict.found.as_str()),
        (mine.to_str().unwrap(), "a file")
    );
    assert_eq!(fs::read_to_string(&mine).unwrap(), "[Service]\nExecStart=/bin/true\n");
    assert!(!it.unit("beta", "kept.timer").exists());
    // A run there cannot be, and is refused.
    let body =
        RunTenantRequest { request_id: "k-1".parse().unwrap(), node: name("beta"), service: None };
    let refused = call(it.fleet.api.tenant_run(&name("kept"), &body)).await.unwrap_err();
    assert!(refused.problem().is_some(), "{refused}");

    // What is changed in two steps may be put right in two, too.
    let count =
        |tenant: &Object<Tenant>| on(tenant, "alpha").repaired.as_ref().map_or(0, |it| it.count);
    let repaired = async |before: u64, is_right: &dyn Fn() -> bool| {
        let is = |tenant: &Object<Tenant>| count(tenant) > before && is_right();
        let tenant = it.until("kept", &format!("put right more than {before} times"), is).await;
        count(&tenant)
    };
    let link = it.unit("alpha", "kept.service");
    let rendered = fs::read_link(&link).unwrap();
    fs::remove_file(&link).unwrap();
    let is_right = || fs::read_link(&link).is_ok_and(|target| target == rendered);
    let times = repaired(0, &is_right).await;
    it.manager("alpha").systemctl(&["disable", "--now", "kept.timer"]);
    let state = |property: &str| {
        it.manager("alpha").systemctl(&["show", "-P", property, "kept.timer"]).trim().to_owned()
    };
    let is_right = || state("ActiveState") == "active" && state("UnitFileState") == "enabled";
    let times = repaired(times, &is_right).await;
    let text = fs::read_to_string(&rendered).unwrap();
    fs::write(&rendered, format!("{text}Nice=19\n")).unwrap();
    let is_right = || fs::read_to_string(&rendered).is_ok_and(|now| now == text);
    repaired(times, &is_right).await;

    // A link that leads elsewhere is somebody's: it is left as it is.
    lead(&link, &mine);
    let is = |tenant: &Object<Tenant>| on(tenant, "alpha").state == TenantNodeState::Conflict;
    it.until("kept", "in conflict with a link", is).await;
    assert_eq!(fs::read_link(&link).unwrap(), mine);

    fs::remove_file(&link).unwrap();
    fs::remove_file(&mine).unwrap();
    it.installed("kept").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_die_in_the_middle_of_anything() {
    let Some(mut it) = Fleeted::start().await else { return };
    program(&it.fleet.area().join("slow"), 7, true);
    for (round, version) in ["1.0.0", "1.1.0", "1.2.0"].into_iter().enumerate() {
        it.declare("slow", version).await;
        // Anywhere between hearing of it and the last step.
        tokio::time::sleep(Duration::from_millis(40 + 130 * round as u64)).await;
        it.fleet.node("alpha").kill();
        it.fleet.node("alpha").start();
    }
    it.installed("slow").await;

    it.ask("slow", "alpha", "s-1").await;
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(30 + 90 * round)).await;
        it.fleet.node("alpha").kill();
        it.fleet.node("alpha").start();
    }
    it.fleet
        .eventually("the run has begun", async || (!it.ran("alpha").is_empty()).then_some(()))
        .await;
    it.fleet.node("alpha").kill();
    // It goes on, and ends, while nobody looks.
    fs::write(it.manager("alpha").home().join("go"), "").unwrap();
    it.fleet.node("alpha").start();
    // The control plane may die as well.
    it.fleet.kill_control();
    it.fleet.start_control().await;
    let run = it.ended("slow", "s-1").await;
    assert_eq!(run.exit_code, Some(7), "{run:?}");
    assert_eq!(it.ran("alpha").len(), 1, "{:?}", it.ran("alpha"));

    // What was deleted while the agent was away is gone when it is back.
    it.fleet.node("alpha").kill();
    it.delete("slow").await;
    it.fleet.node("alpha").start();
    it.gone("slow").await;
    wait_for("nothing is left", || it.traces("alpha").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_service_manager_says_so_and_runs_workloads() {
    let Some(mut it) = Fleeted::start().await else { return };
    let runtime = it.fleet.area().join("nowhere");
    fs::create_dir_all(&runtime).unwrap();
    let home = it.fleet.area().join("home");
    let environment = [("XDG_RUNTIME_DIR", &runtime), ("HOME", &home)];
    let environment = environment.map(|(name, path)| (name.to_owned(), path.display().to_string()));
    let without = (
        vec!["env".to_owned(), "-u".to_owned(), "DBUS_SESSION_BUS_ADDRESS".to_owned()],
        environment.to_vec(),
    );
    it.fleet.add_node_within("gamma", &["--label", "role=lake"], without).await;
    program(&it.fleet.area().join("shy"), 0, false);
    it.declare("shy", "1.0.0").await;
    let is = |tenant: &Object<Tenant>| {
        let state = |node, state| {
            tenant.observed.nodes.iter().any(|on| on.node.as_str() == node && on.state == state)
        };
        state("alpha", TenantNodeState::Installed) && state("gamma", TenantNodeState::Failed)
    };
    let tenant = it.until("shy", "installed where there is a manager", is).await;
    let reason = on(&tenant, "gamma").reason.clone().unwrap();
    assert!(reason.contains("user manager"), "{reason}");
    let mut workload = it.fleet.sleeper("still");
    workload["spec"]["constraints"] = json!([{"label": "node", "in": ["gamma"]}]);
    it.fleet.apply(&workload).await;
    it.fleet.running("still").await;
}
