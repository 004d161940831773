//! Records a run: before it is called, and once it has returned.
//!
//! The one idea: the work is what counts. What cannot be recorded is said on standard error, and
//! changes neither the run nor its exit code.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Instant;

use uuid::Uuid;

use super::tenant::{NO_HUB, Tenant, now};
use crate::hub::{Held, Hub, HubError, OPENLINEAGE, RUNS};
use crate::outcome::Outcome;
use crate::telemetry::{Event, Identity, Line, LineageEvent, LineageJob, Verdict};
use crate::verb::Verb;

pub(super) struct Recorder<'a> {
    tenant: &'a Tenant,
    identity: Identity,
    job: LineageJob,
    began: Instant,
    /// What people were told already; a full disk fails again and again.
    told: RefCell<BTreeSet<String>>,
    _held: Option<Held>,
}

impl<'a> Recorder<'a> {
    /// Records that a run starts.
    pub(super) fn start(tenant: &'a Tenant, verb: Verb) -> Self {
        let organisation = tenant.environment.organisation.as_deref();
        let identity = Identity {
            run_id: Uuid::new_v4().to_string(),
            tenant: tenant.manifest.name.to_string(),
            service: tenant.suffix().map(str::to_owned),
            verb,
            version: tenant.manifest.version.clone(),
            invocation_id: tenant.environment.invocation_id.clone(),
        };
        let job = LineageJob::new(&tenant.manifest, tenant.suffix(), organisation);
        let (began, told) = (Instant::now(), RefCell::default());
        let mut recorder = Self { tenant, identity, job, began, told, _held: None };
        if tenant.hub.is_none() {
            recorder.say_unrecorded(NO_HUB);
        }
        recorder._held = recorder.hold();
        let at = now();
        recorder.record(Event::Started { at });
        recorder.lineage(LineageEvent::Start, at);
        recorder.began = Instant::now();
        recorder
    }

    /// Records that it has ended.
    pub(super) fn end(self, outcome: &Outcome) {
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let at = now();
        let (verdict, lineage) = if outcome.is_success() {
            (Verdict::Success, LineageEvent::Complete { rows: outcome.rows })
        } else {
            (Verdict::Failure, LineageEvent::Fail)
        };
        let Outcome { exit_code, rows, .. } = *outcome;
        self.record(Event::Ended { at, outcome: verdict, exit_code, rows, duration_ms });
        if self.is_run() {
            self.attempt(|hub| hub.refresh_textfile(&self.tenant.manifest));
        }
        self.lineage(lineage, at);
    }

    pub(super) fn run_id(&self) -> &str {
        &self.identity.run_id
    }

    fn is_run(&self) -> bool {
        self.identity.verb == Verb::Run
    }

    /// Marks the service as running, so that a run that was killed can be told from one that goes
    /// on.
    fn hold(&self) -> Option<Held> {
        if self.is_run() { self.attempt(|hub| hub.hold_run(self.tenant.suffix())) } else { None }
    }

    fn record(&self, event: Event) {
        let line = Line { identity: self.identity.clone(), event }.to_json();
        self.attempt(|hub| hub.append(RUNS, &line));
    }

    fn lineage(&self, event: LineageEvent, at: tessera_types::Timestamp) {
        if self.is_run() {
            let line = self.job.line(event, self.run_id(), at);
            self.attempt(|hub| hub.append(OPENLINEAGE, &line));
        }
    }

    /// Does something with the hub, or says that it could not be done.
    fn attempt<T>(&self, work: impl FnOnce(&Hub) -> Result<T, HubError>) -> Option<T> {
        let done = work(self.tenant.hub.as_ref()?);
        done.map_err(|error| self.say_unrecorded(&error.to_string())).ok()
    }

    fn say_unrecorded(&self, why: &str) {
        if self.told.borrow_mut().insert(why.to_owned()) {
            self.tenant.say_unrecorded(why);
        }
    }
}
