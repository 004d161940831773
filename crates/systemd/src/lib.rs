//! Tenants on a machine: their units under the service manager of the user.
//!
//! The one idea: `tessera-tenant` decides, this does. It reads what is there, writes unit files and
//! links, and asks systemd; the command line and the agent of a node call the same functions.
//!
//! [`Machine::look`] gives a [`Prospect`]: the plan for one tenant, and what is wrong with its units.
//! [`Machine::carry_out`] does what prospects say, under a lock, with one reload for all of them. A
//! crash between any two steps leaves a mark, and the next plan for that tenant repairs it.

mod carry_out;
pub mod doctor;
mod error;
mod fault;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod journal;
mod lock;
mod machine;
mod mark;
mod observe;
mod places;
pub mod quadlet;
pub mod run;
mod search;
mod service_manager;
mod session;
pub mod systemctl;
mod trial;

pub use carry_out::CarriedOut;
pub use error::MachineError;
pub use fault::Fault;
pub use lock::{Held, Lock};
pub use machine::{Machine, Prospect, Units, Wanted};
pub use places::{Places, PlacesError};
pub use service_manager::{Generated, ServiceManager, Systemctl, UnitState, Verified, time};
