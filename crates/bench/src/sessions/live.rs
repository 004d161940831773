//! A thousand boundaries in the same second, met by the real control plane while ten
//! thousand sessions are booked: from each boundary of a part's window to the moment
//! at which a watcher has the change, which is after its commit.
//!
//! The boundaries come in two waves: all of them at the same instant, as where
//! everything begins at ten, and one every millisecond.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration as StdDuration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use tessera_client::{Watch, WatchOptions};
use tessera_reconciler::Tabled;
use tessera_types::api::WatchEvent;
use tessera_types::timed::TimedStatus;
use tessera_types::{Duration, KindName, Manifest, Name, Object, Resource, SessionPart, Timestamp};

use super::{BURST, Declares, HOSTS, Lesson, SESSIONS, catalogue, lesson};
use crate::baseline::Base;
use crate::benchmark::Context;
use crate::figures::{Report, Unit};
use crate::process::{Meter, resident_bytes};
use crate::samples::Samples;
use crate::stage::Stage;

/// How long a lesson is, and each of the buffers around it. A second boundary is to
/// find the first one dealt with, or it is late for two reasons.
const LENGTH: StdDuration = StdDuration::from_secs(8);
const LENGTH_MIN: StdDuration = StdDuration::from_secs(1);
/// Between the last booking and the first boundary.
const CALM: Duration = Duration::from_secs(3);
const PATIENCE: StdDuration = StdDuration::from_secs(120);

/// The waves, and how far their starts are apart.
const WAVES: [(&str, Duration); 2] =
    [("at one instant", Duration::ZERO), ("in one second", Duration::from_millis(1))];

pub(super) async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let (hosts, burst) = (context.count(HOSTS), context.count(BURST));
    let mut stage = Stage::start(context)?;
    stage.simulated_with("bench", hosts, &["--cpu", "4", "--memory", "8GiB"])?;
    stage.ready().await?;
    let length = context.time(LENGTH).max(LENGTH_MIN);
    let length = Duration::from_millis(u64::try_from(length.as_millis())?);
    let lesson = Lesson { length, lead_time: length, teardown_buffer: length };
    catalogue(&mut stage, hosts, &lesson).await?;
    let others = context.count(SESSIONS).saturating_sub(WAVES.len() * burst);
    let mut booked = Samples::default();
    let tomorrow = now().plus(Duration::from_secs(24 * 3600));
    for i in 0..others {
        // Spread over a day by the golden ratio: evenly, and in no order.
        let share = (i as f64 * 0.618_033_988_749_895).fract();
        let start = tomorrow.plus(Duration::from_millis((share * 86_400_000.0) as u64));
        booked.push(book(&stage, &format!("other-{i}"), start).await?);
    }
    let options = WatchOptions { kind: Some(KindName::SessionPart), ..WatchOptions::default() };
    let mut watch = Watch::open(&stage.api, options).await?;
    let last = book_waves(&stage, burst, booked.percentile(0.5), length).await?;
    report.percentiles("over HTTP: a booking", &last, Unit::Millis);
    let what = "over HTTP: the mean booking";
    report.add_against(Base::LogAppends, what, last.mean(), Unit::Millis);
    let meter = Meter::start(stage.control.id())?;
    let mut delays = Delays::default();
    let collected = tokio::time::timeout(PATIENCE, delays.collect(&mut watch, 2 * burst));
    collected.await.context("too slow")??;
    let used = meter.used()?;
    delays.report(report);
    let each = used * 1e6 / delays.count().max(1) as f64;
    let what = "over HTTP: the control plane's processor time of a boundary, with all that follows";
    report.add(what, each, Unit::Micros);
    let memory = resident_bytes(stage.control.id())?;
    report.add_bytes("over HTTP: the control plane's memory", memory);
    Ok(())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Books a session; how long it took, in milliseconds.
async fn book(stage: &Stage, name: &str, start: Timestamp) -> Result<f64> {
    let (manifest, begun_at) = (lesson(name, start)?, Instant::now());
    stage.api.put(&manifest, &Default::default()).await?;
    Ok(begun_at.elapsed().as_secs_f64() * 1000.0)
}

/// Books both waves, as soon as that can be done before the first begins, where a
/// booking takes about so many milliseconds.
async fn book_waves(
    stage: &Stage,
    burst: usize,
    booking_ms: f64,
    length: Duration,
) -> Result<Samples> {
    let time = booking_ms * 1.5 * (WAVES.len() * burst) as f64;
    let begin = now().plus(Duration::from_millis(time as u64)).plus(CALM);
    let mut booked = Samples::default();
    for (wave, (_, apart)) in WAVES.iter().enumerate() {
        // The first is gone, and a second more, when the second begins.
        let apart_from_first = length.times(3).plus(Duration::from_secs(1)).times(wave as u64);
        let start = begin.plus(length).plus(apart_from_first);
        for i in 0..burst {
            let start = start.plus(apart.times(i as u64));
            booked.push(book(stage, &format!("wave-{wave}-{i}"), start).await?);
        }
        if wave == 0 && now() > begin {
            bail!("the bookings took until the first boundary");
        }
    }
    Ok(booked)
}

/// What each boundary leads to, and how late it was seen to, in milliseconds.
#[derive(Default)]
struct Delays {
    of: BTreeMap<(usize, &'static str), Samples>,
    seen: HashSet<(Name, &'static str)>,
}

impl Delays {
    /// Until so many sessions are over.
    async fn collect(&mut self, watch: &mut Watch, sessions: usize) -> Result<()> {
        let mut over = HashSet::new();
        while over.len() < sessions {
            let event = watch.next().await?;
            let at = now();
            let WatchEvent::Changed { resource: Resource::SessionPart(part), .. } = event else {
                continue;
            };
            if part.status == TimedStatus::Failed {
                bail!("{} has failed: {:?}", part.name, part.observed.timed.failure);
            }
            if part.status == TimedStatus::Terminated {
                over.insert(part.name.clone());
            }
            self.take(&part, at);
        }
        Ok(())
    }

    fn take(&mut self, part: &Object<SessionPart>, at: Timestamp) {
        let Some(slot) = part.observed.timed.timeslot else { return };
        let (name, time) = match part.status {
            TimedStatus::Provisioning => ("provision_at", slot.provision_at()),
            TimedStatus::Active => ("start", slot.start),
            TimedStatus::TearingDown => ("end", slot.end),
            _ => return,
        };
        let Some(wave) = part.name.as_str().strip_prefix("wave-") else { return };
        let wave = usize::from(!wave.starts_with('0'));
        if self.seen.insert((part.name.clone(), name)) {
            let micros = at.as_micros() - time.as_micros();
            self.of.entry((wave, name)).or_default().push(micros as f64 / 1000.0);
        }
    }

    fn count(&self) -> usize {
        self.of.values().map(Samples::len).sum()
    }

    fn report(&self, report: &mut Report) {
        for ((wave, boundary), delays) in &self.of {
            let (wave, _) = WAVES[*wave];
            report.percentiles(&format!("{wave}: {boundary}"), delays, Unit::Millis);
        }
    }
}

impl Declares for Stage {
    async fn declare<K: Tabled>(&mut self, manifest: Manifest<K>) -> Result<()> {
        self.api.put(&manifest, &Default::default()).await?;
        Ok(())
    }
}
