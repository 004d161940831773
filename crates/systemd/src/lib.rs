//! Tenants on a machine: their units under the service manager of the user.
//!
//! The one idea: `tessera-tenant` decides, this does. It reads what is there, writes unit files and
//! links, and asks systemd; the command line and the agent of a node call the same functions.

pub mod run;
pub mod systemctl;
