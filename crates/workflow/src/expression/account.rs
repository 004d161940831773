//! The account of the evaluation under way: what it may still spend.
//!
//! The one idea: jaq works on values through traits without a context (`Add::add`, `Ord::cmp`), so
//! the account cannot be handed to them. It lives in a thread-local for the time of one evaluation,
//! which never leaves its thread. What cannot fail (a comparison, a collection) notes that the
//! account is empty, and the next counted step ends the evaluation.

use std::cell::Cell;

use super::limits;

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Steps,
    Bytes,
    Stack,
    Depth,
    Path,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Steps => write!(f, "the expression takes more than {} steps", limits::STEPS),
            Self::Bytes => {
                let mebibytes = limits::BYTES / (1024 * 1024);
                write!(f, "the expression makes more than {mebibytes} MiB of values")
            }
            Self::Stack => write!(f, "the expression recurses too deeply"),
            Self::Depth => {
                write!(f, "a value nests more than {} levels deep", limits::VALUE_DEPTH)
            }
            Self::Path => write!(f, "a path has more than {} keys", limits::PATH_LENGTH),
        }
    }
}

thread_local! {
    static WORK: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
    static SPENT: Cell<Option<Limit>> = const { Cell::new(None) };
}

/// Runs an evaluation on a full account; returns what ran out, if anything did.
pub(super) fn open<T>(evaluation: impl FnOnce() -> T) -> (T, Option<Limit>) {
    WORK.set(limits::STEPS * limits::WORK_PER_STEP);
    BYTES.set(limits::BYTES);
    SPENT.set(None);
    let outcome = evaluation();
    (outcome, SPENT.take())
}

/// What ran out.
pub(super) fn spent() -> Option<Limit> {
    SPENT.get()
}

/// Notes that something ran out.
pub(super) fn exhaust(limit: Limit) -> Limit {
    let first = SPENT.get().unwrap_or(limit);
    SPENT.set(Some(first));
    first
}

/// Takes units of work.
pub(super) fn work(units: u64) -> Result<(), Limit> {
    take(&WORK, units, Limit::Steps)
}

/// Takes bytes, before they are allocated.
pub(super) fn bytes(count: usize) -> Result<(), Limit> {
    take(&BYTES, count as u64, Limit::Bytes)
}

/// Takes steps where the evaluation may nest deeper.
pub(super) fn steps(count: u64) -> Result<(), Limit> {
    let left = stacker::remaining_stack().unwrap_or(usize::MAX);
    if left < limits::RED_ZONE / 2 {
        return Err(exhaust(Limit::Stack));
    }
    work(count * limits::WORK_PER_STEP)
}

fn take(
    from: &'static std::thread::LocalKey<Cell<u64>>,
    count: u64,
    limit: Limit,
) -> Result<(), Limit> {
    if let Some(limit) = SPENT.get() {
        return Err(limit);
    }
    match from.get().checked_sub(count) {
        Some(left) => {
            from.set(left);
            Ok(())
        }
        None => Err(exhaust(limit)),
    }
}
