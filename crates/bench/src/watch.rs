//! `watch`: how late watchers hear of changes when there are many of both.
//!
//! Each workload has a label that counts its changes, so each watcher knows by itself
//! whether it missed one: a gap in the count is an event that was dropped silently, which
//! must not happen. The lag of an event is counted from the time of its commit, which is
//! in the resource, to its arrival in another process.
//!
//! Two shapes are measured. `namespaces`: most watchers follow one namespace each, a few
//! follow everything, and some read slowly or, for the whole time, not at all. `all`: each
//! watcher follows everything, at as many events a second in sum.

mod watcher;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tessera_client::Api;

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, NEARLY, at_least, under};
use crate::figures::{Report, Unit};
use crate::load::Load;
use crate::process::{Meter, peak_bytes, resident_bytes};
use crate::samples::Samples;
use crate::stage::{Figures, Stage, declare};

const WATCHERS: usize = 1000;
/// Of them, those that follow everything.
const WATCHERS_OF_ALL: usize = 10;
/// Beside them, those that do not keep up.
const SLOW: usize = 20;
const CHANGES_PER_SECOND: usize = 5000;
/// The changes of one commit.
const BATCH: usize = 10;
const NAMESPACES: usize = 100;
/// Each workload changes once in a round.
const ROUNDS: usize = 20;
const ROUND: Duration = Duration::from_secs(1);
/// What is committed in the first rounds is not measured.
const WARM_UP_ROUNDS: usize = 3;
const WRITERS: usize = 4;

/// What a process of watchers is told at its start.
#[derive(Serialize, Deserialize)]
struct Setting {
    url: String,
    namespaces: usize,
    /// Workloads in each.
    workloads: usize,
    watchers_of_one: usize,
    watchers_of_all: usize,
    slow: usize,
    warm_up_rounds: usize,
}

/// What came of its watches.
#[derive(Default, Serialize, Deserialize)]
struct Outcome {
    /// In microseconds, of those that are not slow.
    lags: Vec<u32>,
    events: usize,
    /// Counts that were skipped.
    gaps: usize,
    /// Slow watchers that were told to list again.
    told: usize,
    failures: Vec<String>,
}

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "watch",
    what: "how late many watchers hear of many changes",
    aims: &[
        at_least("namespaces: changes", NEARLY * CHANGES_PER_SECOND as f64, Unit::PerSecond),
        under("namespaces: lag, p99", 100.0, Unit::Millis),
        under("namespaces: memory that the control plane grew by", 256.0, Unit::Mebibytes),
        under("events dropped silently", 1.0, Unit::Count),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: Some(|setting| Box::pin(watcher::run(setting))),
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let watchers_of_all = context.count(WATCHERS_OF_ALL);
    let namespaces = context.count(NAMESPACES);
    let shape = Setting {
        url: String::new(),
        namespaces,
        workloads: CHANGES_PER_SECOND / NAMESPACES,
        watchers_of_one: context.count(WATCHERS) - watchers_of_all,
        watchers_of_all,
        slow: context.count(SLOW),
        warm_up_rounds: WARM_UP_ROUNDS,
    };
    let mut gaps = one_shape(context, report, "namespaces", shape).await?;
    let watchers = context.count(WATCHERS);
    let shape = Setting {
        url: String::new(),
        namespaces: 1,
        // As many events as above, all told.
        workloads: (CHANGES_PER_SECOND * 20 / WATCHERS).div_ceil(BATCH) * BATCH,
        watchers_of_one: 0,
        watchers_of_all: watchers,
        slow: 0,
        warm_up_rounds: WARM_UP_ROUNDS,
    };
    gaps += one_shape(context, report, "all", shape).await?;
    report.add("events dropped silently", gaps as f64, Unit::Count);
    Ok(())
}

