//! The engine as a program: real processes that are killed, a real HTTP server as the
//! outside.

mod cancel;
mod crash;
mod events;
mod jobs;
mod memory;
mod receiver;
mod stage;
mod steps;
