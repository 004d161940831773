//! The same on a busy system: while much runs already and something of it is declared anew
//! all the time, each time so that a new run is needed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tessera_client::Api;
use tessera_types::{Manifest, Workload};

use super::{PATIENCE, RUNS};
use crate::baseline::Base;
use crate::benchmark::Context;
use crate::figures::{Report, Unit};
use crate::process::Meter;
use crate::samples::Samples;
use crate::stage::{Figures, Stage, declare};

const OBJECTS: usize = 100_000;
const NODES: usize = 200;
const APPLIES_PER_SECOND: usize = 200;
/// Requests that are under way at once, so that one that is slow holds up no other.
const APPLIERS: usize = 8;
const BATCH: usize = 1000;
const FILLED_WITHIN: Duration = Duration::from_secs(600);

pub(super) async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let (objects, nodes) = (context.count(OBJECTS), context.count(NODES));
    let mut stage = Stage::start(context)?;
    stage.simulated("bench", nodes)?;
    stage.real("real", &["--label", "real=yes"])?;
    stage.ready().await?;
    for first in (0..objects).step_by(BATCH) {
        let batch = first..objects.min(first + BATCH);
        declare(&stage.api, batch.map(|i| filler(i, 0))).await?;
    }
    let filled = |figures: &Figures| figures.count("Workload", "Running") == objects;
    stage.until("filling", FILLED_WITHIN, filled).await?;
    let load = Arc::new(Appliers {
        api: stage.api.clone(),
        objects,
        next: 0.into(),
        waits: Mutex::default(),
    });
    let appliers: Vec<_> =
        (0..APPLIERS).map(|i| tokio::spawn(Arc::clone(&load).apply_for_ever(i))).collect();
    let meter = Meter::start(stage.control.id())?;
    let took = measure(&stage.api, context.count(RUNS)).await;
    let (elapsed, share) = (meter.elapsed().as_secs_f64(), meter.share()?);
    for applier in appliers {
        ensure!(!applier.is_finished(), "an apply was refused: {:?}", applier.await);
        applier.abort();
    }
    let waits: Samples = load.waits.lock().expect("nobody panics").iter().copied().collect();
    report.percentiles_against(Base::LogAppends, "apply to Running, busy", &took?, Unit::Millis);
    report.add("applies of others, busy", waits.len() as f64 / elapsed, Unit::PerSecond);
    report.percentiles("one of them, busy", &waits, Unit::Millis);
    report.add("processor time of the control plane, busy", share, Unit::CorePercent);
    Ok(())
}

/// How long each took, in milliseconds.
async fn measure(api: &Api, runs: usize) -> Result<Samples> {
    let mut took = Samples::default();
    for i in 0..runs {
        let one = tokio::time::timeout(PATIENCE, one(api, i)).await.context("too slow")??;
        took.push(one.as_secs_f64() * 1000.0);
    }
    Ok(took)
}

async fn one(api: &Api, i: usize) -> Result<Duration> {
    let name = format!("measured-{i}");
    let constraints = json!([{"label": "real", "exists": true}]);
    let run = super::start(api, &name, &constraints).await?;
    super::end(api, &name).await?;
    Ok(run.took)
}

fn filler(i: usize, version: usize) -> Value {
    json!({"name": format!("busy-{i}"), "labels": {"app": "busy"}, "spec": {
        "command": "/usr/bin/server", "env": {"VERSION": version.to_string()},
        "constraints": [{"label": "real", "exists": false}],
    }})
}

/// Those that declare something anew all the time.
struct Appliers {
    api: Api,
    objects: usize,
    next: AtomicUsize,
    /// How long each request took, in milliseconds.
    waits: Mutex<Vec<f64>>,
}

impl Appliers {
    /// Returns only when it is refused.
    async fn apply_for_ever(self: Arc<Self>, first: usize) -> Result<()> {
        let begun = tokio::time::Instant::now();
        for turn in 0.. {
            let due = (turn * APPLIERS + first) as f64 / APPLIES_PER_SECOND as f64;
            let due = begun + Duration::from_secs_f64(due);
            tokio::time::sleep_until(due).await;
            let version = self.next.fetch_add(1, Ordering::Relaxed) + 1;
            // A stride that shares no factor with their number reaches all of them.
            let i = version * 7919 % self.objects;
            let manifest: Manifest<Workload> = serde_json::from_value(filler(i, version))?;
            // One that is refused ends the run. One that had to wait for its turn was late.
            self.api.put(&manifest, &Default::default()).await?;
            self.waits.lock().expect("nobody panics").push(due.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(())
    }
}
