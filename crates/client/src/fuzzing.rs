//! What reads the streams of servers, for fuzzing.

use crate::sse::Parser;

/// The events of a stream that comes in these pieces, each as its data and its id; none where it is
/// given up.
#[must_use]
pub fn events<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Option<Vec<(String, Option<String>)>> {
    let mut parser = Parser::default();
    let mut all = Vec::new();
    for piece in pieces {
        all.extend(parser.push(piece)?.into_iter().map(|event| (event.data, event.id)));
    }
    Some(all)
}
