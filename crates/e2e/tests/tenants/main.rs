//! Tenants under a real service manager, by the real `tesseractl`. One file for each command.

mod doctor;
mod fleet;
mod fleet_faults;
mod fleet_run_now;
mod host;
mod install;
mod lake;
mod run_now;
