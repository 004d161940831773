//! What must hold, tried with the real binaries. One file for each promise.

mod agent_death;
mod backlog;
mod bad_input;
mod bad_starts;
mod browsers;
mod changes;
mod containers;
mod control_death;
mod drain;
mod exam;
mod frozen_control;
mod full_disk;
mod identity;
mod logs;
mod offline;
mod operations;
mod reconcile_now;
mod restarts;
mod shells;
mod stop_on_disconnect;
mod stopping;
mod up;
mod watchers;
mod windows;
mod writers;
