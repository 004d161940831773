//! What workloads print: one folder per workload, bounded, kept after the workload is gone.
//!
//! A folder holds `current.log`, and older files `1.log` (the newest of them), `2.log` and so on. A
//! rotation only renames upwards, so whoever opens the files from `current.log` upwards may see one
//! twice but misses none: that is all the agreement that reader and writer need. Lines are in the
//! format that Kubernetes uses too:
//!
//! ```text
//! 2026-01-01T00:00:00.000000Z stdout F text
//! ```
//!
//! `F` ends a line; `P` marks a piece of a line that was too long and continues in the next one.

mod line;
mod reader;
mod retention;
mod splitter;
mod writer;

pub use line::{LogLine, Stream};
pub use reader::{LogReader, ReadOptions};
pub use retention::{Retention, Trimmed, retention};
pub use splitter::{LINE_BYTES_MAX, LineSplitter};
pub use writer::{LogLimits, LogWriter};

const CURRENT: &str = "current.log";

/// The name of the `index`th newest file; 0 is the current one.
fn file_name(index: usize) -> String {
    if index == 0 { CURRENT.to_owned() } else { format!("{index}.log") }
}
