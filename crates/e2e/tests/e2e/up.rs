//! `tessera up`: everything in one process, started and stopped with one key.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tessera_e2e::{Area, BOUND, MARK, POLL, Process, Running, copies, tessera};

/// Where it listens, once it has said so.
async fn address(up: &mut Running) -> String {
    up.line("it listens", |line| {
        let rest = line.strip_prefix("The API listens on ")?;
        rest.split_once(';').map(|(url, _)| url.to_owned())
    })
    .await
}

fn start(area: &Area, arguments: &[&str]) -> Running {
    start_on("127.0.0.1:0", area, arguments)
}

fn start_on(listen: &str, area: &Area, arguments: &[&str]) -> Running {
    let state = area.join("state");
    let common = ["up", "--listen", listen, "--container-socket", "none", "--state-dir"];
    let mut all = common.to_vec();
    all.push(state.to_str().unwrap());
    all.extend(arguments);
    Running::start(area, "tessera", &all, &[("TMPDIR", area.path().to_owned())])
}

/// A manifest of one workload whose copies can be counted.
fn manifest(area: &Area) -> PathBuf {
    let path = area.join("web.yaml");
    let mark = format!("{}/web", area.tag());
    let text = format!(
        "name: web\nspec:\n  command: /bin/sleep\n  args: ['100000']\n  env: {{{MARK}: {mark}}}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn the_copy(area: &Area) -> Process {
    let found = copies(&area.tag()).remove("web").unwrap_or_default();
    assert_eq!(found.len(), 1, "{found:?}");
    Process::find(found.into_iter().next().unwrap()).unwrap()
}

/// The status in which a control plane that starts on the state finds a resource.
async fn status_after(area: &Area, key: &str) -> String {
    let state = area.join("state");
    let arguments = ["--listen", "127.0.0.1:0", "--state-dir", state.to_str().unwrap()];
    let mut control = Running::start(area, "tessera-control", &arguments, &[]);
    let url = control
        .line("it listens", |line| line.strip_prefix("listening on ").map(str::to_owned))
        .await;
    let shown = tessera("tesseractl", &["--server", &url, "get", key, "-o", "json"]).expect(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    control.interrupt().await.expect(0);
    shown["status"].as_str().unwrap_or_default().to_owned()
}

async fn try_next(up: &mut Running) {
    up.line("it is up", |line| (line == "Ctrl-C stops it.").then_some(())).await;
}

#[test]
fn help_and_completion_are_those_of_the_program_that_was_called() {
    let script = tessera("tessera", &["completion", "bash"]).expect(0).stdout;
    assert!(script.contains("-F _tessera "), "{script}");
    assert!(!script.contains("tesseractl"), "{script}");
    for words in [&["--help"][..], &["up", "--help"], &["get", "--help"]] {
        let help = tessera("tessera", words).expect(0).stdout;
        let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap();
        assert!(usage.starts_with("Usage: tessera "), "{usage}");
        assert!(words.len() == 2 || ["up ", "get "].iter().all(|name| help.contains(name)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_comes_up_and_ctrl_c_stops_all_of_it_in_order() {
    let area = Area::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/quickstart.yaml");
    let mut up = start(&area, &["-f", example.to_str().unwrap()]);
    let url = address(&mut up).await;
    try_next(&mut up).await;
    let said = up.output();
    let commands: Vec<_> = said
        .lines()
        .skip_while(|line| !line.starts_with("Try next"))
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    assert_eq!(commands.len(), 3, "{said}");
    assert!(commands.iter().all(|command| command.contains(&url)), "{said}");
    let table = tessera("tessera", &["get", "workloads", "--server", &url]).expect(0).stdout;
    for name in ["ticker", "beacon", "report", "flaky"] {
        assert!(table.contains(name), "{table}");
    }
    assert!(!area.processes().is_empty());
    let ended = up.interrupt().await.expect(0);
    assert!(
        ended.stdout.trim_end().ends_with("the next start goes on from there."),
        "{}",
        ended.stdout
    );
    assert!(area.processes().is_empty(), "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_to_try_next_is_about_the_pod_and_its_jobs() {
    let area = Area::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/automation.yaml");
    let mut up = start(&area, &["-f", example.to_str().unwrap()]);
    let url = address(&mut up).await;
    try_next(&mut up).await;
    let said = up.output();
    let engine = said.lines().find_map(|line| line.strip_prefix("The engine listens on "));
    let engine = engine.unwrap().trim_end_matches('.');
    for command in
        [format!("--server {url} describe pod lab-1"), format!("engine --engine {engine} jobs")]
    {
        assert!(said.lines().any(|line| line.ends_with(&command)), "{command}: {said}");
    }
    up.interrupt().await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_closed_ends_it_in_order_too() {
    let area = Area::new();
    let file = manifest(&area);
    let mut up = start(&area, &["-f", file.to_str().unwrap()]);
    try_next(&mut up).await;
    let copy = the_copy(&area);
    up.hang_up().await.expect(0);
    assert!(!copy.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_finds_its_state_again() {
    let area = Area::new();
    let file = manifest(&area);
    let mut up = start(&area, &["-f", file.to_str().unwrap()]);
    address(&mut up).await;
    try_next(&mut up).await;
    let first = the_copy(&area);
    up.interrupt().await.expect(0);
    assert!(!first.is_alive());
    assert_eq!(status_after(&area, "node/local").await, "Offline", "nothing seems to run there");

    let mut up = start(&area, &[]);
    let url = address(&mut up).await;
    let wait = ["--server", &url, "apply", "--wait", "-f", file.to_str().unwrap()];
    let again = tessera("tesseractl", &wait).expect(0);
    assert!(again.stdout.contains("workload/default/web unchanged"), "{}", again.stdout);
    assert!(the_copy(&area).is_alive());
    up.interrupt().await.expect(0);
}

/// Where its engine listens.
async fn engine_address(up: &mut Running) -> String {
    let of_line = |line: &str| {
        let rest = line.strip_prefix("The engine listens on ")?;
        rest.strip_suffix('.').map(str::to_owned)
    };
    up.line("its engine listens", of_line).await
}

/// What `tessera` says to a question once that has `words` in it.
async fn says(arguments: &[&str], words: &str) -> String {
    let deadline = Instant::now() + BOUND;
    loop {
        let said = tessera("tessera", arguments).stdout;
        if said.contains(words) {
            return said;
        }
        assert!(Instant::now() < deadline, "{words}: {said}");
        tokio::time::sleep(POLL).await;
    }
}

/// Pipelines with jobs need nothing else: the engine is in it, and goes on with it.
#[tokio::test(flavor = "multi_thread")]
async fn it_has_an_engine_whose_jobs_go_on_after_its_death() {
    let area = Area::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/automation.yaml");
    let file = example.to_str().unwrap();
    let mut up = start(&area, &["-f", file]);
    let (url, engine) = (address(&mut up).await, engine_address(&mut up).await);
    let of_pod = ["engine", "jobs", "--engine", &engine, "--for", "pod/default/lab-1"];
    says(&of_pod, "Running").await;
    says(&["--server", &url, "describe", "pod", "lab-1"], "Suspended").await;
    up.kill();
    assert!(area.join("state/engine/engine.db").exists());

    let mut up = start(&area, &[]);
    let (url, engine) = (address(&mut up).await, engine_address(&mut up).await);
    let pod = ["--server", &url, "describe", "pod", "lab-1"];
    let shown = says(&pod, "Ready").await;
    assert!(shown.contains("outside") && shown.contains("Completed"), "{shown}");
    let jobs = tessera("tessera", &["engine", "jobs", "--engine", &engine, "-o", "name"]);
    assert_eq!(jobs.expect(0).stdout.lines().count(), 1, "it was submitted once");
    up.interrupt().await.expect(0);
    assert!(area.processes().is_empty(), "nothing is left");
}

/// The engine calls the control plane that it is started with.
#[tokio::test(flavor = "multi_thread")]
async fn its_engine_can_deploy_workloads_of_its_own_control_plane() {
    let area = Area::new();
    let mut up = start(&area, &["--simulated"]);
    let (url, engine) = (address(&mut up).await, engine_address(&mut up).await);
    let api = tessera_client::Engine::new(&engine).unwrap();
    let input =
        serde_json::json!({"name": "web", "spec": {"command": "/bin/sleep", "args": ["3600"]}});
    let submission = serde_json::json!({"scenario": "deploy@v1", "input": input});
    let submission = serde_json::from_value(submission).unwrap();
    tessera_client::call(api.job_submit(&submission)).await.unwrap();
    says(&["engine", "jobs", "--engine", &engine], "Completed").await;
    says(&["--server", &url, "get", "workload", "web"], "Running").await;
    up.interrupt().await.expect(0);
}

/// The break-glass switch: pipelines with jobs are held, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_kept_from_beginning_pipelines_with_jobs() {
    let area = Area::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/automation.yaml");
    let mut up = start(&area, &["--no-engine", "-f", example.to_str().unwrap()]);
    let url = address(&mut up).await;
    says(&["--server", &url, "get", "pod", "lab-1"], "started with --no-engine").await;
    let ended = up.interrupt().await.expect(0);
    assert!(ended.stdout.contains("PIPELINES WITH JOBS DO NOT BEGIN"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_to_stop_is_named_and_a_second_interrupt_does_not_wait_for_it() {
    let area = Area::new();
    let path = area.join("slow.yaml");
    let mark = format!("{}/web", area.tag());
    let text = format!(
        "name: slow\nspec:\n  command: /bin/sh\n  args: [-c, 'trap \"\" TERM; while :; do sleep 0.1; done']\n  \
         env: {{{MARK}: {mark}}}\n  stop: {{grace: 5s}}\n"
    );
    std::fs::write(&path, text).unwrap();
    let mut up = start(&area, &["-f", path.to_str().unwrap()]);
    address(&mut up).await;
    try_next(&mut up).await;
    up.press_interrupt();
    let named = "workload/default/slow (SIGKILL in ";
    up.line("what still stops", |line| {
        (line.starts_with("Still stopping: ") && line.contains(named)).then_some(())
    })
    .await;
    let ended = up.interrupt().await.expect(130);
    let last = ended.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("Left to their supervisors"), "{}", ended.stdout);
    assert!(last.contains("workload/default/slow"), "{}", ended.stdout);
    // Its supervisor ends it all the same.
    let deadline = Instant::now() + BOUND;
    while !copies(&area.tag()).is_empty() {
        assert!(Instant::now() < deadline, "what ignores the signal is never ended");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_may_be_left_running_and_survive_a_crash() {
    let area = Area::new();
    let file = manifest(&area);
    let mut up = start(&area, &["--keep-running", "-f", file.to_str().unwrap()]);
    address(&mut up).await;
    try_next(&mut up).await;
    let copy = the_copy(&area);
    up.interrupt().await.expect(0);
    assert!(copy.is_alive());

    let mut up = start(&area, &["-f", file.to_str().unwrap()]);
    address(&mut up).await;
    try_next(&mut up).await;
    assert_eq!(the_copy(&area), copy, "it is taken over");
    up.kill();
    assert!(copy.is_alive());

    let mut up = start(&area, &["-f", file.to_str().unwrap()]);
    let url = address(&mut up).await;
    try_next(&mut up).await;
    assert_eq!(the_copy(&area), copy);
    let shown = tessera("tessera", &["--server", &url, "get", "workload", "web", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.expect(0).stdout).unwrap();
    assert_eq!(shown["observed"]["restarts"], 0, "{shown}");
    up.interrupt().await.expect(0);
    assert!(!copy.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_said_before_anything_is_started() {
    let area = Area::new();
    let file = area.join("bad.yaml");
    std::fs::write(&file, "name: web\nspec:\n  comand: /bin/true\n").unwrap();
    let up = start(&area, &["-f", file.to_str().unwrap()]);
    let ended = up.end().await.expect(2);
    assert!(
        ended.stdout.contains("bad.yaml:3:3") && ended.stdout.contains("`command`"),
        "{}",
        ended.stdout
    );
    assert!(!area.join("state").exists(), "nothing was made");

    let good = manifest(&area);
    let mut up = start(&area, &["-f", good.to_str().unwrap()]);
    address(&mut up).await;
    try_next(&mut up).await;
    let second = start(&area, &[]).end().await.expect(1);
    assert!(second.stdout.contains("in use by process"), "{}", second.stdout);
    up.interrupt().await.expect(0);
}

/// Names that are allowed do not shut out its own agent and client.
#[tokio::test(flavor = "multi_thread")]
async fn it_listens_on_every_address_under_some_names_only() {
    let area = Area::new();
    let file = manifest(&area);
    let open = ["--insecure-listen", "--allowed-host", "control.example"];
    let arguments = [&open[..], &["-f", file.to_str().unwrap()]].concat();
    let mut up = start_on("0.0.0.0:0", &area, &arguments);
    let url = address(&mut up).await;
    assert!(url.starts_with("http://0.0.0.0:"), "{url}");
    try_next(&mut up).await;
    assert!(the_copy(&area).is_alive());
    let port = url.rsplit(':').next().unwrap();
    let shown = up.output();
    assert!(shown.contains(&format!("--server http://127.0.0.1:{port} ")), "{shown}");
    for host in ["127.0.0.1", "localhost"] {
        let server = format!("http://{host}:{port}");
        tessera("tesseractl", &["--server", &server, "get", "nodes"]).expect(0);
    }
    up.interrupt().await.expect(0);
}
