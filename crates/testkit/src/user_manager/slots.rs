//! How many tests have user managers at the same time.
//!
//! A manager watches files, and how many watchers a user has is limited by the kernel (128 unless told
//! otherwise); the manager that goes beyond ends without a word. So a test takes one of a few slots,
//! which are addresses that only one process can have, and that nothing is left of when it ends.

use std::cell::RefCell;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::thread;
use std::time::{Duration, Instant};

const SLOTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(200);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

thread_local! {
    /// The test's slot, which it keeps until its end. It is one for all of the test's managers: tests
    /// that waited for a second one could wait for each other.
    static SLOT: RefCell<Option<UnixListener>> = const { RefCell::new(None) };
}

/// Waits until the calling test, which is a thread, may have managers.
///
/// # Panics
///
/// When it may not for some minutes: before nextest ends the test, which would not say why.
pub(super) fn take() {
    SLOT.with_borrow_mut(|slot| {
        let deadline = Instant::now() + PATIENCE;
        while slot.is_none() {
            *slot = free();
            assert!(Instant::now() < deadline, "{SLOTS} tests with user managers do not end");
            if slot.is_none() {
                thread::sleep(LOOK_INTERVAL);
            }
        }
    });
}

fn free() -> Option<UnixListener> {
    (0..SLOTS).find_map(|number| {
        let name = format!("tessera-user-manager-{number}");
        let address = SocketAddr::from_abstract_name(name).expect("the name is short");
        UnixListener::bind_addr(&address).ok()
    })
}
