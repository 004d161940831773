//! `calendar`: what of a host is taken when, as a picture.

use clap::Args;
use tessera_client::call;
use tessera_types::{Duration, KindName, Timestamp};

use crate::cli::Format;
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;
use crate::kinds::bounded;
use crate::moment::now;
use crate::show::calendar::{Picture, holds};
use crate::target;

/// Show what of a host is taken when
///
/// Each hold has a row, with its buffers; below is how much of each thing is taken at
/// most. -o wide adds the holds with their times and amounts.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The host
    host: String,
    /// From when on: a time, or a duration from now; now unless given
    #[arg(long, value_name = "TIME", value_parser = when)]
    from: Option<When>,
    /// Until when: a time, or a duration after the beginning; a day unless given
    #[arg(long, value_name = "TIME", value_parser = when)]
    to: Option<When>,
}

/// A time, or a span after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    At(Timestamp),
    After(Duration),
}

impl When {
    fn after(self, origin: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::After(span) => origin.plus(span),
        }
    }
}

fn when(text: &str) -> Result<When, String> {
    if let Ok(span) = text.parse::<Duration>() {
        return Ok(When::After(span));
    }
    let at = text.parse::<Timestamp>().map(When::At);
    at.map_err(|error| format!("{error}, or as a duration, such as 2h"))
}

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Wide, Format::Json, Format::Yaml])?;
    let name = target::name_of(KindName::Host, &arguments.host, &context.namespace)?;
    let now = now();
    let from = arguments.from.map_or(now, |from| from.after(now));
    let to = arguments.to.map(|to| to.after(from));
    let calendar = context.api.host_calendar(&name, Some(&from), to.as_ref());
    let calendar = bounded("host_calendar", call(calendar)).await?;
    match format {
        Format::Json => print(&json(&calendar)?),
        Format::Yaml => print(&yaml(&calendar)?),
        _ => {
            let zone = jiff::tz::TimeZone::system();
            let picture = Picture { style: context.style, width: context.width(), zone };
            print(&picture.draw(&calendar))?;
            if format == Format::Wide && !calendar.holds.is_empty() {
                let table = holds(&calendar);
                print(&format!("\n{}", table.render(context.style, context.width())))?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_given_as_such_or_as_spans() {
        let origin = Timestamp::EPOCH;
        assert_eq!(when("PT2H").unwrap().after(origin), origin.plus(Duration::from_secs(7200)));
        let at = "2026-05-01T08:00:00Z";
        assert_eq!(when(at).unwrap().after(origin), at.parse().unwrap());
        assert!(when("soon").unwrap_err().contains("such as 2h"));
    }
}
