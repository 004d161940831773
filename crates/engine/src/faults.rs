//! Commits that go wrong as a seed has it, and what must hold whatever does: no job is lost or done
//! twice, each effect has one key, whoever listens hears everything once and in order.
//!
//! The one idea: a story. A client that tries again submits, cancels, retries and tells while
//! commits fail, are torn (made, and reported as failed), late or refused for want of space, and
//! while the engine is killed and started again. Then the disk is sound, and all must come to
//! its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tessera_client::call;
use tessera_store::journal::{Change, Journal, JournalError};
use tessera_types::Problem;
use tessera_types::engine::{EngineJob, JobId, JobStatus};
use tessera_types::problem::Code;

use crate::options::Options;
use crate::plane::Plane;
use crate::server::Engine;
use crate::{incoming, submit};

#[path = "../tests/engine/receiver.rs"]
#[expect(dead_code, reason = "the tests of the program need more of it")]
mod receiver;

use receiver::Receiver;

/// How long anything may take that is waited for.
const WITHIN: Duration = Duration::from_secs(60);

/// Numbers that look like chance, and are those of a seed.
#[derive(Clone, Debug)]
struct Chance(u64);

impl Chance {
    /// One of the numbers below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What goes wrong with commits.
#[derive(Debug, Default)]
enum Weather {
    #[default]
    Fair,
    /// About every third goes wrong.
    Rough(Chance),
    /// Each is made, and takes this long.
    Slow(Duration),
    /// None is made.
    Broken,
    /// The process is gone: some were made, and nobody hears of any.
    Dead(Chance),
}

/// What goes wrong with commits.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Weather>);

/// What becomes of a commit.
enum Fate {
    Made,
    Late(Duration),
    Full,
    Failed,
    Torn,
    Unheard { made: bool },
}

impl Faults {
    fn set(&self, weather: Weather) {
        *self.0.lock() = weather;
    }

    fn next(&self) -> Fate {
        match &mut *self.0.lock() {
            Weather::Fair => Fate::Made,
            Weather::Slow(pause) => Fate::Late(*pause),
            Weather::Broken => Fate::Failed,
            Weather::Dead(chance) => Fate::Unheard { made: chance.below(2) == 0 },
            Weather::Rough(chance) => match chance.below(12) {
                0 => Fate::Late(Duration::from_millis(chance.below(8))),
                1 => Fate::Full,
                2 => Fate::Failed,
                3 => Fate::Torn,
                _ => Fate::Made,
            },
        }
    }

    /// Commits, as far as this lets it.
    pub(crate) async fn commit(
        &self,
        journal: &Journal,
        changes: Vec<Change>,
    ) -> Result<(), JournalError> {
        let failed = || Err(JournalError::Failed("a fault of the disk".to_owned()));
        match self.next() {
            Fate::Made => journal.commit(changes).await,
            Fate::Late(pause) => {
                tokio::time::sleep(pause).await;
                journal.commit(changes).await
            }
            Fate::Full => Err(JournalError::Full),
            Fate::Failed => failed(),
            Fate::Torn => {
                journal.commit(changes).await?;
                failed()
            }
            Fate::Unheard { made } => {
                if made {
                    let _ = journal.commit(changes).await;
                }
                Err(JournalError::Closed)
            }
        }
    }
}

const SCENARIOS: [(&str, &str); 4] = [
    (
        "steps",
        "do: [{ each: { for: { each: n, in: '${ [range(3)] }' }, do: [{ tell: { call: http, with: \
         { method: post, endpoint: { uri: '${ $workflow.input.url }' }, \
         body: { job: '${ $workflow.input.job }', n: '${ $n }' } } } }] } }]\n",
    ),
    (
        "hear",
        "do: [{ hear: { listen: { to: { any: [{ with: { type: said } }], until: 'length == 4' } } } }]\n",
    ),
    ("fail", "do: [{ no: { raise: { error: { type: 'https://test/no', status: 400 } } } }]\n"),
    ("rest", "do: [{ rest: { wait: PT1H } }]\n"),
];

const STEPS: usize = 6;
const HEAR: usize = 2;

/// What the client does next.
#[derive(Clone, Debug)]
enum Deed {
    Submit(String),
    Say(u64),
    Cancel(String),
    Retry(String),
}

struct Story {
    folder: TempDir,
    outside: Receiver,
    chance: Chance,
    faults: Arc<Faults>,
    engine: Option<Engine>,
    jobs: BTreeMap<String, JobId>,
}

async fn start(folder: &Path, faults: &Arc<Faults>) -> Engine {
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        state_dir: folder.join("state"),
        scenarios: Some(folder.join("scenarios")),
        jobs_max: 3,
        event_attempts: 1000,
        faults: Arc::clone(faults),
        ..Options::default()
    };
    Engine::start(options).await.unwrap()
}

