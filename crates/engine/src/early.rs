//! Events that come before a job has its turn. They go into its journal, so that it finds them
//! when it begins.
//!
//! The one idea: the door. Jobs begin to run through it, one after the other, and not while an
//! event is given to those that wait: so a job either runs and is told of an event, or waits and
//! finds it, and never neither.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value as Json;
use tessera_store::journal::{Change, JobNumber};
use tessera_types::{Problem, Timestamp};
use tessera_workflow::journaled::{Identity, identity};
use tessera_workflow::machine::{self, CloudEvent, Happening};
use tessera_workflow::value::Value;

use crate::failure::of_journal;
use crate::plane::Plane;
use crate::{clock, secrets, submit, trace};

/// Events that are kept for a job that waits for its turn. A run keeps no more that nobody wants.
const EVENTS_MAX: usize = 1000;

/// Jobs that are given an event in one commit.
const JOBS_MAX: usize = 1000;

/// What the jobs that wait were given.
#[derive(Default)]
pub(crate) struct Door(HashMap<JobNumber, Early>);

/// What a job that waits was given.
#[derive(Default)]
struct Early {
    next_entry: u64,
    known: HashSet<Identity>,
}

impl Door {
    /// A job has begun to run, or another attempt is made: what was given does not matter here now.
    pub(crate) fn passed(&mut self, job: JobNumber) {
        self.0.remove(&job);
    }

    /// Gives an event to jobs that wait; says to how many it was news.
    pub(crate) async fn give(
        &mut self,
        plane: &Plane,
        jobs: &[JobNumber],
        event: &CloudEvent,
    ) -> Result<u64, Problem> {
        let mut bodies = Bodies::of(event);
        let mut news = 0;
        for jobs in jobs.chunks(JOBS_MAX) {
            let mut changes = Vec::new();
            for job in jobs {
                let Some(body) = bodies.for_job(plane, *job).await? else { continue };
                let early = self.early(plane, *job).await?;
                let Some(early) = early.filter(|it| it.known.len() < EVENTS_MAX) else { continue };
                if early.known.insert(identity(event)) {
                    let seq = early.next_entry;
                    early.next_entry += 1;
                    changes.push(Change::Append { job: *job, seq, body: body.to_string() });
                }
            }
            news += changes.len() as u64;
            if changes.is_empty() {
                continue;
            }
            if let Err(error) = plane.commit(changes).await {
                // Whether they were made is looked up when it is needed next.
                jobs.iter().for_each(|job| self.passed(*job));
                plane.book.lock().unread.extend(jobs);
                return Err(of_journal(error));
            }
        }
        Ok(news)
    }

    /// What a job was given; none when it is not there any more.
    async fn early(
        &mut self,
        plane: &Plane,
        job: JobNumber,
    ) -> Result<Option<&mut Early>, Problem> {
        Ok(match self.0.entry(job) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(unknown) => {
                Early::of(plane, job).await?.map(|early| unknown.insert(early))
            }
        })
    }
}

/// An event as it is stored: without the secrets that a job's document names.
struct Bodies<'e> {
    event: &'e CloudEvent,
    at: Timestamp,
    /// By the hash of the document.
    known: HashMap<String, Arc<str>>,
}

impl<'e> Bodies<'e> {
    fn of(event: &'e CloudEvent) -> Self {
        Self { event, at: clock::now(), known: HashMap::new() }
    }

    /// As it is stored for a job; none when that is not there any more, or cannot be run.
    async fn for_job(
        &mut self,
        plane: &Plane,
        job: JobNumber,
    ) -> Result<Option<Arc<str>>, Problem> {
        let Some(state) = plane.book.lock().get(job).cloned() else { return Ok(None) };
        if let Some(body) = self.known.get(&state.hash) {
            return Ok(Some(Arc::clone(body)));
        }
        let (_, stored) = submit::stored(plane, job).await?;
        let text = stored.text.unwrap_or_default();
        let Ok(workflow) = plane.documents.stored(&state.hash, &text) else { return Ok(None) };
        let secrets = secrets::to_hide(plane.options.secrets.as_deref(), &workflow.secrets);
        let body: Arc<str> = self.without(&secrets).into();
        self.known.insert(state.hash.clone(), Arc::clone(&body));
        Ok(Some(body))
    }

    fn without(&self, secrets: &BTreeMap<Arc<str>, Value>) -> String {
        let mut event = Json::Object(self.event.clone());
        machine::mask_secrets(secrets, &mut event);
        let Json::Object(event) = event else { unreachable!("a masked object is an object") };
        let entry = machine::Entry { at: self.at, what: Happening::Event(event) };
        serde_json::to_string(&entry).expect("an entry has text keys only")
    }
}

impl Early {
    async fn of(plane: &Plane, job: JobNumber) -> Result<Option<Self>, Problem> {
        let (state, is_unread) = {
            let book = plane.book.lock();
            (book.get(job).cloned(), book.unread.contains(&job))
        };
        let Some(state) = state else { return Ok(None) };
        let mut early = Self { next_entry: state.first_entry, known: HashSet::new() };
        while is_unread && early.read(plane, job).await? {}
        Ok(Some(early))
    }

    /// Reads some of what the journal has; false when there is no more.
    async fn read(&mut self, plane: &Plane, job: JobNumber) -> Result<bool, Problem> {
        let page = trace::entries(plane, job, self.next_entry).await?;
        for (seq, entry) in &page {
            self.next_entry = seq + 1;
            if let Happening::Event(event) = &entry.what {
                self.known.insert(identity(event));
            }
        }
        Ok(!page.is_empty())
    }
}
