//! `jobs`: ten thousand jobs of ten durable steps through one engine, each step an
//! effect that ends at once (an event that nobody listens to), so that what is measured
//! is what the engine adds: the journal, the machine, the queue.
//!
//! Throughput is taken with many jobs at once, the latency of a step with few: with
//! many it is the time that a step waits for its turn.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tempfile::TempDir;
use tessera_client::{Engine, call};
use tessera_types::engine::{JobStatus, Submission};

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, at_least};
use crate::figures::{Report, Unit};
use crate::process::{Meter, resident_bytes};
use crate::program::{Process, binary, get, serving};

const JOBS: usize = 10_000;
const STEPS: usize = 10;
/// Jobs with which the latency is taken, of which few run at a time.
const FEW_JOBS: usize = 2000;
/// Submitters at the same time.
const SUBMITTERS: usize = 16;
/// All jobs may take so long at most.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "jobs",
    what: "10,000 jobs of ten durable steps through one engine",
    aims: &[at_least("durable steps, 512 jobs at once", 5000.0, Unit::PerSecond)],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    many(context, report).await?;
    for jobs_max in [1, 4, 16] {
        few(context, report, jobs_max).await?;
    }
    Ok(())
}

/// As many at once as the engine runs.
async fn many(context: &Context, report: &mut Report) -> Result<()> {
    let jobs = context.count(JOBS);
    let engine = Subject::start(context, 512)?;
    let pid = engine.process.id();
    let meter = Meter::start(pid)?;
    let took = engine.run(jobs).await?.as_secs_f64();
    let steps = (jobs * STEPS) as f64;
    let what = "durable steps, 512 jobs at once";
    report.add_against(Base::LogRows, what, steps / took, Unit::PerSecond);
    let what = "jobs from submission to end";
    report.add_against(Base::HttpRequests, what, jobs as f64 / took, Unit::PerSecond);
    report.add("processor time of a step", meter.used()? / steps * 1e6, Unit::Micros);
    report.add_bytes("memory with all jobs", resident_bytes(pid)?);
    engine.check(jobs).await
}

/// So few that a step does not wait for others.
async fn few(context: &Context, report: &mut Report, jobs_max: u32) -> Result<()> {
    let jobs = context.count(FEW_JOBS);
    let engine = Subject::start(context, jobs_max)?;
    let per_second = (jobs * STEPS) as f64 / engine.run(jobs).await?.as_secs_f64();
    let what = format!("durable steps, {jobs_max} jobs at once");
    report.add_against(Base::LogAppends, &what, per_second, Unit::PerSecond);
    let buckets = engine.latency().await?;
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let what = format!("added to a step, {jobs_max} jobs at once, {name}");
        report.add(&what, quantile(&buckets, share) * 1000.0, Unit::Millis);
    }
    Ok(())
}

/// An engine as a process.
struct Subject {
    process: Process,
    api: Engine,
    url: String,
    _folder: TempDir,
}

impl Subject {
    fn start(context: &Context, jobs_max: u32) -> Result<Self> {
        let folder = context.new_folder()?;
        let scenarios = folder.path().join("scenarios");
        std::fs::create_dir(&scenarios)?;
        std::fs::write(scenarios.join("steps.v1.yaml"), scenario())?;
        let mut command = Command::new(binary("tessera-engine")?);
        command
            .args(["--listen", "127.0.0.1:0", "--jobs-max", &jobs_max.to_string(), "--state-dir"])
            .arg(folder.path().join("state"))
            .arg("--scenarios")
            .arg(&scenarios);
        let (process, url) = serving(&mut command)?;
        Ok(Self { process, api: Engine::new(&url)?, url, _folder: folder })
    }

    /// Submits jobs, and waits until all are done.
    async fn run(&self, jobs: usize) -> Result<Duration> {
        let begun_at = Instant::now();
        let next = Arc::new(AtomicUsize::new(0));
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|submitter| {
                tokio::spawn(submit(self.api.clone(), Arc::clone(&next), submitter, jobs))
            })
            .collect();
        for submitter in submitters {
            submitter.await??;
        }
        loop {
            let readiness = call(self.api.healthz()).await?;
            if readiness.queued + readiness.running == 0 {
                return Ok(begun_at.elapsed());
            }
            ensure!(begun_at.elapsed() < PATIENCE, "the jobs take too long: {readiness:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// None lost, and none done twice: as many entries as there are steps.
    async fn check(&self, jobs: usize) -> Result<()> {
        let metrics = get(&self.url, "/metrics").await?;
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<f64>().ok())
        };
        let completed = format!("tessera_engine_jobs{{status=\"{}\"}}", JobStatus::Completed);
        ensure!(value(&completed) == Some(jobs as f64), "not all jobs are Completed");
        let entries = value("tessera_engine_journal_entries");
        ensure!(entries == Some((jobs * STEPS) as f64), "{entries:?} entries were made");
        Ok(())
    }

    /// How many steps took at most so many seconds, for each bound.
    async fn latency(&self) -> Result<Vec<(f64, f64)>> {
        let metrics = get(&self.url, "/metrics").await?;
        let begin = "tessera_engine_step_durable_seconds_bucket{le=\"";
        let buckets = metrics.lines().filter_map(|line| {
            let (bound, count) = line.strip_prefix(begin)?.split_once("\"} ")?;
            Some((bound.parse().ok()?, count.trim().parse().ok()?))
        });
        let buckets: Vec<(f64, f64)> = buckets.collect();
        ensure!(!buckets.is_empty(), "the engine says nothing of its steps");
        Ok(buckets)
    }
}

async fn submit(api: Engine, next: Arc<AtomicUsize>, submitter: usize, jobs: usize) -> Result<()> {
    let submission: Submission = serde_json::from_value(json!({
        "scenario": "steps@v1", "input": {"a": 1}, "submitter": format!("bench-{submitter}"),
    }))?;
    while next.fetch_add(1, Ordering::Relaxed) < jobs {
        call(api.job_submit(&submission)).await?;
    }
    Ok(())
}

fn scenario() -> String {
    let head = "document: { dsl: 1.0.3, namespace: bench, name: steps, version: 1.0.0 }\ndo:\n";
    let event = "{ emit: { event: { with: { source: 'https://bench', type: step } } } }";
    (0..STEPS).fold(head.to_owned(), |text, i| format!("{text}  - step{i}: {event}\n"))
}

/// A quantile of what a histogram has counted, between the bounds in proportion.
fn quantile(buckets: &[(f64, f64)], share: f64) -> f64 {
    let total = buckets.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let wanted = total * share;
    let (mut below, mut counted) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= wanted && *count > counted {
            let bound = if bound.is_finite() { *bound } else { below };
            return below + (bound - below) * (wanted - counted) / (count - counted);
        }
        (below, counted) = (*bound, *count);
    }
    below
}
