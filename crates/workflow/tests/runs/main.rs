//! Runs of workflows in a simulated world.

#![expect(
    clippy::disallowed_methods,
    reason = "the core does no I/O, and this test reads the specification's files"
)]

mod calls;
mod conformance;
mod data;
mod durability;
mod events;
mod examples;
mod flow;
mod limits;
mod nesting;
mod processes;
mod retries;
mod support;
mod time;
