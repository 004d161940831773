//! The calendar of a host as a picture: a row for each hold over an axis of time, and
//! below how much of each thing is taken.
//!
//! The one idea: the axis is a number of cells, each of which stands for an equal part
//! of the window. A hold marks every cell that it touches, and a cell of usage shows
//! the most that is taken within it, so that nothing is too short to be seen.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use tessera_types::booking::{CalendarHold, CalendarStep, HostCalendar};
use tessera_types::timed::Window;
use tessera_types::{Bytes, Duration, Millicores, Timestamp};

use super::describe::amounts;
use super::pod::ports;
use super::{cores, memory};
use crate::moment::zoned;
use crate::style::{Style, Tone, fit, printable};
use crate::table::{Column, Table};

/// The columns of a picture that is not for a terminal.
const WIDTH_DEFAULT: usize = 100;
/// An axis has at least so many cells, whatever the terminal.
const CELLS_MIN: usize = 24;
/// The names on the left take at most so many columns.
const NAME_MAX: usize = 34;
/// Between a name, the axis, and what stands on its right.
const GAP: usize = 2;
/// The steps between two times on the axis, in seconds.
const TICKS: [u64; 17] = [
    1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    2_592_000,
];
/// Eighths of a cell.
const LEVELS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How to draw.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) style: Style,
    /// The columns that there are; none where it is not for a terminal.
    pub(crate) width: Option<usize>,
    /// The clock that the axis shows.
    pub(crate) zone: TimeZone,
}

/// The window cut into cells.
#[derive(Clone, Copy, Debug)]
struct Axis {
    window: Window,
    cells: usize,
}

impl Axis {
    fn span(&self) -> i128 {
        i128::from(self.window.until.as_micros()) - i128::from(self.window.from.as_micros())
    }

    /// The cell that a time is in, as if the axis went on for ever.
    fn cell(&self, at: Timestamp) -> i128 {
        let after = i128::from(at.as_micros()) - i128::from(self.window.from.as_micros());
        (after * self.cells as i128).div_euclid(self.span().max(1))
    }

    /// The beginning of a cell.
    fn begin(&self, cell: usize) -> Timestamp {
        let micros = self.span() * cell as i128 / self.cells.max(1) as i128;
        let from = i128::from(self.window.from.as_micros());
        Timestamp::from_micros(i64::try_from(from + micros).unwrap_or(i64::MAX))
    }

    /// The cells that a window touches.
    fn touched(&self, window: Window) -> std::ops::Range<usize> {
        let clamp = |cell: i128| cell.clamp(0, self.cells as i128) as usize;
        let first = clamp(self.cell(window.from));
        // The end is not in the window, so a cell that begins with it is not touched.
        let last = clamp(self.cell(Timestamp::from_micros(window.until.as_micros() - 1)) + 1);
        if window.is_empty() { first..first } else { first..last.max(first) }
    }
}

/// One thing that is divided among pods.
struct Dimension {
    name: String,
    capacity: u64,
    used: fn(&CalendarStep, &str) -> u64,
    show: fn(u64) -> String,
}

impl Dimension {
    fn of_step(&self, step: &CalendarStep) -> u64 {
        (self.used)(step, &self.name)
    }
}

fn dimensions(calendar: &HostCalendar) -> Vec<Dimension> {
    let capacity = &calendar.capacity;
    let whole = |count: u64| count.to_string();
    let mut all = vec![
        Dimension {
            name: "cpu".to_owned(),
            capacity: capacity.cpu.0,
            used: |step, _| step.amounts.cpu.0,
            show: |amount| cores(Millicores(amount)),
        },
        Dimension {
            name: "memory".to_owned(),
            capacity: capacity.memory.0,
            used: |step, _| step.amounts.memory.0,
            show: |amount| memory(Bytes(amount)),
        },
    ];
    let taken = calendar.steps.iter().flat_map(|step| step.amounts.counted.keys());
    let names: BTreeSet<&String> = capacity.counted.keys().chain(taken).collect();
    all.extend(names.into_iter().map(|name| Dimension {
        name: name.clone(),
        capacity: capacity.counted.get(name).copied().unwrap_or(0),
        used: |step, name| step.amounts.counted.get(name).copied().unwrap_or(0),
        show: whole,
    }));
    all.push(Dimension {
        name: "ports".to_owned(),
        capacity: capacity.all_ports().count() as u64,
        used: |step, _| step.ports,
        show: whole,
    });
    // What the host does not have and nobody takes says nothing.
    let says =
        |one: &Dimension| one.capacity > 0 || calendar.steps.iter().any(|it| one.of_step(it) > 0);
    all.into_iter().filter(says).collect()
}

