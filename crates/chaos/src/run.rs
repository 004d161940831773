//! A run from its beginning to its report: the system comes up, lives under the schedule, is
//! left alone, and is looked at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;
use tessera_client::{Api, DeleteOptions};
use tessera_types::{Resource, Workload};

use crate::checks::{self, Memory};
use crate::effects::Effects;
use crate::fate;
use crate::findings::{Findings, Invariant};
use crate::life::Life;
use crate::patrol::Patrol;
use crate::schedule::{self, Entry, Way};
use crate::system::System;
use crate::watcher::Watcher;

/// How long the system may take to bring everything about once nothing goes wrong any more.
/// A session that was just declared takes half a minute of it.
const PEACE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(200);

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) json: Option<PathBuf>,
    /// Something is done wrong on purpose.
    pub(crate) plant: bool,
}

/// What came of a run.
pub(crate) struct Report {
    json: serde_json::Value,
    pub(crate) is_clean: bool,
}

impl Report {
    /// Writes it where it was asked for.
    pub(crate) fn write(&self, path: &std::path::Path) -> anyhow::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(&self.json)?).context("the report")
    }
}

struct Run {
    system: Arc<System>,
    watcher: Arc<Watcher>,
    findings: Arc<Findings>,
    effects: Effects,
    life: Arc<Life>,
    /// Ended with the run.
    tasks: tokio::task::JoinSet<()>,
}

/// Runs, and keeps what is needed to understand a violation.
pub(crate) async fn run(wanted: &Wanted) -> anyhow::Result<Report> {
    let schedule = schedule::schedule(wanted.seed, wanted.length);
    println!("seed {}, {:?}, {} faults", wanted.seed, wanted.length, schedule.len());
    let mut run = Run::begin(wanted.seed).await?;
    if wanted.plant {
        let system = Arc::clone(&run.system);
        run.tasks.spawn(async move { fate::plant(&system).await });
    }
    let counts = run.suffer(&schedule, wanted.length).await;
    let is_done = counts.as_ref().inspect_err(|error| eprintln!("{error:#}")).is_ok();
    let (faults, memory) = counts.unwrap_or_default();
    let (effects, keys) = run.effects.counts();
    let unseen = run.findings.unseen();
    let is_long = wanted.length >= Duration::from_millis(schedule::CALM_EVERY_MS);
    let is_clean = is_done && run.findings.is_clean() && (unseen.is_empty() || !is_long);
    let json = json!({
        "seed": wanted.seed, "seconds": wanted.length.as_secs(), "clean": is_clean,
        "schedule": schedule, "faults": faults, "acts": run.life.acts(),
        "effects": effects, "effect_keys": keys, "memory_mb": memory,
        "commits": run.watcher.seen().revision.0,
        "resources_seen": run.watcher.seen().lives.len(), "checks": run.findings.json(),
        "never_looked_at": unseen,
    });
    println!("faults {}\nacts   {}", json["faults"], json["acts"]);
    println!("effects {effects} under {keys} keys; commits {}", json["commits"]);
    println!("memory, MB: {}\n{}", json["memory_mb"], run.findings.table());
    if !unseen.is_empty() {
        println!("never looked at, which a run of two minutes has to: {unseen:?}");
    }
    if !is_clean {
        println!("kept in {}", keep(&run.system, wanted.seed)?.display());
        let minutes = wanted.length.as_secs_f64() / 60.0;
        println!("the same schedule: cargo xtask chaos --seed {} --minutes {minutes}", wanted.seed);
    }
    Ok(Report { json, is_clean })
}

