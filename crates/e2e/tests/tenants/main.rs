//! Tenants under a real service manager, by the real `tesseractl`. One file for each command, and one
//! for what goes wrong around them.

mod adversity;
mod containers;
mod doctor;
mod fleet;
mod fleet_faults;
mod fleet_run_now;
mod host;
mod install;
mod lake;
mod list;
mod logs;
mod run_now;
mod runs_at_once;
mod schedule;
mod started;
mod strangers;
