//! The engine: it runs scenarios as jobs, which have effects on what is outside, and
//! tells whoever submitted them.
//!
//! The one idea: a job is a journal. What has happened to it is stored, in one commit
//! with the state and the events that follow from it, before anything is done about
//! it. A crash therefore costs a replay: no step that is done is done again, and what
//! was under way is tried again with the key that it had.
//!
//! ```text
//!  submit ──► journal ──► queue ──► a run: machine ◄── what happened ── performer
//!                ▲   (by submitter)      │                                 ▲
//!                └──── one commit ───────┤ entry, state, event             │
//!                      then ─────────────┴── effects ──────────────────────┘
//!  outbox ◄── events of commits ──► callback URL, in order, until it takes them
//! ```
//!
//! It depends on no other service: `fleet` ([`Options::control`]) is an adapter that
//! calls the control plane's API as any client does.

mod book;
mod clock;
mod cloud_event;
mod control_address;
mod desk;
mod document;
mod early;
mod failure;
#[cfg(test)]
mod faults;
mod fleet;
mod forget;
mod handlers;
mod incoming;
mod interest;
mod lanes;
mod memory;
mod metrics;
mod options;
mod outbox;
mod plane;
mod publish;
mod queue;
mod run;
mod scenarios;
mod secrets;
mod server;
mod state;
mod submit;
mod trace;
mod traces;

pub use control_address::ControlAddress;
pub use options::{DEFAULT_LISTEN, DEFAULT_MEMORY_MAX, DEFAULT_STATE_DIR, Options};
pub use server::{Died, Engine, StartError};
pub use tessera_serving::{allowed_host, listen_address};
