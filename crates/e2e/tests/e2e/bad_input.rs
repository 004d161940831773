//! Bad input of every sort gets one clear error with a code, says what to do,
//! ends with the right exit code, and changes nothing.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tessera_e2e::Fleet;
use tessera_types::node::NodeStatus;
use tessera_types::problem::Code;
use tessera_types::workload::{ExitOutcome, WorkloadStatus};
use tessera_types::{Problem, WaitReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A fleet with one workload at rest, which bad input must not touch.
async fn at_rest() -> Fleet {
    let fleet = Fleet::start().await;
    let mut web = fleet.sleeper("web");
    web["desired_status"] = json!("Stopped");
    fleet.apply(&web).await;
    fleet.until("web", "Stopped", |it| it.status == WorkloadStatus::Stopped).await;
    fleet
}

/// Requests as they are written by hand.
struct Http {
    client: Client,
    url: String,
}

impl Http {
    fn of(fleet: &Fleet) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { client, url: fleet.url() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    fn put(&self, name: &str, body: impl Into<String>) -> RequestBuilder {
        let request = self.request(Method::PUT, &format!("/v1/workloads/{name}"));
        request.header("content-type", "application/json").body(body.into())
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }
}

/// Sends it, and expects a problem of this sort that says this.
async fn refused(request: RequestBuilder, code: Code, says: &str) -> Problem {
    let response = request.send().await.unwrap();
    let (status, id) = (response.status(), response.headers().contains_key("x-request-id"));
    let text = response.text().await.unwrap();
    let problem: Problem =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {status} {text}"));
    assert_eq!((problem.code, status.as_u16()), (code, code.status()), "{text}");
    assert_eq!(problem.status, code.status());
    assert_eq!(problem.type_uri, format!("/problems/{code}"));
    let all = format!("{} {}", problem.detail, problem.remedy.as_deref().unwrap_or_default());
    assert!(all.contains(says), "`{says}` is not in: {text}");
    assert!(problem.detail.len() < 2000, "one clear error: {text}");
    assert!(id, "the answer can be found in the log");
    problem
}

fn spec(spec: &Value) -> String {
    json!({"spec": spec}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read() {
    let fleet = at_rest().await;
    let before = fleet.revision().await;
    let http = Http::of(&fleet);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let deep_env = format!("{{\"spec\": {{\"env\": {}}}}}", deep("{\"a\":", "}"));
    for (body, says) in [
        (String::new(), "EOF"),
        ("{".to_owned(), "line 1"),
        ("name: web".to_owned(), "line 1"),
        ("[]".to_owned(), "expected"),
        ("null".to_owned(), ""),
        (spec(&json!({"command": 5})), "spec.command"),
        (spec(&json!({"command": "x", "args": "y"})), "spec.args"),
        (spec(&json!({"command": "x", "env": {"A": 1}})), "spec.env"),
        (spec(&json!({"comand": "x"})), "did you mean `command`?"),
        (spec(&json!({"command": "x", "stop": {"grase": "1s"}})), "did you mean `grace`?"),
        (spec(&json!({"command": "x", "stop": {"signal": "TREM"}})), "TERM"),
        (spec(&json!({"command": "x", "restart": "sometimes"})), "on_failure"),
        (spec(&json!({"command": "x", "resources": {"cpu": "-1"}})), "spec.resources.cpu"),
        (spec(&json!({"command": "x", "resources": {"memory": "1 potato"}})), "potato"),
        (spec(&json!({"command": "x", "not_after": "tomorrow"})), "RFC 3339"),
        (spec(&json!({"command": "x", "ports": [{"port": 70_000}]})), "spec.ports[0].port"),
        (json!({"spec": {"command": "x"}, "desired_status": "Paused"}).to_string(), "Stopped"),
        (json!({"kind": "Wrkload", "spec": {"command": "x"}}).to_string(), "Wrkload"),
        (json!({"kind": "Node", "spec": {}}).to_string(), "/v1/nodes"),
        (json!({"name": "other", "spec": {"command": "x"}}).to_string(), "make them agree"),
        (json!({"namespace": "No", "spec": {"command": "x"}}).to_string(), "lower-case"),
        (json!({"labels": ["a"], "spec": {"command": "x"}}).to_string(), "labels"),
        (json!({"spec": {"command": "x"}, "sepc": {}}).to_string(), "did you mean `spec`?"),
        (deep("[", "]"), "recursion"),
        (deep_env, "recursion"),
    ] {
        refused(http.put("web", body), Code::InvalidRequest, says).await;
    }
    let wrong_type = http.request(Method::PUT, "/v1/workloads/web");
    let wrong_type = wrong_type.header("content-type", "text/yaml").body("{}");
    refused(wrong_type, Code::InvalidRequest, "content-type").await;
    assert_eq!(fleet.revision().await, before, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_that_break_a_rule_and_conditions_that_do_not_hold() {
    let fleet = at_rest().await;
    let before = fleet.revision().await;
    let http = Http::of(&fleet);
    for (body, says) in [
        (json!({}), "command"),
        (json!({"command": ""}), "spec.command"),
        (json!({"command": "x", "working_dir": "here"}), "spec.working_dir"),
        (json!({"command": "x", "env": {"A=B": "c"}}), "spec.env"),
        (json!({"command": "x", "constraints": [{"label": "zone"}]}), "spec.constraints[0]"),
        (json!({"command": "x", "health": {"interval": "1s"}}), "spec.health"),
        (json!({"command": "x", "args": vec!["y"; 2000]}), "spec.args"),
        (json!({"command": "x", "args": ["y".repeat(70_000)]}), "spec"),
        (
            json!({"command": "x", "not_before": "2030-01-02T00:00:00Z", "not_after": "2030-01-01T00:00:00Z"}),
            "spec.not_after",
        ),
        (
            json!({"image": "x", "mounts": [{"source": "a", "target": "/b"}]}),
            "spec.mounts[0].source",
        ),
    ] {
        let problem = refused(http.put("web", spec(&body)), Code::InvalidSpec, says).await;
        assert!(!problem.invalid.is_empty());
    }
    let with = |field: &str, value: Value| {
        let mut body = json!({"spec": {"command": "x"}});
        body[field] = value;
        body.to_string()
    };
    let stale =
        refused(http.put("web", with("revision", json!(1))), Code::Conflict, "read it again").await;
    assert_eq!(stale.facts["found_revision"], before.to_string());
    refused(http.put("web", with("revision", json!(0))), Code::AlreadyExists, "exists already")
        .await;
    let id = json!("00000000000000ff");
    refused(http.put("web", with("id", id)), Code::Conflict, "another one").await;
    refused(http.put("new", with("revision", json!(7))), Code::Conflict, "revision 7").await;
    let delete = |path: &str| http.request(Method::DELETE, path);
    refused(delete("/v1/workloads/nobody"), Code::NotFound, "workload/default/nobody").await;
    refused(delete("/v1/workloads/web?revision=1"), Code::Conflict, "read it again").await;
    refused(delete("/v1/nodes/nobody"), Code::NotFound, "node/nobody").await;
    let drain = http.request(Method::POST, "/v1/nodes/nobody/drain");
    let drain = drain.send().await.unwrap();
    assert!(drain.status().is_client_error(), "{}", drain.status());
    assert_eq!(fleet.revision().await, before, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_queries_and_batches_that_make_no_sense() {
    let fleet = at_rest().await;
    let before = fleet.revision().await;
    let http = Http::of(&fleet);
    for path in [
        "/v1/workloads/Web_1",
        &format!("/v1/workloads/{}", "x".repeat(64)),
        "/v1/workloads/web?namespace=-",
        "/v1/workloads?selector=%3Dx",
        "/v1/workloads?limit=many",
        "/v1/workloads?page=%21%21",
        "/v1/workloads/web/history?before_seq=x",
        "/v1/workloads/web/logs?tail=-1",
        "/v1/workloads/web/logs?since=yesterday",
        "/v1/watch?since=x",
        "/v1/watch?kind=worklods",
        "/v1/watch?selector=a+in+b",
    ] {
        refused(http.get(path), Code::InvalidRequest, "").await;
    }
    let resume = http.get("/v1/watch").header("last-event-id", "yesterday");
    refused(resume, Code::InvalidRequest, "revision").await;
    refused(http.get("/v1/workloads/nobody"), Code::NotFound, "workload/default/nobody").await;
    refused(http.get("/v1/workloads/nobody/history"), Code::NotFound, "no history").await;
    refused(http.get("/v1/workloads/nobody/logs"), Code::NotFound, "nobody").await;
    refused(http.get("/v1/workloads/web/logs"), Code::NotFound, "has not run yet").await;
    let many: Vec<_> = (0..1001).map(|i| json!({"name": format!("w{i}"), "spec": {}})).collect();
    refused(http.post("/v1/apply", &json!({"manifests": many})), Code::TooLarge, "1000").await;
    let unknown = json!({"manifests": [], "mainfests": []});
    refused(http.post("/v1/apply", &unknown), Code::InvalidRequest, "mainfests").await;
    for (method, path, status) in [
        (Method::GET, "/", 404),
        (Method::GET, "/v1/trees", 404),
        (Method::POST, "/v1/workloads/web", 405),
        (Method::DELETE, "/v1/workloads", 405),
    ] {
        let answer = http.request(method.clone(), path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
    }
    assert_eq!(fleet.revision().await, before, "nothing changed");

    // In a batch each is by itself.
    let mixed = json!({"manifests": [
        {"name": "good", "spec": {"command": "x"}, "desired_status": "Stopped"},
        {"name": "bad", "spec": {"comand": "x"}},
        {"kind": "Pod", "name": "odd", "spec": {}},
    ]});
    let answer: Value = http.post("/v1/apply", &mixed).send().await.unwrap().json().await.unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results[0]["outcome"], "created", "{answer}");
    assert_eq!(results[1]["problem"]["remedy"], "did you mean `command`?", "{answer}");
    assert_eq!(results[2]["problem"]["code"], "invalid_request", "{answer}");
}

/// A manifest, its exit code, and what must be said of it.
type Case<'a> = (&'a str, i32, &'a [&'a str]);

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_wrong_are_refused_with_their_place() {
    let fleet = at_rest().await;
    let before = fleet.revision().await;
    let deep = format!("name: web\nspec: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let large = format!("name: web\nspec:\n  command: {}\n", "x".repeat(6 << 20));
    let cases: [Case<'_>; 11] = [
        ("name: web\nspec: {command: [\n", 2, &["<stdin>:2:17", "`[` is not closed"]),
        ("name: web\nspec:\n\tcommand: x\n", 2, &["<stdin>:3:", "a tab"]),
        ("name: web\nspec:\n  command: [x]\n", 2, &["3:12", "spec.command"]),
        ("name: web\nspec:\n  comand: x\n", 2, &["3:3", "did you mean `command`"]),
        ("name: web\nname: db\nspec: {command: x}\n", 2, &["2:1", "duplicate key `name`"]),
        ("kind: Worklod\nname: web\nspec: {command: x}\n", 2, &["1:7", "Workload"]),
        ("name: Web\nspec: {command: x}\n", 2, &["1:7", "lower-case"]),
        ("name: web\nspec: {command: x, stop: {grace: soon}}\n", 2, &["2:", "90s"]),
        (&deep, 2, &["2:", "deep"]),
        (&large, 2, &["at most 4194304"]),
        ("", 2, &["no documents"]),
    ];
    for (manifest, code, says) in cases {
        let head: String = manifest.chars().take(80).collect();
        let ended = fleet.ctl_with(&["apply", "-f", "-"], manifest);
        assert_eq!(ended.code, code, "{head}: {}", ended.stderr);
        for part in says {
            assert!(ended.stderr.contains(part), "{head}: `{part}` is not in: {}", ended.stderr);
        }
        assert!(ended.stderr.len() < 4000, "one clear error: {}", ended.stderr.len());
        assert_eq!(ended.stdout, "", "{head}");
    }
    assert_eq!(fleet.revision().await, before, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_says_what_sort_of_failure_it_was() {
    let fleet = at_rest().await;
    let before = fleet.revision().await;
    let stale = json!({"name": "web", "spec": {"command": "x"}, "revision": 1}).to_string();
    let cases: [(&[&str], &str, i32, &str); 7] = [
        (&["apply", "-f", "-"], &stale, 4, "error[conflict]"),
        (&["get", "workload", "nobody"], "", 3, "error[not_found]"),
        (&["delete", "workload", "nobody"], "", 3, "error[not_found]"),
        (&["drain", "nobody"], "", 3, "error[not_found]"),
        (&["get", "worklods"], "", 2, "did you mean `workloads`"),
        (&["get", "workload", "Web"], "", 2, "lower-case"),
        (&["apply", "-f", "/nowhere/web.yaml"], "", 2, "/nowhere/web.yaml"),
    ];
    for (arguments, stdin, code, says) in cases {
        let ended = fleet.ctl_with(arguments, stdin);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.lines().count() <= 3, "{}", ended.stderr);
    }
    assert_eq!(fleet.revision().await, before, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_where_there_is_no_control_plane() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let ended = tessera_e2e::tesseractl(&url, &["get", "workloads"], "").expect(5);
    assert!(ended.stderr.contains("tessera up"), "{}", ended.stderr);

    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let server = tokio::spawn(something_else(other));
    let ended = tessera_e2e::tesseractl(&url, &["get", "workloads"], "").expect(5);
    assert!(ended.stderr.contains("not a control plane's"), "{}", ended.stderr);
    server.abort();

    for url in ["ftp://127.0.0.1", "https://127.0.0.1:7070", "nonsense"] {
        let ended = tessera_e2e::tesseractl(url, &["get", "workloads"], "").expect(2);
        assert!(ended.stderr.contains("http://127.0.0.1:7070"), "{}", ended.stderr);
    }
}

/// A web server that knows nothing of Tessera.
async fn something_else(listener: TcpListener) {
    const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n<h1>hi</h1>\n";
    while let Ok((mut client, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let _any = client.read(&mut request).await;
        let _gone = client.write_all(PAGE.as_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_fails_at_once_and_is_named() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    for (command, says) in [
        ("/nowhere/web", "no such file: /nowhere/web"),
        ("no-such-command", "no such command in PATH: no-such-command"),
        ("/etc/passwd", "not executable: /etc/passwd"),
        ("/etc", "not a program but a folder: /etc"),
    ] {
        let mut manifest = fleet.sleeper("web");
        manifest["spec"]["command"] = json!(command);
        let ended = fleet
            .ctl_with(&["apply", "-f", "-", "--wait", "--timeout", "50s"], &manifest.to_string());
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        let failed = fleet.get("web").await;
        assert_eq!(failed.status, WorkloadStatus::Failed);
        let exit = failed.observed.last_exit.unwrap();
        assert_eq!(exit.outcome, ExitOutcome::StartFailed { message: says.to_owned() });
    }
    // A change tries again.
    fleet.apply(&fleet.sleeper("web")).await;
    fleet.running("web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_waits_for_a_node_that_runs_containers_and_says_so() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let manifest = json!({"name": "web", "spec": {"image": "registry.invalid/nothing:1"}});
    let told = fleet
        .ctl_with(&["apply", "-f", "-", "--wait", "--timeout", "1s"], &manifest.to_string())
        .expect(1);
    assert!(told.stderr.contains("container"), "{}", told.stderr);
    let waiting = fleet.get("web").await;
    assert_eq!(waiting.status, WorkloadStatus::Pending);
    assert_eq!(waiting.waiting_for.unwrap().reason, WaitReason::NoNodeFits);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_deleted_takes_no_orders() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut slow = fleet.workload("slow", "trap '' TERM; while :; do sleep 1000; done");
    slow["spec"]["stop"] = json!({"grace": "1h"});
    fleet.apply(&slow).await;
    fleet.running("slow").await;
    fleet.delete("slow").await;
    let ended = fleet.ctl_with(&["apply", "-f", "-"], &slow.to_string()).expect(4);
    assert!(ended.stderr.contains("error[being_deleted]"), "{}", ended.stderr);
    assert!(ended.stderr.contains("wait until it is gone"), "{}", ended.stderr);
    fleet.ctl(&["delete", "workload", "slow"]).expect(0);
    fleet.ctl(&["delete", "node", "a"]).expect(0);
    for verb in ["cordon", "uncordon", "drain"] {
        let ended = fleet.ctl(&[verb, "a"]).expect(4);
        assert!(ended.stderr.contains("error[being_deleted]"), "{verb}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_say_what_makes_no_sense() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let web = fleet.running("web").await;
    let before = fleet.revision().await;
    let http = Http::of(&fleet);
    let sync = json!({"session": "nobody's", "since": 0, "wait": "1s"});
    refused(http.post("/v1/nodes/a/sync", &sync), Code::NotRegistered, "register again").await;
    let reports = json!({"session": "nobody's", "reports": []});
    refused(http.post("/v1/nodes/a/reports", &reports), Code::NotRegistered, "register again")
        .await;
    let impostor = json!({
        "agent_id": "another", "session": "s", "version": "0", "executors": {},
        "capacity": {"cpu": 1000, "memory": 1000, "workloads": 1},
    });
    refused(http.post("/v1/nodes/a/register", &impostor), Code::NodeNameTaken, "--name").await;
    assert_eq!(fleet.revision().await, before, "nothing changed");

    // A node may report what it likes of a workload that is not its own.
    let registered = http.post("/v1/nodes/b/register", &impostor).send().await.unwrap();
    assert!(registered.status().is_success(), "{}", registered.text().await.unwrap());
    fleet.node_until("b", "Ready", |node| node.status == NodeStatus::Ready).await;
    let report = json!({
        "id": web.id, "epoch": web.observed.epoch, "seq": 1000, "at": "2026-01-01T00:00:00Z",
        "state": "Failed", "reason": "so that it stops", "restarts": 0,
    });
    let reports = json!({"session": "s", "reports": [report]});
    let answer = http.post("/v1/nodes/b/reports", &reports).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["stale"], json!([web.id]), "{answer}");
    let after = fleet.get("web").await;
    assert_eq!((after.revision, after.status), (web.revision, WorkloadStatus::Running));
}
