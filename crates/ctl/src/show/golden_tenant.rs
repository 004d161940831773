//! Golden outputs of tenants, in each state that they can be in on a node.

use serde_json::{Value, json};
use tessera_types::{KindName, Resource, Timestamp};

use super::describe::describe;
use super::{Beside, Detail, table};
use crate::style::Style;
use crate::tree::Tree;

const MANIFEST: &str = "name = \"circ\"\nkind = \"extract\"\nversion = \"1.2.0\"\n\
                        owner = \"data@library.example\"\nschedule = \"*-*-* 08:35:00 UTC\"\n\
                        [lifecycle]\nenvironment = {PIN = \"4711\"}\n";

fn now() -> Timestamp {
    "2026-05-01T09:00:00Z".parse().unwrap()
}

/// A tenant with these nodes and runs, in this status and waiting for this.
fn tenant(name: &str, status: &str, waiting: Option<(&str, &str)>, observed: Value) -> Resource {
    let waiting = waiting.map(|(reason, message)| {
        json!({"reason": reason, "message": message, "since": "2026-05-01T08:59:00Z"})
    });
    let mut observed = observed;
    observed["hash"] = json!("ab".repeat(32));
    serde_json::from_value(json!({
        "kind": "Tenant", "name": name,
        "spec": {"node_selector": {"zone": "a"}, "manifest": MANIFEST},
        "desired_status": "Installed", "id": "00000000000000a1", "generation": 1, "revision": 17,
        "status": status, "status_since": "2026-05-01T08:57:00Z", "waiting_for": waiting,
        "observed": observed,
        "created_at": "2026-05-01T08:00:00Z", "updated_at": "2026-05-01T08:57:00Z",
    }))
    .unwrap()
}

fn on(node: &str, state: &str, with: Value) -> Value {
    let Value::Object(with) = with else { panic!("{with} is no map") };
    let mut on = json!({
        "node": node, "node_id": "0000000000000001", "state": state,
        "reported_at": "2026-05-01T08:59:30Z",
    });
    on.as_object_mut().unwrap().extend(with);
    on
}

/// A service that ran an hour ago, and runs tomorrow.
fn service(with: Value) -> Value {
    let Value::Object(with) = with else { panic!("{with} is no map") };
    let mut service = json!({
        "unit": "circ.service", "next_run_at": "2026-05-02T08:35:00Z",
        "last_run": {
            "started_at": "2026-05-01T07:59:00Z", "ended_at": "2026-05-01T08:00:00Z",
            "result": "success", "exit_code": 0,
        },
    });
    service.as_object_mut().unwrap().extend(with);
    service
}

fn run(state: &str, with: Value) -> Value {
    let Value::Object(with) = with else { panic!("{with} is no map") };
    let mut run = json!({
        "id": "r1", "node": "n1", "node_id": "0000000000000001", "state": state,
        "requested_at": "2026-05-01T08:58:00Z", "requested_by": "api",
    });
    run.as_object_mut().unwrap().extend(with);
    run
}

fn pending() -> Resource {
    let waiting = ("no_node_fits", "a node with zone=a: none of 3 has");
    tenant("pending", "Pending", Some(waiting), json!({}))
}

fn installing() -> Resource {
    let waiting = ("agent", "n1, n2 to install it");
    let nodes = [
        json!({"node": "n1", "node_id": "0000000000000001", "state": "Waiting"}),
        on("n2", "Installing", json!({"reason": "the agent has been told"})),
    ];
    tenant("installing", "Installing", Some(waiting), json!({"nodes": nodes}))
}

fn installed() -> Resource {
    let further =
        service(json!({"service": "recon", "unit": "circ-recon.service", "last_run": null}));
    let nodes = [on("n1", "Installed", json!({"services": [service(json!({})), further]}))];
    tenant("installed", "Installed", None, json!({"nodes": nodes}))
}

