//! Runs of workflows in a simulated world.

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
