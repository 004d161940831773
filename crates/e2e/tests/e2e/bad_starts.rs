//! Control planes and agents that cannot start: each says why and what to do,
//! ends with 1, and leaves everything as it was.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tessera_e2e::{Area, Ended, Fleet, tessera};
use tokio::net::TcpListener;

/// Where a database says its format and whose it is, from its header.
const USER_VERSION_AT: u64 = 60;
const APPLICATION_ID_AT: u64 = 68;

fn control(state_dir: &Path, listen: &str) -> Ended {
    let state_dir = state_dir.to_str().unwrap();
    tessera("tessera-control", &["--listen", listen, "--state-dir", state_dir])
}

/// Fails unless it ended with 1 and one line that says all of this.
fn refused(ended: Ended, says: &[&str]) {
    let ended = ended.expect(1);
    let line = ended.stderr.trim_end();
    assert_eq!(line.lines().count(), 1, "{line}");
    for part in says {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
}

/// The database of a control plane that has something and has ended.
async fn stopped() -> Fleet {
    let mut fleet = Fleet::start().await;
    fleet.apply(&fleet.sleeper("web")).await;
    fleet.stop_control().await;
    fleet
}

/// Changes bytes of the database for a moment.
fn with_bytes(fleet: &Fleet, at: u64, bytes: &[u8], look: impl FnOnce()) {
    let path = fleet.state_dir().join("control.db");
    let whole = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(bytes, at).unwrap();
    let changed = fs::read(&path).unwrap();
    look();
    assert_eq!(fs::read(&path).unwrap(), changed, "the file was not touched");
    fs::write(&path, whole).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_control_plane_uses() {
    let fleet = Fleet::start().await;
    fleet.apply(&fleet.sleeper("web")).await;
    let holder = format!("by process {}", fleet.control().pid());
    refused(
        control(fleet.state_dir(), "127.0.0.1:0"),
        &["control.db", &holder, "stop that process"],
    );
    assert_eq!(fleet.get("web").await.name.as_str(), "web", "the first one goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_release_of_another_program_or_none() {
    let mut fleet = stopped().await;
    let start = || control(fleet.state_dir(), "127.0.0.1:0");
    with_bytes(&fleet, USER_VERSION_AT, &77_u32.to_be_bytes(), || {
        refused(start(), &["control.db", "format 77", "newer"]);
    });
    with_bytes(&fleet, APPLICATION_ID_AT, b"NOPE", || {
        refused(start(), &["control.db", "another program's", "use another file"]);
    });
    with_bytes(&fleet, 0, b"#!/bin/sh\n", || {
        refused(start(), &["control.db", "no SQLite database", "use another file"]);
    });
    fleet.start_control().await;
    assert_eq!(fleet.get("web").await.name.as_str(), "web", "nothing was lost by trying");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_damaged_is_not_served_from() {
    let fleet = stopped().await;
    let path = fleet.state_dir().join("control.db");
    let length = fs::metadata(&path).unwrap().len();
    let noise = vec![0xa5; usize::try_from(length - 4096).unwrap()];
    with_bytes(&fleet, 4096, &noise, || {
        let ended = control(fleet.state_dir(), "127.0.0.1:0");
        refused(ended, &["control.db", "damaged", "restore it from a backup"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_listened_on() {
    let area = Area::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(control(&area.join("state"), &address), &[&address, "in use", "--listen"]);
    refused(control(&area.join("state"), "0.0.0.0:0"), &["not loopback", "--insecure-listen"]);
    let wrong = control(&area.join("state"), "localhost").expect(2);
    assert!(wrong.stderr.contains("--listen"), "{}", wrong.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_cannot_be_used() {
    let area = Area::new();
    let file = area.join("file");
    fs::write(&file, "").unwrap();
    refused(control(&file, "127.0.0.1:0"), &[file.to_str().unwrap(), "--state-dir"]);
    refused(control(&file.join("below"), "127.0.0.1:0"), &["file/below", "--state-dir"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_name_or_state_is_taken() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let state = fleet.area().join("node-a");
    let url = fleet.url();
    let arguments = ["--name", "a", "--server", &url, "--container-socket", "none", "--state-dir"];
    let agent = |dir: &Path| [&arguments[..], &[dir.to_str().unwrap()]].concat().join(" ");
    let same = agent(&state);
    let same: Vec<_> = same.split(' ').collect();
    refused(tessera("tessera-agent", &same), &["another agent uses the state folder"]);

    // Another installation under the same name is told so, and keeps trying:
    // the first may be on its way out.
    let other = agent(&fleet.area().join("other"));
    let other: Vec<_> = other.split(' ').collect();
    let mut other = tessera_e2e::Running::start(fleet.area(), "tessera-agent", &other, &[]);
    other
        .line("it is told", |line| {
            (line.contains("another live agent has this node's name") && line.contains("--name"))
                .then_some(())
        })
        .await;
    other.interrupt().await.expect(0);
    fleet.apply(&fleet.sleeper("web")).await;
    fleet.running("web").await;
}
