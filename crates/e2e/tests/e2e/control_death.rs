//! A control plane that is killed at any moment, under load: what it has
//! acknowledged is there afterwards, nothing runs twice, nothing was stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Value, json};
use tessera_client::{Api, Error};
use tessera_e2e::{BOUND, Fleet, Random, Sampler, process};
use tessera_types::problem::Code;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{Epoch, Manifest, Name, Object, Uid, Workload};

const CLIENTS: usize = 5;
const NAMES_EACH: usize = 4;

/// What a client knows of one workload that only it changes.
#[derive(Debug, Default)]
struct Known {
    /// What was acknowledged last, or seen since.
    last: Last,
    /// What was asked for since then, and never answered: it happened or not.
    unanswered: Vec<Asked>,
}

#[derive(Clone, Debug, Default)]
enum Last {
    #[default]
    Absent,
    Declared {
        id: Uid,
        generation: u64,
        manifest: Box<Manifest<Workload>>,
    },
    Deleting,
}

#[derive(Clone, Debug)]
enum Asked {
    Declare(Box<Manifest<Workload>>),
    Delete,
}

impl Known {
    /// Compares with what is there now, which is known from then on.
    fn check(&mut self, name: &Name, found: Option<&Object<Workload>>) {
        let legal = match found {
            None => self.may_be_gone(),
            Some(it) if it.deletion_requested_at.is_some() => self.may_be_gone(),
            Some(it) => self.may_be(it),
        };
        assert!(legal, "{name}: known was {self:#?}, and there is {found:#?}");
        self.unanswered.clear();
        self.last = match found {
            None => Last::Absent,
            Some(it) if it.deletion_requested_at.is_some() => Last::Deleting,
            Some(it) => Last::Declared {
                id: it.id,
                generation: it.generation,
                manifest: Box::new(declared(it)),
            },
        };
    }

    fn may_be_gone(&self) -> bool {
        let asked = self.unanswered.iter().any(|asked| matches!(asked, Asked::Delete));
        asked || !matches!(self.last, Last::Declared { .. })
    }

    fn may_be(&self, found: &Object<Workload>) -> bool {
        let found_manifest = declared(found);
        let is_last = matches!(&self.last, Last::Declared { id, generation, manifest }
            if *id == found.id && *generation == found.generation && **manifest == found_manifest);
        let is_unanswered = self
            .unanswered
            .iter()
            .any(|asked| matches!(asked, Asked::Declare(manifest) if **manifest == found_manifest));
        is_last || is_unanswered
    }
}

/// What was declared of a workload, as a manifest.
fn declared(object: &Object<Workload>) -> Manifest<Workload> {
    Manifest {
        owner: None,
        kind: None,
        name: object.name.clone(),
        namespace: None,
        labels: object.labels.clone(),
        spec: object.spec.clone(),
        desired_status: None,
        id: None,
        revision: None,
    }
}

/// A client that changes its own workloads for as long as it may.
struct Client {
    api: Api,
    random: Random,
    templates: Vec<Value>,
    known: BTreeMap<Name, Known>,
    /// How often the control plane went or came.
    changes: Arc<AtomicU32>,
    count: u64,
    acknowledged: u64,
}

impl Client {
    /// The value of a call. It must be answered, unless the control plane was
    /// away in the meantime: then the HTTP library now and then waits for ever,
    /// for a connection that was closed before it was of use.
    async fn answer<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let changes = self.changes.load(Ordering::Relaxed);
        let mut call = std::pin::pin!(call);
        for _ in 0..20 {
            match tokio::time::timeout(BOUND / 20, &mut call).await {
                Ok(answer) => return answer,
                Err(_) if self.changes.load(Ordering::Relaxed) != changes => {
                    return Err(Error::Unreachable("it was away".to_owned()));
                }
                Err(_) => {}
            }
        }
        panic!("a control plane that lives does not answer");
    }

    async fn run(mut self, goes_on: Arc<AtomicBool>) -> Self {
        while goes_on.load(Ordering::Relaxed) {
            let template = self.random.within(0..self.templates.len() as u64) as usize;
            let name: Name = self.templates[template]["name"].as_str().unwrap().parse().unwrap();
            match self.random.within(0..10) {
                0..6 => self.declare(template, name).await,
                6..8 => self.delete(name).await,
                _ => self.look(&name).await,
            }
        }
        self
    }

    async fn declare(&mut self, template: usize, name: Name) {
        self.count += 1;
        let mut manifest = self.templates[template].clone();
        manifest["labels"]["stamp"] = json!(self.count.to_string());
        if self.random.within(0..2) == 0 {
            manifest["spec"]["env"]["STAMP"] = json!(self.count.to_string());
        }
        let manifest: Manifest<Workload> = serde_json::from_value(manifest).unwrap();
        let answer = self.answer(self.api.put(&manifest, &Default::default())).await;
        let known = self.known.entry(name).or_default();
        match answer {
            Ok(applied) => {
                self.acknowledged += 1;
                let it = &applied.resource;
                assert_eq!(declared(it), manifest);
                known.unanswered.clear();
                let (id, generation) = (it.id, it.generation);
                known.last = Last::Declared { id, generation, manifest: Box::new(manifest) };
            }
            Err(Error::Refused(problem)) => refused(&problem, &[Code::BeingDeleted]),
            Err(_) => known.unanswered.push(Asked::Declare(Box::new(manifest))),
        }
    }

    async fn delete(&mut self, name: Name) {
        let answer =
            self.answer(self.api.delete::<Workload>(&name, None, Default::default())).await;
        let known = self.known.entry(name).or_default();
        match answer {
            Ok(_) => {
                self.acknowledged += 1;
                known.unanswered.clear();
                known.last = Last::Deleting;
            }
            Err(Error::Refused(problem)) => {
                refused(&problem, &[Code::NotFound]);
                assert!(known.may_be_gone(), "{problem}, and known was {known:#?}");
            }
            Err(_) => known.unanswered.push(Asked::Delete),
        }
    }

    /// Compares what is there with what is known.
    async fn look(&mut self, name: &Name) {
        let found = match self.answer(self.api.get::<Workload>(name, None)).await {
            Ok(found) => Some(found),
            Err(Error::Refused(problem)) => {
                refused(&problem, &[Code::NotFound]);
                None
            }
            Err(_) => return,
        };
        self.known.entry(name.clone()).or_default().check(name, found.as_ref());
    }
}

