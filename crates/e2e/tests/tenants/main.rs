//! Tenants under a real service manager, by the real `tesseractl`. One file for each command.

mod containers;
mod doctor;
mod fleet;
mod host;
mod install;
mod lake;
mod run_now;
mod schedule;
mod strangers;
