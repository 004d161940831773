//! How waiting looks: a live display on a terminal, a line for each thing that
//! happens elsewhere.

use std::io::{self, Write};

use tessera_types::ResourceKey;

use super::board::{Board, Tracked};
use super::verdict::Verdict;
use crate::show::change::{Event, KEY_TONE};
use crate::style::{Style, Tone, fit, printable, terminal_size, tone_of_status};

/// Somebody to tell how it goes.
pub trait Progress {
    /// A resource changed.
    ///
    /// # Errors
    /// When it cannot be written.
    fn event(&mut self, key: &ResourceKey, event: &Event) -> io::Result<()>;

    /// Something else happened, such as a lost connection.
    ///
    /// # Errors
    /// When it cannot be written.
    fn notice(&mut self, text: &str) -> io::Result<()>;

    /// Some time passed.
    ///
    /// # Errors
    /// When it cannot be written.
    fn draw(&mut self, board: &Board) -> io::Result<()>;

    /// Nothing follows.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(&mut self, board: &Board) -> io::Result<()>;
}

/// The progress that fits standard output.
#[must_use]
pub fn for_stdout(style: Style) -> Box<dyn Progress> {
    let stdout = io::stdout();
    match terminal_size(&stdout) {
        Some(_) => Box::new(Live::new(stdout, style, || terminal_size(&io::stdout()))),
        None => Box::new(Plain::new(stdout, style)),
    }
}

/// A line for each thing that happens.
#[derive(Debug)]
pub struct Plain<W> {
    out: W,
    style: Style,
}

impl<W: Write> Plain<W> {
    /// Writes to `out`.
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style }
    }
}

impl<W: Write> Progress for Plain<W> {
    fn event(&mut self, key: &ResourceKey, event: &Event) -> io::Result<()> {
        // Of a definition there is no more to say than that it was declared.
        if event.is_routine() || key.kind.is_definition() {
            return Ok(());
        }
        let key = self.style.paint(KEY_TONE, &key.to_string());
        writeln!(self.out, "{key} {}", event.describe(self.style))?;
        self.out.flush()
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", printable(text))?;
        self.out.flush()
    }

    fn draw(&mut self, _: &Board) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, board: &Board) -> io::Result<()> {
        writeln!(self.out, "{}", board.summary())?;
        self.out.flush()
    }
}

/// A line for each resource that is rewritten in place, as many as the terminal
/// has room for, and a summary below.
pub struct Live<W> {
    out: W,
    style: Style,
    size: fn() -> Option<(usize, usize)>,
    lines_drawn: usize,
    frame: usize,
    notice: Option<String>,
}

/// What turns before the summary.
const SPINNER: [char; 4] = ['⠋', '⠙', '⠴', '⠦'];
/// The size of a terminal that does not say.
const SIZE_DEFAULT: (usize, usize) = (80, 24);
/// Lines that a display leaves free: its summary, what it cannot list, the prompt.
const LINES_RESERVED: usize = 4;

impl<W: Write> Live<W> {
    /// Draws on `out`, a terminal whose columns and rows `size` says.
    pub fn new(out: W, style: Style, size: fn() -> Option<(usize, usize)>) -> Self {
        Self { out, style, size, lines_drawn: 0, frame: 0, notice: None }
    }

    fn redraw(&mut self, board: &Board, mark: &str) -> io::Result<()> {
        let (width, height) = (self.size)().unwrap_or(SIZE_DEFAULT);
        let rows = height.saturating_sub(LINES_RESERVED).max(1);
        let all = board.by_interest();
        let name_width = all.iter().take(rows).map(|(key, _)| key.to_string().len()).max();
        let mut lines: Vec<_> = all
            .iter()
            .take(rows)
            .map(|(key, tracked)| self.line(key, tracked, name_width.unwrap_or(0), width))
            .collect();
        if all.len() > rows {
            lines.push(fit(&format!("  … and {} more", all.len() - rows), width));
        }
        lines.extend(self.notice.iter().map(|text| fit(text, width)));
        lines.push(fit(&format!("{mark} {}", board.summary()), width));
        self.put(&lines)
    }

