//! The system that is hurt: a control plane, an engine and agents from the real binaries, with
//! a way that can be broken between each two of them.
//!
//! The one idea: whoever hurts it and whoever looks at it share this one value, and a keeper
//! looks after the programs meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;
use tessera_client::{Api, call};
use tessera_e2e::{Area, plain};
use tessera_types::Timestamp;

use crate::disk::{self, SmallDisk};
use crate::findings::{Findings, Invariant};
use crate::link::{Link, Mode};
use crate::schedule::{Disk, LEASE, Program, Way};
use crate::service::{News, Service};

/// Between two looks at the programs.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the system may take to come up; a program that has just begun to may not know yet
/// what SIGTERM means.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// A service whose disk is full may end by that, an agent may not; after a disk was freed, ends
/// are explained for so long.
const FULL_DISK_ECHO: tessera_types::Duration = tessera_types::Duration::from_secs(3);

/// What each node has. It is little, so that there is no room for everything while some of them
/// are away.
pub(crate) const NODE: Room = Room { cpu: 600, workloads: 6 };

/// The size of a disk, in megabytes.
fn megabytes(disk: Disk) -> u32 {
    match disk {
        Disk::Control => 96,
        Disk::Engine => 64,
        Disk::Agent => 24,
    }
}

/// Room for workloads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Thousandths of a processor.
    pub(crate) cpu: u64,
    pub(crate) workloads: usize,
}

/// The system.
pub(crate) struct System {
    services: BTreeMap<Program, Mutex<Service>>,
    links: BTreeMap<Way, Link>,
    disks: BTreeMap<Disk, SmallDisk>,
    full: Mutex<FullTimes>,
    /// When the engine began, each time.
    engine_starts: Mutex<Vec<Instant>>,
    findings: Arc<Findings>,
    // Last, so that programs and disks go before what they are in.
    area: Area,
}

/// The identity of an agent names its control groups, and goes with its disk: whoever removes
/// the groups finds it here.
impl Drop for System {
    fn drop(&mut self) {
        let from = state(&self.area, Program::Agent(0)).join("agent_id");
        let to = self.area.join("agent-0-identity");
        let _kept =
            std::fs::create_dir(&to).and_then(|()| std::fs::copy(from, to.join("agent_id")));
    }
}

/// The folder of a program's state.
fn state(area: &Area, program: Program) -> PathBuf {
    area.join(&program.to_string()).join("state")
}

impl System {
    /// Prepares everything; the keeper starts it.
    pub(crate) async fn new(findings: Arc<Findings>) -> anyhow::Result<Self> {
        let area = Area::new();
        let mut links = BTreeMap::new();
        for way in Way::all() {
            links.insert(way, Link::open().await?);
        }
        let mut disks = BTreeMap::new();
        if disk::is_inside() {
            for disk in Disk::ALL {
                let folder = area.join(&disk.program().to_string());
                disks.insert(disk, SmallDisk::mount(&folder, megabytes(disk))?);
            }
        } else {
            println!("LEFT OUT: full disks, which take root and a mount namespace");
        }
        std::fs::create_dir(area.join("witness"))?;
        std::fs::create_dir(area.join("scenarios"))?;
        let mut services = BTreeMap::new();
        for program in Program::all() {
            std::fs::create_dir_all(area.join(&program.to_string()))?;
            let log = area.join(&format!("{program}.log"));
            let serves = !matches!(program, Program::Agent(_));
            let command = command(&area, &links, program);
            services.insert(program, Mutex::new(Service::new(log, serves, command)));
        }
        let (full, engine_starts) = (Mutex::default(), Mutex::default());
        Ok(Self { services, links, disks, full, engine_starts, findings, area })
    }

