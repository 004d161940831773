//! A control plane and nodes, from the real binaries.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tessera_client::{Api, Error, call};
use tessera_types::api::Applied;
use tessera_types::node::NodeStatus;
use tessera_types::problem::Code;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{HistoryEntry, Manifest, Name, Node as NodeKind, Object, Revision, Workload};

use crate::cli::{Ended, tesseractl};
use crate::gate::Gate;
use crate::node::Node;
use crate::proc::{MARK, Process, copies};
use crate::program::{BOUND, POLL, Program, plain};
use crate::report;
use crate::sweep::Area;

/// A control plane and its nodes. Dropping it ends and removes everything.
pub struct Fleet {
    /// The API, through a gate that stays when the control plane comes and goes.
    pub api: Api,
    gate: Gate,
    lease: String,
    arguments: Vec<String>,
    address: Option<SocketAddr>,
    state_dir: PathBuf,
    starts: u32,
    // Ended in this order: first who starts things, then all that is left.
    nodes: BTreeMap<String, Node>,
    control: Option<Program>,
    area: Area,
}

impl Fleet {
    /// A control plane without nodes, with the usual lease.
    pub async fn start() -> Self {
        Self::with_lease("15s").await
    }

    /// A control plane without nodes, whose nodes go Offline after `lease`.
    pub async fn with_lease(lease: &str) -> Self {
        let area = Area::new();
        let state_dir = area.join("control");
        Self::in_folder(area, state_dir, lease).await
    }

    /// As [`Fleet::with_lease`], with further arguments for the control plane.
    pub async fn with_arguments(lease: &str, arguments: &[&str]) -> Self {
        let area = Area::new();
        let state_dir = area.join("control");
        Self::begin(area, state_dir, lease, arguments).await
    }

