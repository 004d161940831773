//! What the tests share: documents, and a world that answers effects from a table in simulated
//! time.

pub(crate) mod documents;
pub(crate) mod gherkin;
pub(crate) mod world;
