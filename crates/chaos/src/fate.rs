//! Carries out the schedule.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tessera_e2e::Process;

use crate::life::is_strict;
use crate::link::Mode;
use crate::schedule::{Entry, Fault};
use crate::system::System;
use crate::witness;

/// Does what the schedule says, when it says so, and undoes it, until the end. Returns how often
/// each fault was done.
pub(crate) async fn carry_out(
    system: &Arc<System>,
    schedule: &[Entry],
    begin: Instant,
    length: Duration,
) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let mut log = File::create(system.area().join("fate.txt"))?;
    let mut counts = BTreeMap::new();
    let mut undoing = tokio::task::JoinSet::new();
    for entry in schedule {
        let due = begin + Duration::from_millis(entry.at_ms);
        tokio::time::sleep_until(due.into()).await;
        println!("{entry}");
        writeln!(log, "{} {entry}", jiff::Timestamp::now())?;
        if strike(system, entry.fault, &mut undoing)? {
            *counts.entry(entry.fault.name()).or_default() += 1;
        }
    }
    // What is not undone by then is undone by whoever makes peace.
    let undone = async { while undoing.join_next().await.is_some() {} };
    let _in_time = tokio::time::timeout_at((begin + length).into(), undone).await;
    Ok(counts)
}

/// Does one thing; says whether there was something to do it to.
fn strike(
    system: &Arc<System>,
    fault: Fault,
    undoing: &mut tokio::task::JoinSet<()>,
) -> anyhow::Result<bool> {
    let ms = Duration::from_millis;
    let mut later = |after: u64, undo: Box<dyn FnOnce(&System) + Send>| {
        let system = Arc::clone(system);
        undoing.spawn(async move {
            tokio::time::sleep(ms(after)).await;
            undo(&system);
        });
    };
    match fault {
        Fault::Kill { program, down_ms } => system.service(program).kill(ms(down_ms)),
        Fault::Restart { program } => system.service(program).terminate(),
        Fault::Freeze { program, for_ms } => system.service(program).freeze(ms(for_ms)),
        Fault::KillSupervisor { pick } => return Ok(kill_one(supervisors(system), pick)),
        Fault::KillCopy { pick } => {
            let copies = witness::live(&system.witnesses());
            return Ok(kill_one(copies.into_iter().map(|copy| copy.pid).collect(), pick));
        }
        Fault::Cut { way } => system.link(way).cut(),
        Fault::HalfClose { way } => system.link(way).half_close(),
        Fault::Stall { way, for_ms } => {
            system.link(way).set(Mode::Stalled);
            later(for_ms, Box::new(move |system| system.link(way).set(Mode::Open)));
        }
        Fault::LoseAnswers { way, for_ms } => {
            system.link(way).set(Mode::NoAnswers);
            // What was under way is lost for good.
            later(
                for_ms,
                Box::new(move |system| {
                    system.link(way).cut();
                    system.link(way).set(Mode::Open);
                }),
            );
        }
        Fault::Delay { way, by_ms, for_ms } => {
            system.link(way).set(Mode::Delayed(ms(by_ms)));
            later(for_ms, Box::new(move |system| system.link(way).set(Mode::Open)));
        }
        Fault::Fill { disk, for_ms } => {
            if !system.fill(disk)? {
                return Ok(false);
            }
            later(
                for_ms,
                Box::new(move |system| {
                    if let Err(error) = system.free(disk) {
                        eprintln!("{error:#}");
                    }
                }),
            );
        }
    }
    Ok(true)
}

/// Starts a second copy of what must have one, by itself.
pub(crate) async fn plant(system: &System) {
    let folder = system.witnesses();
    let victim = loop {
        let strict = witness::live(&folder).into_iter().find(|copy| is_strict(&copy.name));
        match strict {
            Some(copy) => break copy.name,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    println!("a second copy of {victim} is planted");
    let Ok(own) = std::env::current_exe() else { return };
    let mut command = tokio::process::Command::new(own);
    command.arg(witness::WORD).arg(folder).arg(victim).args(["--live", "2000"]);
    if let Err(error) = command.kill_on_drop(true).status().await {
        eprintln!("nothing is planted: {error}");
    }
}

/// The parents of all live copies, which the agents started.
pub(crate) fn supervisors(system: &System) -> Vec<u32> {
    let own = system.area().processes();
    let copies = witness::live(&system.witnesses());
    let parents = copies.into_iter().filter_map(|copy| Process::find(copy.pid)?.parent());
    parents.filter(|parent| own.contains(parent)).map(|parent| parent.pid).collect()
}

fn kill_one(mut pids: Vec<u32>, pick: u64) -> bool {
    pids.sort_unstable();
    let at = usize::try_from(pick).unwrap_or_default() % pids.len().max(1);
    let process = pids.get(at).and_then(|pid| Process::find(*pid));
    process.map(Process::kill).is_some()
}
