//! What comes as a stream, in whatever pieces: how it is cut makes no difference.

use std::fmt::Debug;

use tessera_agent::fuzzing;

/// The first byte says which stream it is, the second where it is cut.
pub(super) fn run(bytes: &[u8]) {
    let [first, cut, stream @ ..] = bytes else { return };
    let size = usize::from(*cut).max(1);
    match first {
        b'e' => same(stream, size, tessera_client::fuzzing::events),
        b'f' => same(stream, size, fuzzing::frames),
        b'j' => same(stream, size, fuzzing::entries),
        _ => {
            same(stream, size, fuzzing::lines);
            std::str::from_utf8(stream).into_iter().flat_map(str::lines).for_each(log_line);
        }
    }
}

fn same<'a, T: PartialEq + Debug>(
    stream: &'a [u8],
    size: usize,
    read: impl Fn(Vec<&'a [u8]>) -> T,
) {
    assert_eq!(read(vec![stream]), read(stream.chunks(size).collect()));
}

fn log_line(line: &str) {
    if let Some(read) = fuzzing::log_line(line) {
        // Times are kept to the microsecond.
        let written = read.to_string();
        let again = fuzzing::log_line(&written);
        let again = again.unwrap_or_else(|| panic!("{written:?} is no line"));
        assert_eq!(again.to_string(), written);
        assert_eq!(
            (again.stream, again.partial, again.text),
            (read.stream, read.partial, read.text)
        );
    }
}
