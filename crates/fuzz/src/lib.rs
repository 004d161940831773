//! Hostile input: what every parser that meets foreign bytes must hold, whatever the bytes are.
//!
//! The one idea: a [`Target`] is a function of bytes that panics when a property does not hold.
//! Who makes the bytes is another's affair: libFuzzer, guided by coverage, in `fuzz/` at the root
//! of the workspace; and in this crate's tests, on stable and without any tool, the corpus, the
//! regressions and mutants of both ([`mutants`]), always the same.
//!
//! Every target calls the function that the product calls. Beside "it does not panic", which holds
//! for all with overflow checks and debug assertions on, each says which properties it looks at.

mod mutate;
mod plane;
mod targets;

pub use mutate::mutants;
pub use targets::{TARGETS, Target, run, target};
