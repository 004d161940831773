//! The HTTP APIs against their own OpenAPI documents: schemathesis makes requests from a document,
//! good ones and bad ones, and every answer must be one that the document has. No 500, no hang, no
//! answer that is undocumented, and what the document forbids is refused.
//!
//! A run of the tests makes them for a moment and always the same; `cargo xtask fuzz api` for longer.

use std::path::{Path, PathBuf};
use std::process::Command;

use tessera_e2e::{Fleet, Program, plain};

/// How long requests are made of each API, if not as the variable says.
const SECONDS: u64 = 30;
const SECONDS_VARIABLE: &str = "TESSERA_FUZZ_API_SECONDS";

/// What a run of the tests asks.
const SEED: u32 = 27;

/// An answer that takes longer is a hang. A busy machine makes none of this.
const ANSWER_SECONDS: &str = "20";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,negative_data_rejection";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

async fn engine(folder: &Path, control: &str) -> (Program, String) {
    let mut command = plain("tessera-engine");
    command.args(["--listen", "127.0.0.1:0", "--control", control, "--state-dir"]);
    command.arg(folder.join("state"));
    let mut engine = Program::start(command, folder.join("engine.log"));
    let url = |line: &str| line.strip_prefix("listening on ").map(str::to_owned);
    let url = engine.line("the engine comes up", url).await;
    (engine, url)
}

/// A longer run asks something else each time; schemathesis prints the seed.
fn drawn_seed() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.subsec_nanos())
}

/// Makes requests from a document; fails with what schemathesis says.
async fn conforms(document: &str, url: &str) {
    let programs = tessera_testkit::environment(tessera_testkit::SCHEMATHESIS);
    let programs = programs.expect("the part is there");
    let asked = std::env::var(SECONDS_VARIABLE).ok();
    let seed = if asked.is_some() { drawn_seed() } else { SEED };
    let (seconds, seed) = (asked.unwrap_or_else(|| SECONDS.to_string()), seed.to_string());
    let mut command = Command::new(programs.join("schemathesis"));
    command.arg("run").arg(workspace().join("openapi").join(document)).args(["--url", url]);
    command.args(["--checks", CHECKS, "--max-time", &seconds, "--seed", &seed]);
    command.args(["--request-timeout", ANSWER_SECONDS, "--generation-database", "none"]);
    command.args(["--continue-on-failure", "--no-color", "--suppress-health-check", "all"]);
    command.args(["--warnings", "off"]);
    // Nothing is left in the folder that it is run from.
    let area = tempfile::tempdir().unwrap();
    command.current_dir(area.path()).env("PYTHONPATH", workspace().join("fuzz/api"));
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONDONTWRITEBYTECODE", "1");
    command.env_remove("http_proxy").env_remove("HTTP_PROXY");
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}\n{said}\n{wrong}", ended.status);
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_answers_as_its_document_says() {
    if !tessera_testkit::part("schemathesis") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = Fleet::start().await;
    let (_engine, url) = engine(folder.path(), &fleet.url()).await;
    fleet.add_argument("--engine");
    fleet.add_argument(&url);
    fleet.stop_control().await;
    fleet.start_control().await;
    fleet.add_node("a", &["--simulated"]).await;
    conforms("tessera.json", &fleet.url()).await;
    // It is none the worse for it.
    fleet.revision().await;
    fleet.stop_control().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_answers_as_its_document_says() {
    if !tessera_testkit::part("schemathesis") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::start().await;
    let (mut engine, url) = engine(folder.path(), &fleet.url()).await;
    conforms("tessera-engine.json", &url).await;
    assert!(engine.ended().is_none(), "{}", engine.output());
}
