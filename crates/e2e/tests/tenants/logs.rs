//! What tenants on nodes write, read through the control plane from the journals of the nodes.

use std::fs;

use serde_json::{Value, json};
use tessera_client::{LogOf, LogOptions, LogStream, call};
use tessera_e2e::Fleet;
use tessera_testkit::{UserManager, user_manager};
use tessera_types::api::RunTenantRequest;
use tessera_types::sync::LogItem;
use tessera_types::tenant::{RunState, TenantStatus};
use tessera_types::{Manifest, Name, Object, Tenant};

/// The journal has to see whose a line is while the process is there, so that it waits.
const SCRIPT: &str = r#"
echo "${TESSERA_SERVICE:-primary} begins"
until [ -e "$HOME/go" ]; do sleep 0.05; done
echo goes
echo "<3>fails"
echo ends >&2
"#;

/// A control plane and a tenant on two nodes, of which one keeps a journal.
struct Kept {
    // First who starts things, then where they are.
    fleet: Fleet,
    alpha: UserManager,
    _beta: UserManager,
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl Kept {
    async fn start() -> Option<Self> {
        let (alpha, beta) = (user_manager()?.with_journal(), user_manager()?);
        let mut fleet = Fleet::start().await;
        for (node, manager) in [("alpha", &alpha), ("beta", &beta)] {
            let arguments = ["--tenant-interval", "1s"];
            fleet.add_node_within(node, &arguments, manager.command_line()).await;
        }
        let it = Self { fleet, alpha, _beta: beta };
        it.declare().await;
        Some(it)
    }

    async fn declare(&self) {
        let script = self.fleet.area().join("circ.sh");
        fs::write(&script, SCRIPT).unwrap();
        let manifest = format!(
            r#"
name = "circ"
kind = "extract"
version = "1.0.0"
schema = "things"
owner = "data@library.example"
sources = ["sierra"]
schedule = "*-01-01 00:00:00 UTC"
freshness = "800d"

[telemetry]

[lifecycle]
entrypoint = ["/bin/sh", "{}"]
subcommands = ["run", "status", "dry-run", "migrate"]

[services.reconcile]
schedule = "*-01-01 00:00:00 UTC"
"#,
            script.display()
        );
        let declared = json!({"kind": "Tenant", "name": "circ", "spec": {"manifest": manifest}});
        let declared: Manifest<Tenant> = serde_json::from_value(declared).unwrap();
        self.fleet.api.put(&declared, &Default::default()).await.unwrap();
        self.until("installed on both nodes", |it| {
            it.status == TenantStatus::Installed
                && it.observed.nodes.len() == 2
                && it.observed.nodes.iter().all(|on| on.services.len() == 2)
        })
        .await;
    }

    async fn until(&self, what: &str, is: impl Fn(&Object<Tenant>) -> bool) {
        self.fleet
            .eventually(what, async || {
                self.fleet.api.get::<Tenant>(&name("circ"), None).await.ok().filter(|it| is(it))
            })
            .await;
    }

    /// Asks for a run on the node that keeps a journal.
    async fn ask(&self, id: &str, service: Option<&str>) {
        let (request_id, service) = (id.parse().unwrap(), service.map(name));
        let body = RunTenantRequest { request_id, node: name("alpha"), service };
        self.fleet
            .eventually(&format!("run {id} is asked for"), async || {
                call(self.fleet.api.tenant_run(&name("circ"), &body)).await.ok()
            })
            .await;
    }

    /// Lets runs go on, until this one has ended.
    async fn end(&self, id: &str) {
        fs::write(self.alpha.home().join("go"), "").unwrap();
        self.until("the run has ended", |it| {
            let run = it.observed.runs.iter().find(|run| run.id.as_str() == id);
            run.is_some_and(|run| run.state == RunState::Done)
        })
        .await;
        fs::remove_file(self.alpha.home().join("go")).unwrap();
    }

    /// What `tesseractl logs` shows with these words, once that are so many lines.
    async fn shown(&self, words: &[&str], count: usize) -> Vec<Value> {
        let words = [&["logs"], words, &["-o", "json"]].concat();
        self.fleet
            .eventually(&format!("{words:?} shows {count} lines"), async || {
                let ended = self.fleet.ctl(&words);
                if ended.code != 0 {
                    return None;
                }
                let lines: Vec<_> =
                    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                (lines.len() == count).then_some(lines)
            })
            .await
    }

    /// Whether a journal is being read.
    fn is_read(&self) -> bool {
        let mut listing = self.alpha.command("cat");
        let listed = listing.arg("/sys/fs/cgroup/commands/cgroup.procs").output().unwrap();
        let is_reader = |pid: &str| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim() == "journalctl"
        };
        String::from_utf8_lossy(&listed.stdout).lines().any(is_reader)
    }
}

async fn next(log: &mut LogStream) -> String {
    match log.next().await {
        Ok(Some(LogItem::Line(line))) => line.text,
        other => panic!("no line: {other:?}"),
    }
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tenants_write_on_a_node_is_read_and_followed() {
    let Some(it) = Kept::start().await else { return };
    let on_alpha = ["tenant/circ", "--node", "alpha"];
    let reconcile = [&on_alpha[..], &["--service", "reconcile"]].concat();
    assert!(it.shown(&on_alpha, 0).await.is_empty());

    let of = LogOf::Tenant { name: name("circ"), node: Some(name("alpha")), service: None };
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let open = async || LogStream::open(&it.fleet.api, &of, &options).await.ok();
    let mut followed = it.fleet.eventually("the log is followed", open).await;
    assert_eq!(followed.node(), Some(&name("alpha")));
    it.ask("r-1", None).await;
    assert_eq!(next(&mut followed).await, "primary begins");
    // While it runs, all of it is there for others, too.
    assert_eq!(texts(&it.shown(&on_alpha, 1).await), ["primary begins"]);
    assert!(it.is_read());
    it.end("r-1").await;
    for line in ["goes", "fails", "ends"] {
        assert_eq!(next(&mut followed).await, line);
    }
    drop(followed);
    it.fleet
        .eventually("nobody reads the journal any more", async || (!it.is_read()).then_some(()))
        .await;

    it.ask("r-2", Some("reconcile")).await;
    it.shown(&reconcile, 1).await;
    it.end("r-2").await;
    let lines = it.shown(&reconcile, 4).await;
    assert_eq!(texts(&lines), ["reconcile begins", "goes", "fails", "ends"]);
    let streams: Vec<_> = lines.iter().map(|line| line["stream"].as_str().unwrap()).collect();
    assert_eq!(streams, ["stdout", "stdout", "stderr", "stdout"], "the journal has no more of it");
    assert_eq!(texts(&it.shown(&on_alpha, 4).await)[0], "primary begins");
    let tail = [&reconcile[..], &["--tail", "2"]].concat();
    assert_eq!(it.shown(&tail, 2).await, lines[2..]);
    let since = lines[1]["at"].as_str().unwrap();
    let since = [&reconcile[..], &["--since", since]].concat();
    assert_eq!(it.shown(&since, 3).await, lines[1..]);

    let why = "beta cannot read the log of tenant/circ: no journal is kept";
    it.fleet
        .eventually(why, async || {
            let told = it.fleet.ctl(&["logs", "tenant/circ", "--node", "beta"]).expect(1).stderr;
            told.contains(why).then_some(())
        })
        .await;
}
