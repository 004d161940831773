//! Calendars: what of a host is taken when, and so what fits, where, and from
//! when on.
//!
//! The one idea: a host's holds add up to a step function over time, kept up to
//! date hold by hold. A question about a window reads only the steps within it.
//! Ports are numbers rather than amounts: a pod keeps its ports over its whole
//! window, so that enough free ones at each instant are not enough. They are
//! therefore counted over windows, never over instants.
//!
//! Windows are half-open, so at equal times ends come before starts: who leaves
//! at ten makes room for who comes at ten. Times have no buffers of their own
//! here; a caller that needs one makes the window longer. Only what a booking
//! takes of can stand in its way: a host that is over its memory still has room
//! for a booking that takes none.
//!
//! # Costs
//! With n holds on a host, k steps within a window (k ≤ 2n + 1) and d sorts of
//! things demanded:
//!
//! | question | cost |
//! |---|---|
//! | [`Calendar::hold`], [`Calendar::release`] | O(n) moves of a few words, and O(k·d) |
//! | [`Calendar::fits`] | O(log n + k·d); with ports, also one pass over the holds that start before the window's end |
//! | [`Calendar::earliest`] | O(n·d) over all candidates; with ports, a pass as above for each candidate that they refuse |
//! | [`Calendar::usage`] | O(k·m), where m holds overlap the window |
//! | [`Calendar::is_over`] | O(n·d), and O(p log p) for p ports held |
//! | [`Calendars::choose`] | twice `fits` for each host |
//! | [`book_all`] | a choice for each booking; at worst the bounded search that it describes |

mod account;
mod batch;
mod clash;
mod earliest;
mod effort;
mod excess;
mod holds;
mod hosts;
mod load;
mod ports;
mod refusal;
mod timeline;
mod usage;
mod window;

pub use account::{Booking, Calendar};
pub use batch::{SEARCH_BOOKINGS_MAX, SEARCH_TRIES_MAX, Wanted, book_all, book_all_within};
pub use clash::{Clash, Holders, Taken};
pub use effort::Effort;
pub use excess::Excess;
pub use holds::Hold;
pub use hosts::{Booked, Calendars, Filtered, HostCandidate};
pub use load::Dimension;
pub use refusal::Refusal;
pub use tessera_types::timed::Window;
pub use usage::Usage;
