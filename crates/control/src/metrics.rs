//! Metrics in the Prometheus text format. Counts of what exists are taken from
//! the world when somebody asks; only what passes is counted as it passes.

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
use tessera_reconciler::{Backlog, PassStats};
use tessera_store::Stats;
use tessera_types::booking::EventOutcome;

use crate::plane::Plane;

/// A kind and a status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindStatus {
    kind: &'static str,
    status: &'static str,
}

/// An answer by method and status code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    code: u16,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    outcome: &'static str,
}

/// Where the steps of a pipeline came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabel {
    tier: String,
}

/// All metrics of a control plane.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: std::sync::Arc<Mutex<Registry>>,
    resources: Family<KindStatus, Gauge>,
    revision: Gauge<u64, AtomicU64>,
    store_commits: Gauge<u64, AtomicU64>,
    store_conflicts: Gauge<u64, AtomicU64>,
    store_failures: Gauge<u64, AtomicU64>,
    store_disk_bytes: Gauge<u64, AtomicU64>,
    requests: Family<Answer, Counter>,
    request_seconds: Histogram,
    heartbeats: Counter,
    events: Family<EventLabel, Counter>,
    watchers: Gauge,
    pipeline_tiers: Family<TierLabel, Gauge<u64, AtomicU64>>,
    engine_usable: Gauge,
    engine_reachable: Gauge,
    pipelines_held: Gauge,
    passes: Counter,
    pass_seconds: Histogram,
    evaluated: Counter,
    placed: Counter,
    offline: Counter,
    due: Gauge,
    unplaced: Gauge,
    refused: Gauge,
    given_up: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let buckets = || Histogram::new(exponential_buckets(0.0001, 2.0, 16));
        let metrics = Self {
            registry: std::sync::Arc::new(Mutex::new(Registry::with_prefix("tessera"))),
            resources: Family::default(),
            revision: Gauge::default(),
            store_commits: Gauge::default(),
            store_conflicts: Gauge::default(),
            store_failures: Gauge::default(),
            store_disk_bytes: Gauge::default(),
            requests: Family::default(),
            request_seconds: buckets(),
            heartbeats: Counter::default(),
            events: Family::default(),
            watchers: Gauge::default(),
            pipeline_tiers: Family::default(),
            engine_usable: Gauge::default(),
            engine_reachable: Gauge::default(),
            pipelines_held: Gauge::default(),
            passes: Counter::default(),
            pass_seconds: buckets(),
            evaluated: Counter::default(),
            placed: Counter::default(),
            offline: Counter::default(),
            due: Gauge::default(),
            unplaced: Gauge::default(),
            refused: Gauge::default(),
            given_up: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry.lock();
        let r = &mut *registry;
        r.register("resources", "Resources by kind and status", self.resources.clone());
        r.register("store_revision", "The store's revision", self.revision.clone());
        r.register("store_commits", "Commits since the start", self.store_commits.clone());
        r.register(
            "store_conflicts",
            "Commits refused by a precondition",
            self.store_conflicts.clone(),
        );
        r.register("store_failures", "Commits that failed", self.store_failures.clone());
        r.register_with_unit(
            "store_disk",
            "Size on disk",
            Unit::Bytes,
            self.store_disk_bytes.clone(),
        );
        r.register("http_requests", "Requests by method and status code", self.requests.clone());
        r.register_with_unit(
            "http_request_duration",
            "From a request to its answer, without those of agents that wait for news",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        r.register("agent_heartbeats", "Heartbeats of agents", self.heartbeats.clone());
        r.register("events", "Events from outside by outcome", self.events.clone());
        r.register("watchers", "Watches that are open", self.watchers.clone());
        r.register(
            "pipeline_tier_hits",
            "Pipelines that have begun since the start, by where their steps came from",
            self.pipeline_tiers.clone(),
        );
        r.register(
            "engine_usable",
            "Whether pipelines with jobs may begin: 0 with --no-engine or without --engine",
            self.engine_usable.clone(),
        );
        r.register(
            "engine_reachable",
            "Whether the engine answered when it was asked last",
            self.engine_reachable.clone(),
        );
        r.register(
            "pipelines_held",
            "Pipelines with jobs that may not begin because of that",
            self.pipelines_held.clone(),
        );
        r.register("reconcile_passes", "Passes of the reconcile loop", self.passes.clone());
        r.register_with_unit(
            "reconcile_pass_duration",
            "Planning of one pass",
            Unit::Seconds,
            self.pass_seconds.clone(),
        );
        r.register("reconcile_evaluated", "Resources looked at", self.evaluated.clone());
        r.register("reconcile_placed", "Workloads placed", self.placed.clone());
        r.register("reconcile_nodes_offline", "Nodes marked Offline", self.offline.clone());
        r.register("reconcile_due", "Resources that are due", self.due.clone());
        r.register(
            "reconcile_refused",
            "Resources of which the store refuses what is to be written",
            self.refused.clone(),
        );
        r.register(
            "reconcile_given_up",
            "Of those, the ones of which it has done so as often as is tried",
            self.given_up.clone(),
        );
        r.register("workloads_unplaced", "Workloads that no node takes", self.unplaced.clone());
    }

    pub(crate) fn heartbeat(&self) {
        self.heartbeats.inc();
    }

    /// An event came to this.
    pub(crate) fn event(&self, outcome: EventOutcome) {
        let outcome = match outcome {
            EventOutcome::Accepted => "accepted",
            EventOutcome::Duplicate => "duplicate",
            EventOutcome::Unmatched => "unmatched",
        };
        self.events.get_or_create(&EventLabel { outcome }).inc();
    }

    /// The engine answered, or did not.
    pub(crate) fn engine_answered(&self, answered: bool) {
        self.engine_reachable.set(i64::from(answered));
    }

    pub(crate) fn reconciled(&self, stats: &PassStats, took: Duration, backlog: Backlog) {
        self.passes.inc();
        self.pass_seconds.observe(took.as_secs_f64());
        self.evaluated.inc_by(stats.evaluated as u64);
        self.placed.inc_by(stats.workloads_placed as u64);
        self.offline.inc_by(stats.nodes_offline as u64);
        self.due.set(backlog.due as i64);
        self.unplaced.set(backlog.unplaced as i64);
        self.refused.set(backlog.refused as i64);
        self.given_up.set(backlog.given_up as i64);
    }

    /// Counts a watch for as long as the answer lives.
    pub(crate) fn watcher(&self) -> impl Drop + Send + 'static {
        struct Watching(Gauge);
        impl Drop for Watching {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        self.watchers.inc();
        Watching(self.watchers.clone())
    }

    /// Everything as text.
    pub(crate) fn render(&self, plane: &Plane) -> String {
        // Held from here on: two at once would count every resource twice.
        let registry = self.registry.lock();
        self.count_resources(plane);
        self.take_in(&plane.store.stats());
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }

    fn count_resources(&self, plane: &Plane) {
        self.resources.clear();
        let world = plane.world.read();
        for (kind, status, count) in world.counts() {
            let label = KindStatus { kind: kind.as_str(), status };
            self.resources.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (tier, hits) in world.pipelines().hits() {
            let label = TierLabel { tier: tier.to_string() };
            self.pipeline_tiers.get_or_create(&label).set(hits);
        }
        self.engine_usable.set(i64::from(world.engine().held().is_none()));
        let held = i64::try_from(crate::engine_link::held(&world)).unwrap_or(i64::MAX);
        self.pipelines_held.set(held);
    }

    fn take_in(&self, stats: &Stats) {
        self.revision.set(stats.revision.0);
        self.store_commits.set(stats.commits);
        self.store_conflicts.set(stats.conflicts);
        self.store_failures.set(stats.failures);
        self.store_disk_bytes.set(stats.disk_bytes);
    }
}

impl tessera_serving::Count for Metrics {
    /// An answered request. Those that wait by design are not in the histogram.
    fn answered(&self, method: &str, path: &str, code: u16, took: Duration) {
        self.requests.get_or_create(&Answer { method: known(method), code }).inc();
        if !path.ends_with("/sync") {
            self.request_seconds.observe(took.as_secs_f64());
        }
    }
}

/// The method, if it is one that the API has: anybody can send any other.
fn known(method: &str) -> &'static str {
    ["GET", "PUT", "POST", "DELETE"].into_iter().find(|known| *known == method).unwrap_or("other")
}
