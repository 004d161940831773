//! What a run came to, in a form in which runs can be compared.
//!
//! The one idea: two runs of the same script must agree in what there is in the end and in
//! what was made and removed on the way, whatever went wrong. What may differ is left out by
//! name: identities, revisions and epochs, times, on which node something is, how often it
//! was tried, and the words that say why.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::io;

use serde_json::{Value, json};
use tessera_types::{Committed, Resource, Timestamp, Uid};

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Of the whole trace and of every commit, where the run was asked for it.
    pub digest: u64,
    /// How often each resource was made and removed: `made, removed, made`.
    pub lives: BTreeMap<String, Vec<&'static str>>,
    /// What there is in the end, without what may differ.
    pub end: BTreeMap<String, Value>,
    /// The windows that what is timed has in the end, of its own and on its host. They follow
    /// from what was declared only where nothing was late.
    pub windows: BTreeMap<String, Value>,
}

impl Story {
    /// Where two of them differ, if they do.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        differing(&self.lives, &other.lives, |key, one, two| {
            Some(format!("{key} was {one:?}, and is {two:?} here"))
        })
        .or_else(|| differing(&self.end, &other.end, |key, one, two| apart(key, one?, two?)))
    }
}

fn differing<T: PartialEq>(
    one: &BTreeMap<String, T>,
    two: &BTreeMap<String, T>,
    say: impl Fn(&str, Option<&T>, Option<&T>) -> Option<String>,
) -> Option<String> {
    let keys: BTreeSet<_> = one.keys().chain(two.keys()).collect();
    keys.into_iter().filter(|key| one.get(*key) != two.get(*key)).find_map(|key| {
        let which = || {
            Some(format!(
                "{key} is only in {}",
                if one.contains_key(key) { "one" } else { "the other" }
            ))
        };
        say(key, one.get(key), two.get(key)).or_else(which)
    })
}

/// The first place in which two values differ.
fn apart(at: &str, one: &Value, two: &Value) -> Option<String> {
    match (one, two) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let none = Value::Null;
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                apart(&format!("{at}.{key}"), a, b)
            })
        }
        _ => (one != two).then(|| format!("{at} was {one}, and is {two} here")),
    }
}

/// What may differ between two runs of the same script, wherever it stands. Times may differ too.
const MAY_DIFFER: &[&str] = &[
    // Who it is, and in which order it was written.
    "id",
    "revision",
    "epoch",
    "node_id",
    "host_id",
    "generation",
    "observed_generation",
    "launch_generation",
    "placed_generation",
    "hash_generation",
    "turn",
    "turns",
    // Whether somebody was there in time.
    "late",
    // Where, and with which of several like things.
    "node",
    "last_node",
    "instance",
    "session",
    "agent_id",
    "last_exit",
    // How often, and what was said of it.
    "state_history",
    "attempt",
    "attempts",
    "restarts",
    "report_seq",
    "told",
    "repaired",
    "message",
    "reason",
    "waiting_for",
    "correlation_id",
    "job_id",
    "sequence",
    "event_sequence",
    // What a simulated program of a tenant ended with, which is chance.
    "invocation_id",
    "exit_code",
    "result",
    "joined",
];

/// Where a tenant is follows from labels alone.
const MAY_NOT_DIFFER_OF_TENANTS: &str = "node";

/// What is kept of a resource.
pub(crate) fn normalised(resource: &Resource) -> Value {
    let mut value = serde_json::to_value(resource).unwrap_or_default();
    let is_tenant = matches!(resource, Resource::Tenant(_));
    let kept = if is_tenant { MAY_NOT_DIFFER_OF_TENANTS } else { "" };
    // What was declared is the same whenever and wherever it was.
    let spec = value["spec"].take();
    strip(&mut value, kept);
    value["spec"] = spec;
    value
}

