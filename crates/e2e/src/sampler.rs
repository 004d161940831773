//! A witness that counts copies all the time, and knows nothing of Tessera.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::proc::{Process, copies};

/// Between two looks. It is a rate, not something that is waited for.
const INTERVAL: Duration = Duration::from_millis(5);

/// Counts the live copies of every workload of a fleet until it is asked.
#[derive(Debug)]
pub struct Sampler {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    looks: u64,
    /// For each workload, the largest set of copies that were alive at once.
    most: BTreeMap<String, BTreeSet<Process>>,
}

impl Sampler {
    /// Begins to count the copies of the fleet with this tag.
    #[must_use]
    pub fn start(tag: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (tag, stopped) = (tag.to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                seen.look(&tag);
                std::thread::sleep(INTERVAL);
            }
            seen
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends, and fails if two copies of a workload were ever alive at once.
    pub fn expect_never_two(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is joined only here and in drop");
        let seen = thread.join().expect("the sampler does not panic");
        assert!(seen.looks > 0 && !seen.most.is_empty(), "the sampler saw nothing");
        let doubled: Vec<_> = seen.most.iter().filter(|(_, copies)| copies.len() > 1).collect();
        assert!(doubled.is_empty(), "copies that were alive at once: {doubled:?}");
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Seen {
    fn look(&mut self, tag: &str) {
        self.looks += 1;
        for (name, pids) in copies(tag) {
            let alive = alive_at_once(&pids);
            let most = self.most.entry(name).or_default();
            if alive.len() > most.len() {
                *most = alive;
            }
        }
    }
}

/// Those that were alive at one and the same moment. The look that found them
/// took some time, in which one may have ended before the next began; but what
/// was alive before and after a moment was alive in it.
fn alive_at_once(pids: &BTreeSet<u32>) -> BTreeSet<Process> {
    let before: BTreeSet<_> = pids.iter().filter_map(|pid| Process::find(*pid)).collect();
    before.into_iter().filter(|process| process.is_alive()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::proc::MARK;
    use crate::sweep::Area;

    fn copy(area: &Area) -> Child {
        let mut command = Command::new("setsid");
        command.args(["sleep", "100000"]).env(MARK, format!("{}/web", area.tag()));
        command.spawn().unwrap()
    }

    fn see(area: &Area, count: usize) {
        while copies(&area.tag()).get("web").map_or(0, BTreeSet::len) != count {
            std::thread::yield_now();
        }
    }

    fn end(mut copy: Child) {
        copy.kill().unwrap();
        copy.wait().unwrap();
    }

    #[test]
    fn one_after_the_other_is_not_two() {
        let area = Area::new();
        let mut seen = Seen::default();
        for _ in 0..10 {
            let copy = copy(&area);
            see(&area, 1);
            seen.look(&area.tag());
            end(copy);
        }
        assert_eq!((seen.looks, seen.most["web"].len()), (10, 1));
    }

    #[test]
    fn two_at_once_are_seen() {
        let area = Area::new();
        let both = [copy(&area), copy(&area)];
        see(&area, 2);
        let mut seen = Seen::default();
        seen.look(&area.tag());
        assert_eq!(seen.most["web"].len(), 2);
        both.into_iter().for_each(end);
    }
}
