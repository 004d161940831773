//! The harness of the end-to-end tests: a fleet of the real binaries on one
//! machine, and everything that is needed to hurt it.
//!
//! The one idea: a test owns a [`Fleet`]. It lives in a temporary folder and on
//! loopback ports that the system chose, so any number of tests run at once; and
//! when the test is over, however it ends, the fleet ends what it started, down
//! to the last workload.
//!
//! Tests look at a fleet from two sides: through its API, as people do, and
//! through `/proc`, where every copy of a workload is seen by a mark in its
//! environment, whatever Tessera says about it.

mod cli;
mod fleet;
mod gate;
mod node;
mod proc;
mod program;
mod random;
mod report;
mod sampler;
mod stage;
mod sweep;

pub use cli::{Ended, Running, tessera, tesseractl};
pub use fleet::{Fleet, process};
pub use gate::Gate;
pub use node::Node;
pub use proc::{MARK, Process, copies};
pub use program::{BOUND, POLL, Program, binary, plain};
pub use random::Random;
pub use sampler::Sampler;
pub use stage::{definition, part, pod, room, send, session, session_of};
pub use sweep::Area;
