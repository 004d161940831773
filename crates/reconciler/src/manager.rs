//! The contract of a manager.

use std::sync::Arc;

use tessera_scheduler::Demand;
use tessera_types::{BootTime, Edit, Kind, Now, Object, Timestamp, Write};

use crate::world::World;

/// Reconciles one kind. Implementations are pure: equal arguments, equal plan.
pub trait Manager {
    /// The kind.
    type Kind: Kind;

    /// What to do about `object` now. A second call on the outcome plans
    /// nothing more.
    fn reconcile(&self, object: &Arc<Object<Self::Kind>>, world: &World, now: Now) -> Plan;
}

/// What a manager wants done about one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What is to change: of the resource itself, and of what it owns. All of it
    /// is written, or nothing.
    pub writes: Vec<Write>,
    /// When to look again by the wall clock, whatever happens until then.
    pub look_again_at: Option<Timestamp>,
    /// When to look again by the clock that nobody sets.
    pub look_again_after: Option<BootTime>,
    /// It wants a node: the reconciler chooses one and asks the manager again.
    pub wants_node: Option<Demand>,
}

impl Plan {
    /// Nothing to do.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Writes what `edit` changed, if it changed anything.
    #[must_use]
    pub fn of<K: Kind>(edit: Edit<K>) -> Self {
        Self { writes: edit.finish().map(Write::update).into_iter().collect(), ..Self::default() }
    }

    /// Does `write`.
    #[must_use]
    pub fn write(write: Write) -> Self {
        Self { writes: vec![write], ..Self::default() }
    }

    /// Looks again when the wall clock shows `at`, at the latest.
    #[must_use]
    pub fn look_again_at(mut self, at: Option<Timestamp>) -> Self {
        self.look_again_at = earlier(self.look_again_at, at);
        self
    }

    /// Looks again when `after` has come, at the latest.
    #[must_use]
    pub fn look_again_after(mut self, after: Option<BootTime>) -> Self {
        self.look_again_after = earlier(self.look_again_after, after);
        self
    }
}

fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
