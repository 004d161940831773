//! The SDKs against the conformance suite in `sdk/conformance`, as real processes, and against each
//! other on one hub.

mod lineage;
mod manifests;
mod probe;
mod template;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tessera_conform::{Options, Subject, conform};
use tessera_manifest::{Document, Format, Limits, Problem, Source, read};
use tessera_tenant::manifest::{Tier, check};
use tessera_types::Duration;

use probe::{Language, PATIENCE, ending, finish, folder, limited, repository, wait_until};
use template::{Bindings, matches, with_times};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    manifest: String,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    manifest: Option<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
    steps: Vec<Step>,
    #[serde(default)]
    hub: BTreeMap<String, String>,
    #[serde(default)]
    absent: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// How large a file may become, in KiB.
    file_kib: Option<u32>,
    exit: Option<u8>,
    signal: Option<u8>,
    stdout: Option<String>,
    /// Parts of standard error, in any order.
    #[serde(default)]
    stderr: Vec<String>,
    /// What standard error must not have.
    #[serde(default)]
    silent: Vec<String>,
}

fn data<T: DeserializeOwned>(file: &str) -> T {
    let path = repository("sdk/conformance").join(file);
    let source = Source::new(file, fs::read_to_string(path).unwrap());
    let documents = read(source, Format::Toml, &Limits::default(), Document::decode);
    let mut documents = documents.unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(Problem::render).collect::<String>())
    });
    documents.remove(0)
}

