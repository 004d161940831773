//! The SDK of tenants: a program brings the work, and gets the four verbs `run`, `status`, `dry-run`
//! and `migrate`, exit codes that mean something, and a record of every run.
//!
//! The one idea: whoever operates a tenant learns nothing about it but its name. So everything that
//! is not the work itself is here, and is the same for every tenant and in every language; the
//! contract is docs/reference/lifecycle.md.
//!
//! ```no_run
//! use tessera_lifecycle::{Context, Done, LifecycleApp};
//!
//! fn run(context: &Context) -> Result<Done, std::io::Error> {
//!     let text = std::fs::read_to_string("orders.csv")?;
//!     if !context.is_dry_run() {
//!         std::fs::write("/srv/lake/orders.csv", &text)?;
//!     }
//!     Ok(Done::with_rows(text.lines().count() as u64))
//! }
//!
//! fn main() {
//!     LifecycleApp::new(run).main()
//! }
//! ```
//!
//! What decides is in modules without I/O: [`telemetry`], [`manifest`], and those of the verbs, exit
//! codes and migrations. [`hub`] has the files. Who operates tenants reads them by the same two, so
//! what it says of a tenant is what the tenant says of itself.

mod app;
mod context;
mod environment;
pub mod hub;
pub mod manifest;
mod migrations;
mod outcome;
pub mod telemetry;
mod verb;

pub use app::LifecycleApp;
pub use context::Context;
pub use environment::{hub_folder, textfile_folder};
pub use manifest::Manifest;
pub use outcome::{Done, Failure, IntoFailure, IntoOutcome, Outcome};
pub use verb::Verb;
