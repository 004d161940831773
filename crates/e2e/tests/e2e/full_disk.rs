//! A disk that is full: writes are refused, reads go on, and when there is room
//! again, so do writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tessera_e2e::{Area, Fleet, process};
use tessera_types::problem::Code;
use tessera_types::workload::{ExitOutcome, WorkloadStatus};

/// A disk of some megabytes, in memory. Making one takes root.
struct Disk {
    area: Area,
}

impl Disk {
    fn new() -> Option<Self> {
        let area = Area::new();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tessera-e2e"])
            .arg(area.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self { area })
    }

    fn path(&self) -> &Path {
        self.area.path()
    }

    /// Takes all the room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [64 << 10, 1 << 10, 1] {
            let block = vec![b'x'; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The control plane has ended before; a lazy unmount does not fail.
        let _gone = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let Some(disk) = Disk::new() else {
        eprintln!("did not run: it needs root, to mount a small disk");
        return;
    };
    let mut fleet = Fleet::in_folder(Area::new(), disk.path().join("state"), "15s").await;
    fleet.add_node("a", &[]).await;
    fleet.apply(&fleet.sleeper("web")).await;
    let copy = process(&fleet.running("web").await);

    let first = grow(&fleet, 0).await.unwrap();
    let filler = disk.fill();
    let (last, problem) = write_until_refused(&fleet, first).await;
    assert_eq!(problem.code, Code::StorageFull, "{problem:?}");
    assert!(problem.remedy.unwrap().contains("free some space"));
    let full_at = fleet.revision().await;
    let refused =
        fleet.ctl_with(&["apply", "-f", "-"], &fleet.sleeper("late").to_string()).expect(1);
    assert!(refused.stderr.contains("error[storage_full]"), "{}", refused.stderr);
    assert!(refused.stderr.contains("remedy: free some space"), "{}", refused.stderr);

    // Reading goes on, what was acknowledged is there, and what runs runs.
    assert_eq!(fleet.revision().await, full_at, "nothing was written");
    fleet.ctl(&["get", "workload", "late"]).expect(3);
    assert_eq!(fleet.get("growing").await.spec.env["VALUE"], last);
    fleet.ctl(&["describe", "workload", "web"]).expect(0);
    fleet.ctl(&["logs", "web"]).expect(0);
    assert!(copy.is_alive());
    // What happens meanwhile is reported when it can be written down.
    copy.kill();

    fs::remove_file(&filler).unwrap();
    fleet
        .eventually("writes succeed again", async || {
            fleet.try_apply(&fleet.sleeper("late")).await.ok()
        })
        .await;
    fleet.running("late").await;
    let again = fleet
        .until("web", "started again", |it| {
            it.observed.restarts == 1 && it.status == WorkloadStatus::Running
        })
        .await;
    assert_eq!(again.observed.last_exit.unwrap().outcome, ExitOutcome::Signaled { signal: 9 });
    fleet.one_copy_each(&["web", "late"]).await;

    // Nothing of it is forgotten by a crash.
    fleet.kill_control();
    fleet.start_control().await;
    assert_eq!(fleet.get("growing").await.spec.env["VALUE"], last);
    assert_eq!(fleet.get("late").await.status, WorkloadStatus::Running);
    drop(fleet);
}

/// Writes something large, and returns what.
async fn grow(fleet: &Fleet, i: u32) -> Result<String, tessera_client::Error> {
    let value = format!("{i}-{}", "x".repeat(10_000));
    let mut manifest = fleet.sleeper("growing");
    manifest["spec"]["env"] = json!({"VALUE": value});
    manifest["desired_status"] = json!("Stopped");
    fleet.try_apply(&manifest).await.map(|_| value)
}

/// Writes more and more; what was acknowledged last, and how the next was refused.
async fn write_until_refused(fleet: &Fleet, mut last: String) -> (String, tessera_types::Problem) {
    for i in 1..1000 {
        match grow(fleet, i).await {
            Ok(value) => last = value,
            Err(error) => {
                let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
                return (last, problem.clone());
            }
        }
    }
    panic!("a full disk takes everything");
}
