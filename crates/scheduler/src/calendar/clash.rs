//! What stands in the way of a booking on one host.

use std::fmt;

use tessera_types::limits::clip;

use super::holds::Held;
use super::load::Dimension;
use super::window::beside;
use tessera_types::timed::Window;

/// What stands in the way of a booking. Times on the day on which the booking
/// starts (UTC) are written without the day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// There is no instant in the window.
    #[error("the window {window} is empty: it must end after it starts")]
    Empty {
        /// The window.
        window: Window,
    },
    /// The host has too little, whoever holds it.
    #[error(
        "{dimension}: the host has {} in all, needs {}",
        dimension.amount(*has), dimension.amount(*needs)
    )]
    Lacks {
        /// What it has too little of.
        dimension: Dimension,
        /// How much is needed.
        needs: u128,
        /// How much there is.
        has: u128,
    },
    /// The host does not take pods during the whole window.
    #[error(
        "closed: the host is open {}, the booking is {}",
        beside(*open, window.from), beside(*window, window.from)
    )]
    Closed {
        /// When the host takes pods.
        open: Window,
        /// The window of the booking.
        window: Window,
    },
    /// Others hold too much.
    #[error("{0}")]
    Taken(Box<Taken>),
}

/// What others hold so much of that a booking does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is short.
    pub dimension: Dimension,
    /// The first stretch of time in which too little is free. Where enough ports are
    /// free at each time, but not the same ones throughout, it is the window of the
    /// booking.
    pub window: Window,
    /// The least that is free within both the stretch and the booking; where ports
    /// are short only throughout, how many are free so.
    pub free: u128,
    /// How much the host has.
    pub of: u128,
    /// How much is needed.
    pub needs: u128,
    /// Who holds of it then.
    pub holders: Holders,
    /// The window of the booking.
    pub wanted: Window,
}

/// Some of those who hold something, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// Their labels, by when their holds start.
    pub labels: Vec<String>,
    /// How many there are besides.
    pub more: usize,
}

/// How many holders are named.
const NAMED_MAX: usize = 3;
const LABEL_BYTES_MAX: usize = 140;

impl Clash {
    /// Whether no release of a hold would help: for this window and demand, the
    /// host itself is in the way.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Taken(_))
    }
}

impl From<Taken> for Clash {
    fn from(taken: Taken) -> Self {
        Self::Taken(Box::new(taken))
    }
}

impl Taken {
    /// When too little is free, in words.
    pub(super) fn when(&self) -> String {
        let is_all = self.dimension == Dimension::Ports && self.window == self.wanted;
        let throughout = if is_all { "throughout " } else { "" };
        format!("{throughout}{}", beside(self.window, self.wanted.from))
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dimension, holders, .. } = self;
        let [free, of, needs] = [self.free, self.of, self.needs].map(|n| dimension.amount(n));
        write!(f, "{dimension}: {free} of {of} free {}, needs {needs}{holders}", self.when())
    }
}

impl Holders {
    /// The first few of `holds`.
    pub(super) fn of<'a>(holds: impl Iterator<Item = &'a Held>) -> Self {
        let mut holders = Self::default();
        for held in holds {
            if holders.labels.len() < NAMED_MAX {
                holders.labels.push(clip(&held.hold.label, LABEL_BYTES_MAX));
            } else {
                holders.more += 1;
            }
        }
        holders
    }
}

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.labels.is_empty() {
            return Ok(());
        }
        write!(f, " (held by {}", self.labels.join(", "))?;
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        f.write_str(")")
    }
}
