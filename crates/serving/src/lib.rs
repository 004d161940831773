//! What services that serve an HTTP API have in common: who may call, what is logged
//! of a call, how they are told where to listen, how events from outside are read.

pub mod events;
mod front;
pub mod nodelay;
mod options;
mod request_log;

pub use front::Front;
pub use options::{allowed_host, listen_address};
pub use request_log::{Count, logger};
