//! The clock of the shells. Cores have none: they are told the time.

use tessera_types::Timestamp;

/// The time now.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}