/// The windows of what is timed: what it has come to, and what it holds of its host. A host that
/// is declared without one is open from then on.
fn windows(resource: &Resource) -> Option<Value> {
    let mut value = serde_json::to_value(resource).ok()?;
    let is_declared = value["spec"].get("timeslot").is_some_and(|slot| !slot.is_null());
    let observed = &mut value["observed"];
    let (slot, held) = (observed["timeslot"].take(), observed["binding"]["window"].take());
    is_declared.then(|| json!([slot, held]))
}

fn strip(value: &mut Value, kept: &str) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                name == kept || !MAY_DIFFER.contains(&name.as_str()) && !is_time(value)
            });
            fields.values_mut().for_each(|value| strip(value, kept));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| strip(value, kept)),
        _ => {}
    }
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok())
}

/// Gathers the story of a run.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    live: BTreeSet<Uid>,
    pub(crate) story: Story,
    hasher: Hash,
}

impl Narrator {
    /// Takes in what was made and removed.
    pub(crate) fn take_in(&mut self, committed: &Committed) {
        for change in &committed.changes {
            let happened = match &change.after {
                None => self.live.remove(&change.id).then_some("removed"),
                Some(_) => self.live.insert(change.id).then_some("made"),
            };
            if let Some(happened) = happened {
                self.story.lives.entry(change.key.to_string()).or_default().push(happened);
            }
        }
    }

    /// Takes in a commit to the byte.
    pub(crate) fn digest(&mut self, committed: &Committed) {
        self.hasher.0.write_u64(committed.revision.0);
        for change in &committed.changes {
            serde_json::to_writer(&mut self.hasher, &(&change.key, change.id, &change.after))
                .expect("a hash takes everything");
        }
    }

    /// The end of the run.
    pub(crate) fn ended(&mut self, trace: &[String], left: impl Iterator<Item = Resource>) {
        trace.iter().for_each(|line| self.hasher.0.write(line.as_bytes()));
        self.story.digest = self.hasher.0.finish();
        for one in left {
            let key = one.key().to_string();
            self.story.windows.extend(windows(&one).map(|its| (key.clone(), its)));
            self.story.end.insert(key, normalised(&one));
        }
    }
}

/// The same everywhere: it has no seed of its process.
#[derive(Debug, Default)]
struct Hash(DefaultHasher);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(status: &str) -> Story {
        let end = BTreeMap::from([("workload/default/w".to_owned(), json!({"status": status}))]);
        let lives = BTreeMap::from([("workload/default/w".to_owned(), vec!["made"])]);
        Story { lives, end, ..Story::default() }
    }

    #[test]
    fn what_may_differ_is_left_out_wherever_it_stands() {
        let time = "2026-05-01T08:00:00Z";
        let observed = json!([{"told_at": time, "port": 2, "restarts": 1, "name": "a"}]);
        let mut value = json!({"id": 7, "spec": {"cpu": 1}, "observed": observed});
        strip(&mut value, "");
        assert_eq!(value, json!({"spec": {"cpu": 1}, "observed": [{"port": 2, "name": "a"}]}));
        let mut tenant = json!({"nodes": [{"node": "n0", "node_id": 4}]});
        strip(&mut tenant, MAY_NOT_DIFFER_OF_TENANTS);
        assert_eq!(tenant, json!({"nodes": [{"node": "n0"}]}));
    }

    #[test]
    fn a_difference_says_where_it_is() {
        assert_eq!(story("Running").difference(&story("Running")), None);
        let other = story("Running").difference(&story("Lost")).unwrap();
        assert!(other.contains("workload/default/w.status") && other.contains("Lost"), "{other}");
        let mut twice = story("Running");
        twice.lives.get_mut("workload/default/w").unwrap().extend(["removed", "made"]);
        assert!(story("Running").difference(&twice).unwrap().contains("removed"));
        let nothing = story("Running").difference(&Story::default()).unwrap();
        assert!(nothing.contains("workload/default/w"), "{nothing}");
    }
}
