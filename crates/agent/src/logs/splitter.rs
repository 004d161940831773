//! From bytes as they come out of a pipe to lines.

/// Longer lines are split. In bytes, before those that are not UTF-8 are replaced.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Collects the bytes of one stream until a line is whole.
#[derive(Debug, Default)]
pub struct LineSplitter {
    pending: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes and hands out each line that they complete: its text, and whether it continues
    /// in the next one.
    pub fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(String, bool)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(&bytes[..end]);
            self.split_long(&mut line);
            line(self.take(self.pending.len()), false);
            bytes = &bytes[end + 1..];
        }
        self.pending.extend_from_slice(bytes);
        self.split_long(&mut line);
    }

    /// Hands out what is left when the stream has ended without a newline.
    pub fn finish(&mut self, mut line: impl FnMut(String, bool)) {
        if !self.pending.is_empty() {
            line(self.take(self.pending.len()), false);
        }
    }

    fn split_long(&mut self, line: &mut impl FnMut(String, bool)) {
        while self.pending.len() > LINE_BYTES_MAX {
            line(self.take(whole_chars(&self.pending[..LINE_BYTES_MAX])), true);
        }
    }

    fn take(&mut self, len: usize) -> String {
        let text = String::from_utf8_lossy(&self.pending[..len]).into_owned();
        self.pending.drain(..len);
        text
    }
}

/// The length of `bytes` without a character that is cut off at the end.
fn whole_chars(bytes: &[u8]) -> usize {
    // A character has at most four bytes, so a cut one starts within the last three.
    let tail = bytes.len() - bytes.len().min(3);
    (tail..bytes.len())
        .find(|start| {
            matches!(std::str::from_utf8(&bytes[*start..]),
            Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[Vec<u8>]) -> Vec<(String, bool)> {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        for chunk in chunks {
            splitter.push(chunk, |text, partial| lines.push((text, partial)));
        }
        splitter.finish(|text, partial| lines.push((text, partial)));
        lines
    }

    fn joined(lines: &[(String, bool)]) -> String {
        lines
            .iter()
            .map(|(text, partial)| text.clone() + if *partial { "" } else { "\n" })
            .collect()
    }

    /// Text with characters of every length, some bytes that are no text, and newlines.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "[a-zäß€😀\n]{0,40}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..20),
            (0..3 * LINE_BYTES_MAX, "[aä€😀]").prop_map(|(n, c)| c.repeat(n / 3).into_bytes()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_is_lost_however_it_is_cut(
            pieces in proptest::collection::vec(piece(), 0..8),
            cut in 1..5000_usize,
        ) {
            let all = pieces.concat();
            let chunks: Vec<Vec<u8>> = all.chunks(cut).map(<[u8]>::to_vec).collect();
            let lines = split(&chunks);
            let mut expected = String::from_utf8_lossy(&all).into_owned();
            if !expected.is_empty() && !expected.ends_with('\n') {
                expected.push('\n');
            }
            prop_assert_eq!(joined(&lines), expected);
            for (text, _) in &lines {
                prop_assert!(!text.contains('\n'));
                let kept = text.chars().filter(|c| *c != char::REPLACEMENT_CHARACTER);
                prop_assert!(kept.map(char::len_utf8).sum::<usize>() <= LINE_BYTES_MAX);
            }
        }
    }
}
