//! What services that serve an HTTP API have in common: who may call, what is logged
//! of a call, how they are told where to listen, how events from outside are read, how
//! they run as programs.

pub mod events;
mod front;
pub mod nodelay;
mod options;
mod program;
mod queries;
mod request_log;

pub use front::Front;
pub use options::{allowed_host, listen_address, reachable, refuse_taken};
pub use program::{Ended, Service, run};
pub use request_log::{Count, logger};
