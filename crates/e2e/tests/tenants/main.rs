//! Tenants under a real service manager, by the real `tesseractl`. One file for each command.

mod host;
mod install;
mod lake;
mod run_now;
