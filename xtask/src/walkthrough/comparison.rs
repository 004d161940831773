//! Whether the output is the expected one, and where it is not.
//!
//! The one idea: the comparison is an alignment of least cost. A line that is
//! missing or too many costs one, whatever `...` covers costs nothing; the
//! outputs are the same when the cost is nought, and else the alignment is the
//! difference to show.

use std::fmt;

/// Stands for any number of lines.
const ANY_LINES: &str = "...";
/// Stands for any text within a line.
const ANY_TEXT: &str = "[..]";

/// More lines than this are not aligned: the table would grow with both sides.
const LINES_MAX: usize = 5_000;

/// The alignment of the expected with the actual lines.
#[derive(Debug, PartialEq)]
pub(crate) struct Comparison<'a> {
    rows: Vec<Row<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Row<'a> {
    Same(&'a str),
    Missing(&'a str),
    Unexpected(&'a str),
}

impl<'a> Comparison<'a> {
    /// Compares; blank lines at either end and blanks at the end of a line do
    /// not count. With `open_end`, anything may follow the expected lines.
    pub(crate) fn new(expected: &'a [String], actual: &'a str, open_end: bool) -> Self {
        let mut expected = trimmed(expected.iter().map(String::as_str));
        if open_end {
            expected.push(ANY_LINES);
        }
        let mut actual = trimmed(actual.lines());
        actual.truncate(LINES_MAX);
        Self { rows: align(&expected, &actual) }
    }

    /// Whether nothing differs.
    pub(crate) fn matches(&self) -> bool {
        self.rows.iter().all(|row| matches!(row, Row::Same(_)))
    }
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            match row {
                Row::Same(line) => writeln!(f, "      {line}")?,
                Row::Missing(line) => writeln!(f, "    - {line}")?,
                Row::Unexpected(line) => writeln!(f, "    + {line}")?,
            }
        }
        Ok(())
    }
}

fn trimmed<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut lines: Vec<_> = lines.map(str::trim_end).skip_while(|line| line.is_empty()).collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    lines
}

