//! `tenant schedule`: what calendar expressions mean, and when they fire next.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tessera_tenant::calendar::{Calendar, Change, Fault};

use crate::cli::Format;
use crate::context::{Context, json, print, tell};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::{Style, Tone, printable};

/// Which expressions are shown.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Calendar expressions of systemd, such as '*-*-* 08:35:00 America/New_York'
    #[arg(required = true, value_name = "EXPR")]
    expressions: Vec<String>,
    /// The times after this one, as RFC 3339; now unless given
    #[arg(long, value_name = "TIME")]
    from: Option<tessera_types::Timestamp>,
    /// How many times of each
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    next: u16,
}

/// What one expression comes to.
#[derive(Debug, Serialize)]
struct Report<'a> {
    expression: &'a str,
    normalized: String,
    next: Vec<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip)]
    zone: TimeZone,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json])?;
    let from = arguments.from.map_or_else(Timestamp::now, Timestamp::from);
    let local = TimeZone::system();
    let count = usize::from(arguments.next);
    let mut reports = Vec::new();
    let mut is_all_good = true;
    for expression in &arguments.expressions {
        match report(expression, from, count, &local) {
            Ok(report) => reports.push(report),
            Err(fault) => {
                is_all_good = false;
                tell(&complaint(expression, &fault, context.error_style));
            }
        }
    }
    match format {
        Format::Json => print(&json(&reports)?)?,
        _ => {
            let shown: Vec<_> = reports.iter().map(|it| it.render(context.style)).collect();
            print(&shown.join("\n"))?;
        }
    }
    if is_all_good { Ok(()) } else { Err(Failure::Told(Exit::Failed)) }
}

fn report<'a>(
    expression: &'a str,
    from: Timestamp,
    count: usize,
    local: &TimeZone,
) -> Result<Report<'a>, Fault> {
    let calendar = Calendar::parse(expression, jiff::tz::db())?;
    calendar.refuse_past(expression, from, local)?;
    Ok(Report {
        expression,
        normalized: calendar.to_string(),
        next: calendar.times_after(from, local).take(count).collect(),
        warnings: calendar.changes(from, local).iter().map(Change::to_string).collect(),
        zone: calendar.zone(local).clone(),
    })
}

impl Report<'_> {
    /// The times by the clock that the expression is about, and in UTC.
    fn render(&self, style: Style) -> String {
        let mut text = style.paint(Tone::Strong, &self.normalized) + "\n";
        if self.normalized != self.expression {
            text += &format!("  written as {}\n", printable(self.expression));
        }
        for time in &self.next {
            let local = time.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S%.f %Z");
            text += &format!("  {local:<32} {time}\n");
        }
        for warning in &self.warnings {
            text += &format!("  {}: {warning}\n", style.paint(Tone::Busy, "warning"));
        }
        text
    }
}

fn complaint(expression: &str, fault: &Fault, style: Style) -> String {
    let mut text = format!("{}: {}\n", style.paint(Tone::Bad, "error[schedule]"), fault.message);
    for line in fault.excerpt(expression).split('\n') {
        text += &format!("  | {}\n", printable(line));
    }
    if let Some(hint) = &fault.hint {
        text += &format!("  = help: {hint}\n");
    }
    text
}
