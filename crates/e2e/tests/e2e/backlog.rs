//! What happens on a node while the control plane is away may be a lot to tell.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tessera_e2e::Fleet;
use tessera_types::workload::Exit;

const WORKLOADS: usize = 45;
/// So often each is started while nobody listens. An agent keeps 16 reports of a copy,
/// which are five runs.
const STARTS: u64 = 7;
const LINE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A program that says much and fails, and leaves a byte in `file` each time.
fn loud(fleet: &Fleet, name: &str, file: &Path) -> Value {
    let line = LINE.repeat(8);
    let script = format!(
        "printf x >> {}; i=0; while [ $i -lt 20 ]; do echo {line}; i=$((i + 1)); done; exit 3",
        file.display()
    );
    let mut manifest = fleet.workload(name, &script);
    manifest["spec"]["restart"]["backoff"] = json!({"initial": "100ms", "max": "500ms"});
    manifest
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_happened_in_an_outage_is_told_however_much_it_is() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for number in 0..WORKLOADS {
        let name = format!("loud-{number}");
        let file = fleet.area().join(&name);
        fleet.apply(&loud(&fleet, &name, &file)).await;
        files.push((name, file));
    }
    let starts = |file: &Path| std::fs::metadata(file).map_or(0, |data| data.len());
    fleet
        .eventually("each was started", async || {
            files.iter().all(|(_, file)| starts(file) > 0).then_some(())
        })
        .await;
    fleet.kill_control();
    let before: Vec<_> = files.iter().map(|(_, file)| starts(file)).collect();
    fleet
        .eventually("each fails again and again", async || {
            let all = files.iter().zip(&before);
            all.clone().all(|((_, file), before)| starts(file) >= before + STARTS).then_some(())
        })
        .await;
    fleet.start_control().await;
    for ((name, _), before) in files.iter().zip(&before) {
        let told = fleet
            .until(name, "all is told", |it| {
                u64::from(it.observed.restarts) >= before + STARTS - 2
                    && it.observed.last_exit.is_some()
            })
            .await;
        let lines = told.observed.last_exit.map(|exit: Exit| exit.last_lines).unwrap();
        assert_eq!(lines.len(), 20, "{name}: what it said last is there");
        assert!(lines.iter().all(|line| line.starts_with(LINE)), "{lines:?}");
    }
}
