//! Admission: from what a person declares to a tree of resources with its hosts
//! booked, or a precise refusal. All of it is decided before anything is
//! written, and written in one commit.
//!
//! The one idea: a booking is a fact of the pod that holds it (its binding), and
//! a host's calendar is nothing but the sum of these. Whoever admits must
//! therefore see every earlier admission: a shell admits one after the other.

mod book;
mod booked;
mod catalogue;
mod declared;
mod host;
mod names;
mod nodes;
mod pod;
mod rebook;
mod resolve;
mod service;
mod session;
mod tenant;
mod window;

pub use book::{DoesNotFit, Earliest};
pub use booked::check_deletion;
pub use catalogue::check_catalogue;
pub use declared::{admit, is_admitted};
pub use host::admit_host;
pub use pod::{admit_job, admit_pod, admit_report};
pub use rebook::{Extended, Stretch, extend_session, readmit_session};
pub use service::takes_more;
pub use session::{Admitted, PlannedPod, admit_session};

pub(crate) use rebook::{Moved, hold_of, shift_parts, shift_pod};

pub use tessera_scheduler::calendar::Effort;
use tessera_types::Invalid;

/// Why something is not admitted. Nothing is written then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AdmissionError {
    /// What is declared cannot be: all that is wrong with it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Invalid>),
    /// No host has room for it.
    #[error("{0}")]
    DoesNotFit(Box<DoesNotFit>),
    /// Others have booked what would be taken away.
    #[error("{0}")]
    Booked(String),
    /// The state of the resource does not allow it now.
    #[error("{0}")]
    NotNow(String),
}

impl AdmissionError {
    fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Invalid::new(path, message)])
    }
}
