//! The job DSL: workflow documents, and runs of them.
//!
//! The one idea: a run is a pure function of its document, its input and the journal of what has
//! happened to it. [`machine::Machine`] takes one entry of the journal after the other and returns
//! what is to be done next as data; it does nothing itself. What it was given in the same order
//! brings it into the same state, so a crash costs a replay and repeats nothing. [`journaled`] is what
//! whoever drives a run keeps beside the machine.
//!
//! The language is the Open Workflow Specification's DSL 1.0 (until 2026 the CNCF Serverless
//! Workflow specification). [`definition`] is what a document says, [`reading`] makes one of text,
//! [`expression`] is the jq in it, [`graph`] a picture of it.

pub mod definition;
pub mod expression;
pub mod graph;
pub mod journaled;
pub mod machine;
pub mod mask;
pub mod reading;
pub mod value;
