//! The account of the evaluation under way: what it may still spend.
//!
//! The one idea: jaq works on values through traits without a context (`Add::add`, `Ord::cmp`), so
//! the account cannot be handed to them. It lives in a thread-local for the time of one evaluation,
//! which never leaves its thread. What cannot fail (a comparison, a collection) notes that the
//! account is empty, and the next counted step ends the evaluation.
//!
//! A run evaluates many expressions before it waits for something. It pays for all of them, and for
//! other work that grows with its data, from one [`Allowance`].

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::limits;

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Steps,
    Bytes,
    Stack,
    Depth,
    Path,
    Allowance,
    Stopped,
}

/// Says whether what is calculated is not wanted any more, or takes too long. It is asked while an
/// evaluation goes on; a core has no clock and no signals, so who evaluates brings it.
pub type Watch = Arc<dyn Fn() -> bool + Send + Sync>;

/// Units of work after which a watch is asked.
const WATCHED_EVERY: u64 = 4096;

/// Does something under a watch. What it says ends the evaluation under way in a fault, and leaves
/// nothing of the allowance. True when it did.
pub(crate) fn watched<T>(watch: &Watch, something: impl FnOnce() -> T) -> (T, bool) {
    WATCH.set(Some(Arc::clone(watch)));
    UNWATCHED.set(0);
    STOPPED.set(false);
    let outcome = something();
    WATCH.set(None);
    (outcome, STOPPED.replace(false))
}

/// Whether the watch has said so.
pub(crate) fn is_stopped() -> bool {
    STOPPED.get()
}

/// Asks the watch when enough has been done since it was asked last.
fn look(units: u64) {
    let unwatched = UNWATCHED.get().saturating_add(units);
    if unwatched < WATCHED_EVERY {
        return UNWATCHED.set(unwatched);
    }
    UNWATCHED.set(0);
    let says_stop = WATCH.with_borrow(|watch| watch.as_ref().is_some_and(|watch| watch()));
    if says_stop {
        STOPPED.set(true);
        ALLOWED.set(0);
        exhaust(Limit::Stopped);
    }
}

/// What the evaluations of a run may still spend together, and what they have made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    work: u64,
    bytes_made: u64,
}

impl Allowance {
    /// So many steps.
    pub(crate) const fn of_steps(steps: u64) -> Self {
        Self { work: steps.saturating_mul(limits::WORK_PER_STEP), bytes_made: 0 }
    }

    /// Does something at its expense.
    pub(crate) fn pays<T>(&mut self, something: impl FnOnce() -> T) -> T {
        ALLOWED.set(self.work);
        MADE.set(0);
        let outcome = something();
        self.work = ALLOWED.replace(u64::MAX);
        self.bytes_made = self.bytes_made.saturating_add(MADE.get());
        outcome
    }

    /// The bytes of values that were made since the last call.
    pub(crate) fn take_bytes_made(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_made)
    }
}

/// The steps that are left of the allowance under way; without one there is no end to them.
pub(crate) fn allowed() -> u64 {
    ALLOWED.get() / limits::WORK_PER_STEP
}

/// Whether nothing is left of it.
pub(crate) fn is_overdrawn() -> bool {
    ALLOWED.get() == 0
}

/// Takes steps from it for what is no evaluation.
pub(crate) fn charge(steps: u64) {
    charge_work(steps.saturating_mul(limits::WORK_PER_STEP));
}

/// Takes from it what a walk through values of so many bytes costs.
pub(crate) fn charge_walk(bytes: usize) {
    charge_work(bytes as u64 / limits::BYTES_WALKED_PER_WORK);
}

fn charge_work(units: u64) {
    look(units);
    ALLOWED.set(ALLOWED.get().saturating_sub(units));
}

/// What one evaluation may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    steps: u64,
    bytes: u64,
}

impl Budget {
    /// That of an expression in a run, which takes its time beside others.
    const RUN: Self = Self { steps: limits::STEPS, bytes: limits::BYTES };

    /// That of an expression for which everything else waits: what it decides is small, and so is
    /// what it looks at.
    pub const SMALL: Self = Self { steps: limits::SMALL_STEPS, bytes: limits::SMALL_BYTES };

