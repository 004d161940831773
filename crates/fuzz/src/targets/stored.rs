//! Rows of the store, as an earlier version or a bad disk may have left them.

use tessera_store::fuzzing::{read, written};
use tessera_types::{KindName, Name, ResourceKey};

use super::chosen;

/// The first byte chooses the kind; the rest is what is declared, and after a line break the state.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, text)) = chosen(bytes) else { return };
    let kind = KindName::ALL[usize::from(first) % KindName::ALL.len()];
    let key = ResourceKey::new(kind, None, Name::new("web").expect("it is a name"));
    let (declared, state) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(resource) = read(&key, declared, state) else { return };
    let (declared, state) = written(&resource).expect("a resource can be written");
    let again = read(&key, &declared, &state);
    let again = again.unwrap_or_else(|error| panic!("{error}: {declared} {state}"));
    assert_eq!(again, resource, "{declared} {state}");
}
