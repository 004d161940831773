//! What reads the rows of a store, for fuzzing.

use tessera_types::{Resource, ResourceKey, Revision, Uid};

use crate::sqlite::codec::{Alike, StateOf, declared, read_declared, with_state};

/// The two texts that a resource is kept as: what it declares, and its state.
///
/// # Errors
/// It cannot be written.
pub fn written(resource: &Resource) -> serde_json::Result<(String, String)> {
    Ok((declared(resource)?, serde_json::to_string(&StateOf(resource))?))
}

/// The resource that two such texts are.
///
/// # Errors
/// They are none.
pub fn read(key: &ResourceKey, declared: &str, state: &str) -> serde_json::Result<Resource> {
    let declared = read_declared(key, Uid(1), declared, &mut Alike::default())?;
    with_state(declared, Revision(1), state)
}
