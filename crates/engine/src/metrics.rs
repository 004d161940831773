//! Metrics in the Prometheus text format. Counts of what exists are taken when somebody
//! asks; only what passes is counted as it passes.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tessera_store::journal::Standing;
use tessera_types::engine::JobStatus;

use crate::plane::Plane;

/// Jobs by status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

/// Attempts to send an event, by what came of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SentLabel {
    outcome: &'static str,
}

/// An answer by method and status code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    code: u16,
}

type Count = Gauge<u64, AtomicU64>;

/// All metrics of an engine.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Mutex<Registry>>,
    jobs: Family<StatusLabel, Count>,
    ended: Family<StatusLabel, Counter>,
    queued: Count,
    running: Count,
    in_memory: Count,
    data: Count,
    effects: Counter,
    step_seconds: Histogram,
    events_sent: Family<SentLabel, Counter>,
    events_pending: Count,
    events_dead: Count,
    journal_commits: Count,
    journal_entries: Count,
    journal_batches: Count,
    journal_failures: Count,
    journal_disk: Count,
    requests: Family<Answer, Counter>,
    request_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Arc::new(Mutex::new(Registry::with_prefix("tessera_engine"))),
            jobs: Family::default(),
            ended: Family::default(),
            queued: Count::default(),
            running: Count::default(),
            in_memory: Count::default(),
            data: Count::default(),
            effects: Counter::default(),
            // Fine enough to tell quantiles: each bound is a fifth above the one before.
            step_seconds: Histogram::new(exponential_buckets(0.000_05, 1.2, 60)),
            events_sent: Family::default(),
            events_pending: Count::default(),
            events_dead: Count::default(),
            journal_commits: Count::default(),
            journal_entries: Count::default(),
            journal_batches: Count::default(),
            journal_failures: Count::default(),
            journal_disk: Count::default(),
            requests: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry.lock();
        let r = &mut *registry;
        r.register("jobs", "Jobs by status", self.jobs.clone());
        r.register("jobs_ended", "Attempts of jobs that ended, by status", self.ended.clone());
        r.register("queued", "Jobs that wait for their turn", self.queued.clone());
        r.register("running", "Jobs that run", self.running.clone());
        r.register("in_memory", "Runs that are in memory", self.in_memory.clone());
        let data = "What the data of these runs takes, about";
        r.register_with_unit("data", data, Unit::Bytes, self.data.clone());
        r.register("effects", "Effects begun", self.effects.clone());
        r.register_with_unit(
            "step_durable",
            "From the end of an effect until that is durable",
            Unit::Seconds,
            self.step_seconds.clone(),
        );
        r.register("events_sent", "Attempts to send events about jobs", self.events_sent.clone());
        r.register("events_pending", "Events to be sent", self.events_pending.clone());
        r.register("dead_letters", "Events that were given up", self.events_dead.clone());
        r.register("journal_commits", "Commits since the start", self.journal_commits.clone());
        r.register("journal_entries", "Entries since the start", self.journal_entries.clone());
        r.register("journal_batches", "Writes to the disk", self.journal_batches.clone());
        r.register("journal_failures", "Commits not made", self.journal_failures.clone());
        r.register_with_unit("journal_disk", "Size", Unit::Bytes, self.journal_disk.clone());
        r.register("http_requests", "Requests by method and status code", self.requests.clone());
        r.register_with_unit(
            "http_request_duration",
            "From a request to its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
    }

    pub(crate) fn effect_begun(&self) {
        self.effects.inc();
    }

    pub(crate) fn step_durable(&self, took: Duration) {
        self.step_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn job_ended(&self, status: JobStatus) {
        self.ended.get_or_create(&StatusLabel { status: status.as_str() }).inc();
    }

    pub(crate) fn event_sent(&self, standing: Standing) {
        let outcome = match standing {
            Standing::Pending => "failed",
            Standing::Delivered => "delivered",
            Standing::Dead => "given_up",
        };
        self.events_sent.get_or_create(&SentLabel { outcome }).inc();
    }

    /// Everything as text.
    pub(crate) fn render(&self, plane: &Plane) -> String {
        let registry = self.registry.lock();
        {
            let book = plane.book.lock();
            for (status, count) in book.count() {
                self.jobs.get_or_create(&StatusLabel { status: status.as_str() }).set(count);
            }
            self.queued.set(book.queue.len() as u64);
            self.running.set(book.running.len() as u64);
        }
        let (runs, bytes) = plane.memory.count();
        self.in_memory.set(runs as u64);
        self.data.set(bytes as u64);
        let (pending, dead) = plane.outbox.count();
        self.events_pending.set(pending);
        self.events_dead.set(dead);
        let stats = plane.journal.stats();
        self.journal_commits.set(stats.commits);
        self.journal_entries.set(stats.entries);
        self.journal_batches.set(stats.batches);
        self.journal_failures.set(stats.failures);
        self.journal_disk.set(stats.disk_bytes);
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

impl tessera_serving::Count for Metrics {
    fn answered(&self, method: &str, _path: &str, code: u16, took: Duration) {
        let known = ["GET", "POST", "DELETE"].into_iter().find(|known| *known == method);
        self.requests.get_or_create(&Answer { method: known.unwrap_or("other"), code }).inc();
        self.request_seconds.observe(took.as_secs_f64());
    }
}
