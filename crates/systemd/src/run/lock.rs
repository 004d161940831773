//! One start of a unit at a time, so that each knows whether it began a run or joined one.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use crate::systemctl::{LOOK_INTERVAL, PATIENCE};

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "closing it is what ends the lock")] File);

/// Waits for the lock of a unit. Without one, as where there is no folder for it, two starts at once
/// may both say that they began the run; no run is lost or made for that.
pub(super) fn lock(unit: &str) -> Option<Lock> {
    let folder = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?).join("tessera/run-now");
    fs::create_dir_all(&folder).ok()?;
    let file = File::create(folder.join(unit)).ok()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(Lock(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(LOOK_INTERVAL);
            }
            Err(_) => return None,
        }
    }
}
