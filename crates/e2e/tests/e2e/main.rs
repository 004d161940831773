//! What must hold, tried with the real binaries. One file for each promise.

mod agent_death;
mod bad_input;
mod bad_starts;
mod browsers;
mod changes;
mod control_death;
mod drain;
mod exam;
mod full_disk;
mod identity;
mod logs;
mod offline;
mod reconcile_now;
mod restarts;
mod stop_on_disconnect;
mod stopping;
mod up;
mod watchers;
mod windows;
mod writers;
