//! The pure part of the control plane: what is known (the [`World`]), what each
//! kind does about it (a [`Manager`] per kind), and what is looked at when (the
//! [`Queue`] inside the [`Reconciler`]).
//!
//! The one idea: a manager is a pure function from a resource, the world and
//! the time to a [`Plan`]. It looks at what is, never at the event that woke
//! it, so events may be lost, doubled or late. The [`Reconciler`] runs managers
//! over what is due and gathers their plans into one batch of writes; a shell
//! commits the batch and feeds the change stream back.

pub mod admission;
mod assignments;
mod batch;
mod bookings;
mod dispatch;
#[cfg(feature = "double")]
pub mod double;
mod explained;
mod host;
mod job;
mod manager;
mod news;
mod node;
mod pass;
mod pipelines;
mod pod;
mod promised;
mod queue;
mod reconciler;
mod report;
mod resync;
mod session;
mod sessions;
mod tables;
mod tenant;
mod timed;
mod workload;
mod world;

pub use assignments::{Known, News, news_for};
pub use batch::{Answer, Batch};
pub use host::HostManager;
pub use job::JobManager;
pub use manager::{Manager, Plan};
pub use node::{KILL_MARGIN, NodeManager, registered};
pub use pass::{Pass, PassStats};
pub use pipelines::{EngineAway, EngineUse, JobNews, Pipelines, Told, Whose, tell_step};
pub use pod::PodManager;
pub use queue::Queue;
pub use reconciler::{Backlog, Reconciler};
pub use report::ReportManager;
pub use resync::Resync;
pub use session::{PartManager, SessionManager};
pub use sessions::{NotInSession, Permit, Sessions};
pub use tables::{Table, Tabled, Tables};
pub use tenant::{Reporter, TenantManager, apply_tenant_reports, request_run};
pub use workload::{Reported, StaleReport, WorkloadManager, apply_report, apply_reports};
pub use world::{NodeLoad, World};
