//! What reads the words of systemd's programs, for fuzzing.

use std::time::Duration;

use crate::run::End;
use crate::service_manager::Generated;
use crate::systemctl::{self, Properties};

/// What `systemctl show` said of several units.
#[must_use]
pub fn properties(said: &str) -> Vec<Properties> {
    systemctl::properties_of_all(said)
}

/// A time span of systemd's.
#[must_use]
pub fn time_span(told: &str) -> Option<Duration> {
    systemctl::time_span(told)
}

/// All ends that a run can be taken to have had.
#[must_use]
pub fn ends(properties: Properties, written: &str, said: &str) -> Vec<End> {
    crate::run::fuzzing::ends(properties, written, said)
}

/// The texts of the units that Quadlet printed.
#[must_use]
pub fn generated(printed: &str) -> Vec<String> {
    let generated = Generated { printed: printed.to_owned(), ..Generated::default() };
    generated.units().into_values().collect()
}
