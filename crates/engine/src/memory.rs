//! The memory that the data of all runs may take, about.
//!
//! The one idea: a run that waits for time or an event needs no memory, since its journal has all
//! that it knows. When there is too much, such runs are dropped, and replayed when they are due
//! ([`crate::run`]); what is about to take memory waits until others have dropped theirs.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Those that rest are told at most so often; which of them are to go changes as others do.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The memory of all runs.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    account: Mutex<Account>,
    /// Told to those that rest: there is too little.
    scarce: Notify,
    /// Told to those that wait: there is some again.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Account {
    /// Bytes that runs hold, and how many runs that are.
    held: usize,
    runs: usize,
    /// Bytes that others wait for.
    wanted: usize,
    /// When those that rest were told last.
    told_at: Option<Instant>,
}

/// What one run holds, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share<'m> {
    memory: &'m Memory,
    bytes: usize,
}

/// One that waits for memory, until this is dropped.
struct Wanting<'m>(&'m Memory, usize);

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, account: Mutex::default(), scarce: Notify::new(), freed: Notify::new() }
    }

    /// Whether no run should begin that need not.
    pub(crate) fn is_scarce(&self) -> bool {
        self.account.lock().is_scarce(self.max)
    }

    /// The runs that are in memory, and what they hold.
    pub(crate) fn count(&self) -> (usize, usize) {
        let account = self.account.lock();
        (account.runs, account.held)
    }

    /// The share of a run that begins.
    pub(crate) fn share(&self, bytes: usize) -> Share<'_> {
        self.change(|account| {
            account.held += bytes;
            account.runs += 1;
        });
        Share { memory: self, bytes }
    }

    /// The same, once there is room for it. One that needs more than there is has its turn when
    /// nobody else holds any.
    pub(crate) async fn room_for(&self, bytes: usize) -> Share<'_> {
        self.account.lock().wanted += bytes;
        let wanting = Wanting(self, bytes);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            let has_room = {
                let account = self.account.lock();
                account.held == 0 || account.held.saturating_add(bytes) <= self.max
            };
            if has_room {
                let share = self.share(bytes);
                drop(wanting);
                return share;
            }
            self.tell();
            // The time is only a net: whoever leaves says so.
            let _ = tokio::time::timeout(TELL_EVERY, freed).await;
        }
    }

    /// Tells those that rest that memory is scarce.
    fn tell(&self) {
        let told_at = &mut self.account.lock().told_at;
        if told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told_at = Some(Instant::now());
            self.scarce.notify_waiters();
        }
    }

    /// Changes the account; says so to those that wait if it was scarce, and to those that rest if it
    /// is from now on.
    fn change(&self, change: impl FnOnce(&mut Account)) {
        let mut account = self.account.lock();
        let was_scarce = account.is_scarce(self.max);
        change(&mut account);
        let is_scarce = account.is_scarce(self.max);
        drop(account);
        if was_scarce {
            self.freed.notify_waiters();
        }
        if is_scarce {
            self.tell();
        }
    }

    /// Waits until memory becomes scarce.
    pub(crate) async fn becomes_scarce(&self) {
        self.scarce.notified().await;
    }

    /// Waits until memory is freed.
    pub(crate) async fn is_freed(&self) {
        self.freed.notified().await;
    }
}

impl Account {
    const fn is_scarce(&self, max: usize) -> bool {
        self.held.saturating_add(self.wanted) > max
    }
}

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.0.change(|account| account.wanted -= self.1);
    }
}

impl Share<'_> {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Says how much the run holds now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes != before {
            self.memory.change(|account| account.held = account.held - before + bytes);
        }
    }

    /// Whether it helps to drop this one while it rests: memory is scarce, and it holds no less than
    /// half of what others do on the average.
    pub(crate) fn is_to_go(&self) -> bool {
        let account = self.memory.account.lock();
        account.is_scarce(self.memory.max)
            && self.bytes.saturating_mul(2).saturating_mul(account.runs) >= account.held
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.memory.change(|account| {
            account.held -= self.bytes;
            account.runs -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_wants_memory_waits_until_others_have_dropped_theirs() {
        let memory = Memory::new(100);
        let mut first = memory.share(0);
        let small = memory.share(1);
        first.set(90);
        assert!(!memory.is_scarce() && !first.is_to_go());
        let mut scarce = std::pin::pin!(memory.becomes_scarce());
        assert!(scarce.as_mut().now_or_never().is_none());
        let mut wanting = std::pin::pin!(memory.room_for(20));
        assert!(wanting.as_mut().now_or_never().is_none());
        assert!(scarce.now_or_never().is_some());
        assert!(memory.is_scarce() && first.is_to_go() && !small.is_to_go());
        drop(first);
        let second = wanting.now_or_never().unwrap();
        assert_eq!((second.bytes(), memory.is_scarce()), (20, false));
    }

    #[tokio::test]
    async fn what_is_larger_than_all_has_its_turn_alone() {
        let memory = Memory::new(100);
        let other = memory.share(1);
        let mut wanting = std::pin::pin!(memory.room_for(200));
        assert!(wanting.as_mut().now_or_never().is_none());
        assert!(other.is_to_go());
        drop(other);
        let share = wanting.now_or_never().unwrap();
        assert!(memory.is_scarce());
        drop(share);
        assert!(!memory.is_scarce());
    }

    #[tokio::test]
    async fn who_waits_no_longer_wants_nothing() {
        let memory = Memory::new(100);
        let _all = memory.share(100);
        assert!(memory.room_for(1).now_or_never().is_none());
        assert!(!memory.is_scarce());
    }
}