/// Walks the cheapest way through the table of [`costs`] and says what it meets.
fn align<'a>(expected: &[&'a str], actual: &[&'a str]) -> Vec<Row<'a>> {
    let costs = costs(expected, actual);
    let (mut e, mut a) = (0, 0);
    let mut rows = Vec::new();
    while e < expected.len() || a < actual.len() {
        let here = costs[e][a];
        let want = expected.get(e).copied();
        let have = actual.get(a).copied();
        match (want, have) {
            (Some(ANY_LINES), _) if costs[e + 1][a] == here => e += 1,
            (Some(ANY_LINES), Some(line)) => {
                rows.push(Row::Same(line));
                a += 1;
            }
            (Some(want), Some(have)) if costs[e + 1][a + 1] == here && line_matches(want, have) => {
                rows.push(Row::Same(have));
                (e, a) = (e + 1, a + 1);
            }
            (Some(want), _) if costs[e + 1][a] + 1 == here => {
                rows.push(Row::Missing(want));
                e += 1;
            }
            (_, Some(have)) => {
                rows.push(Row::Unexpected(have));
                a += 1;
            }
            (_, None) => e += 1,
        }
    }
    rows
}

/// `costs[e][a]`: the least cost of aligning what follows the first `e` expected
/// and the first `a` actual lines.
fn costs(expected: &[&str], actual: &[&str]) -> Vec<Vec<usize>> {
    let mut costs = vec![vec![0; actual.len() + 1]; expected.len() + 1];
    for (a, cost) in costs[expected.len()].iter_mut().enumerate() {
        *cost = actual.len() - a;
    }
    for e in (0..expected.len()).rev() {
        let any = expected[e] == ANY_LINES;
        costs[e][actual.len()] = costs[e + 1][actual.len()] + usize::from(!any);
        for a in (0..actual.len()).rev() {
            let (skip_expected, skip_actual) = (costs[e + 1][a], costs[e][a + 1]);
            costs[e][a] = if any {
                skip_expected.min(skip_actual)
            } else if line_matches(expected[e], actual[a]) {
                costs[e + 1][a + 1]
            } else {
                1 + skip_expected.min(skip_actual)
            };
        }
    }
    costs
}

/// Whether the line is the pattern's, `[..]` being any text. The leftmost place
/// of each piece is as good as any other, as it leaves the most for the rest.
fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(ANY_TEXT) else { return pattern == line };
    let Some(mut line) = line.strip_prefix(first) else { return false };
    let mut pieces = rest.split(ANY_TEXT).peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return line.ends_with(piece);
        }
        let Some(at) = line.find(piece) else { return false };
        line = &line[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compare(expected: &str, actual: &str) -> bool {
        let expected: Vec<_> = expected.lines().map(str::to_owned).collect();
        Comparison::new(&expected, actual, false).matches()
    }

    fn difference(expected: &str, actual: &str) -> String {
        let expected: Vec<_> = expected.lines().map(str::to_owned).collect();
        Comparison::new(&expected, actual, false).to_string()
    }

    #[test]
    fn text_within_a_line() {
        for (pattern, line) in
            [("[..]", ""), ("pid [..]", "pid 42"), ("[..]:[..]", "a:b:c"), ("a[..]b[..]b", "axbyb")]
        {
            assert!(line_matches(pattern, line), "{pattern} {line}");
        }
        for (pattern, line) in
            [("a", "ab"), ("[..]a", "ab"), ("a[..]a", "a"), ("a[..]b[..]b", "ab"), ("x[..]", "")]
        {
            assert!(!line_matches(pattern, line), "{pattern} {line}");
        }
    }

    #[test]
    fn any_lines_are_none_or_many() {
        for actual in ["a\nz", "a\nb\nz", "a\nz\nz"] {
            assert!(compare("a\n...\nz", actual), "{actual}");
        }
        assert!(!compare("a\n...\nz", "a\nb"));
        assert!(compare("...", ""));
        assert!(compare("...", "a\nb"));
        assert!(!compare("", "a"));
    }

    #[test]
    fn blanks_around_do_not_count_but_those_within_do() {
        assert!(compare("a\n\nb", "\na  \n\nb\n\n"));
        assert!(!compare("a\nb", "a\n\nb"));
        assert!(!compare("  a", "a"));
    }

    #[test]
    fn an_open_end_takes_what_follows_but_not_what_differs() {
        let expected = ["ready".to_owned()];
        assert!(Comparison::new(&expected, "ready\nmore\n", true).matches());
        assert!(!Comparison::new(&expected, "starting\nready\n", true).matches());
        assert!(!Comparison::new(&expected, "", true).matches());
    }

    #[test]
    fn the_difference_shows_what_is_missing_and_what_is_too_much() {
        assert_eq!(difference("a\nb\nc", "a\nx\nc\n"), "      a\n    - b\n    + x\n      c\n");
        assert_eq!(difference("...\nz", "a\nb"), "      a\n      b\n    - z\n");
    }

    proptest! {
        #[test]
        fn output_matches_itself(lines in prop::collection::vec("[a-c]{1,3}", 0..8)) {
            let text = lines.join("\n");
            prop_assert!(compare(&text, &text));
        }

        #[test]
        fn output_matches_with_any_run_of_lines_left_out(
            lines in prop::collection::vec("[a-c]{1,2}", 1..8), from in 0usize..8, to in 0usize..8,
        ) {
            let (from, to) = (from.min(to).min(lines.len()), from.max(to).min(lines.len()));
            let mut pattern = lines.clone();
            pattern.splice(from..to, [ANY_LINES.to_owned()]);
            prop_assert!(compare(&pattern.join("\n"), &lines.join("\n")));
        }

        #[test]
        fn a_line_matches_with_any_stretch_left_out(
            line in "[a-c]{0,8}", from in 0usize..9, to in 0usize..9,
        ) {
            let (from, to) = (from.min(to).min(line.len()), from.max(to).min(line.len()));
            let pattern = format!("{}{ANY_TEXT}{}", &line[..from], &line[to..]);
            prop_assert!(line_matches(&pattern, &line));
        }

        #[test]
        fn the_difference_holds_every_actual_line_and_ends(
            expected in prop::collection::vec("[ab]|\\.\\.\\.", 0..8),
            actual in prop::collection::vec("[ab]", 0..8),
        ) {
            let text = actual.join("\n");
            let comparison = Comparison::new(&expected, &text, false);
            let shown = comparison.rows.iter().filter(|row| !matches!(row, Row::Missing(_)));
            prop_assert_eq!(shown.count(), actual.len());
        }
    }
}
