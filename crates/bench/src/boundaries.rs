//! `boundaries`: how late what is due by the clock is done, with a thousand
//! sessions that live at the same time: from each boundary of a part's window to
//! the moment at which a watcher has the change, which is after its commit.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration as StdDuration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tessera_client::{Watch, WatchOptions};
use tessera_types::api::WatchEvent;
use tessera_types::timed::TimedStatus;
use tessera_types::{
    Duration, Host, HostDefinition, Kind, KindName, Manifest, Name, Object, PartDefinition,
    PodDefinition, Resource, Session, SessionDefinition, SessionPart, Timestamp,
};

use crate::fleet::Fleet;
use crate::report::Report;

const SESSIONS: usize = 1000;
const NODES: u32 = 50;
/// The starts are spread over so much time.
const SPREAD: Duration = Duration::from_secs(60);
/// Longer than the spread, so that all of them live at once for a while.
const LENGTH: Duration = Duration::from_secs(70);
const LEAD_TIME: Duration = Duration::from_secs(10);
/// The time that all bookings have.
const BOOKING: Duration = Duration::from_secs(60);
const PATIENCE: StdDuration = StdDuration::from_secs(300);

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let fleet = Fleet::simulated(NODES).await?;
    catalogue(&fleet).await?;
    let options = WatchOptions { kind: Some(KindName::SessionPart), ..WatchOptions::default() };
    let mut watch = Watch::open(&fleet.api, options).await?;
    let booked = std::time::Instant::now();
    let first = now().plus(BOOKING);
    for i in 0..SESSIONS {
        book(&fleet, i, first).await?;
    }
    report.add("boundaries", "one booking", booked.elapsed().as_secs_f64(), "ms");
    if now() > first.minus(LEAD_TIME) {
        bail!("the bookings took until the first window opened: give BOOKING more time");
    }
    let mut delays = Delays::default();
    tokio::time::timeout(PATIENCE, delays.collect(&mut watch)).await.context("too slow")??;
    delays.report(report);
    Ok(())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

async fn put<K: Kind>(fleet: &Fleet, manifest: Value) -> Result<()> {
    let manifest: Manifest<K> = serde_json::from_value(manifest)?;
    fleet.api.put(&manifest, &Default::default()).await?;
    Ok(())
}

async fn catalogue(fleet: &Fleet) -> Result<()> {
    let define = |key: &str, more: Value| {
        let mut spec = json!({"type_key": key, "version": "1.0.0"});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        json!({"name": key, "spec": spec})
    };
    let group = json!({"host_type": "node_group", "pod_types": ["fleet"]});
    put::<HostDefinition>(fleet, define("group", group)).await?;
    put::<Host>(fleet, json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}}}))
        .await?;
    let lab = json!({"pod_type": "fleet", "workloads": [
        {"name": "vm", "spec": {"command": "vm", "resources": {"cpu": "10m"}}},
    ]});
    put::<PodDefinition>(fleet, define("lab", lab)).await?;
    let part = json!({
        "duration": LENGTH.to_string(), "lead_time": LEAD_TIME.to_string(),
        "teardown_buffer": "30s",
        "pods": [{"name": "lab", "selector": {"type_key": "lab"}}],
    });
    put::<PartDefinition>(fleet, define("part", part)).await?;
    let session = json!({"parts": [{"name": "one", "selector": {"type_key": "part"}}]});
    put::<SessionDefinition>(fleet, define("lesson", session)).await
}

async fn book(fleet: &Fleet, i: usize, first: Timestamp) -> Result<()> {
    // Spread by the golden ratio: evenly, and no two at the same time.
    let share = (i as f64 * 0.618_033_988_749_895).fract();
    let offset = Duration::from_millis((share * SPREAD.as_millis() as f64) as u64);
    let session = json!({"name": format!("lesson-{i}"), "spec": {
        "definition": {"type_key": "lesson"},
        "timeslot": {"start": first.plus(offset).to_string()},
    }});
    put::<Session>(fleet, session).await
}

/// What each boundary leads to, and how late it was seen to, in milliseconds.
#[derive(Default)]
struct Delays {
    of: BTreeMap<&'static str, Vec<f64>>,
    seen: HashSet<(Name, &'static str)>,
}

impl Delays {
    /// Until all sessions are over.
    async fn collect(&mut self, watch: &mut Watch) -> Result<()> {
        let mut over = HashSet::new();
        while over.len() < SESSIONS {
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
        if self.seen.insert((part.name.clone(), name)) {
            let micros = at.as_micros() - time.as_micros();
            self.of.entry(name).or_default().push(micros as f64 / 1000.0);
        }
    }

    fn report(&mut self, report: &mut Report) {
        for (name, delays) in &mut self.of {
            delays.sort_unstable_by(f64::total_cmp);
            let at = |share: usize| delays[(delays.len() * share / 1000).min(delays.len() - 1)];
            for (percentile, share) in [("p50", 500), ("p99", 990), ("highest", 1000)] {
                report.add("boundaries", &format!("{name}, {percentile}"), at(share), "ms");
            }
            let late = delays.iter().filter(|delay| **delay > 100.0).count();
            let counted = format!("{name}, later than 100 ms, of {}", delays.len());
            report.add("boundaries", &counted, late as f64, "");
        }
    }
}