fn in_conflict() -> Resource {
    let waiting = ("conflict", "on n2: /u/circ.timer is in the way (a file)");
    let conflicts = json!([{"path": "/u/circ.timer", "found": "a file"}]);
    let reason = "/u/circ.timer is in the way: a file";
    let nodes = [
        on("n1", "Installed", json!({"services": [service(json!({}))]})),
        on("n2", "Conflict", json!({"conflicts": conflicts, "reason": reason})),
    ];
    tenant("conflict", "Degraded", Some(waiting), json!({"nodes": nodes}))
}

fn repaired() -> Resource {
    let what = "the text of circ.service, circ.timer was not active";
    let repaired = json!({"count": 2, "last_at": "2026-05-01T08:50:00Z", "what": what});
    let with = json!({"services": [service(json!({}))], "repaired": repaired});
    tenant("repaired", "Installed", None, json!({"nodes": [on("n1", "Installed", with)]}))
}

fn away() -> Resource {
    let waiting = ("node_offline", "n1 is Offline; n2 to remove it, of which n2 is Offline");
    let nodes = [
        on("n1", "Installed", json!({"services": [service(json!({}))]})),
        on("n2", "Removing", json!({})),
    ];
    tenant("away", "Degraded", Some(waiting), json!({"nodes": nodes}))
}

fn running() -> Resource {
    let service = service(json!({"running_since": "2026-05-01T08:58:05Z"}));
    let runs = [run("Running", json!({"joined": true}))];
    let nodes = [on("n1", "Installed", json!({"services": [service]}))];
    tenant("running", "Installed", None, json!({"nodes": nodes, "runs": runs}))
}

fn failed() -> Resource {
    let last = json!({"ended_at": "2026-05-01T08:59:00Z", "result": "exit-code", "exit_code": 7});
    let message = "circ.service: it ended with 7";
    let runs = [
        run(
            "Done",
            json!({"exit_code": 0, "ended_at": "2026-05-01T08:58:10Z", "source": "tenant"}),
        ),
        run("Done", json!({"exit_code": 7, "source": "tenant", "message": message})),
        run("Done", json!({"service": "recon", "message": "the tenant is not on n1 any more"})),
        run("Done", json!({"invocation_id": "1f", "message": "how it ended is not known"})),
        run("Requested", json!({})),
    ];
    let nodes = [on("n1", "Installed", json!({"services": [service(json!({"last_run": last}))]}))];
    tenant("failed", "Installed", None, json!({"nodes": nodes, "runs": runs}))
}

fn all() -> Vec<Resource> {
    [pending, installing, installed, in_conflict, repaired, away, running, failed]
        .map(|tenant| tenant())
        .into()
}

fn shown(tenants: &[Resource], wide: bool) -> String {
    let detail = Detail { wide, ..Detail::default() };
    table(KindName::Tenant, tenants, detail, &Beside::default(), now()).render(Style::PLAIN, None)
}

fn explained(tenant: &Resource) -> String {
    let text = describe(tenant, &Beside::default(), &Tree::of([]), Style::PLAIN, now());
    assert!(!text.contains("4711"), "{text}");
    text
}

/// What is described below the spec.
fn of_nodes(tenant: &Resource) -> String {
    let text = explained(tenant);
    text[text.find("nodes (").unwrap()..].to_owned()
}

#[test]
fn tenants_in_a_table() {
    let expected = "\
NAME        KIND     NODES  SCHEDULE            LAST RUN             NEXT RUN     STATUS      WAITING FOR
pending     extract  0/0    *-*-* 08:35:00 UTC  -                    -            Pending     a node with zone=a: none of 3 has
installing  extract  0/2    *-*-* 08:35:00 UTC  -                    -            Installing  n1, n2 to install it
installed   extract  1/1    *-*-* 08:35:00 UTC  success 60m ago      05-02 08:35  Installed
conflict    extract  1/2    *-*-* 08:35:00 UTC  success 60m ago      05-02 08:35  Degraded    on n2: /u/circ.timer is in the way (a file)
repaired    extract  1/1    *-*-* 08:35:00 UTC  success 60m ago      05-02 08:35  Installed
away        extract  1/1    *-*-* 08:35:00 UTC  success 60m ago      05-02 08:35  Degraded    n1 is Offline; n2 to remove it, of which n2 is Offline
running     extract  1/1    *-*-* 08:35:00 UTC  running for 115s     05-02 08:35  Installed
failed      extract  1/1    *-*-* 08:35:00 UTC  exit code 7 60s ago  05-02 08:35  Installed
";
    assert_eq!(shown(&all(), false), expected);
}

