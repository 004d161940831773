//! Tenants under a real service manager, by the real `tesseractl`. One file for each command.

mod doctor;
mod fleet;
mod host;
mod install;
mod lake;
mod list;
mod run_now;
mod started;