    /// A control plane whose state is in `state_dir`.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn in_folder(area: Area, state_dir: PathBuf, lease: &str) -> Self {
        Self::begin(area, state_dir, lease, &[]).await
    }

    async fn begin(area: Area, state_dir: PathBuf, lease: &str, arguments: &[&str]) -> Self {
        let gate = Gate::open().await;
        let api = Api::new(&gate.url()).expect("a gate has an address");
        let mut fleet = Self {
            api,
            gate,
            lease: lease.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            address: None,
            state_dir,
            starts: 0,
            nodes: BTreeMap::new(),
            control: None,
            area,
        };
        fleet.start_control().await;
        fleet
    }

    // The control plane.

    /// Starts a control plane on the fleet's state.
    ///
    /// # Panics
    /// When one runs already, or it does not come up.
    pub async fn start_control(&mut self) {
        assert!(self.control.is_none(), "the control plane runs already");
        self.starts += 1;
        let mut control = self.spawn_control();
        let listening =
            |line: &str| line.strip_prefix("listening on http://")?.parse::<SocketAddr>().ok();
        let address = control.line("the control plane comes up", listening).await;
        self.control = Some(control);
        self.aim(Some(address));
    }

    /// Where there is no control plane, all ways lead to nowhere: its port may
    /// soon be somebody else's.
    fn aim(&mut self, address: Option<SocketAddr>) {
        self.address = address;
        self.gate.aim(address);
        self.nodes.values().for_each(|node| node.gate.aim(address));
    }

    fn spawn_control(&self) -> Program {
        let mut command = plain("tessera-control");
        command.args(["--listen", "127.0.0.1:0", "--lease", &self.lease, "--state-dir"]);
        command.arg(&self.state_dir).args(&self.arguments);
        Program::start(command, self.area.join(&format!("control.{}.log", self.starts)))
    }

    /// The control plane has this argument, too, when it is started again.
    pub fn add_argument(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    /// Starts a control plane and kills it after this time, wherever it has got.
    ///
    /// # Panics
    /// When one runs already.
    pub async fn crash_start(&mut self, after: Duration) {
        assert!(self.control.is_none(), "the control plane runs already");
        self.starts += 1;
        let control = self.spawn_control();
        tokio::time::sleep(after).await;
        control.kill();
    }

    /// Ends the control plane with SIGKILL.
    ///
    /// # Panics
    /// When none runs.
    pub fn kill_control(&mut self) {
        self.aim(None);
        self.control.take().expect("a control plane runs").kill();
    }

    /// Ends the control plane in order.
    ///
    /// # Panics
    /// When none runs, or it does not end well.
    pub async fn stop_control(&mut self) {
        self.aim(None);
        let mut control = self.control.take().expect("a control plane runs");
        control.signal(Signal::TERM);
        let status = control.wait().await;
        assert!(status.success(), "{status}: {}", control.output());
    }

    /// The control plane's process.
    ///
    /// # Panics
    /// When none runs.
    #[must_use]
    pub fn control(&self) -> &Program {
        self.control.as_ref().expect("a control plane runs")
    }

    /// The control plane and the agents, as far as they run.
    pub(crate) fn programs(&self) -> Vec<u32> {
        let agents = self.nodes.values().filter_map(Node::pid);
        self.control.iter().map(Program::pid).chain(agents).collect()
    }

    /// Where its state is.
    #[must_use]
    pub fn state_dir(&self) -> &PathBuf {
        &self.state_dir
    }

    /// The address of the API.
    #[must_use]
    pub fn url(&self) -> String {
        self.gate.url()
    }

    /// The way to the API that tests and tools take.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Another way to the API, which is not followed when the control plane is
    /// started again.
    pub async fn another_way(&self) -> Gate {
        let gate = Gate::open().await;
        gate.aim(self.address);
        gate
    }

    /// The folder of everything.
    #[must_use]
    pub fn area(&self) -> &Area {
        &self.area
    }

    /// The store's revision.
    pub async fn revision(&self) -> Revision {
        call(self.api.readyz()).await.expect("the control plane answers").revision
    }

    /// Runs `tesseractl` against the fleet.
    #[must_use]
    pub fn ctl(&self, arguments: &[&str]) -> Ended {
        tesseractl(&self.url(), arguments, "")
    }

    /// As [`Fleet::ctl`], with this on standard input.
    #[must_use]
    pub fn ctl_with(&self, arguments: &[&str], stdin: &str) -> Ended {
        tesseractl(&self.url(), arguments, stdin)
    }

    // Nodes.

    /// Adds a node and waits until it is Ready.
    pub async fn add_node(&mut self, name: &str, arguments: &[&str]) {
        let gate = self.another_way().await;
        let mut node = Node::new(name, gate, self.area.join(&format!("node-{name}")), arguments);
        node.start();
        self.nodes.insert(name.to_owned(), node);
        self.node_until(name, "Ready", |node| node.status == NodeStatus::Ready).await;
    }

    /// As [`Fleet::add_node`], of an agent that is started by these words, and in this environment.
    pub async fn add_node_within(
        &mut self,
        name: &str,
        arguments: &[&str],
        (words, environment): (Vec<String>, Vec<(String, String)>),
    ) {
        let gate = self.another_way().await;
        let node = Node::new(name, gate, self.area.join(&format!("node-{name}")), arguments);
        let mut node = node.within(words, environment);
        node.start();
        self.nodes.insert(name.to_owned(), node);
        self.node_until(name, "Ready", |node| node.status == NodeStatus::Ready).await;
    }

    /// A node to do something with.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap_or_else(|| panic!("there is no node {name}"))
    }

    /// Waits until the node is as `is` says.
    pub async fn node_until(
        &self,
        name: &str,
        what: &str,
        is: impl Fn(&Object<NodeKind>) -> bool,
    ) -> Object<NodeKind> {
        let key = name.parse::<Name>().expect("a legal name");
        let what = format!("node {name}: {what}");
        self.eventually(&what, async || {
            self.api.get::<tessera_types::Node>(&key, None).await.ok().filter(|it| is(it))
        })
        .await
    }

    // Workloads.

    /// A manifest of a workload that runs a script of the shell. Its copies can
    /// be counted.
    #[must_use]
    pub fn workload(&self, name: &str, script: &str) -> Value {
        let mark = format!("{}/{name}", self.area.tag());
        json!({
            "name": name,
            "spec": {
                "command": "/bin/sh",
                "args": ["-c", script],
                "env": {MARK: mark},
                "restart": {"backoff": {"initial": "100ms", "max": "1s"}},
            },
        })
    }

    /// A manifest of a workload that does nothing for long.
    #[must_use]
    pub fn sleeper(&self, name: &str) -> Value {
        self.workload(name, "exec sleep 100000")
    }

    /// Declares a workload.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn try_apply(&self, manifest: &Value) -> Result<Applied<Workload>, Error> {
        try_apply(&self.api, manifest).await
    }

    /// Declares a workload.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn apply(&self, manifest: &Value) -> Object<Workload> {
        let applied = self.try_apply(manifest).await;
        (*applied.unwrap_or_else(|error| panic!("{manifest}: {error}")).resource).clone()
    }

    /// Asks for a workload's deletion.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn delete(&self, name: &str) {
        let key = name.parse::<Name>().expect("a legal name");
        let asked = self.api.delete::<Workload>(&key, None, Default::default()).await;
        asked.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// A workload as it is.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn get(&self, name: &str) -> Object<Workload> {
        let key = name.parse::<Name>().expect("a legal name");
        let got = self.api.get::<Workload>(&key, None).await;
        got.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All workloads by name.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn workloads(&self) -> BTreeMap<String, Object<Workload>> {
        let list = self
            .api
            .list::<Workload>(&tessera_client::ListOptions {
                limit: Some(1000),
                ..Default::default()
            })
            .await;
        let items = list.expect("the workloads can be listed").items;
        items.iter().map(|it| (it.name.to_string(), (**it).clone())).collect()
    }

    /// Waits until the workload is as `is` says.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        is: impl Fn(&Object<Workload>) -> bool,
    ) -> Object<Workload> {
        let key = name.parse::<Name>().expect("a legal name");
        let what = format!("workload {name}: {what}");
        self.eventually(&what, async || {
            self.api.get::<Workload>(&key, None).await.ok().filter(|it| is(it))
        })
        .await
    }

    /// Waits until the workload runs as it was declared last.
    pub async fn running(&self, name: &str) -> Object<Workload> {
        self.until(name, "Running", |it| {
            it.status == WorkloadStatus::Running
                && it.observed.placed_generation >= it.observed.launch_generation
        })
        .await
    }

    /// Waits until there is no such workload.
    pub async fn gone(&self, name: &str) {
        let key = name.parse::<Name>().expect("a legal name");
        self.eventually(&format!("workload {name}: gone"), async || {
            let error = self.api.get::<Workload>(&key, None).await.err()?;
            (error.problem()?.code == Code::NotFound).then_some(())
        })
        .await;
    }

    /// Everything that a workload has been through, oldest first.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn history(&self, name: &str) -> Vec<HistoryEntry> {
        let key = name.parse::<Name>().expect("a legal name");
        let history = self
            .api
            .history(
                &tessera_types::ResourceKey::new(tessera_types::KindName::Workload, None, key),
                tessera_client::HistoryOptions { limit: Some(1000), before_seq: None },
            )
            .await;
        let mut items = history.unwrap_or_else(|error| panic!("{name}: {error}")).items;
        items.reverse();
        items
    }

    /// The live copies of a workload.
    #[must_use]
    pub fn copies(&self, name: &str) -> BTreeSet<u32> {
        copies(&self.area.tag()).remove(name).unwrap_or_default()
    }

    /// Waits until each of these workloads has exactly one live copy, which is
    /// the one that Tessera says.
    pub async fn one_copy_each(&self, names: &[&str]) {
        self.eventually(&format!("one copy of each of {names:?}"), async || {
            let known = self
                .api
                .list::<Workload>(&tessera_client::ListOptions {
                    limit: Some(1000),
                    ..Default::default()
                })
                .await
                .ok()?;
            let alive = copies(&self.area.tag());
            let said = |name: &str| {
                let workload = known.items.iter().find(|it| it.name.as_str() == name)?;
                Some(BTreeSet::from([workload.observed.instance.as_ref()?.pid?]))
            };
            names.iter().all(|name| alive.get(*name) == said(name).as_ref()).then_some(())
        })
        .await;
    }

    /// Polls until `condition` has an answer.
    ///
    /// # Panics
    /// When it has none in time: with the resources, their histories and all logs.
    pub async fn eventually<T>(&self, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + BOUND;
        loop {
            // A control plane that is frozen or cut off does not answer at all.
            let look = tokio::time::timeout(Duration::from_secs(5), condition()).await;
            if let Ok(Some(found)) = look {
                return found;
            }
            if Instant::now() >= deadline {
                let resources = report::resources(&self.api).await;
                panic!("did not come about: {what}\n{resources}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", report::logs(self.area.path()));
        }
    }
}

/// Declares a workload.
async fn try_apply(api: &Api, manifest: &Value) -> Result<Applied<Workload>, Error> {
    let manifest: Manifest<Workload> =
        serde_json::from_value(manifest.clone()).unwrap_or_else(|e| panic!("{manifest}: {e}"));
    api.put(&manifest, &Default::default()).await
}

/// The process that a workload runs as.
///
/// # Panics
/// When it has none, or that is gone.
#[must_use]
pub fn process(workload: &Object<Workload>) -> Process {
    let pid = workload.observed.instance.as_ref().and_then(|instance| instance.pid);
    let pid = pid.unwrap_or_else(|| panic!("{} has no process", workload.name));
    Process::find(pid).unwrap_or_else(|| panic!("process {pid} of {} is gone", workload.name))
}