    /// Has all expressions that are evaluated in something take no more steps than this together,
    /// and each make no more.
    pub fn bounds<T>(self, something: impl FnOnce() -> T) -> T {
        let before = BUDGET.replace(self);
        let outcome = Allowance::of_steps(self.steps).pays(something);
        BUDGET.set(before);
        outcome
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let budget = BUDGET.get();
        match self {
            Self::Steps => write!(f, "the expression takes more than {} steps", budget.steps),
            Self::Bytes => {
                let mebibytes = budget.bytes / (1024 * 1024);
                write!(f, "the expression makes more than {mebibytes} MiB of values")
            }
            Self::Stack => write!(f, "the expression recurses too deeply"),
            Self::Depth => {
                write!(f, "a value nests more than {} levels deep", limits::VALUE_DEPTH)
            }
            Self::Allowance if budget == Budget::RUN => write!(f, "the run has used up its steps"),
            Self::Allowance => {
                write!(f, "the expressions together take more than {} steps", budget.steps)
            }
            Self::Stopped => write!(f, "the evaluation was stopped"),
            Self::Path => write!(f, "a path has more than {} keys", limits::PATH_LENGTH),
        }
    }
}

thread_local! {
    static EVALUATION: Cell<u64> = const { Cell::new(0) };
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::RUN) };
    static WORK: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
    static ALLOWED: Cell<u64> = const { Cell::new(u64::MAX) };
    static MADE: Cell<u64> = const { Cell::new(0) };
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
    /// Units of work since the watch was asked.
    static UNWATCHED: Cell<u64> = const { Cell::new(0) };
    static STOPPED: Cell<bool> = const { Cell::new(false) };
    static SPENT: Cell<Option<Limit>> = const { Cell::new(None) };
}

/// Runs an evaluation on a full account; returns what ran out, if anything did.
pub(super) fn open<T>(evaluation: impl FnOnce() -> T) -> (T, Option<Limit>) {
    EVALUATION.set(EVALUATION.get() + 1);
    let budget = BUDGET.get();
    let own = budget.steps * limits::WORK_PER_STEP;
    let work = own.min(ALLOWED.get());
    WORK.set(work);
    BYTES.set(budget.bytes);
    SPENT.set(None);
    let outcome = evaluation();
    let spent = SPENT.take();
    MADE.set(MADE.get().saturating_add(budget.bytes - BYTES.get()));
    if spent != Some(Limit::Steps) {
        charge_work(work - WORK.get());
        return (outcome, spent);
    }
    charge_work(work);
    (outcome, if work < own { Some(Limit::Allowance) } else { spent })
}

/// Which evaluation of this thread is under way.
pub(super) fn evaluation() -> u64 {
    EVALUATION.get()
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
    look(units);
    take(&WORK, units, Limit::Steps)
}

/// Takes bytes, before they are allocated.
pub(super) fn bytes(count: usize) -> Result<(), Limit> {
    take(&BYTES, count as u64, Limit::Bytes)
}

/// Takes what it costs to go through bytes in one go: to compare, hash, copy or check them.
pub(super) fn walk(bytes: usize) -> Result<(), Limit> {
    work(bytes as u64 / limits::BYTES_WALKED_PER_WORK)
}

/// Takes what it costs to look at the characters of so many bytes one after the other.
pub(super) fn read(bytes: usize) -> Result<(), Limit> {
    work(bytes as u64 / limits::BYTES_READ_PER_WORK)
}

/// Takes bytes that are about to be written, and what writing them costs.
pub(super) fn write(count: usize) -> Result<(), Limit> {
    bytes(count)?;
    walk(count)
}

/// Takes steps where the evaluation may nest deeper.
pub(super) fn steps(count: u64) -> Result<(), Limit> {
    stack_beyond(limits::STEP_STACK)?;
    work(count * limits::WORK_PER_STEP)
}

/// Takes a unit where a walk through a value goes one level deeper. Everything that calls itself
/// on the parts of a value or on the rest of a path asks here first.
pub(super) fn level() -> Result<(), Limit> {
    stack_beyond(limits::LEVEL_STACK)?;
    work(1)
}

fn stack_beyond(wanted: usize) -> Result<(), Limit> {
    match stacker::remaining_stack() {
        Some(left) if left < wanted => Err(exhaust(Limit::Stack)),
        _ => Ok(()),
    }
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