#[test]
fn tenants_in_a_wide_table() {
    let expected = "\
NAME      KIND     NODES  SCHEDULE            LAST RUN             NEXT RUN              STATUS     HASH          NODE SELECTOR  AGE  WAITING FOR
conflict  extract  1/2    *-*-* 08:35:00 UTC  success 60m ago      2026-05-02T08:35:00Z  Degraded   abababababab  zone=a         60m  on n2: /u/circ.timer is in the way (a file)
failed    extract  1/1    *-*-* 08:35:00 UTC  exit code 7 60s ago  2026-05-02T08:35:00Z  Installed  abababababab  zone=a         60m
";
    assert_eq!(shown(&[in_conflict(), failed()], true), expected);
}

#[test]
fn a_tenant_in_full() {
    let expected = "\
tenant/installed
  status        Installed since 2026-05-01T08:57:00.000Z (3m)
  desired       Installed
  generation    1 (revision 17)
  labels        -
  id            00000000000000a1
  created       2026-05-01T08:00:00.000Z (60m ago)

spec
  kind          extract
  version       1.2.0
  owner         data@library.example
  schedule      *-*-* 08:35:00 UTC
  node selector zone=a
  units         made from the manifest
  hash          abababababababababababababababababababababababababababababababab

nodes (1/1 installed)
  n1            Installed, told 30s ago
                primary: next in 23h; last success 60m ago
                recon: next in 23h
";
    assert_eq!(explained(&installed()), expected);
}

#[test]
fn nodes_and_runs_of_tenants_in_full() {
    let expected = "\
nodes (0/0 installed)

nodes (0/2 installed)
  n1            Waiting
  n2            Installing, told 30s ago: the agent has been told

nodes (1/2 installed)
  n1            Installed, told 30s ago
                primary: next in 23h; last success 60m ago
  n2            Conflict, told 30s ago: /u/circ.timer is in the way: a file
                in the way: /u/circ.timer (a file)

nodes (1/1 installed)
  n1            Installed, told 30s ago
                repaired 2 times, last 10m ago: the text of circ.service, circ.timer was not active
                primary: next in 23h; last success 60m ago

nodes (1/1 installed)
  n1            Installed, told 30s ago
                primary: next in 23h; last success 60m ago
  n2            Removing, told 30s ago

nodes (1/1 installed)
  n1            Installed, told 30s ago
                primary: running for 115s; next in 23h; last success 60m ago

runs that were asked for
  2m            primary on n1, asked for 2m ago by api, joined one under way: running

nodes (1/1 installed)
  n1            Installed, told 30s ago
                primary: next in 23h; last exit code 7 60s ago

runs that were asked for
  2m            primary on n1, asked for 2m ago by api: requested
  2m            primary on n1, asked for 2m ago by api: done: how it ended is not known
  2m            recon on n1, asked for 2m ago by api: never started: the tenant is not on n1 any more
  2m            primary on n1, asked for 2m ago by api: done, exit code 7 (tenant): circ.service: it ended with 7
  2m            primary on n1, asked for 2m ago by api: done, exit code 0
";
    let all = [pending(), installing(), in_conflict(), repaired(), away(), running(), failed()];
    let text: Vec<_> = all.iter().map(of_nodes).collect();
    assert_eq!(text.join("\n"), expected);
}
