//! `sessions`: a day of ten thousand sessions over a thousand hosts, and a thousand
//! boundaries in the same second.
//!
//! The one idea: a day cannot be waited for, and lateness on the wall clock cannot be
//! simulated. So the day passes on a clock that jumps from one event to the next
//! (`day`), which measures each booking and each boundary of it; and the real
//! control plane, with its agents and over HTTP, meets its boundaries in real time
//! while as many sessions are booked (`live`).

mod day;
mod live;
mod plane;

use anyhow::Result;
use serde_json::{Value, json};
use tessera_reconciler::Tabled;
use tessera_types::{
    Duration, Host, HostDefinition, Manifest, Name, PartDefinition, PodDefinition, Session,
    SessionDefinition, Timestamp,
};

use crate::benchmark::{Benchmark, Context, under};
use crate::figures::{Report, Unit};

const SESSIONS: usize = 10_000;
const HOSTS: usize = 1000;
/// Boundaries in the same second.
const BURST: usize = 1000;

pub(crate) static BENCHMARK: Benchmark = Benchmark {
    name: "sessions",
    what: "10,000 sessions over 1,000 hosts across a simulated day; 1,000 boundaries in a second",
    aims: &[
        under("day: a booking decided, p99", 5.0, Unit::Millis),
        under("day: lateness of a boundary, p99", 100.0, Unit::Millis),
        under("over HTTP: a booking, p50", 5.0, Unit::Millis),
        under("in one second: provision_at, p99", 100.0, Unit::Millis),
        under("in one second: start, p99", 100.0, Unit::Millis),
        under("in one second: end, p99", 100.0, Unit::Millis),
    ],
    run: |context, report| Box::pin(run(context, report)),
    load: None,
};

async fn run(context: &Context, report: &mut Report) -> Result<()> {
    Box::pin(day::run(context, report)).await?;
    Box::pin(live::run(context, report)).await
}

/// What takes declarations.
trait Declares {
    async fn declare<K: Tabled>(&mut self, manifest: Manifest<K>) -> Result<()>;
}

/// How long a lesson is, and what is around it.
struct Lesson {
    length: Duration,
    lead_time: Duration,
    teardown_buffer: Duration,
}

/// The node of a host. Each host is a group of one node.
fn node_name(i: usize) -> String {
    format!("bench-{:04}", i + 1)
}

async fn declare<K: Tabled>(to: &mut impl Declares, manifest: Value) -> Result<()> {
    to.declare::<K>(serde_json::from_value(manifest)?).await
}

/// The hosts, and lessons of one part with one pod, of which a host takes two at a
/// time.
async fn catalogue(to: &mut impl Declares, hosts: usize, lesson: &Lesson) -> Result<()> {
    let define = |key: &str, more: Value| {
        let mut spec = json!({"type_key": key, "version": "1.0.0"});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        json!({"name": key, "spec": spec})
    };
    let group = json!({"host_type": "node_group", "pod_types": ["fleet"]});
    declare::<HostDefinition>(to, define("group", group)).await?;
    for i in 0..hosts {
        let node = json!([{"label": "node", "equal": node_name(i)}]);
        let spec = json!({"definition": {"type_key": "group"}, "nodes": node});
        declare::<Host>(to, json!({"name": format!("lab-{i}"), "spec": spec})).await?;
    }
    let lab = json!({"pod_type": "fleet", "workloads": [
        {"name": "vm", "spec": {"command": "vm", "resources": {"cpu": "2"}}},
    ]});
    declare::<PodDefinition>(to, define("lab", lab)).await?;
    let part = json!({
        "duration": lesson.length.to_string(), "lead_time": lesson.lead_time.to_string(),
        "teardown_buffer": lesson.teardown_buffer.to_string(),
        "pods": [{"name": "lab", "selector": {"type_key": "lab"}}],
    });
    declare::<PartDefinition>(to, define("part", part)).await?;
    let session = json!({"parts": [{"name": "one", "selector": {"type_key": "part"}}]});
    declare::<SessionDefinition>(to, define("lesson", session)).await
}

/// A session that starts then.
fn lesson(name: &str, start: Timestamp) -> Result<Manifest<Session>> {
    Ok(serde_json::from_value(json!({
        "name": Name::new(name)?,
        "spec": {
            "definition": {"type_key": "lesson"}, "timeslot": {"start": start.to_string()},
        },
    }))?)
}