/// Measures one shape; how many events were dropped silently, of which one ends the run.
async fn one_shape(
    context: &Context,
    report: &mut Report,
    name: &str,
    mut shape: Setting,
) -> Result<usize> {
    let stage = Stage::start(context)?;
    shape.url.clone_from(&stage.url);
    let workloads = shape.namespaces * shape.workloads;
    round(&stage.api, &shape, 0, Duration::ZERO).await?;
    let settled = |figures: &Figures| figures.count("Workload", "Stopped") == workloads;
    stage.until("stopping", Duration::from_secs(60), settled).await?;
    let mut load = Load::start("watch", &shape)?;
    load.ready()?;
    let control = stage.control.id();
    let (before, meter) = (resident_bytes(control)?, Meter::start(control)?);
    let rounds = context.count(ROUNDS).max(WARM_UP_ROUNDS + 2);
    for number in 1..=rounds {
        round(&stage.api, &shape, number, ROUND).await?;
    }
    let (seconds, used, share) = (meter.elapsed().as_secs_f64(), meter.used()?, meter.share()?);
    load.finish(&rounds)?;
    let outcome: Outcome = tokio::task::spawn_blocking(move || load.result()).await??;
    check(&outcome)?;
    let lags: Samples = outcome.lags.iter().map(|lag| f64::from(*lag) / 1000.0).collect();
    let grown = peak_bytes(control)?.saturating_sub(before);
    let named = |what: &str| format!("{name}: {what}");
    let changes = (workloads * rounds) as f64 / seconds;
    report.add_against(Base::LogRows, &named("changes"), changes, Unit::PerSecond);
    report.add(&named("events"), outcome.events as f64 / seconds, Unit::PerSecond);
    report.percentiles(&named("lag"), &lags, Unit::Millis);
    let what = named("processor time of the control plane");
    report.add(&what, share, Unit::CorePercent);
    let each = used / outcome.events.max(1) as f64 * 1e6;
    report.add(&named("processor time of an event"), each, Unit::Micros);
    let what = named("memory that the control plane grew by");
    report.add_bytes(&what, grown);
    let what = named("slow watchers that were told to list again");
    report.add(&what, outcome.told as f64, Unit::Count);
    Ok(outcome.gaps)
}

fn check(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.gaps == 0, "{} events were dropped silently", outcome.gaps);
    ensure!(outcome.failures.is_empty(), "watches failed: {:?}", outcome.failures);
    Ok(())
}

/// Changes each workload once, evenly within `within`.
async fn round(api: &Api, shape: &Setting, number: usize, within: Duration) -> Result<()> {
    let all: Vec<_> = (0..shape.namespaces * shape.workloads).collect();
    // One after the other in each namespace, so that each has changes all the time.
    let one = |i: &usize| manifest(i % shape.namespaces, i / shape.namespaces, number);
    let batches: Vec<Vec<_>> =
        all.chunks(BATCH).map(|some| some.iter().map(one).collect()).collect();
    let begun = tokio::time::Instant::now();
    let count = batches.len() as u32;
    let mut writers = tokio::task::JoinSet::<Result<()>>::new();
    for writer in 0..WRITERS {
        let own: Vec<_> =
            batches.iter().cloned().enumerate().skip(writer).step_by(WRITERS).collect();
        let api = api.clone();
        writers.spawn(async move {
            for (i, manifests) in own {
                tokio::time::sleep_until(begun + within * i as u32 / count).await;
                declare(&api, manifests).await?;
            }
            Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    tokio::time::sleep_until(begun + within).await;
    Ok(())
}

fn manifest(namespace: usize, workload: usize, number: usize) -> Value {
    json!({
        "name": format!("watched-{workload}"),
        "namespace": format!("space-{namespace}"),
        "labels": {"n": number.to_string(), "app": "watched", "team": "core"},
        "spec": {
            "command": "/usr/bin/server",
            "args": ["--listen", "127.0.0.1:8080", "--workers", "4"],
            "env": {"LOG_LEVEL": "info", "REGION": "north-1"},
        },
        "desired_status": "Stopped",
    })
}
