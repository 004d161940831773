//! `tenant run-now --node` ends as the tenant does on that node, and says what keeps it from that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use tessera_e2e::{Ended, tesseractl};
use tessera_testkit::user_manager;
use tessera_types::node::NodeStatus;
use tessera_types::tenant::{RunState, TenantNode};
use tessera_types::{Object, Tenant};

use crate::fleet::{Fleeted, program};

fn run_now(it: &Fleeted, arguments: &[&str]) -> Ended {
    it.fleet.ctl(&[&["tenant", "run-now"], arguments].concat())
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", ended.stdout, ended.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_that_of_the_tenant_on_the_node() {
    let Some(it) = Fleeted::start().await else { return };
    program(&it.fleet.area().join("good"), 0, false);
    program(&it.fleet.area().join("bad"), 7, false);
    for tenant in ["good", "bad"] {
        it.declare(tenant, "1.0.0").await;
        it.installed(tenant).await;
    }
    let good = run_now(&it, &["good", "--node", "alpha"]).expect(0);
    assert!(good.stdout.starts_with("primary of good on alpha: done"), "{good:?}");
    assert_eq!((good.stderr.as_str(), it.ran("alpha").len()), ("", 1));
    let bad = run_now(&it, &["bad", "--node", "beta"]).expect(7);
    let message = "error: primary of bad on beta: bad.service: failed with exit code 7\n  \
                   remedy: `tesseractl logs tenant/bad --node beta` shows what it wrote\n";
    assert_eq!((bad.stdout.as_str(), bad.stderr.as_str()), ("", message));
    assert_eq!((it.ran("alpha").len(), it.ran("beta").len()), (1, 1));

    let told = report(&run_now(&it, &["bad", "--node", "beta", "-o", "json"]).expect(7));
    let keys: BTreeSet<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    // What the command prints on one machine, and which run it was of the fleet's.
    let local =
        "unit invocation_id joined result exit_code source started_at ended_at message remedy";
    let expected = local.split(' ').chain(["id", "node", "service"]).collect();
    assert_eq!(keys, expected);
    let same = [("unit", "bad.service"), ("result", "exit-code"), ("source", "tenant")];
    same.into_iter().for_each(|(key, value)| assert_eq!(told[key], value, "{told}"));
    assert_eq!((&told["exit_code"], &told["joined"]), (&json!(7), &json!(false)));
    let invocation = told["invocation_id"].as_str().unwrap();
    assert_eq!(it.ran("beta").last().unwrap(), &format!("run {invocation}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_under_way_is_joined_and_one_that_cannot_be_is_refused() {
    let Some(mut it) = Fleeted::start().await else { return };
    it.fleet.add_node("gamma", &[]).await;
    program(&it.fleet.area().join("slow"), 7, true);
    it.declare("slow", "1.0.0").await;
    it.installed("slow").await;
    it.ask("slow", "alpha", "first").await;
    let url = it.fleet.url();
    let arguments = ["tenant", "run-now", "slow", "--node", "alpha"];
    let has_begun = |state: RunState| state == RunState::Running;
    it.until("slow", "it runs", |it| it.observed.runs.iter().any(|run| has_begun(run.state))).await;
    let second = std::thread::spawn(move || tesseractl(&url, &arguments, ""));
    it.until("slow", "it is joined", |it| it.observed.runs.iter().any(|run| run.joined)).await;
    fs::write(it.manager("alpha").home().join("go"), "").unwrap();
    let second = second.join().unwrap().expect(7);
    assert!(
        second.stderr.starts_with("slow runs on alpha already: joined that run\n"),
        "{second:?}"
    );
    assert_eq!(it.ended("slow", "first").await.exit_code, Some(7));
    assert_eq!(it.ran("alpha").len(), 1);

    let refused = |arguments: &[&str], said: &[&str]| {
        let ended = run_now(&it, arguments);
        assert!(ended.code != 0 && ended.stdout.is_empty(), "{ended:?}");
        for said in said {
            assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        }
        assert_eq!(ended.stderr.matches("error").count(), 1, "{}", ended.stderr);
    };
    let known = "there is no service `recon`: there are primary";
    refused(&["slow", "--node", "alpha", "--service", "recon"], &["[invalid_spec]", known]);
    refused(&["slow", "--node", "delta"], &["[not_found]", "there is no node/delta"]);
    refused(&["slwo", "--node", "alpha"], &["[not_found]", "did you mean `slow`?"]);
    let nodes = "its nodes are alpha, beta";
    refused(&["slow", "--node", "gamma"], &["[not_now]", "does not belong on gamma", nodes]);
    it.fleet.node("beta").terminate().await;
    it.fleet.node_until("beta", "away", |node| node.status == NodeStatus::Offline).await;
    let refused = run_now(&it, &["slow", "--node", "beta"]);
    let said = "tenant/slow: beta is Offline, so nothing can be started there";
    assert!(refused.stderr.contains(said), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_in_a_container_runs_on_a_node() {
    let Some(manager) = user_manager().and_then(tessera_testkit::UserManager::with_podman) else {
        return;
    };
    let it = Fleeted::of(BTreeMap::from([("alpha", manager)])).await;
    let image = it.manager("alpha").image();
    let lifecycle = format!("image = {image:?}\nentrypoint = [\"/bin/sh\", \"-c\", \"exit 7\"]");
    it.declare_with("boxed", "1.0.0", &lifecycle).await;
    it.installed("boxed").await;
    let told = report(&run_now(&it, &["boxed", "--node", "alpha", "-o", "json"]).expect(7));
    assert_eq!((&told["source"], &told["joined"]), (&json!("tenant"), &json!(false)), "{told}");
    // One whose image is not there is told apart from a program that fails.
    let lifecycle = "image = \"localhost/no-such:1\"\nentrypoint = [\"/bin/sh\"]";
    it.declare_with("lost", "1.0.0", lifecycle).await;
    it.installed("lost").await;
    let told = report(&run_now(&it, &["lost", "--node", "alpha", "-o", "json"]).expect(125));
    assert_eq!(told["source"], "podman", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_fire_on_each_node_and_what_takes_too_long_is_stopped() {
    let Some(it) = Fleeted::start().await else { return };
    program(&it.fleet.area().join("ticks"), 0, false);
    let program = it.fleet.area().join("ticks/program.sh");
    let lifecycle = format!(
        "entrypoint = [\"/bin/sh\", \"{}\"]\n\n[services.often]\nschedule = \"*-*-* *:*:* UTC\"",
        program.display()
    );
    it.declare_with("ticks", "1.0.0", &lifecycle).await;
    let has_run = |tenant: &Object<Tenant>| {
        let on_node = |on: &TenantNode| {
            let often = on.services.iter().find(|it| it.unit == "ticks-often.service");
            often.is_some_and(|it| it.last_run.as_ref().is_some_and(|run| run.result == "success"))
        };
        tenant.observed.nodes.len() == 2 && tenant.observed.nodes.iter().all(on_node)
    };
    it.until("ticks", "its timer has fired on both nodes", has_run).await;
    assert!(!it.ran("alpha").is_empty() && !it.ran("beta").is_empty());

    let lifecycle = "entrypoint = [\"/bin/sh\", \"-c\", \"sleep 600\"]\ntimeout = \"1s\"";
    it.declare_with("long", "1.0.0", lifecycle).await;
    it.installed("long").await;
    let told = report(&run_now(&it, &["long", "--node", "beta", "-o", "json"]).expect(124));
    assert_eq!(
        (&told["result"], &told["source"]),
        (&json!("timeout"), &json!("systemd")),
        "{told}"
    );
}