    /// Keeps the programs running, for ever.
    pub(crate) async fn keep(&self) {
        loop {
            for program in Program::all() {
                if let Some(news) = self.service(program).look(Instant::now()) {
                    self.take_in(program, &news);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn take_in(&self, program: Program, news: &News) {
        match news {
            News::Started if program == Program::Engine => {
                lock(&self.engine_starts).push(Instant::now());
            }
            News::Started => {}
            News::Listens(address) => self.aim(program, Some(*address)),
            News::Ended(..) | News::Died(_) | News::Hangs => {
                self.aim(program, None);
                let ended = ends_well(program, news, self.was_full_lately(program));
                self.findings.take(Invariant::Ends, ended);
            }
        }
    }

    /// Where a program is; nowhere while it is not running, as its port may soon be another's.
    fn aim(&self, program: Program, address: Option<SocketAddr>) {
        for (way, link) in &self.links {
            let leads_there = match program {
                Program::Control => *way != Way::ToEngine,
                Program::Engine => *way == Way::ToEngine,
                Program::Agent(_) => false,
            };
            if leads_there {
                link.aim(address);
            }
        }
    }

    /// Waits until it serves.
    pub(crate) async fn come_up(&self) -> anyhow::Result<()> {
        let api = self.api()?;
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline {
            if call(api.readyz()).await.is_ok_and(|answer| answer.ready) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("the system did not come up; its logs are in {}", self.area.path().display())
    }

    /// The API, as operators reach it.
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        self.api_by(Way::Operators)
    }

    /// The API, as it is reached by this way.
    pub(crate) fn api_by(&self, way: Way) -> anyhow::Result<Api> {
        Api::new(&self.link(way).url()).context("a link has an address")
    }

    pub(crate) fn link(&self, way: Way) -> &Link {
        &self.links[&way]
    }

    pub(crate) fn service(&self, program: Program) -> MutexGuard<'_, Service> {
        lock(&self.services[&program])
    }

    /// The folder of everything.
    pub(crate) fn area(&self) -> &Area {
        &self.area
    }

    /// The folder of the witnesses.
    pub(crate) fn witnesses(&self) -> PathBuf {
        self.area.join("witness")
    }

    /// The programs' processes, as far as they run.
    pub(crate) fn pids(&self) -> BTreeMap<Program, u32> {
        let all = Program::all().into_iter();
        all.filter_map(|program| Some((program, self.service(program).pid()?))).collect()
    }

    /// When the engine began, each time.
    pub(crate) fn engine_starts(&self) -> Vec<Instant> {
        lock(&self.engine_starts).clone()
    }

    /// Fills a disk, if there is one of its own; says whether there is.
    pub(crate) fn fill(&self, disk: Disk) -> anyhow::Result<bool> {
        let Some(small) = self.disks.get(&disk) else { return Ok(false) };
        lock(&self.full).begin(disk, now());
        small.fill().context("filling a disk")?;
        Ok(true)
    }

    /// Frees a disk.
    pub(crate) fn free(&self, disk: Disk) -> anyhow::Result<()> {
        if let Some(small) = self.disks.get(&disk) {
            small.free().context("freeing a disk")?;
            lock(&self.full).end(disk, now());
        }
        Ok(())
    }

    /// Whether the disk of this program is full, or was a moment ago.
    pub(crate) fn was_full_lately(&self, program: Program) -> bool {
        lock(&self.full).had_of(program, now())
    }

    /// When which disk was full.
    pub(crate) fn full_times(&self) -> FullTimes {
        lock(&self.full).clone()
    }

    /// Ends everything that goes wrong.
    pub(crate) fn recover(&self) -> anyhow::Result<()> {
        for link in self.links.values() {
            link.set(Mode::Open);
        }
        for disk in Disk::ALL {
            self.free(disk)?;
        }
        for program in Program::all() {
            self.service(program).recover();
        }
        Ok(())
    }
}

/// A program ends in order when it is asked to, and not otherwise.
fn ends_well(program: Program, news: &News, its_disk_was_full: bool) -> Result<(), String> {
    let may_end = its_disk_was_full && !matches!(program, Program::Agent(_));
    let (is_explained, how) = match news {
        News::Started | News::Listens(_) => return Ok(()),
        News::Ended(status, age) => {
            let is_young =
                *age < START_PATIENCE / 10 && status.signal() == Some(Signal::TERM.as_raw());
            let is_explained = status.success() || is_young || may_end;
            (is_explained, format!("was asked to end, and ended with {status}"))
        }
        News::Died(status) => (may_end, format!("ended by itself: {status}")),
        News::Hangs => (false, "was asked to end, and does not".to_owned()),
    };
    if is_explained { Ok(()) } else { Err(format!("{program} {how}")) }
}

/// When which disk was full.
#[derive(Clone, Debug, Default)]
pub(crate) struct FullTimes(Vec<(Disk, Timestamp, Option<Timestamp>)>);

impl FullTimes {
    pub(crate) fn begin(&mut self, disk: Disk, at: Timestamp) {
        self.0.push((disk, at, None));
    }

    pub(crate) fn end(&mut self, disk: Disk, at: Timestamp) {
        let open = self.0.iter_mut().filter(|(other, _, until)| *other == disk && until.is_none());
        open.for_each(|(_, _, until)| *until = Some(at));
    }

    /// Whether some disk was full then, or a moment before.
    pub(crate) fn had(&self, at: Timestamp) -> bool {
        self.at(at).next().is_some()
    }

    /// Whether that of this program was.
    pub(crate) fn had_of(&self, program: Program, at: Timestamp) -> bool {
        self.at(at).any(|disk| disk.program() == program)
    }

    fn at(&self, at: Timestamp) -> impl Iterator<Item = Disk> {
        let is_in = move |from: Timestamp, until: Option<Timestamp>| {
            from <= at && until.is_none_or(|until| at.since(until) < FULL_DISK_ECHO)
        };
        self.0.iter().filter(move |(_, from, until)| is_in(*from, *until)).map(|(disk, ..)| *disk)
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}

/// How a program is started.
fn command(
    area: &Area,
    links: &BTreeMap<Way, Link>,
    program: Program,
) -> impl Fn() -> Command + Send + use<> {
    let url = |way: Way| links[&way].url();
    let lease = format!("{}ms", LEASE.as_millis());
    let mut words: Vec<String> = match program {
        Program::Control => vec![
            "tessera-control".into(),
            "--listen=127.0.0.1:0".into(),
            format!("--lease={lease}"),
            format!("--engine={}", url(Way::ToEngine)),
            format!("--engine-callback={}", url(Way::FromEngine)),
            "--engine-check-every=2s".into(),
        ],
        Program::Engine => vec![
            "tessera-engine".into(),
            "--listen=127.0.0.1:0".into(),
            format!("--scenarios={}", area.join("scenarios").display()),
        ],
        Program::Agent(at) => vec![
            "tessera-agent".into(),
            format!("--name={program}"),
            format!("--server={}", url(Way::Agent(at))),
            "--container-socket=none".into(),
            format!("--cpu={}m", NODE.cpu),
            "--memory=256MiB".into(),
            format!("--workloads-max={}", NODE.workloads),
        ],
    };
    words.push(format!("--state-dir={}", state(area, program).display()));
    move || {
        let (name, arguments) = words.split_first().expect("the first word is the program");
        let mut command = plain(name);
        command.args(arguments);
        command
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn a_program_that_ends_unasked_or_badly_or_not_at_all_is_seen() {
        let (long, short) = (START_PATIENCE, Duration::from_secs(1));
        let status = |code: i32| ExitStatus::from_raw(code << 8);
        let (killed, asked) =
            (ExitStatus::from_raw(9), ExitStatus::from_raw(Signal::TERM.as_raw()));
        let ends = |news: News, full: bool| ends_well(Program::Engine, &news, full).is_ok();
        assert!(ends(News::Started, false));
        assert!(ends(News::Ended(status(0), long), false));
        assert!(ends(News::Ended(asked, short), false), "it does not know SIGTERM yet");
        assert!(!ends(News::Ended(asked, long), false) && !ends(News::Ended(killed, short), false));
        assert!(!ends(News::Ended(status(1), short), false));
        let agent = ends_well(Program::Agent(0), &News::Died(status(1)), true);
        assert!(agent.is_err(), "it goes on without a disk");
        assert!(ends(News::Ended(status(1), long), true) && ends(News::Died(status(1)), true));
        assert!(!ends(News::Ended(status(1), long), false));
        assert!(!ends(News::Ended(killed, long), false));
        assert!(!ends(News::Died(status(0)), false));
        assert!(!ends(News::Hangs, true));
    }

    #[test]
    fn a_full_disk_excuses_only_the_program_that_it_is_of() {
        let (mut full, at) = (FullTimes::default(), Timestamp::from_micros);
        full.begin(Disk::Engine, at(0));
        full.end(Disk::Engine, at(10));
        let of = |program| full.had_of(program, at(5));
        assert_eq!(
            Program::all().into_iter().filter(|it| of(*it)).collect::<Vec<_>>(),
            [Program::Engine]
        );
        assert!(full.had(at(5)) && !full.had_of(Program::Engine, at(10_000_000)));
    }
}
