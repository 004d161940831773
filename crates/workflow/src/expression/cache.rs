//! Compiled programs, by what they were compiled from.
//!
//! A document is read each time that a run of it begins or is resumed, and its expressions take
//! most of that. The cache is a pure memo, which is why a core may have it: the same text with the
//! same names gives the same program, whether it was kept or not. It is bounded, and emptied when
//! it is full: what is in use comes back with the next reading.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::SyntaxError;
use super::compiled::Compiled;
use super::limits;

type Key = (Box<str>, Box<[Arc<str>]>);

static PROGRAMS: Mutex<BTreeMap<Key, Arc<Compiled>>> = Mutex::new(BTreeMap::new());

/// The program of an expression. Texts with mistakes are not kept.
pub(super) fn compiled(
    source: &str,
    names: &[Arc<str>],
) -> Result<Arc<Compiled>, Vec<SyntaxError>> {
    if source.len() > limits::CACHED_SOURCE {
        return Compiled::new(source, names).map(Arc::new);
    }
    let key: Key = (source.into(), names.into());
    let programs = || PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = programs().get(&key) {
        return Ok(kept.clone());
    }
    let new = Arc::new(Compiled::new(source, names)?);
    let mut programs = programs();
    if programs.len() >= limits::CACHED {
        programs.clear();
    }
    Ok(programs.entry(key).or_insert(new).clone())
}
