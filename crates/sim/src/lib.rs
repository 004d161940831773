//! Deterministic simulation: the real managers, scheduler, store engine, agent core
//! and workflow interpreter under one simulated clock, network and disk, driven by a seed.
//!
//! The one idea: everything that happens is an event in one queue, ordered by
//! time and then by when it was made, and every choice comes from one generator.
//! So a seed (and a commit of the sources) is a run, and a failing one replays
//! exactly. Invariants are checked after every event; at the end the faults stop
//! and everything that is declared must come to be.

mod acts;
mod api;
mod automation;
mod boundary;
pub mod bugs;
mod catalogue;
mod check;
mod chronicle;
mod clock;
mod config;
mod control;
mod disk;
mod edits;
mod engine;
mod hosts;
mod lab;
mod life;
mod link;
mod machine;
mod message;
mod oracle;
mod people;
mod rng;
mod scenarios;
mod script;
mod shrink;
mod sim;
mod story;
mod tenants;

pub use acts::{Act, ActSet, Class, Selection};
pub use boundary::{Boundary, Counts, Harm};
pub use config::{Config, Failure, Never, Outcome};
pub use edits::{EDITED, edit, edited};
pub use oracle::Reference;
pub use scenarios::scenarios;
pub use script::{Script, Step};
pub use shrink::{Shrunk, shrink};
pub use sim::run;
pub use story::Story;
