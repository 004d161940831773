//! What the tests share: a reader of documents that checks nothing, and a world that answers
//! effects from a table in simulated time.

pub(crate) mod gherkin;
pub(crate) mod reading;
pub(crate) mod world;
