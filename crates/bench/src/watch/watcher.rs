//! The watchers, in a process of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tessera_types::Timestamp;
use tokio::sync::{Semaphore, watch};

use super::{Outcome, Setting};
use crate::load;

/// A slow watcher reads a piece of its stream so often.
const SLOW_PAUSE: Duration = Duration::from_millis(100);
/// All that was committed has come by then.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a watcher reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Fast,
    /// A piece at a time, with pauses, until all is written.
    Slow,
    /// Nothing until all is written.
    Stuck,
}

/// What is read of an event.
#[derive(Deserialize)]
struct Event<'a> {
    event: &'a str,
    resource: Option<Watched<'a>>,
    problem: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Watched<'a> {
    namespace: &'a str,
    name: &'a str,
    labels: Labels<'a>,
    updated_at: &'a str,
}

#[derive(Deserialize)]
struct Labels<'a> {
    n: &'a str,
}

/// Runs the watchers, as the process that was started for them.
pub(super) async fn run(setting: String) -> Result<()> {
    let setting: Arc<Setting> = Arc::new(serde_json::from_str(&setting)?);
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let (finish, finishes) = watch::channel(None);
    let open = Arc::new(Semaphore::new(0));
    let watchers = paces(&setting);
    let count = watchers.len();
    let mut all = tokio::task::JoinSet::new();
    for (namespace, pace) in watchers {
        let (setting, open, finishes) = (setting.clone(), open.clone(), finishes.clone());
        let outcome = outcome.clone();
        all.spawn(async move {
            let mut watcher = Watcher::new(setting, namespace, pace, finishes);
            let ended = watcher.follow(&open).await;
            outcome.lock().expect("no watcher panics").add(&watcher, ended);
        });
    }
    let _open = open.acquire_many(count as u32).await?;
    load::say_ready();
    finish.send(Some(load::told::<usize>().await?))?;
    let ended = async { while all.join_next().await.is_some() {} };
    tokio::time::timeout(PATIENCE, ended).await.context("some watchers have not heard all")?;
    let outcome = outcome.lock().expect("no watcher panics");
    load::say_result(&*outcome)
}

/// The namespace of each watcher, and how it reads.
fn paces(setting: &Setting) -> Vec<(Option<usize>, Pace)> {
    let of_one = (0..setting.watchers_of_one).map(|i| (Some(i % setting.namespaces), Pace::Fast));
    let of_all = (0..setting.watchers_of_all).map(|_| (None, Pace::Fast));
    let slow = (0..setting.slow).map(|i| (None, [Pace::Slow, Pace::Stuck][i % 2]));
    of_one.chain(of_all).chain(slow).collect()
}

impl Outcome {
    fn add(&mut self, watcher: &Watcher, ended: Result<()>) {
        self.events += watcher.events;
        self.gaps += watcher.gaps;
        self.told += usize::from(watcher.told);
        self.lags.extend(&watcher.lags);
        self.failures.extend(ended.err().map(|error| format!("{error:#}")));
    }
}

struct Watcher {
    setting: Arc<Setting>,
    namespace: Option<usize>,
    pace: Pace,
    finishes: watch::Receiver<Option<usize>>,
    /// The count of each workload, as last heard.
    counts: HashMap<(String, String), usize>,
    lags: Vec<u32>,
    events: usize,
    gaps: usize,
    told: bool,
}

impl Watcher {
    fn new(
        setting: Arc<Setting>,
        namespace: Option<usize>,
        pace: Pace,
        finishes: watch::Receiver<Option<usize>>,
    ) -> Self {
        let (counts, lags) = (HashMap::new(), Vec::new());
        Self { setting, namespace, pace, finishes, counts, lags, events: 0, gaps: 0, told: false }
    }

    /// Follows until all has come, or until it is told that it cannot.
    async fn follow(&mut self, open: &Semaphore) -> Result<()> {
        let mut url = format!("{}/v1/watch", self.setting.url);
        if let Some(namespace) = self.namespace {
            url = format!("{url}?namespace=space-{namespace}");
        }
        // One connection each: a client of its own.
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut stream = client.get(url).send().await?.error_for_status()?;
        open.add_permits(1);
        let mut text = Vec::new();
        loop {
            self.wait().await;
            let Some(piece) = stream.chunk().await? else { bail!("the watch was closed") };
            text.extend_from_slice(&piece);
            let arrived = now_micros();
            let mut start = 0;
            while let Some(length) = text[start..].iter().position(|byte| *byte == b'\n') {
                self.line(&text[start..start + length], arrived)?;
                start += length + 1;
            }
            text.drain(..start);
            if self.told || self.is_done() {
                return Ok(());
            }
        }
    }

    async fn wait(&mut self) {
        if self.finishes.borrow().is_some() {
            return;
        }
        let finish = async {
            // The sender outlives all watchers.
            let _ = self.finishes.wait_for(Option::is_some).await;
        };
        match self.pace {
            Pace::Fast => {}
            Pace::Slow => drop(tokio::time::timeout(SLOW_PAUSE, finish).await),
            Pace::Stuck => finish.await,
        }
    }

    fn line(&mut self, line: &[u8], arrived: i64) -> Result<()> {
        let Some(data) = line.strip_prefix(b"data: ") else { return Ok(()) };
        let event: Event<'_> = serde_json::from_slice(data)?;
        match (event.event, event.resource) {
            ("changed", Some(watched)) => self.changed(&watched, arrived)?,
            ("failed", _) if self.pace != Pace::Fast => self.told = true,
            ("failed", _) => bail!("{:?}", event.problem),
            _ => {}
        }
        Ok(())
    }

    fn changed(&mut self, watched: &Watched<'_>, arrived: i64) -> Result<()> {
        let count: usize = watched.labels.n.parse()?;
        let key = (watched.namespace.to_owned(), watched.name.to_owned());
        let before = self.counts.insert(key, count).unwrap_or(0);
        self.events += 1;
        self.gaps += usize::from(count != before + 1);
        if self.pace == Pace::Fast && count > self.setting.warm_up_rounds {
            let committed: Timestamp = watched.updated_at.parse()?;
            let lag = (arrived - committed.as_micros()).clamp(0, i64::from(u32::MAX));
            self.lags.push(u32::try_from(lag).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// Whether each change of each workload that it follows has come.
    fn is_done(&self) -> bool {
        let namespaces = if self.namespace.is_some() { 1 } else { self.setting.namespaces };
        let workloads = namespaces * self.setting.workloads;
        self.finishes.borrow().is_some_and(|rounds| self.events >= workloads * rounds)
    }
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