/// The most that is taken in each cell.
fn usage(axis: Axis, dimension: &Dimension, steps: &[CalendarStep]) -> Vec<u64> {
    let of_cell = |cell: usize| {
        let (begin, end) = (axis.begin(cell), axis.begin(cell + 1));
        let before = steps.iter().rev().find(|step| step.at <= begin);
        let within = steps.iter().filter(|step| begin < step.at && step.at < end);
        before.into_iter().chain(within).map(|step| dimension.of_step(step)).max().unwrap_or(0)
    };
    (0..axis.cells).map(of_cell).collect()
}

impl Picture {
    /// The picture.
    pub(crate) fn draw(&self, calendar: &HostCalendar) -> String {
        let dimensions = dimensions(calendar);
        let names = calendar.holds.iter().map(|hold| hold.holder.chars().count());
        let names = names.chain(dimensions.iter().map(|it| it.name.len()));
        let name_width = names.max().unwrap_or(0).min(NAME_MAX);
        let notes: Vec<_> = dimensions.iter().map(|it| peak(it, calendar)).collect();
        let note_width = notes.iter().map(|note| note.chars().count()).max().unwrap_or(0);
        let width = self.width.unwrap_or(WIDTH_DEFAULT);
        let taken = name_width + note_width + 2 * GAP;
        let cells = width.saturating_sub(taken).max(CELLS_MIN);
        let axis = Axis { window: calendar.window, cells };
        let mut text = self.heading(calendar);
        let _ = writeln!(text, "{}", self.ticks(axis, name_width).trim_end());
        for hold in &calendar.holds {
            let row = bar(axis, hold.window);
            let _ = writeln!(text, "{}", self.row(&hold.holder, name_width, &row, Tone::Busy, ""));
        }
        if calendar.holds.is_empty() {
            let _ =
                writeln!(text, "{}", self.row("nothing is held", name_width, "", Tone::Quiet, ""));
        }
        text.push('\n');
        for (dimension, note) in dimensions.iter().zip(&notes) {
            let levels = levels(&usage(axis, dimension, &calendar.steps), dimension.capacity);
            let line = self.row(&dimension.name, name_width, &levels, Tone::Good, note);
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn heading(&self, calendar: &HostCalendar) -> String {
        let Window { from, until } = calendar.window;
        let name = self.style.paint(Tone::Strong, &format!("host/{}", calendar.host));
        let length = until.since(from);
        let times = [from, until].map(|at| zoned(at, &self.zone).strftime("%Y-%m-%d %H:%M:%S %Z"));
        let mut text = format!("{name}  {} to {} ({length})\n", times[0], times[1]);
        if let Some(open) = calendar.open {
            let _ = writeln!(text, "it can be used {open}");
        }
        if let Some(excess) = &calendar.excess {
            let words = format!("more is booked than it has: {}", printable(excess));
            let _ = writeln!(text, "{}", self.style.paint(Tone::Bad, &words));
        }
        text
    }

    /// The line of times, each above the cell that it is in.
    fn ticks(&self, axis: Axis, name_width: usize) -> String {
        let mut line = vec![' '; axis.cells];
        let step = self.step(axis);
        let mut free_from = 0;
        for at in self.times(axis, step) {
            let cell = axis.cell(at);
            let Ok(cell) = usize::try_from(cell) else { continue };
            let label = self.label(at, step);
            if cell >= free_from && cell + label.chars().count() <= axis.cells {
                for (i, c) in label.chars().enumerate() {
                    line[cell + i] = c;
                }
                free_from = cell + label.chars().count() + 1;
            }
        }
        let line: String = line.into_iter().collect();
        format!("{}{}", " ".repeat(name_width + GAP), self.style.paint(Tone::Quiet, &line))
    }

    /// The smallest step that leaves room between two times.
    fn step(&self, axis: Axis) -> Duration {
        let is_wide_enough = |seconds: &u64| {
            let count = axis.span() / (i128::from(*seconds) * 1_000_000);
            let label = if *seconds < 60 { 8 } else { 5 };
            (label + 2) * count <= axis.cells as i128
        };
        let found = TICKS.into_iter().find(is_wide_enough);
        Duration::from_secs(found.unwrap_or(TICKS[TICKS.len() - 1]))
    }

    /// The times on the axis: whole steps since the beginning of the first day there.
    fn times(&self, axis: Axis, step: Duration) -> Vec<Timestamp> {
        let from = axis.window.from;
        let day = zoned(from, &self.zone).start_of_day();
        let day = day.map_or(from, |day| Timestamp::from(day.timestamp()));
        let first = from.since(day).as_millis().div_ceil(step.as_millis().max(1));
        let at = |number: u64| day.plus(step.times(number));
        (first..).map(at).take_while(|at| *at < axis.window.until).take(axis.cells).collect()
    }

    fn label(&self, at: Timestamp, step: Duration) -> String {
        let local = zoned(at, &self.zone);
        let is_midnight = local.hour() == 0 && local.minute() == 0 && local.second() == 0;
        let form = match step.as_millis() / 1000 {
            0..60 => "%H:%M:%S",
            _ if is_midnight => "%m-%d",
            _ => "%H:%M",
        };
        local.strftime(form).to_string()
    }

    fn row(&self, name: &str, width: usize, cells: &str, tone: Tone, note: &str) -> String {
        let name = fit(&printable(name), width.max("nothing is held".len()));
        let cells = self.style.paint(tone, cells);
        let line = format!("{name:width$}{gap}{cells}{gap}{note}", gap = " ".repeat(GAP));
        line.trim_end().to_owned()
    }
}

/// The row of a hold. What goes on beyond the window is marked at its edge.
fn bar(axis: Axis, window: Window) -> String {
    let touched = axis.touched(window);
    let (begins_before, ends_after) =
        (window.from < axis.window.from, window.until > axis.window.until);
    let cell = |cell: usize| match () {
        () if !touched.contains(&cell) => '·',
        () if begins_before && cell == 0 => '◀',
        () if ends_after && cell + 1 == axis.cells => '▶',
        () => '█',
    };
    (0..axis.cells).map(cell).collect()
}

/// Usage as levels: empty where nothing is taken, full at the capacity. A little is
/// never shown as nothing, nor less than all as all.
fn levels(usage: &[u64], capacity: u64) -> String {
    let full = (LEVELS.len() - 1) as u128;
    let level = |used: &u64| match *used {
        0 => 0,
        used if used >= capacity => full,
        used => (u128::from(used) * full / u128::from(capacity)).clamp(1, full - 1),
    };
    usage.iter().map(|used| LEVELS[level(used) as usize]).collect()
}

/// `at most 6 of 8 (75%)`.
fn peak(dimension: &Dimension, calendar: &HostCalendar) -> String {
    let peak = calendar.steps.iter().map(|step| dimension.of_step(step)).max().unwrap_or(0);
    let share = match dimension.capacity {
        0 => String::new(),
        capacity => format!(" ({}%)", u128::from(peak) * 100 / u128::from(capacity)),
    };
    let show = dimension.show;
    format!("at most {} of {}{share}", show(peak), show(dimension.capacity))
}

/// The holds with their exact times and amounts.
pub(crate) fn holds(calendar: &HostCalendar) -> Table {
    let names = ["HOLDER", "FROM", "UNTIL", "TAKES", "PORTS"];
    let mut table = Table::new(names.map(Column::new).to_vec());
    let until = |hold: &CalendarHold| match hold.window.is_for_ever() {
        true => "never".to_owned(),
        false => hold.window.until.to_string(),
    };
    for hold in &calendar.holds {
        table.row(vec![
            printable(&hold.holder).into(),
            hold.window.from.to_string().into(),
            until(hold).into(),
            amounts(&hold.amounts, 0).into(),
            ports(&hold.ports).into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn calendar(holds: &[(&str, &str, &str, u64)], steps: &[(&str, u64)]) -> HostCalendar {
        let hold = |(holder, from, until, cpu): &(&str, &str, &str, u64)| {
            json!({
                "holder": holder, "window": {"from": from, "until": until},
                "amounts": {"cpu": cpu}, "ports": [7000, 7001],
            })
        };
        let step = |(at, cpu): &(&str, u64)| {
            let ports = if *cpu > 0 { 2 } else { 0 };
            json!({"at": at, "amounts": {"cpu": cpu}, "ports": ports})
        };
        let holds: Vec<Value> = holds.iter().map(hold).collect();
        let steps: Vec<Value> = steps.iter().map(step).collect();
        serde_json::from_value(json!({
            "host": "rack", "holds": holds, "steps": steps,
            "window": {"from": "2026-05-01T09:00:00Z", "until": "2026-05-01T21:00:00Z"},
            "capacity": {"cpu": 8000, "ports": [{"first": 7000, "last": 7009}]},
        }))
        .unwrap()
    }

    fn picture(width: Option<usize>) -> Picture {
        Picture { style: Style::PLAIN, width, zone: TimeZone::UTC }
    }

    #[test]
    fn holds_and_usage_stand_below_the_same_times() {
        let calendar = calendar(
            &[
                ("pod/default/a", "2026-05-01T08:00:00Z", "2026-05-01T12:00:00Z", 2000),
                ("pod/default/b", "2026-05-01T11:00:00Z", "2026-05-01T13:30:00Z", 6000),
            ],
            &[
                ("2026-05-01T09:00:00Z", 2000),
                ("2026-05-01T11:00:00Z", 8000),
                ("2026-05-01T12:00:00Z", 6000),
                ("2026-05-01T13:30:00Z", 0),
            ],
        );
        let expected = "\
host/rack  2026-05-01 09:00:00 UTC to 2026-05-01 21:00:00 UTC (12h)
                   10:00   12:00   14:00   16:00   18:00
pod/default/a  ◀███████████····································
pod/default/b  ········██████████······························

cpu            ▂▂▂▂▂▂▂▂████▆▆▆▆▆▆······························  at most 8 of 8 (100%)
ports          ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁······························  at most 2 of 10 (20%)
";
        assert_eq!(picture(Some(86)).draw(&calendar), expected);
    }

    #[test]
    fn nothing_held_is_said() {
        let text = picture(None).draw(&calendar(&[], &[]));
        assert!(text.contains("\nnothing is held\n"), "{text}");
        assert!(text.contains("at most 0 of 8 (0%)"), "{text}");
    }

    #[test]
    fn a_little_is_not_nothing_and_nearly_all_is_not_all() {
        assert_eq!(levels(&[0, 1, 999, 1000, 2000], 1000), "·▁▇██");
        assert_eq!(levels(&[0, 1], 0), "·█");
    }

    #[test]
    fn the_axis_has_the_days_of_its_time_zone() {
        let zone = TimeZone::get("Europe/Brussels").unwrap();
        let from: Timestamp = "2026-05-01T20:00:00Z".parse().unwrap();
        let window = Window::new(from, from.plus(Duration::from_secs(8 * 3600)));
        let picture = Picture { zone, ..picture(None) };
        let axis = Axis { window, cells: 40 };
        assert_eq!(picture.ticks(axis, 0).trim(), "22:00     05-02     02:00     04:00");
    }

    proptest! {
        #[test]
        fn a_picture_fits_and_leaves_out_no_hold(
            holds in prop::collection::vec((0i64..80_000, 1i64..50_000), 0..6),
            width in 80..200usize,
        ) {
            let mut calendar = calendar(&[], &[]);
            let from = calendar.window.from;
            for (at, length) in &holds {
                // From three hours before the window on, and to beyond it.
                let begin = from.as_micros() + (at - 10_800) * 1_000_000;
                let window = Window::new(
                    Timestamp::from_micros(begin),
                    Timestamp::from_micros(begin + length * 1_000_000),
                );
                if window.overlaps(&calendar.window) {
                    calendar.holds.push(CalendarHold {
                        holder: "pod/default/x".to_owned(), window,
                        amounts: Default::default(), ports: Vec::new(),
                    });
                }
            }
            let text = picture(Some(width)).draw(&calendar);
            for line in text.lines() {
                prop_assert!(line.chars().count() <= width, "{line:?}");
            }
            let rows: Vec<_> = text.lines().filter(|line| line.starts_with("pod/")).collect();
            prop_assert_eq!(rows.len(), calendar.holds.len());
            for row in rows {
                prop_assert!(row.contains(['█', '◀', '▶']), "{row:?}");
            }
        }

        #[test]
        fn the_most_of_all_cells_is_the_peak(
            amounts in prop::collection::vec((0i64..43_200, 0u64..9000), 1..20),
            cells in 24..120usize,
        ) {
            let mut amounts = amounts;
            amounts.sort_unstable();
            amounts.dedup_by_key(|(at, _)| *at);
            let mut calendar = calendar(&[], &[]);
            let from = calendar.window.from.as_micros();
            calendar.steps = amounts
                .iter()
                .map(|(at, cpu)| CalendarStep {
                    at: Timestamp::from_micros(from + at * 1_000_000),
                    amounts: tessera_types::host::Amounts { cpu: Millicores(*cpu), ..Default::default() },
                    ports: 0,
                })
                .collect();
            let cpu = &dimensions(&calendar)[0];
            let axis = Axis { window: calendar.window, cells };
            let shown = usage(axis, cpu, &calendar.steps).into_iter().max();
            prop_assert_eq!(shown, amounts.iter().map(|(_, cpu)| *cpu).max());
        }
    }
}
