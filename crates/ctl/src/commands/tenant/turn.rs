//! Whose turn it is to change units: one process at a time, and who waits is told at once for whom.

use std::time::Duration;

use tessera_systemd::{Lock, Machine, MachineError};

use super::host;
use crate::context::tell;
use crate::failure::Failure;
use crate::style::printable;

/// Waits until nobody else changes units, and keeps others from it.
pub(super) fn take(machine: &Machine) -> Result<Lock, Failure> {
    match machine.clone().with_lock_patience(Duration::ZERO).lock() {
        Err(MachineError::Held(held)) => {
            // Who has just begun may not have said yet who he is.
            let holder = match held.holder() {
                "" => "another process".to_owned(),
                holder => format!("process {}", printable(holder)),
            };
            tell(&format!("waiting for {holder}\n"));
            machine.lock().map_err(|error| host::failed(&error))
        }
        taken => taken.map_err(|error| host::failed(&error)),
    }
}