fn run_suite(language: Language) {
    if !language.is_there() {
        return;
    }
    let suite: Suite = data("cases.toml");
    let next = AtomicUsize::new(0);
    let failed_of = || {
        // Each case has a folder of its own, and most of its time is a language's start.
        let cases = std::iter::from_fn(|| suite.case.get(next.fetch_add(1, Ordering::Relaxed)));
        cases.filter_map(|case| case.failure(language, &suite.manifest)).collect::<Vec<_>>()
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers = [(); 4].map(|()| scope.spawn(failed_of));
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let count = suite.case.len();
    assert!(wrong.is_empty(), "{} of {count} cases failed\n{}", wrong.len(), wrong.concat());
}

#[test]
fn the_rust_sdk_conforms() {
    run_suite(Language::Rust);
}

#[test]
fn the_python_sdk_conforms() {
    run_suite(Language::Python);
}

/// What any tenant's program must keep: the suite of `tesseractl tenant conform`.
#[test]
fn both_keep_the_contract_of_any_tenant() {
    for language in languages() {
        // Migrations that are dry apply nothing, and are applied once each in earnest.
        let root = folder("");
        let path = root.path();
        let mut environment = env(&[("PROBE", "rows:3"), ("PROBE_MIGRATIONS", "0001-a,0002-b")]);
        let program = language.program();
        environment.extend(program.environment);
        let text = format!(
            "{}kind = 'extract'\nowner = 'o'\nschedule = 'daily UTC'\n[telemetry]\n[lifecycle]\n\
             entrypoint = {:?}\nsubcommands = ['run', 'status', 'dry-run', 'migrate']\n\
             environment = {{{}}}\n",
            "name = 'circ-trans'\nversion = '1.2.0'\nschema = 'x'\nsources = ['s']\nfreshness = '26h'\n",
            program.entrypoint,
            environment.iter().map(|(k, v)| format!("{k} = {v:?}")).collect::<Vec<_>>().join(", "),
        );
        let manifest = path.join("tessera-tenant.toml");
        fs::write(&manifest, &text).unwrap();
        let checked =
            check(Source::new("m", text), Tier::Three, jiff::tz::db(), jiff::Timestamp::now());
        let declared = checked.into_result().unwrap();
        let subject = Subject {
            tenant: declared.name.clone(),
            version: declared.version.to_string(),
            service: declared.service(None).unwrap(),
            podman: Vec::new(),
            manifest,
            folder: path.to_owned(),
        };
        let options = Options { patience: PATIENCE, in_earnest: true, interrupted: None };
        let checks = conform(&subject, options, |_| {}).unwrap();
        let failed: Vec<_> = checks.iter().filter(|check| check.verdict.is_failed()).collect();
        assert!(failed.is_empty(), "{language:?}: {failed:?}");
        assert_eq!(checks.len(), 10, "{language:?}: {checks:?}");
    }
}

impl Case {
    fn failure(&self, language: Language, manifest: &str) -> Option<String> {
        let why = self.run(language, self.manifest.as_deref().unwrap_or(manifest)).err()?;
        Some(format!("== {}\n{why}\n", self.name))
    }

    fn run(&self, language: Language, manifest: &str) -> Result<(), String> {
        let root = folder(manifest);
        let root = root.path();
        self.prepare(root);
        let mut bindings = Bindings::new();
        for (index, step) in self.steps.iter().enumerate() {
            step.run(language, root, &mut bindings)
                .map_err(|why| format!("step {} {:?}: {why}", index + 1, step.argv))?;
        }
        for (path, expected) in &self.hub {
            let found = fs::read_to_string(root.join("hub").join(path))
                .map_err(|error| format!("{path}: {error}"))?;
            matches(expected, &found, &mut bindings)
                .map_err(|why| format!("{path}: {why}\n--- the file:\n{found}"))?;
        }
        match self.absent.iter().find(|path| root.join("hub").join(path).exists()) {
            Some(path) => Err(format!("{path} is there")),
            None => Ok(()),
        }
    }

    fn prepare(&self, root: &Path) {
        let place = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        for (path, text) in &self.files {
            fs::write(place(path), with_times(text)).unwrap();
        }
        for (path, target) in &self.links {
            symlink(target, place(path)).unwrap();
        }
    }
}

impl Step {
    fn run(&self, language: Language, root: &Path, bindings: &mut Bindings) -> Result<(), String> {
        let filled = |text: &str| text.replace("<root>", root.to_str().unwrap());
        let env = self.env.iter().map(|(name, value)| (name.clone(), filled(value))).collect();
        let words: Vec<_> = self.argv.iter().map(String::as_str).collect();
        let probe = language.probe(root, &words, &env);
        let mut probe = match self.file_kib {
            Some(kib) => limited(&probe, kib),
            None => probe,
        };
        let output = finish(probe.spawn().unwrap());
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let expected = match (self.exit, self.signal) {
            (Some(code), None) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            _ => return Err("a step has either exit or signal".to_owned()),
        };
        let ended = ending(&output);
        if ended != expected {
            return Err(format!("{ended} and not {expected}\n{stdout}{stderr}"));
        }
        if let Some(expected) = &self.stdout {
            matches(&filled(expected), &stdout, bindings)
                .map_err(|why| format!("{why}\n--- standard output:\n{stdout}"))?;
        }
        let is_said = |part: &&String| stderr.contains(&filled(part));
        let missing = self.stderr.iter().find(|part| !is_said(part));
        let unwanted = self.silent.iter().find(is_said);
        match missing.or(unwanted) {
            Some(part) => Err(format!("about {part:?}, standard error was:\n{stderr}")),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Durations {
    wrong: Vec<String>,
    milliseconds: BTreeMap<String, u64>,
}

#[test]
fn both_read_the_same_durations() {
    let Durations { wrong, milliseconds } = data("durations.toml");
    for text in &wrong {
        assert!(text.parse::<Duration>().is_err(), "{text:?}");
    }
    for (text, ms) in &milliseconds {
        assert_eq!(text.parse::<Duration>().map(Duration::as_millis), Ok(*ms), "{text:?}");
    }
}

/// The package's own tests, which also read the durations.
#[test]
fn the_tests_of_the_python_package_pass() {
    if !Language::Python.is_there() {
        return;
    }
    let output = Command::new("python3")
        .args(["-W", "error", "-m", "unittest", "discover", "-s", "tests", "-t", "."])
        .current_dir(repository("sdk/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Both languages where Python is there, else Rust alone.
fn languages() -> Vec<Language> {
    [Language::Rust, Language::Python].into_iter().filter(|language| language.is_there()).collect()
}

fn manifest() -> String {
    data::<Suite>("cases.toml").manifest
}

fn env(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn many_writers_of_both_languages_share_a_hub() {
    let root = folder(&manifest());
    let path = root.path();
    let languages = languages();
    let count = 12;
    let children: Vec<_> = (0..count)
        .map(|n| {
            let rows = format!("rows:{n}");
            let language = languages[n % languages.len()];
            language.probe(path, &["run"], &env(&[("PROBE", &rows)])).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = finish(child);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
    for file in ["runs.jsonl", "openlineage.jsonl"] {
        let text = fs::read_to_string(path.join("hub/circ-trans").join(file)).unwrap();
        assert_eq!(text.lines().count(), 2 * count, "{file}");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
    let runs = fs::read_to_string(path.join("hub/circ-trans/runs.jsonl")).unwrap();
    let last: serde_json::Value =
        serde_json::from_str(runs.lines().rfind(|line| line.contains("ended")).unwrap()).unwrap();
    let metrics =
        fs::read_to_string(path.join("hub/metrics/tessera_tenant_circ-trans.prom")).unwrap();
    let rows = format!("rows{{tenant=\"circ-trans\",service=\"\"}} {}\n", last["rows"]);
    assert!(metrics.contains(&rows), "{rows}{metrics}");
}

#[test]
fn each_sees_what_the_other_is_doing() {
    for runner in languages() {
        for observer in languages() {
            sees_a_run(runner, observer);
            sees_what_was_cut_off(runner, observer);
            keeps_from_migrating(runner, observer);
        }
    }
}

fn sees_a_run(runner: Language, observer: Language) {
    let root = folder(&manifest());
    let path = root.path();
    let gate = path.join("gate");
    let what = format!("wait:{}", gate.display());
    let child = runner.probe(path, &["run"], &env(&[("PROBE", &what)])).spawn().unwrap();
    wait_until("the run", || path.join("gate.waiting").exists());
    let status = |words: &[&str]| {
        let output = finish(observer.probe(path, words, &env(&[])).spawn().unwrap());
        String::from_utf8(output.stdout).unwrap()
    };
    let seen = status(&["status"]);
    let expected = "circ-trans: unknown: never run; a run is under way since <any>\n";
    matches(expected, &seen, &mut Bindings::new()).unwrap();
    fs::write(gate, "").unwrap();
    assert!(finish(child).status.success());
    assert!(status(&["status"]).starts_with("circ-trans: healthy: "), "{runner:?} {observer:?}");
}

fn sees_what_was_cut_off(runner: Language, observer: Language) {
    let root = folder(&manifest());
    let path = root.path();
    let gate = path.join("gate");
    let what = format!("wait:{}", gate.display());
    let run = |what: &str| runner.probe(path, &["run"], &env(&[("PROBE", what)])).spawn().unwrap();
    assert!(finish(run("done")).status.success());
    finish(run("kill"));
    let child = run(&what);
    wait_until("the run", || path.join("gate.waiting").exists());
    let status = || {
        let output = finish(observer.probe(path, &["status"], &env(&[])).spawn().unwrap());
        String::from_utf8(output.stdout).unwrap()
    };
    let expected = "circ-trans: failing: the last success was <any>; the last run was cut off, \
                    having started <any> ago; a run is under way since <any>\n";
    matches(expected, &status(), &mut Bindings::new()).unwrap();
    fs::write(gate, "").unwrap();
    assert!(finish(child).status.success());
    assert!(status().starts_with("circ-trans: healthy: "), "{runner:?} {observer:?}");
}

fn keeps_from_migrating(first: Language, second: Language) {
    let root = folder(&manifest());
    let path = root.path();
    let gate = path.join("gate");
    let waiting = format!("0001-a=wait:{}", gate.display());
    let child =
        first.probe(path, &["migrate"], &env(&[("PROBE_MIGRATIONS", &waiting)])).spawn().unwrap();
    wait_until("the migration", || path.join("gate.waiting").exists());
    let migrations = env(&[("PROBE_MIGRATIONS", "0001-a")]);
    let refused = finish(second.probe(path, &["migrate"], &migrations).spawn().unwrap());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(ending(&refused), "exit code 1", "{second:?} behind {first:?}: {said}");
    assert!(said.contains("another migrate is under way"), "{said}");
    fs::write(gate, "").unwrap();
    assert!(finish(child).status.success());
    let again = finish(second.probe(path, &["migrate"], &migrations).spawn().unwrap());
    assert_eq!(String::from_utf8_lossy(&again.stdout), "nothing to apply: 1 applied before\n");
}

/// What a hub of some size becomes: each language begins the same file anew.
#[test]
fn a_large_file_is_turned_over_and_nothing_that_counts_is_lost() {
    let line = |id: &str, service: &str, event: &str| {
        format!(
            "{{\"run_id\":\"{id}\",\"tenant\":\"circ-trans\",\"service\":{service},\"verb\":\"run\",\"version\":\"1\",\"invocation_id\":null,\"event\":{event}}}\n"
        )
    };
    let end = |outcome: &str, code: u8| {
        with_times(&format!(
            "\"ended\",\"at\":\"<ago:2h>\",\"outcome\":\"{outcome}\",\"exit_code\":{code},\"rows\":null,\"duration_ms\":5"
        ))
    };
    let success = line("s", "null", &end("success", 0));
    let reconciled = line("r", "\"reconcile\"", &end("success", 0));
    let failure = line("f", "null", &end("failure", 7));
    let cut_off = line("c", "null", &with_times("\"started\",\"at\":\"<ago:1h>\""));
    let many = failure.replace("\"f\"", "\"older\"").repeat((4 << 20) / failure.len() + 1);
    let before = [success.as_str(), &reconciled, &many, &failure, &cut_off, "{\"torn"].concat();
    for language in languages() {
        let root = folder(&manifest());
        let hub = root.path().join("hub/circ-trans");
        fs::create_dir_all(&hub).unwrap();
        fs::write(hub.join("runs.jsonl"), &before).unwrap();
        fs::write(hub.join("runs.1.jsonl"), "older still").unwrap();
        fs::write(hub.join("openlineage.jsonl"), &before).unwrap();
        let output = finish(language.probe(root.path(), &["dry-run"], &env(&[])).spawn().unwrap());
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let after = fs::read_to_string(hub.join("runs.jsonl")).unwrap();
        let kept = [success.as_str(), &reconciled, &failure, &cut_off].concat();
        let expected = format!("{kept}{{<any>\"started\",<any>\n{{<any>\"ended\",<any>\n");
        matches(&expected, &after, &mut Bindings::new()).unwrap();
        assert!(fs::read_to_string(hub.join("runs.1.jsonl")).unwrap() == before);
        let output = finish(language.probe(root.path(), &["run"], &env(&[])).spawn().unwrap());
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let events = fs::read_to_string(hub.join("openlineage.jsonl")).unwrap();
        assert_eq!(events.lines().count(), 2);
        assert!(fs::read_to_string(hub.join("openlineage.1.jsonl")).unwrap() == before);
    }
}
