//! Tenants: on which nodes they are to be, what their agents say, and what agents have to
//! know.
//!
//! The one idea: that a node is listed in a tenant is the assignment. It is listed before
//! the agent is told, and until the agent has said that nothing is left; so whatever is lost
//! on the way, nothing of a tenant is forgotten on a machine.

mod loads;
mod manager;
mod report;
mod standing;

pub(crate) use loads::TenantLoads;
pub use manager::TenantManager;
pub(crate) use manager::{concerned_by_node, without_room};
pub use report::{Reporter, apply_tenant_reports, request_run};
