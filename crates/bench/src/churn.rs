//! `churn`: how soon all is as declared again when much of it changes all the time and a
//! tenth of the nodes dies meanwhile.
//!
//! A hundredth of the workloads is replaced each second: of half of these the spec is
//! changed so that a new run is needed, the others are deleted and declared under new
//! names. What is there in the end is counted from the list, against what was declared.
//! They are declared to stop where their node is cut off: else what is deleted on a node
//! that has died stays until somebody says that the node is gone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tessera_client::{Api, DeleteOptions, ListOptions};
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Name, Workload};

use crate::baseline::Base;
use crate::benchmark::{Benchmark, Context, NEARLY, at_least, under};
use crate::figures::{Report, Unit};
use crate::process::Meter;
use crate::samples::Samples;
use crate::stage::{Figures, Stage, declare};

const WORKLOADS: usize = 100_000;
const NODES: usize = 500;
/// Processes of agents; one of them dies, and with it a tenth of the nodes.
const AGENTS: usize = 10;
/// Half of them later an agent dies: the leases of its nodes lapse within the other half.
const SECONDS: usize = 60;
const BATCH: usize = 500;
/// Deletions under way at once.
const DELETERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(600);

/// Which workloads are declared: the generation of the spec by name.
type Declared = HashMap<String, usize>;

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "churn",
    what: "a hundredth replaced each second, and a tenth of the nodes dies",
    aims: &[
        at_least("replaced", NEARLY * 1000.0, Unit::PerSecond),
        under("converged after the last change", 5.0, Unit::Seconds),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    let mut stage = Stage::start(context)?;
    let nodes_of_agent = context.count(NODES).div_ceil(AGENTS);
    let workloads = context.count(WORKLOADS);
    for agent in 0..AGENTS {
        stage.simulated(&format!("bench-{agent}"), nodes_of_agent)?;
    }
    stage.ready().await?;
    let mut fleet = Churn { declared: Declared::new(), next: 0, waits: Samples::default() };
    let begun = Instant::now();
    fleet.declare_new(&stage.api, workloads).await?;
    stage.until("the first start", PATIENCE, |it| is_converged(it, workloads)).await?;
    report.add("until all run at first", begun.elapsed().as_secs_f64(), Unit::Seconds);
    let meter = Meter::start(stage.control.id())?;
    let seconds = context.count(SECONDS);
    fleet.replace(&mut stage, workloads.div_ceil(100), seconds).await?;
    let changing = meter.elapsed().as_secs_f64();
    let changed = Instant::now();
    let took = loop {
        stage.until("converging", PATIENCE, |it| is_converged(it, workloads)).await?;
        let took = changed.elapsed();
        match count(&stage.api, &fleet.declared).await {
            Ok(()) => break took,
            Err(why) if took > PATIENCE => return Err(why),
            // What is counted by status can be Running as it was declared before.
            Err(_) => {}
        }
    };
    let replaced = workloads.div_ceil(100) * seconds;
    report.add("workloads", workloads as f64, Unit::Count);
    let rate = replaced as f64 / changing;
    report.add_against(Base::LogRows, "replaced", rate, Unit::PerSecond);
    report.add("converged after the last change", took.as_secs_f64(), Unit::Seconds);
    report.percentiles("a call of the declarer", &fleet.waits, Unit::Millis);
    report.add("processor time of the control plane", meter.share()?, Unit::CorePercent);
    Ok(())
}

fn is_converged(figures: &Figures, workloads: usize) -> bool {
    figures.count("Workload", "Running") == workloads
        && figures.total("Workload") == workloads
        && figures.of("tessera_reconcile_due") == 0.0
}

struct Churn {
    declared: Declared,
    /// The number of the next new name.
    next: usize,
    /// How long each call took, in milliseconds.
    waits: Samples,
}

impl Churn {
    /// Replaces so many each second. When half of the time is over, an agent dies.
    async fn replace(
        &mut self,
        stage: &mut Stage,
        each_second: usize,
        seconds: usize,
    ) -> Result<()> {
        let begun = tokio::time::Instant::now();
        for second in 0..seconds {
            if second == seconds / 2 {
                stage.agents.pop().context("agents were started")?.kill()?;
            }
            // Spread over all names by a stride that shares no factor with their number.
            let names: Vec<String> = self.pick(each_second, second);
            self.replace_these(&stage.api, &names).await?;
            tokio::time::sleep_until(begun + Duration::from_secs(second as u64 + 1)).await;
        }
        Ok(())
    }

