//! The simulated day: starts on the grid of five minutes, as people book them, and
//! a burst of a thousand at noon.

use std::collections::HashSet;
use std::time::Duration as StdDuration;

use anyhow::{Result, ensure};
use tessera_types::timed::TimedStatus;
use tessera_types::{Duration, Name, Resource, SessionPart, Timestamp, Uid};

use super::plane::{Became, Plane};
use super::{BURST, HOSTS, Lesson, SESSIONS, catalogue, lesson, node_name};
use crate::benchmark::Context;
use crate::figures::{Report, Unit};
use crate::process::Meter;
use crate::samples::Samples;

/// Where the day begins: 2027-03-01T00:00:00Z.
const MIDNIGHT: Timestamp = Timestamp::from_micros(1_803_859_200_000_000);
const LESSON: Lesson = Lesson {
    length: Duration::from_secs(3600),
    lead_time: Duration::from_secs(600),
    teardown_buffer: Duration::from_secs(600),
};
/// Starts are a multiple of it, over twenty hours, so that all is over at midnight.
const GRID_SECONDS: u64 = 300;
const GRID_SLOTS: usize = 240;
/// The first start of the day: what is before it has room for lead times.
const FIRST_SECONDS: u64 = 3600;
const NOON_SECONDS: u64 = 12 * 3600;

pub(super) async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let folder = context.new_folder()?;
    let (hosts, sessions) = (context.count(HOSTS), context.count(SESSIONS));
    let mut plane = Plane::start(&folder.path().join("day.db"), MIDNIGHT)?;
    for i in 0..hosts {
        plane.add_node(&Name::new(&node_name(i))?).await?;
    }
    plane.settle().await?;
    catalogue(&mut plane, hosts, &LESSON).await?;
    plane.settle().await?;
    book(&mut plane, sessions, context.count(BURST), report).await?;
    let mut day = Day::default();
    let meter = Meter::start(std::process::id())?;
    day.pass(&mut plane).await?;
    let met = day.lateness.len();
    ensure!(met == 3 * sessions, "{met} boundaries of {sessions} sessions were met");
    day.report(report, meter.used()?);
    let is_over = |part: &SessionPartRef| part.status == TimedStatus::Terminated;
    let over = plane.world().table::<SessionPart>().iter().filter(|part| is_over(part)).count();
    ensure!(over == sessions, "{over} of {sessions} sessions took place");
    plane.close().await;
    Ok(())
}

type SessionPartRef = std::sync::Arc<tessera_types::Object<SessionPart>>;

/// Books the day, in an order that has nothing to do with the time of day.
async fn book(
    plane: &mut Plane,
    sessions: usize,
    at_noon: usize,
    report: &mut Report,
) -> Result<()> {
    let (mut decided, mut durable) = (Samples::default(), Samples::default());
    let every = (sessions / at_noon).max(1);
    for i in 0..sessions {
        let seconds = if i % every == 0 {
            NOON_SECONDS
        } else {
            // Spread by the golden ratio: evenly, and in no order.
            let share = (i as f64 * 0.618_033_988_749_895).fract();
            FIRST_SECONDS + (share * GRID_SLOTS as f64) as u64 * GRID_SECONDS
        };
        let start = MIDNIGHT.plus(Duration::from_secs(seconds));
        let took = plane.declare_timed(lesson(&format!("lesson-{i}"), start)?).await?;
        decided.push(millis(took.decided));
        durable.push(millis(took.committed));
        plane.settle().await?;
    }
    report.percentiles("day: a booking decided", &decided, Unit::Millis);
    report.percentiles("day: a booking durable", &durable, Unit::Millis);
    Ok(())
}

fn millis(time: StdDuration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// What the day came to.
#[derive(Default)]
struct Day {
    /// From each instant until what was due then was durable.
    lateness: Samples,
    /// The same for the instants at which hundreds are due.
    crowded: Samples,
    instants: usize,
    /// The boundaries that were met: a part is committed again while it stays what it came to be.
    met: HashSet<(Uid, TimedStatus)>,
}

impl Day {
    /// Until nothing is due any more that belongs to the day.
    async fn pass(&mut self, plane: &mut Plane) -> Result<()> {
        let end = MIDNIGHT.plus(Duration::from_secs(24 * 3600));
        while plane.jump() && plane.now() < end {
            self.instants += 1;
            let now = plane.now();
            let settled = plane.settle().await?;
            let first = |became: &&Became| {
                boundary_met(became, now).is_some_and(|boundary| self.met.insert(boundary))
            };
            let met: Vec<f64> =
                settled.iter().filter(first).map(|became| millis(became.after)).collect();
            if met.len() >= 100 {
                self.crowded.extend(met.iter().copied());
            }
            self.lateness.extend(met);
        }
        Ok(())
    }

    fn report(&self, report: &mut Report, used: f64) {
        report.percentiles("day: lateness of a boundary", &self.lateness, Unit::Millis);
        let what = "day: lateness where 100 and more are due at once";
        report.percentiles(what, &self.crowded, Unit::Millis);
        report.add("day: boundaries", self.lateness.len() as f64, Unit::Count);
        report.add("day: instants at which something was due", self.instants as f64, Unit::Count);
        let each = used * 1e6 / self.lateness.len().max(1) as f64;
        report.add("day: processor time of a boundary, with all that follows", each, Unit::Micros);
        report.add("day: processor time of all of it", used, Unit::Seconds);
    }
}

/// The part that came to be what its window says that it is from this instant on.
fn boundary_met(became: &Became, now: Timestamp) -> Option<(Uid, TimedStatus)> {
    let Resource::SessionPart(part) = &became.resource else { return None };
    let slot = part.observed.timed.timeslot?;
    let at = match part.status {
        TimedStatus::Provisioning => slot.provision_at(),
        TimedStatus::Active => slot.start,
        TimedStatus::TearingDown => slot.end,
        _ => return None,
    };
    (at == now).then_some((part.id, part.status))
}
