//! What an agent reads on its machine.

use tessera_agent::fuzzing;

/// The first byte says which: `f` a file below /proc, `i` the name of an image, `l` a line of the
/// progress of a pull, else a record in JSON, of which sort says the byte.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    match (first, std::str::from_utf8(rest)) {
        (b'f', Ok(text)) => fuzzing::proc_file(text),
        (b'i', Ok(text)) => {
            let (full, _) = fuzzing::image(text);
            assert!(full.contains('/'), "{text:?} became {full:?}");
        }
        (b'l', _) => drop(fuzzing::progress(rest)),
        _ => assert_ne!(fuzzing::record(*first, rest), Some(false)),
    }
}
