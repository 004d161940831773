//! Server-sent events, as the HTML standard defines the stream's lines. Only
//! what Tessera sends is kept: `data` and `id`.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) data: String,
    pub(crate) id: Option<String>,
}

/// Takes bytes in any cuts and gives whole events.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    event: Event,
}

/// Longest line; a resource of the largest size fits several times.
const LINE_BYTES_MAX: usize = 8 << 20;

impl Parser {
    /// Adds bytes and returns the events that are complete now; none of them
    /// when a line is longer than any event can be.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Vec<Event>> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut start = 0;
        while let Some(length) = self.buffer[start..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.buffer[start..start + length]).into_owned();
            start += length + 1;
            events.extend(self.line(line.trim_end_matches('\r')));
        }
        self.buffer.drain(..start);
        (self.buffer.len() <= LINE_BYTES_MAX).then_some(events)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" => self.event.id = Some(value.to_owned()),
            // A comment (the field's name is empty) keeps the connection alive.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str =
        ": hello\n\nid: 1\ndata: {\"a\":1}\n\nid: 2\r\ndata: one\r\ndata: two\r\n\r\ndata:x\n\n";

    fn expected() -> Vec<Event> {
        let event =
            |data: &str, id: Option<&str>| Event { data: data.into(), id: id.map(Into::into) };
        vec![event("{\"a\":1}", Some("1")), event("one\ntwo", Some("2")), event("x", None)]
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_the_stream_is_cut(cuts in prop::collection::vec(0..STREAM.len(), 0..10)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut parser, mut events, mut from) = (Parser::default(), Vec::new(), 0);
            for to in cuts.into_iter().chain([STREAM.len()]) {
                events.extend(parser.push(&STREAM.as_bytes()[from..to]).unwrap());
                from = to;
            }
            prop_assert_eq!(events, expected());
        }
    }
}
