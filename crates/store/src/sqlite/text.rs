//! Bodies as JSON.
//!
//! The one idea: room for a body is kept for the next. A body of a large commit has a megabyte,
//! and to grow that far each time takes longer than to write it.

use serde::Serialize;

use crate::engine::backend::Fault;

/// Where bodies are written, one after the other.
#[derive(Debug, Default)]
pub(super) struct Text(Vec<u8>);

/// Room that is kept, at most.
const KEPT_MAX: usize = 4 << 20;

impl Text {
    /// `body` as text.
    pub(super) fn of(&mut self, body: &impl Serialize) -> Result<&str, Fault> {
        self.0.clear();
        self.0.shrink_to(KEPT_MAX);
        serde_json::to_writer(&mut self.0, body)
            .map_err(|error| Fault::Failed(error.to_string()))?;
        str::from_utf8(&self.0).map_err(|error| Fault::Failed(error.to_string()))
    }
}
