//! What is held that the host does not have (any more).

use std::collections::BTreeMap;
use std::fmt;

use tessera_types::Timestamp;

use super::account::Calendar;
use super::clash::Holders;
use super::holds::{Held, Hold};
use super::load::{Dimension, PORTS};
use tessera_types::timed::Window;

/// What is held beyond what the host has, and when first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excess {
    /// More is held of something than there is.
    Amount {
        /// Of what.
        dimension: Dimension,
        /// The first stretch of time during which it is so.
        window: Window,
        /// The most that is held then.
        used: u128,
        /// How much there is.
        of: u128,
        /// Who holds of it then.
        holders: Holders,
    },
    /// Somebody holds a port that is not the host's to give.
    StrayPort {
        /// The port.
        port: u16,
        /// When it is held.
        window: Window,
        /// Who holds it.
        label: String,
    },
    /// Two hold the same port at the same time.
    SharedPort {
        /// The port.
        port: u16,
        /// When both hold it.
        window: Window,
        /// Who they are.
        labels: [String; 2],
    },
    /// Somebody holds something while the host is closed.
    Closed {
        /// When the host is open.
        open: Window,
        /// When it is held.
        window: Window,
        /// Who holds it.
        label: String,
    },
}

impl Excess {
    /// When it is so.
    #[must_use]
    pub fn window(&self) -> Window {
        match self {
            Self::Amount { window, .. }
            | Self::StrayPort { window, .. }
            | Self::SharedPort { window, .. }
            | Self::Closed { window, .. } => *window,
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount { dimension, window, used, of, holders } => {
                let (used, of) = (dimension.amount(*used), dimension.amount(*of));
                write!(f, "{dimension}: {used} held {window}, the host has {of}{holders}")
            }
            Self::StrayPort { port, window, label } => {
                write!(f, "port {port} is not the host's to give, {label} holds it {window}")
            }
            Self::SharedPort { port, window, labels: [first, second] } => {
                write!(f, "port {port} is held by both {first} and {second} {window}")
            }
            Self::Closed { open, window, label } => {
                write!(f, "the host is open {open}, {label} holds of it {window}")
            }
        }
    }
}

impl Calendar {
    /// Whether more is held than the host has, at any time: the case that comes
    /// first, and of several at once an amount, then a port, then the opening.
    #[must_use]
    pub fn is_over(&self) -> Option<Excess> {
        self.over(None)
    }

    /// The same, as far as it is because the host has less, or is open for less
    /// time, than `before`. What was over already does not count: who declares a
    /// host with less is told of what that alone would break.
    #[must_use]
    pub fn is_over_since(&self, before: &Self) -> Option<Excess> {
        self.over(Some(before))
    }

    fn over(&self, before: Option<&Self>) -> Option<Excess> {
        let found = [self.over_amount(before), self.over_ports(before), self.over_opening(before)];
        found.into_iter().flatten().min_by_key(|excess| excess.window().from)
    }

    fn over_amount(&self, before: Option<&Self>) -> Option<Excess> {
        // Both number the dimensions alike: one began as a copy of the other.
        let has_less = |index| before.is_none_or(|before| self.has(index) < before.has(index));
        let over = |index, used: u128| index != PORTS && used > self.has(index) && has_less(index);
        let (from, index) = self.timeline.all().find_map(|(at, load)| {
            load.present().find(|index| over(*index, load.at(*index))).map(|index| (at, index))
        })?;
        let first = self.timeline.load_at(from).at(index);
        let rest = || self.timeline.after(from).map(|(at, load)| (at, load.at(index)));
        let until = rest().find(|(_, used)| !over(index, *used)).map(|(at, _)| at);
        let window = Window::new(from, until.unwrap_or(Timestamp::MAX));
        let used = rest().take_while(|(at, _)| *at < window.until).map(|(_, used)| used);
        let holders = self.holds.overlapping(window).filter(|held| held.load.at(index) > 0);
        Some(Excess::Amount {
            dimension: self.dimensions.dimension(index),
            window,
            used: used.fold(first, u128::max),
            of: self.has(index),
            holders: Holders::of(holders),
        })
    }

    /// The first port that is held though it is not there or is taken. Holds
    /// are read by start, and the first that overlaps another is returned at
    /// once: so of each port, only the latest hold can reach into the next.
    fn over_ports(&self, before: Option<&Self>) -> Option<Excess> {
        let is_lost = |port| before.is_none_or(|before| before.ports.contains(port));
        let mut last: BTreeMap<u16, &Held> = BTreeMap::new();
        for held in self.holds.iter().filter(|held| !held.hold.window.is_empty()) {
            let window = held.hold.window;
            for &port in &held.hold.ports {
                let label = held.hold.label.clone();
                if !self.ports.contains(port) && is_lost(port) {
                    return Some(Excess::StrayPort { port, window, label });
                }
                if let Some(other) = last.insert(port, held)
                    && before.is_none()
                    && is_shared(other, held)
                {
                    let until = window.until.min(other.hold.window.until);
                    let window = Window::new(window.from, until);
                    let labels = [other.hold.label.clone(), label];
                    return Some(Excess::SharedPort { port, window, labels });
                }
            }
        }
        None
    }

    fn over_opening(&self, before: Option<&Self>) -> Option<Excess> {
        let open = self.open?;
        let was_open = |hold: &&Hold| {
            let open = before.and_then(|before| before.open);
            open.is_none_or(|open| open.covers(&hold.window))
        };
        let mut holds = self.holds.iter().map(|held| &held.hold).filter(was_open);
        let hold = holds.find(|hold| !hold.window.is_empty() && !open.covers(&hold.window))?;
        Some(Excess::Closed { open, window: hold.window, label: hold.label.clone() })
    }
}

/// A hold that names a port twice shares it with nobody.
fn is_shared(one: &Held, other: &Held) -> bool {
    one.id != other.id && one.hold.window.overlaps(&other.hold.window)
}