fn refused(problem: &tessera_types::Problem, expected: &[Code]) {
    assert!(expected.contains(&problem.code), "{problem:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_nothing_doubles_and_nothing_stops() {
    let mut random = Random::new();
    let mut fleet = Fleet::start().await;
    for node in ["a", "b"] {
        fleet.add_node(node, &[]).await;
    }
    let steady = ["steady0", "steady1", "steady2", "steady3"];
    let mut untouched = Vec::new();
    for name in steady {
        let mut manifest = fleet.sleeper(name);
        if name == steady[3] {
            // Its lease outlives an outage that is this short.
            manifest["spec"]["on_disconnect"] = json!("stop");
        }
        fleet.apply(&manifest).await;
        untouched.push(process(&fleet.running(name).await));
    }
    let sampler = Sampler::start(&fleet.area().tag());
    let goes_on = Arc::new(AtomicBool::new(true));
    let changes = Arc::new(AtomicU32::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|i| {
            let client = Client {
                api: fleet.api.clone(),
                random: random.fork(),
                templates: (0..NAMES_EACH).map(|j| fleet.sleeper(&format!("w{i}-{j}"))).collect(),
                known: BTreeMap::new(),
                changes: Arc::clone(&changes),
                count: 0,
                acknowledged: 0,
            };
            tokio::spawn(client.run(Arc::clone(&goes_on)))
        })
        .collect();
    for _ in 0..5 {
        tokio::time::sleep(random.millis(50..700)).await;
        fleet.kill_control();
        changes.fetch_add(1, Ordering::Relaxed);
        // Some starts do not get far, either.
        fleet.crash_start(random.millis(0..60)).await;
        fleet.start_control().await;
        changes.fetch_add(1, Ordering::Relaxed);
    }
    tokio::time::sleep(random.millis(50..300)).await;
    goes_on.store(false, Ordering::Relaxed);
    let mut acknowledged = 0;
    for client in clients {
        let mut client = client.await.unwrap();
        for name in client.known.keys().cloned().collect::<Vec<_>>() {
            client.look(&name).await;
        }
        acknowledged += client.acknowledged;
    }
    assert!(acknowledged > 20, "there was no load: {acknowledged} writes");
    settles(&fleet).await;
    for (name, copy) in steady.into_iter().zip(untouched) {
        let now = fleet.get(name).await;
        assert_eq!(process(&now), copy, "{name} was not touched");
        assert_eq!((now.observed.epoch, now.observed.restarts), (Epoch(1), 0));
        let path: Vec<_> = now.state_history.iter().map(|step| step.to).collect();
        use WorkloadStatus::{Pending, Provisioning, Running, Scheduled};
        assert_eq!(path, [Pending, Scheduled, Provisioning, Running], "{name}");
    }
    sampler.expect_never_two();
}

/// Waits until what is declared runs once, and what was deleted not at all.
async fn settles(fleet: &Fleet) {
    fleet
        .eventually("everything settles", async || {
            let workloads = fleet.workloads().await;
            let alive = tessera_e2e::copies(&fleet.area().tag());
            let is_settled = workloads.values().all(|it| {
                it.deletion_requested_at.is_none()
                    && it.status == WorkloadStatus::Running
                    && it.observed.placed_generation >= it.observed.launch_generation
            });
            let is_one = |name: &String| alive.get(name).is_some_and(|copies| copies.len() == 1);
            let all = is_settled && alive.len() == workloads.len() && workloads.keys().all(is_one);
            all.then_some(())
        })
        .await;
}
