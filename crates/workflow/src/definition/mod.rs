//! What a workflow document says, with every reference in it resolved and every expression compiled.
//!
//! The types follow the specification's chapters (`dsl-reference.md` of version 1.0.3). They are
//! made by reading a document and checking it; so a [`Workflow`] that exists can be run, and what
//! can still go wrong depends on data.

mod auth;
mod call;
mod duration;
mod event;
mod flow;
mod process;
mod schema;
mod schema_budget;
mod task;
mod workflow;

pub use auth::{Authentication, Credentials, Scheme};
pub use call::{Call, Endpoint, HttpCall, OpenApiCall, OutputFormat, Resource, Uri, UriPiece};
pub(crate) use duration::{FIELDS, bounded};
pub use duration::{duration_of, parse_duration};
pub use event::{Consumption, Correlation, Emit, EventFilter, ForEach, Listen, ReadAs, Until};
pub use flow::{Backoff, Flow, Period, Retry, Shape};
pub use process::{Container, Process, Return, Run, Script, Shell, Source, SubWorkflow};
pub use schema::{JsonSchema, Schema};
pub use task::{Case, Catch, ErrorFilter, ErrorSpec, For, Fork, Kind, Raise, Task, TaskList, Try};
pub use workflow::{Extends, Extension, Header, Workflow};
