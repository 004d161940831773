//! Tables. On a terminal the flexible columns give way until a row fits; what is
//! piped is never cut.

use crate::style::{Style, Tone, fit};

/// Between two columns.
const GAP: usize = 2;
/// A flexible column keeps at least so many characters.
const FLEXIBLE_MIN: usize = 12;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    /// Whether it gives way when the terminal is narrow.
    flexible: bool,
}

impl Column {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, flexible: false }
    }

    pub(crate) const fn flexible(name: &'static str) -> Self {
        Self { name, flexible: true }
    }
}

/// One cell of a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Columns and rows.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; it has as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a row has a cell for each column");
        self.rows.push(cells);
    }

    /// The header and the rows, in at most `width` columns where that is known.
    pub(crate) fn render(&self, style: Style, width: Option<usize>) -> String {
        let layout = self.layout(width);
        let rows = self.rows.iter().map(|row| layout.line(row, style));
        std::iter::once(layout.header(style)).chain(rows).collect()
    }

    /// How wide each column is.
    pub(crate) fn layout(&self, width: Option<usize>) -> Layout {
        let width_of = |(at, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| row[at].width());
            cells.chain([column.name.len()]).max().unwrap_or(0)
        };
        let mut widths: Vec<_> = self.columns.iter().enumerate().map(width_of).collect();
        if let Some(width) = width {
            give_way(&self.columns, &mut widths, width);
        }
        Layout { columns: self.columns.clone(), widths, cuts: width.is_some() }
    }
}

/// Takes columns from the widest flexible one until all fit or none can give.
fn give_way(columns: &[Column], widths: &mut [usize], width: usize) {
    let gaps = GAP * columns.len().saturating_sub(1);
    loop {
        let excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        let flexible = (0..columns.len()).filter(|at| {
            columns[*at].flexible && widths[*at] > FLEXIBLE_MIN.max(columns[*at].name.len())
        });
        let Some(widest) = flexible.max_by_key(|at| widths[*at]).filter(|_| excess > 0) else {
            return;
        };
        // One at a time, so that two wide columns share the loss.
        widths[widest] -= 1;
    }
}

/// The widths of a table's columns, so that rows can follow it later.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    columns: Vec<Column>,
    widths: Vec<usize>,
    cuts: bool,
}

impl Layout {
    /// The line of column names.
    pub(crate) fn header(&self, style: Style) -> String {
        let names: Vec<_> =
            self.columns.iter().map(|column| Cell::toned(column.name, Tone::Strong)).collect();
        self.line(&names, style)
    }

    /// Widens columns so that this row, and those after it, line up. Flexible ones
    /// stay as they are where a terminal bounds them.
    pub(crate) fn admit(&mut self, row: &[Cell]) {
        for (at, cell) in row.iter().enumerate() {
            if !(self.cuts && self.columns[at].flexible) {
                self.widths[at] = self.widths[at].max(cell.width());
            }
        }
    }

    /// One row as a line.
    pub(crate) fn line(&self, row: &[Cell], style: Style) -> String {
        let mut line = String::new();
        let mut owed = 0;
        for (at, cell) in row.iter().enumerate() {
            let width = self.widths[at];
            let text = if self.cuts && self.columns[at].flexible {
                fit(&cell.text, width)
            } else {
                cell.text.clone()
            };
            let taken = text.chars().count();
            if taken > 0 {
                // Spaces are written only before text: no line ends in one.
                line.push_str(&" ".repeat(owed));
                line.push_str(&style.paint(cell.tone, &text));
                owed = 0;
            }
            owed += width.saturating_sub(taken) + GAP;
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(rows: &[[&str; 3]]) -> Table {
        let columns = vec![Column::new("NAME"), Column::flexible("WHAT"), Column::flexible("WHY")];
        let mut table = Table::new(columns);
        for row in rows {
            table.row(row.iter().map(|text| Cell::from(*text)).collect());
        }
        table
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_a_space() {
        let table = table(&[["a", "", "because"], ["long-name", "x", ""]]);
        let expected = "NAME       WHAT  WHY\na                because\nlong-name  x\n";
        assert_eq!(table.render(Style::PLAIN, None), expected);
    }

    #[test]
    fn rows_that_follow_widen_the_columns() {
        let mut layout = table(&[["a", "b", "c"]]).layout(None);
        let long: Vec<_> = ["longer", "x", "y"].map(Cell::from).to_vec();
        layout.admit(&long);
        let short: Vec<_> = ["a", "b", "c"].map(Cell::from).to_vec();
        assert_eq!(layout.line(&long, Style::PLAIN), "longer  x     y\n");
        assert_eq!(layout.line(&short, Style::PLAIN), "a       b     c\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = table(&[["a", "b", "c"]]);
        table.row(vec![Cell::toned("wide", Tone::Bad), "b".into(), "c".into()]);
        let stream = std::fs::File::open("/dev/null").unwrap();
        let coloured = table.render(Style::of(crate::style::When::Always, &stream), None);
        let plain = coloured.replace("\x1b[31m", "").replace("\x1b[1m", "").replace("\x1b[0m", "");
        assert_eq!(plain, table.render(Style::PLAIN, None));
    }

    proptest! {
        #[test]
        fn a_terminal_is_never_exceeded_and_a_pipe_never_cut(
            rows in prop::collection::vec(["[a-z]{1,20}", "[a-zä ]{0,60}", "[a-z ]{0,60}"], 0..8),
            width in 48..120usize,
        ) {
            let rows: Vec<_> = rows.iter().map(|[a, b, c]| [a.trim(), b.trim(), c.trim()]).collect();
            let table = table(&rows);
            for line in table.render(Style::PLAIN, Some(width)).lines() {
                prop_assert!(line.chars().count() <= width, "{line:?}");
            }
            let whole = table.render(Style::PLAIN, None);
            prop_assert_eq!(whole.lines().count(), rows.len() + 1);
            for cell in rows.iter().flatten() {
                prop_assert!(whole.contains(cell));
            }
        }
    }
}