type Counts = (BTreeMap<&'static str, u64>, BTreeMap<String, u64>);

impl Run {
    async fn begin(seed: u64) -> anyhow::Result<Self> {
        let findings = Arc::new(Findings::default());
        let system = Arc::new(System::new(Arc::clone(&findings)).await?);
        let mut tasks = tokio::task::JoinSet::new();
        let keeper = Arc::clone(&system);
        tasks.spawn(async move { keeper.keep().await });
        system.come_up().await?;
        let watcher = Arc::new(Watcher::new(Arc::clone(&findings)));
        let (follower, api) = (Arc::clone(&watcher), system.api_by(Way::Watcher)?);
        tasks.spawn(async move { follower.follow(&api).await });
        let effects = Effects::serve().await?;
        let life =
            Life::prepare(Arc::clone(&system), Arc::clone(&findings), &effects, seed).await?;
        Ok(Self { system, watcher, findings, effects, life: Arc::new(life), tasks })
    }

    /// Lives under the schedule, and then in peace.
    async fn suffer(&mut self, schedule: &[Entry], length: Duration) -> anyhow::Result<Counts> {
        let begin = Instant::now();
        let patrol = Patrol {
            system: Arc::clone(&self.system),
            watcher: Arc::clone(&self.watcher),
            findings: Arc::clone(&self.findings),
            api: self.system.api()?,
        };
        self.tasks.spawn(async move { patrol.walk(begin, length).await });
        let living = tokio::task::spawn_local(Arc::clone(&self.life).live());
        let first = tokio::time::sleep(Duration::from_secs(4).min(length / 2));
        let (counts, memory) =
            tokio::join!(fate::carry_out(&self.system, schedule, begin, length), async {
                first.await;
                Memory::read(&self.system)
            });
        tokio::time::sleep_until((begin + length).into()).await;
        self.system.recover()?;
        println!("{:>8} ms  peace", begin.elapsed().as_millis());
        self.life.end();
        let until = Instant::now() + PEACE;
        let ended = tokio::time::timeout_at(until.into(), living).await;
        self.findings.judge(Invariant::Converged, ended.is_ok(), || {
            format!("not everything came about within {PEACE:?} of peace")
        });
        let api = self.system.api()?;
        self.look(&api, until + PEACE).await;
        let now = Memory::read(&self.system);
        memory.check(&now, &self.findings);
        self.remove_everything(&api).await;
        checks::logs(&self.system, &self.findings);
        Ok((counts?, now.megabytes()))
    }

    /// Everything that can be seen of a system at rest.
    async fn look(&self, api: &Api, until: Instant) {
        let findings = &self.findings;
        let rest = checks::at_rest(api, &self.watcher, until).await;
        findings.take(Invariant::Settled, rest);
        let seen = std::mem::take(&mut *self.watcher.seen());
        checks::explained(&seen, findings);
        let folder = self.system.witnesses();
        findings.take(Invariant::One, checks::copies_are_right(&checks::alive(&folder), &seen));
        checks::witnesses(&folder, &seen, findings);
        checks::supervisors(&fate::supervisors(&self.system), findings);
        checks::lists(api, &seen, findings).await;
        checks::histories(api, &seen, findings).await;
        self.effects.check(&self.system.engine_starts(), findings);
        *self.watcher.seen() = seen;
    }

    /// When nothing is declared any more, nothing is left.
    async fn remove_everything(&self, api: &Api) {
        let names: Vec<_> = {
            let seen = self.watcher.seen();
            let standing = seen.state.values().filter_map(|resource| match resource {
                Resource::Workload(it) if it.owner.is_none() => Some(it.name.clone()),
                _ => None,
            });
            standing.collect()
        };
        for name in names {
            let deleted = api.delete::<Workload>(&name, None, DeleteOptions::default()).await;
            self.findings.judge(Invariant::Gone, deleted.is_ok(), || format!("{deleted:?}"));
        }
        let until = Instant::now() + PEACE / 3;
        while checks::nothing_left(&self.system).is_err() && Instant::now() < until {
            tokio::time::sleep(POLL).await;
        }
        self.findings.take(Invariant::Orphans, checks::nothing_left(&self.system));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

/// Copies the folders and logs to where they stay.
fn keep(system: &System, seed: u64) -> anyhow::Result<PathBuf> {
    let kept = std::env::temp_dir().join(format!("tessera-chaos-{seed}-{}", std::process::id()));
    let from = system.area().path();
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(&kept).status()?;
    anyhow::ensure!(status.success(), "{} cannot be copied", from.display());
    Ok(kept)
}
