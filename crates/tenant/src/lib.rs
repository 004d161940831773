//! Tenants: data pipelines that declare themselves in one manifest and are installed as units of
//! systemd.
//!
//! The one idea: everything here is a function of what it is given. Files, units and clocks are the
//! shells' to read; what is right, when something runs and what is to be changed is decided here.

pub mod calendar;
pub mod export;
pub mod fleet;
pub mod manifest;
pub mod plan;
pub mod registry;
pub mod units;