fn stage() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("scenarios")).unwrap();
    for (name, tasks) in SCENARIOS {
        let path = folder.path().join("scenarios").join(format!("{name}.v1.yaml"));
        let head = "document: { dsl: 1.0.3, namespace: test, name: x, version: 1.0.0 }\n";
        std::fs::write(path, head.replace('x', name) + tasks).unwrap();
    }
    folder
}

/// Whether a client tries again after this.
fn passes(problem: &Problem) -> bool {
    match problem.code {
        Code::StorageFailed | Code::StorageFull | Code::Unavailable => true,
        // A run that is not done with the end of its job.
        Code::NotNow => problem.remedy.as_deref() == Some("ask again in a moment"),
        _ => false,
    }
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let folder = stage();
        let faults = Arc::<Faults>::default();
        let engine = Some(start(folder.path(), &faults).await);
        let (outside, chance, jobs) = (Receiver::open(), Chance(seed), BTreeMap::new());
        Self { folder, outside, chance, faults, engine, jobs }
    }

    fn plane(&self) -> &Arc<Plane> {
        self.engine.as_ref().expect("it is started").plane()
    }

    fn rough(&mut self) {
        let seed = self.chance.below(u64::MAX);
        self.faults.set(Weather::Rough(Chance(seed)));
    }

    /// Ends the engine, with or without warning, and starts it again.
    async fn restart(&mut self) {
        if self.chance.below(2) == 0 {
            let seed = self.chance.below(u64::MAX);
            self.faults.set(Weather::Dead(Chance(seed)));
        }
        self.engine.take().expect("it is started").stop().await;
        self.rough();
        self.engine = Some(start(self.folder.path(), &self.faults).await);
    }

    /// Does something until it is done.
    async fn insist(&mut self, deed: &Deed) {
        let begun_at = Instant::now();
        loop {
            match self.attempt(deed).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(problem) => assert!(passes(&problem), "{deed:?}: {problem:?}"),
            }
            assert!(begun_at.elapsed() < WITHIN, "{deed:?} does not come to its end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Tries to do something once; true when it is done.
    async fn attempt(&mut self, deed: &Deed) -> Result<bool, Problem> {
        let plane = Arc::clone(self.plane());
        match deed {
            Deed::Submit(name) => {
                let scenario = name.split(' ').next().unwrap_or_default();
                let submission = json!({
                    "scenario": format!("{scenario}@v1"), "idempotency_key": name,
                    "input": { "url": self.outside.url("/effect"), "job": name },
                    "callback_url": self.outside.url("/events"), "metadata": { "job": name },
                });
                let submission = serde_json::from_value(submission).unwrap();
                let job = submit::submit(&plane, submission, None).await?;
                self.jobs.insert(name.clone(), job.head.id);
                Ok(true)
            }
            Deed::Say(n) => {
                let event = json!({
                    "specversion": "1.0", "id": n.to_string(), "source": "test", "type": "said",
                    "data": n,
                });
                let Json::Object(event) = event else { unreachable!("it is an object") };
                incoming::give(&plane, &Arc::new(event)).await.map(|_| true)
            }
            Deed::Cancel(name) => submit::cancel(&plane, &self.jobs[name]).await.map(|_| true),
            Deed::Retry(name) => {
                let head = submit::describe(&plane, &self.jobs[name]).await?.head;
                if head.attempt == 1 && head.status == JobStatus::Failed {
                    submit::retry(&plane, &self.jobs[name]).await?;
                }
                Ok(head.attempt == 2)
            }
        }
    }

    /// All that is done, in an order of the seed's in which what needs a job comes after it.
    fn deeds(&mut self) -> Vec<Deed> {
        let names = |name: &str, count: usize| {
            (0..count).map(|n| Deed::Submit(format!("{name} {n}"))).collect::<Vec<_>>()
        };
        let mut deeds = names("hear", HEAR);
        let mut later = names("steps", STEPS);
        later.push(Deed::Submit("fail 0".to_owned()));
        later.push(Deed::Submit("rest 0".to_owned()));
        later.extend((0..4).map(Deed::Say));
        later.push(Deed::Retry("fail 0".to_owned()));
        later.push(Deed::Cancel("rest 0".to_owned()));
        // Each is moved forward by a few places at most, past what it does not need.
        for deed in later {
            let needed = |it: &Deed| match (&deed, it) {
                (Deed::Say(_), Deed::Say(_)) => true,
                (Deed::Say(_), Deed::Submit(name)) => name.starts_with("hear"),
                (Deed::Retry(name) | Deed::Cancel(name), Deed::Submit(other)) => name == other,
                _ => false,
            };
            let first = deeds.iter().rposition(needed).map_or(0, |at| at + 1);
            let place = first as u64 + self.chance.below((deeds.len() - first) as u64 + 1);
            deeds.insert(place as usize, deed);
        }
        deeds
    }

    async fn until_over(&self) {
        let begun_at = Instant::now();
        loop {
            let open = {
                let book = self.plane().book.lock();
                let open = book.all().filter(|(_, state)| !state.head.status.is_over());
                open.map(|(_, state)| state.head.clone()).collect::<Vec<_>>()
            };
            let events = self.plane().outbox.count();
            if open.is_empty() && events.0 == 0 {
                return;
            }
            assert!(begun_at.elapsed() < WITHIN, "{events:?}, {open:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn job(&self, name: &str) -> EngineJob {
        submit::describe(self.plane(), &self.jobs[name]).await.unwrap()
    }

    async fn check(&self) {
        assert_eq!(self.plane().book.lock().all().count(), STEPS + HEAR + 2);
        for (name, id) in &self.jobs {
            let job = self.job(name).await;
            let wanted = match name.split(' ').next() {
                Some("fail") => JobStatus::Failed,
                Some("rest") => JobStatus::Cancelled,
                _ => JobStatus::Completed,
            };
            assert_eq!(job.head.status, wanted, "{name}: {job:?}");
            assert_eq!(job.head.attempt, if wanted == JobStatus::Failed { 2 } else { 1 }, "{name}");
            assert_eq!(job.head.id, *id);
        }
        for n in 0..HEAR {
            assert_eq!(self.job(&format!("hear {n}")).await.output, Some(json!([0, 1, 2, 3])));
        }
        self.check_effects();
        self.check_events();
    }

    /// One key for each effect, and one effect for each key.
    fn check_effects(&self) {
        let mut by_key = BTreeMap::<String, BTreeSet<String>>::new();
        for asked in self.outside.asked().into_iter().filter(|it| it.path == "/effect") {
            by_key.entry(asked.key.unwrap()).or_default().insert(asked.body.to_string());
        }
        let bodies: BTreeSet<_> = by_key.values().flatten().collect();
        assert_eq!((by_key.len(), bodies.len()), (STEPS * 3, STEPS * 3), "{by_key:?}");
    }

    /// Of each job in order and without a gap, up to the one that says that it is over.
    fn check_events(&self) {
        let mut last = BTreeMap::<String, (u64, String)>::new();
        for asked in self.outside.asked().into_iter().filter(|it| it.path == "/events") {
            let data = &asked.body["data"];
            let job = data["metadata"]["job"].as_str().unwrap().to_owned();
            let sequence = data["sequence"].as_u64().unwrap();
            let kind = asked.body["type"].as_str().unwrap().to_owned();
            let before = last.insert(job, (sequence, kind)).map_or(0, |(before, _)| before);
            assert!(sequence == before || sequence == before + 1, "{before}, {sequence}");
        }
        assert_eq!(last.len(), self.jobs.len());
        let is_last =
            |kind: &str| ["completed", "failed", "cancelled"].iter().any(|it| kind.contains(it));
        assert!(last.values().all(|(_, kind)| is_last(kind)), "{last:?}");
    }
}

async fn tell(seed: u64) {
    let mut story = Story::begin(seed).await;
    story.rough();
    for deed in story.deeds() {
        story.insist(&deed).await;
        if story.chance.below(6) == 0 {
            story.restart().await;
        }
    }
    story.faults.set(Weather::Fair);
    story.until_over().await;
    story.check().await;
    // What is said of it is what is stored.
    story.engine.take().expect("it is started").stop().await;
    story.engine = Some(start(story.folder.path(), &story.faults).await);
    story.check().await;
}

/// Stories that are told; each takes half a second.
const SEEDS: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_lost_and_none_is_done_twice_whatever_becomes_of_commits() {
    for seed in 0..SEEDS {
        eprintln!("seed {seed}");
        tell(seed).await;
    }
}

#[tokio::test]
async fn while_nothing_can_be_stored_it_serves_and_says_why() {
    let (folder, faults) = (stage(), Arc::<Faults>::default());
    let engine = start(folder.path(), &faults).await;
    let api = tessera_client::Engine::new(&format!("http://{}", engine.local_addr())).unwrap();
    let submission = |key: &str| {
        serde_json::from_value(json!({ "scenario": "rest@v1", "idempotency_key": key })).unwrap()
    };
    let rests = call(api.job_submit(&submission("a"))).await.unwrap();
    faults.set(Weather::Broken);
    let refused = call(api.job_submit(&submission("b"))).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, Code::StorageFailed);
    let unready = call(api.readyz()).await.unwrap_err();
    assert!(unready.to_string().contains("the journal cannot be written"), "{unready}");
    assert!(call(api.healthz()).await.unwrap().ready);
    assert_eq!(call(api.job_get(&rests.head.id)).await.unwrap().head.id, rests.head.id);
    assert_eq!(call(api.job_list(None, None, None, None, None)).await.unwrap().items.len(), 1);
    faults.set(Weather::Fair);
    call(api.job_submit(&submission("b"))).await.unwrap();
    call(api.readyz()).await.unwrap();
    engine.stop().await;
}

#[tokio::test]
async fn a_commit_that_ends_late_does_not_hide_that_the_next_failed() {
    let (folder, faults) = (stage(), Arc::<Faults>::default());
    let engine = start(folder.path(), &faults).await;
    let plane = Arc::clone(engine.plane());
    faults.set(Weather::Slow(Duration::from_millis(50)));
    let mut slow = Box::pin(plane.commit(Vec::new()));
    assert!(futures::poll!(&mut slow).is_pending());
    faults.set(Weather::Broken);
    plane.commit(Vec::new()).await.unwrap_err();
    slow.await.unwrap();
    assert!(plane.trouble().is_some());
    faults.set(Weather::Fair);
    plane.commit(Vec::new()).await.unwrap();
    assert!(plane.trouble().is_none());
    engine.stop().await;
}
