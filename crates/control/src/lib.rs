//! The control plane: it holds state and intent, and is the only writer of the
//! store. It calls nothing but the engine (`engine_link`); agents call it.
//!
//! The one idea: everything that is read is read from the world in memory;
//! everything that is written is a commit with preconditions. The store tells
//! the world of each commit before it answers the committer, so whoever wrote
//! something finds it.
//!
//! ```text
//!  handlers ── commit ──► store ── each commit ──► world ──► watchers of it
//!      │                                            │
//!      └── read ◄───────────────────────────────────┤
//!                 reconcile loop ◄── changes, time ─┘
//!                      └── commit ──► store
//! ```

mod agent_limits;
mod agents;
mod body;
#[cfg(test)]
mod booking_turn;
mod clock;
mod declare;
mod decode;
mod delete;
mod diff;
mod engine_link;
mod engine_news;
mod failure;
mod fanout;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handlers;
mod health;
mod log_broker;
mod metrics;
mod missing;
mod options;
#[cfg(test)]
mod picky_store;
mod plane;
mod reconcile_loop;
mod seeds;
mod server;

pub use health::Died;
pub use options::{DEFAULT_KEEP_FINISHED, DEFAULT_LISTEN, DEFAULT_STATE_DIR, Options};
pub use server::{Control, StartError};
pub use tessera_serving::{allowed_host, listen_address, reachable};
