//! What is held when, for people to look at.

use tessera_types::host::Amounts;
use tessera_types::{Timestamp, Uid};

use super::account::Calendar;
use super::load::{Load, PORTS};
use tessera_types::timed::Window;

/// What is held of a host from a time until the next step, or at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// From when.
    pub at: Timestamp,
    /// How much is held.
    pub amounts: Amounts,
    /// How many ports are held.
    pub ports: u128,
    /// Who holds something, by id.
    pub ids: Vec<Uid>,
}

impl Calendar {
    /// The steps of what is held during `window`: one at its start, and one
    /// wherever a hold starts or ends within.
    #[must_use]
    pub fn usage(&self, window: Window) -> Vec<Usage> {
        let held: Vec<(Window, Uid)> =
            self.holds.overlapping(window).map(|held| (held.hold.window, held.id)).collect();
        let steps = self.timeline.within(window);
        steps.map(|(at, load)| self.usage_of(at, load, held.iter().copied())).collect()
    }

    /// What is held at `at`.
    #[must_use]
    pub fn used_at(&self, at: Timestamp) -> Usage {
        let held = self.holds.iter().map(|held| (held.hold.window, held.id));
        self.usage_of(at, self.timeline.load_at(at), held)
    }

    fn usage_of(
        &self,
        at: Timestamp,
        load: &Load,
        held: impl Iterator<Item = (Window, Uid)>,
    ) -> Usage {
        let mut ids: Vec<Uid> =
            held.filter(|(window, _)| window.contains(at)).map(|(_, id)| id).collect();
        ids.sort_unstable();
        Usage { at, amounts: self.dimensions.amounts(load), ports: load.at(PORTS), ids }
    }
}