    /// Writes the lines over those that were drawn last, in one piece.
    fn put(&mut self, lines: &[String]) -> io::Result<()> {
        let mut text = String::new();
        if self.lines_drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.lines_drawn));
        }
        for line in lines {
            text.push_str(&format!("\r\x1b[2K{line}\n"));
        }
        text.push_str("\x1b[J");
        self.lines_drawn = lines.len();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn line(
        &self,
        key: &ResourceKey,
        tracked: &Tracked,
        name_width: usize,
        width: usize,
    ) -> String {
        let (mark, tone, words) = match &tracked.verdict {
            Verdict::Reached => ("✓", Tone::Good, ""),
            Verdict::Failed(words) => ("✗", Tone::Bad, words.as_str()),
            Verdict::Waiting(words) => ("·", Tone::Busy, words.as_str()),
        };
        let status = tracked.latest.as_ref().map_or("", tessera_types::Resource::status);
        let words = if words == status { "" } else { words };
        let head = format!("{key:name_width$}  ", key = key.to_string());
        let head = fit(&head, width.saturating_sub(2));
        let left = width.saturating_sub(2 + head.chars().count());
        let shown = fit(status, left);
        let left = left.saturating_sub(shown.chars().count() + 2);
        let status = self.style.paint(tone_of_status(status), &shown);
        let words = fit(&printable(words), left);
        let line = format!("{} {head}{status}  {words}", self.style.paint(tone, mark));
        line.trim_end().to_owned()
    }
}

impl<W: Write> Progress for Live<W> {
    fn event(&mut self, _: &ResourceKey, _: &Event) -> io::Result<()> {
        Ok(())
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.notice = Some(printable(text));
        Ok(())
    }

    fn draw(&mut self, board: &Board) -> io::Result<()> {
        self.frame = (self.frame + 1) % SPINNER.len();
        self.redraw(board, &SPINNER[self.frame].to_string())
    }

    fn finish(&mut self, board: &Board) -> io::Result<()> {
        self.notice = None;
        let mark = if board.is_settled() { " " } else { "!" };
        self.redraw(board, mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tessera_types::{KindName, WaitReason};

    use crate::converge::Goal;
    use crate::show::change::Sort;

    const WIDTH: usize = 40;
    const HEIGHT: usize = 9;

    fn board(names: &[String]) -> Board {
        let goal = |name: &String| {
            let key = ResourceKey::new(KindName::Workload, None, name.parse().unwrap());
            (key, Goal::Converged { generation: 1 })
        };
        Board::new("converged", names.iter().map(goal), &BTreeMap::new())
    }

    fn drawn(names: &[String], frames: usize) -> String {
        let mut live = Live::new(Vec::new(), Style::PLAIN, || Some((WIDTH, HEIGHT)));
        live.notice("the connection was lost, which is said in more words than a narrow terminal has room for").unwrap();
        for _ in 0..frames {
            live.draw(&board(names)).unwrap();
        }
        String::from_utf8(live.out).unwrap()
    }

    proptest! {
        #[test]
        fn a_picture_fits_the_terminal(names in prop::collection::vec("[a-z]{1,60}", 0..30)) {
            let picture = drawn(&names, 1);
            // The cursor is on one more line, below.
            prop_assert!(picture.matches('\n').count() < HEIGHT);
            for line in picture.replace("\x1b[2K", "").replace("\x1b[J", "").lines() {
                prop_assert!(line.trim_start_matches('\r').chars().count() <= WIDTH, "{line:?}");
            }
        }
    }

    #[test]
    fn the_next_picture_is_drawn_over_the_last() {
        let names = ["a".to_owned(), "b".to_owned()];
        // Two resources, the notice and the summary.
        assert_eq!(drawn(&names, 2).matches("\x1b[4A").count(), 1);
        assert_eq!(drawn(&names, 3).matches("\x1b[4A").count(), 2);
    }

    #[test]
    fn lines_leave_out_what_goes_with_any_start() {
        let mut plain = Plain::new(Vec::new(), Style::PLAIN);
        let key = ResourceKey::new(KindName::Workload, None, "web".parse().unwrap());
        let event = |words: &str, reason| Event {
            at: tessera_types::Timestamp::EPOCH,
            moved: None,
            words: words.to_owned(),
            sort: Sort::Waits(reason),
        };
        plain.event(&key, &event("waits for: its start", WaitReason::Start)).unwrap();
        plain.event(&key, &event("waits for: a node", WaitReason::NoNodeFits)).unwrap();
        assert_eq!(
            String::from_utf8(plain.out).unwrap(),
            "workload/default/web waits for: a node\n"
        );
    }
}
