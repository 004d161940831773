//! Deterministic simulation: the real managers, scheduler, store engine and
//! agent core under one simulated clock, network and disk, driven by a seed.
//!
//! The one idea: everything that happens is an event in one queue, ordered by
//! time and then by when it was made, and every choice comes from one generator.
//! So a seed (and a commit of the sources) is a run, and a failing one replays
//! exactly. Invariants are checked after every event; at the end the faults stop
//! and everything that is declared must come to be.

mod automation;
mod check;
mod clock;
mod control;
mod disk;
mod engine;
mod lab;
mod life;
mod link;
mod machine;
mod message;
mod people;
mod rng;
mod sim;
mod tenants;

pub use sim::{Config, Failure, Outcome, run};
