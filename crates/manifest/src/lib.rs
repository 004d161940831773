//! Manifests: what people write as YAML, JSON or TOML, read into typed values or into precise
//! problems.
//!
//! The one idea: every format becomes the same tree of [`Node`]s, each of which knows the bytes of
//! the source that it came from. Decoding into a type, and any later validation, works on that tree,
//! so whatever goes wrong has a file, a line and a column, and all that can be found is reported in
//! one run.
//!
//! ```
//! use tessera_manifest::{Format, Limits, Source, read};
//!
//! #[derive(Debug, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Workload {
//!     command: String,
//! }
//!
//! let source = Source::new("web.yaml", "comand: /bin/sleep\n");
//! let problems =
//!     read(source, Format::Yaml, &Limits::default(), |document| document.decode::<Workload>())
//!         .expect_err("the field is misspelt");
//! assert_eq!(
//!     problems[0].to_string(),
//!     "web.yaml:1:1: unknown field `comand`: did you mean `command`?"
//! );
//! ```
//!
//! Nothing here touches a file or a socket: the caller brings the text and its name.

mod decode;
mod document;
mod format;
mod limits;
mod path;
mod problem;
mod read;
mod source;
mod tree;

pub use decode::suggest::nearest;
pub use decode::wording::{hint_for_name, quoted};
pub use document::Document;
pub use format::Format;
pub use limits::Limits;
pub use problem::{Excerpt, Problem, code};
pub use read::{parse, read};
pub use source::{Position, Source};
pub use tree::{Entry, Node, Number, Span, Value};
