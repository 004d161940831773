//! How far it is, on a terminal, and many things done at once.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Does `work` for every number below `count` on so many threads, and hands over what comes of
/// each as soon as it is there, in any order.
pub(super) fn all<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
    mut done: impl FnMut(usize, T),
) {
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            let (tell, next, work) = (tell.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count || tell.send((i, work(i))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        told.iter().for_each(|(i, result)| done(i, result));
    });
}

/// A line that says how far it is, on a terminal only.
pub(super) struct Progress {
    what: String,
    count: usize,
    done: usize,
    failed: usize,
    begun: Instant,
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn of(what: &str, count: usize) -> Self {
        let (what, begun) = (what.to_owned(), Instant::now());
        Self { what, count, done: 0, failed: 0, begun, shown: None }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// One more is done.
    pub(super) fn one(&mut self, is_right: bool) {
        self.done += 1;
        self.failed += usize::from(!is_right);
        let is_old = self.shown.is_none_or(|at| at.elapsed() > Duration::from_millis(200));
        if is_old && std::io::stderr().is_terminal() {
            let (done, count, what, failed) = (self.done, self.count, &self.what, self.failed);
            eprint!("\r\x1b[K{done} of {count} {what}, {failed} failed, {:.0} s", self.seconds());
            // A terminal that is gone shows no progress.
            let _ = std::io::stderr().flush();
            self.shown = Some(Instant::now());
        }
    }

    /// Takes the line away.
    pub(super) fn over(&mut self) {
        if self.shown.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