    fn pick(&self, count: usize, second: usize) -> Vec<String> {
        let mut names: Vec<_> = self.declared.keys().cloned().collect();
        names.sort_unstable();
        let stride = (names.len() / count).max(1);
        names.into_iter().skip(second % stride).step_by(stride).take(count).collect()
    }

    async fn declare_new(&mut self, api: &Api, count: usize) -> Result<()> {
        let names = self.new_names(count);
        let waits = declare_all(api, &names, 0).await?;
        self.waits.extend(waits);
        self.declared.extend(names.into_iter().map(|name| (name, 0)));
        Ok(())
    }

    fn new_names(&mut self, count: usize) -> Vec<String> {
        let names = (self.next..self.next + count).map(|i| format!("churn-{i}")).collect();
        self.next += count;
        names
    }

    /// Edits half of these, and deletes the others and declares as many new ones, all at the same time.
    async fn replace_these(&mut self, api: &Api, names: &[String]) -> Result<()> {
        let (edited, deleted) = names.split_at(names.len() / 2);
        let version = self.next;
        let new = self.new_names(deleted.len());
        let (of_edits, of_deletions, of_new) = tokio::try_join!(
            declare_all(api, edited, version),
            delete_all(api, deleted),
            declare_all(api, &new, 0),
        )?;
        [of_edits, of_deletions, of_new].into_iter().for_each(|waits| self.waits.extend(waits));
        self.declared.extend(edited.iter().map(|name| (name.clone(), version)));
        for name in deleted {
            self.declared.remove(name);
        }
        self.declared.extend(new.into_iter().map(|name| (name, 0)));
        Ok(())
    }
}

/// Declares these, and says how long each call took, in milliseconds.
async fn declare_all(api: &Api, names: &[String], version: usize) -> Result<Vec<f64>> {
    let mut waits = Vec::new();
    for names in names.chunks(BATCH) {
        let begun = Instant::now();
        declare(api, names.iter().map(|name| manifest(name, version))).await?;
        waits.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(waits)
}

/// Deletes these, each with a call of its own, and says how long each took, in milliseconds.
async fn delete_all(api: &Api, names: &[String]) -> Result<Vec<f64>> {
    let mut deleters = tokio::task::JoinSet::new();
    for deleter in 0..DELETERS {
        let own: Vec<_> = names.iter().skip(deleter).step_by(DELETERS).cloned().collect();
        let api = api.clone();
        deleters.spawn(async move {
            let mut waits = Vec::with_capacity(own.len());
            for name in own {
                let (name, begun): (Name, _) = (name.parse()?, Instant::now());
                api.delete::<Workload>(&name, None, DeleteOptions::default()).await?;
                waits.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
            anyhow::Ok(waits)
        });
    }
    let mut all = Vec::with_capacity(names.len());
    while let Some(waits) = deleters.join_next().await {
        all.extend(waits??);
    }
    Ok(all)
}

fn manifest(name: &str, version: usize) -> Value {
    json!({"name": name, "labels": {"app": "churn"}, "spec": {
        "command": "/usr/bin/server", "env": {"VERSION": version.to_string()},
        "resources": {"cpu": "10m", "memory": "16MiB"}, "on_disconnect": "stop",
    }})
}

/// Everything that was declared runs as declared, on a node that lives, and nothing else
/// is there.
async fn count(api: &Api, declared: &Declared) -> Result<()> {
    let nodes = api
        .list::<tessera_types::Node>(&ListOptions { limit: Some(1000), ..ListOptions::default() })
        .await?;
    let live: std::collections::HashSet<&Name> = nodes
        .items
        .iter()
        .filter(|node| node.status.is_reachable())
        .map(|node| &node.name)
        .collect();
    let mut options = ListOptions { limit: Some(1000), ..ListOptions::default() };
    let mut seen = 0;
    loop {
        let page = api.list::<Workload>(&options).await?;
        for one in &page.items {
            let version = declared.get(one.name.as_str()).map(ToString::to_string);
            ensure!(
                version.as_ref() == one.spec.env.get("VERSION"),
                "{} is not as declared",
                one.name
            );
            ensure!(one.status == WorkloadStatus::Running, "{} is {}", one.name, one.status);
            let is_of_spec = one.observed.launch_generation <= one.observed.placed_generation;
            ensure!(is_of_spec, "{} runs as it was declared before", one.name);
            let node = one.observed.assigned.as_ref().map(|it| &it.node);
            ensure!(node.is_some_and(|node| live.contains(node)), "{} is on {node:?}", one.name);
            seen += 1;
        }
        options.page = page.next_page;
        if options.page.is_none() {
            ensure!(seen == declared.len(), "{seen} of {} are there", declared.len());
            return Ok(());
        }
    }
}
