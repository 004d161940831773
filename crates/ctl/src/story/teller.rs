//! What is worth telling of a session's tree, and in which words: a pure function
//! of each change.

use std::collections::BTreeMap;

use tessera_types::session::SessionStatus;
use tessera_types::timed::Outcome;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{
    KindName, Name, Object, Resource, ResourceKey, Session, WaitReason, with_object,
};

use crate::follow::Change;
use crate::moment::brief;
use crate::show::change::{Event, KEY_TONE, Sort, deletion, events, happened};
use crate::show::timed::{not_removed, score_text, tone_of_outcome};
use crate::style::{Style, Tone, printable, told, tone_of_status};
use crate::tree::Tree;

/// As far as owners are followed upwards; no tree is as deep.
const DEPTH_MAX: usize = 8;

type Known = BTreeMap<ResourceKey, Resource>;

/// Something that happened in a session's tree.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// To what: `part theory`.
    pub(crate) who: String,
    pub(crate) event: Event,
}

impl Told {
    /// `part theory: Active (its window is open)`.
    pub(crate) fn words(&self, style: Style) -> String {
        let who = style.paint(KEY_TONE, &printable(&self.who));
        let words = told(&self.event.words);
        match &self.event.moved {
            None => format!("{who}: {words}"),
            Some((_, to)) => {
                let to = style.paint(tone_of_status(to), to);
                let why = if words.is_empty() { words } else { format!(" ({words})") };
                format!("{who}: {to}{why}")
            }
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    name: String,
    words: String,
    tone: Tone,
    pub(super) is_good: bool,
}

impl Ending {
    fn of(session: &Object<Session>) -> Self {
        let observed = &session.observed;
        let timed = &observed.timed;
        let outcome = timed.outcome.unwrap_or(match session.status {
            SessionStatus::Failed => Outcome::Failed,
            _ => Outcome::Completed,
        });
        let mut words = vec![outcome.to_string()];
        words.extend(score_text(observed.score, None).map(|score| format!("score {score}")));
        words.extend(observed.passed.map(|it| if it { "passed" } else { "not passed" }.to_owned()));
        words.extend(timed.failure.as_ref().map(|it| format!("{}: {}", it.of, it.message)));
        words.extend(not_removed(&timed.leftovers));
        if let Some(started) = timed.started_at {
            words.push(format!(
                "over {} after its start",
                brief(session.status_since.since(started))
            ));
        }
        Self {
            name: session.name.to_string(),
            words: words.join(", "),
            tone: tone_of_outcome(outcome),
            is_good: outcome == Outcome::Completed,
        }
    }

    fn deleted(key: &ResourceKey) -> Self {
        let words = "it was deleted before it was over".to_owned();
        Self { name: key.name.to_string(), words, tone: Tone::Bad, is_good: false }
    }

    /// `session exam-1 ended: completed, score 7, passed, over 35s after its start`.
    pub(super) fn line(&self, style: Style) -> String {
        let name = style.paint(KEY_TONE, &format!("session {}", self.name));
        format!("{name} ended: {}\n", style.paint(self.tone, &printable(&self.words)))
    }
}

/// Tells the story of sessions.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    /// How each ended; none while it goes on.
    sessions: BTreeMap<ResourceKey, Option<Ending>>,
    /// What was told last of what waits, while nothing else happened.
    waits: BTreeMap<ResourceKey, String>,
}

impl Teller {
    pub(super) fn new(sessions: &[ResourceKey]) -> Self {
        let sessions = sessions.iter().map(|key| (key.clone(), None)).collect();
        Self { sessions, waits: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn is_over(&self) -> bool {
        self.sessions.values().all(Option::is_some)
    }

    pub(super) fn endings(&self) -> Vec<&Ending> {
        self.sessions.values().flatten().collect()
    }

    pub(super) fn unfinished(&self) -> Vec<&ResourceKey> {
        self.sessions.iter().filter(|(_, ending)| ending.is_none()).map(|(key, _)| key).collect()
    }

    /// How everything stands when the story begins: the last thing that happened to
    /// each.
    pub(super) fn opening(&mut self, known: &Known) -> Vec<Told> {
        let tree = Tree::of(known.values().cloned());
        let mut told = Vec::new();
        for key in self.sessions.keys() {
            let Some(session) = known.get(key) else { continue };
            for branch in tree.walk(session) {
                let last = with_object!(&branch.resource, object => {
                    object.state_history.iter().map(happened).rfind(|it| it.sort == Sort::Moved)
                });
                let Some(event) = last else { continue };
                let who = self.name(&branch.resource, key);
                told.push(Told { who, event });
            }
        }
        for (key, ending) in &mut self.sessions {
            if let Some(session) = known.get(key) {
                *ending = ending_of(session);
            }
        }
        told
    }

    /// What a change is worth telling, oldest first.
    pub(super) fn observe(&mut self, change: &Change, known: &Known) -> Vec<Told> {
        let (resource, happened) = match change {
            Change::Changed { before, after } => (after, events(before.as_ref(), after)),
            Change::Deleted { before, .. } => (before, vec![deletion(before)]),
            Change::Notice(_) => return Vec::new(),
        };
        let Some(root) = root_of(resource, known).filter(|root| self.sessions.contains_key(root))
        else {
            return Vec::new();
        };
        if resource.key() == root {
            let ending = match change {
                Change::Deleted { .. } => Some(Ending::deleted(&root)),
                _ => ending_of(resource),
            };
            if let Some(known @ None) = self.sessions.get_mut(&root) {
                *known = ending;
            }
        }
        let who = self.name(resource, &root);
        let is_told = |event: &Event| is_told(resource, event);
        happened.into_iter().filter(is_told).map(|event| Told { who: who.clone(), event }).collect()
    }

    /// Nothing has happened for a while: what the pods and parts wait for, unless that was
    /// told before. What its clock or its gate will bring needs no words, nor does a part that
    /// waits for its pods.
    pub(super) fn quiet(&mut self, known: &Known) -> Vec<Told> {
        let mut told = Vec::new();
        for resource in known.values() {
            let (waiting, is_of_pod) = match resource {
                Resource::Pod(pod) => (&pod.waiting_for, true),
                Resource::SessionPart(part) => (&part.waiting_for, false),
                _ => continue,
            };
            let Some(waiting) = waiting.as_ref().filter(|it| is_worth_a_word(it.reason, is_of_pod))
            else {
                continue;
            };
            let root = root_of(resource, known).filter(|root| self.sessions.contains_key(root));
            let Some(root) = root else { continue };
            let words = format!("waits for: {}", waiting.message);
            if self.waits.insert(resource.key(), words.clone()).as_ref() == Some(&words) {
                continue;
            }
            let sort = Sort::Waits(waiting.reason);
            let event = Event { at: waiting.since, moved: None, words, sort };
            told.push(Told { who: self.name(resource, &root), event });
        }
        told
    }

    /// What a resource is called, with its session where there are several.
    fn name(&self, resource: &Resource, root: &ResourceKey) -> String {
        let label = label(resource, &root.name);
        match self.sessions.len() > 1 && resource.key() != *root {
            true => format!("{} {label}", root.name),
            false => label,
        }
    }
}

fn ending_of(session: &Resource) -> Option<Ending> {
    match session {
        Resource::Session(session) if session.status.is_over() => Some(Ending::of(session)),
        _ => None,
    }
}

/// The session that a resource belongs to, over its owners.
pub(crate) fn root_of(resource: &Resource, known: &Known) -> Option<ResourceKey> {
    let mut at = resource.clone();
    for _ in 0..DEPTH_MAX {
        if at.kind() == KindName::Session {
            return Some(at.key());
        }
        let owner = at.owner()?;
        let key = ResourceKey::new(owner.kind, at.namespace().cloned(), owner.name.clone());
        at = known.get(&key).filter(|found| found.id() == owner.id)?.clone();
    }
    None
}

/// What a resource is called in its session: `part theory`, `pod theory-desk`. The
/// names of what a session has begin with its own, which need not be repeated.
pub(crate) fn label(resource: &Resource, session: &Name) -> String {
    if let Resource::SessionPart(part) = resource {
        return format!("part {}", part.spec.part);
    }
    named(resource.kind(), resource.name(), session)
}

/// As [`label`], of what is not known but by its name.
pub(crate) fn named(kind: KindName, name: &Name, session: &Name) -> String {
    let rest = name.as_str().strip_prefix(session.as_str());
    let short = rest.and_then(|rest| rest.strip_prefix('-')).unwrap_or(name.as_str());
    match kind.singular() {
        // The session's own report.
        kind if kind == short => kind.to_owned(),
        kind => format!("{kind} {short}"),
    }
}

/// Whether somebody who follows a session wants to know of it.
fn is_told(resource: &Resource, event: &Event) -> bool {
    let of_a_pod =
        |resource: &Resource| resource.owner().is_some_and(|owner| owner.kind == KindName::Pod);
    match (resource, event.sort) {
        // A session waits for what one of its parts waits for.
        (_, Sort::Declared | Sort::Observed) | (Resource::Session(_), Sort::Waits(_)) => false,
        // What a job's workload does, its job says.
        (Resource::Workload(_), Sort::Moved) if !of_a_pod(resource) => false,
        (Resource::Workload(_), Sort::Moved) => is_told_of_workload(event),
        // They are made when they begin, which comes next.
        (Resource::Job(_) | Resource::Report(_), Sort::Moved) => !is_first(event),
        (_, Sort::Moved | Sort::Noted) => true,
        (Resource::Workload(_), Sort::Waits(reason)) => {
            matches!(
                reason,
                WaitReason::NoNodeFits | WaitReason::NodeOffline | WaitReason::Unkillable
            )
        }
        // The first part has no gate before it: it waits for its session only.
        (Resource::SessionPart(part), Sort::Waits(WaitReason::Gate)) => part.spec.order > 0,
        (_, Sort::Waits(reason)) => matches!(reason, WaitReason::Backoff | WaitReason::NoHostFits),
    }
}

fn is_worth_a_word(reason: WaitReason, is_of_pod: bool) -> bool {
    match reason {
        WaitReason::Time | WaitReason::Gate => false,
        WaitReason::Children => is_of_pod,
        _ => true,
    }
}

fn is_first(event: &Event) -> bool {
    event.moved.as_ref().is_some_and(|(from, _)| from.is_none())
}

/// On its way up or down, a workload says little that its pod does not say.
fn is_told_of_workload(event: &Event) -> bool {
    let Some((_, to)) = &event.moved else { return false };
    let passing =
        [WorkloadStatus::Pending, WorkloadStatus::Scheduled, WorkloadStatus::Provisioning];
    !passing.iter().any(|status| status.as_str() == to) && to != WorkloadStatus::Stopping.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::{Value, json};

    fn known() -> Known {
        fixture::exam().into_iter().map(|resource| (resource.key(), resource)).collect()
    }

    fn teller() -> Teller {
        Teller::new(&[fixture::session().key()])
    }

    /// The resource with these fields changed.
    fn with(resource: &Resource, fields: &Value) -> Resource {
        let mut value = serde_json::to_value(resource).unwrap();
        value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    fn moved(resource: &Resource, from: &str, to: &str) -> Resource {
        with(
            resource,
            &json!({"status": to, "state_history": [
                {"from": from, "to": to, "at": "2026-05-01T09:00:01Z", "by": "reconciler", "reason": "of the test"},
            ]}),
        )
    }

    fn told(teller: &mut Teller, before: Option<Resource>, after: &Resource) -> Vec<String> {
        let mut known = known();
        known.insert(after.key(), after.clone());
        let change = Change::Changed { before, after: after.clone() };
        let told = teller.observe(&change, &known);
        told.iter().map(|told| told.words(Style::PLAIN)).collect()
    }

    #[test]
    fn what_belongs_to_the_session_is_told_and_nothing_else() {
        let mut teller = teller();
        let lab = fixture::lab();
        assert_eq!(
            told(&mut teller, Some(lab.clone()), &moved(&lab, "Ready", "Active")),
            ["part lab: Active (of the test)"]
        );
        let web = fixture::workload();
        assert_eq!(
            told(&mut teller, Some(web.clone()), &moved(&web, "Running", "Failed")),
            ["workload lab-desk-web: Failed (of the test)"]
        );
        // On its way up it says no more than its pod.
        assert!(told(&mut teller, None, &moved(&web, "Pending", "Scheduled")).is_empty());
        let stranger = with(&web, &json!({"name": "other", "owner": null}));
        assert!(
            told(&mut teller, Some(stranger.clone()), &moved(&stranger, "Running", "Failed"))
                .is_empty()
        );
        let foreign = with(
            &web,
            &json!({"owner": {"kind": "Pod", "name": "exam-1-lab-desk", "id": "00000000000000ff"}}),
        );
        assert!(told(&mut teller, None, &moved(&foreign, "Running", "Failed")).is_empty());
    }

    #[test]
    fn retries_gates_and_extensions_are_told_and_routine_is_not() {
        let mut teller = teller();
        let pod = with(&fixture::pod(), &json!({"state_history": []}));
        let before = with(&pod, &json!({"waiting_for": null}));
        assert_eq!(
            told(&mut teller, Some(before.clone()), &pod),
            [
                "pod lab-desk: waits for: phase provision: the pause after try 1 of 3 (it exited with code 1)"
            ]
        );
        let timed = json!({"waiting_for": {"reason": "time", "message": "its start", "since": "2026-05-01T08:59:55Z"}});
        assert!(told(&mut teller, Some(before), &with(&pod, &timed)).is_empty());
        let session = fixture::session();
        let history = serde_json::to_value(&session).unwrap()["state_history"].clone();
        let earlier = with(&session, &json!({"state_history": [history[0], history[1]]}));
        assert_eq!(
            told(&mut teller, Some(earlier), &session),
            ["session exam-1: its end is 5m later"]
        );
    }

    #[test]
    fn what_pods_and_parts_wait_for_is_told_once_while_nothing_else_happens() {
        let mut teller = teller();
        let waits = |reason: &str, message: &str| {
            json!({"waiting_for": {"reason": reason, "message": message,
                "since": "2026-05-01T08:59:55Z"}})
        };
        let mut quiet = |pod: Value, part: Value| {
            let mut known = known();
            for resource in [with(&fixture::pod(), &pod), with(&fixture::lab(), &part)] {
                known.insert(resource.key(), resource);
            }
            let told = teller.quiet(&known);
            told.iter().map(|told| told.words(Style::PLAIN)).collect::<Vec<_>>()
        };
        let of_pods = waits("children", "pod/exam-1-lab-desk: phase provision: an adapter");
        let adapter = || waits("phase", "phase provision: an adapter");
        let line = "pod lab-desk: waits for: phase provision: an adapter";
        assert_eq!(quiet(adapter(), of_pods.clone()), [line]);
        assert!(quiet(adapter(), of_pods).is_empty(), "it is told once");
        let start = waits("time", "its start");
        assert!(quiet(start.clone(), start.clone()).is_empty());
        let phase = waits("phase", "phase prepare: job/exam-1-lab-prepare-1");
        let line = "part lab: waits for: phase prepare: job/exam-1-lab-prepare-1";
        assert_eq!(quiet(start, phase), [line]);
    }

    #[test]
    fn it_ends_with_its_sessions_and_says_how() {
        for (status, outcome, is_good) in [
            ("Inactive", "completed", true),
            ("Inactive", "cancelled", false),
            ("Inactive", "skipped", false),
            ("Failed", "failed", false),
        ] {
            let mut teller = teller();
            let session = fixture::session();
            let mut observed = serde_json::to_value(&session).unwrap()["observed"].clone();
            observed["outcome"] = json!(outcome);
            observed["score"] = json!(7.5);
            let over = with(
                &moved(&session, "Finalizing", status),
                &json!({
                    "observed": observed, "status_since": "2026-05-01T09:00:00Z",
                }),
            );
            assert!(!teller.is_over());
            told(&mut teller, Some(session), &over);
            assert!(teller.is_over());
            let [ending] = teller.endings()[..] else { panic!("one session") };
            assert_eq!(ending.is_good, is_good, "{outcome}");
            let line = ending.line(Style::PLAIN);
            assert_eq!(
                line,
                format!("session exam-1 ended: {outcome}, score 7.5, over 60s after its start\n")
            );
        }
    }

    #[test]
    fn a_session_that_is_deleted_did_not_end_well() {
        let mut teller = teller();
        let before = fixture::session();
        let revision = tessera_types::Revision::ZERO;
        teller.observe(&Change::Deleted { before, revision }, &known());
        assert!(teller.is_over() && !teller.endings()[0].is_good);
    }

    #[test]
    fn the_opening_tells_how_everything_stands() {
        let told = teller().opening(&known());
        let told: Vec<_> = told.iter().map(|told| told.words(Style::PLAIN)).collect();
        assert_eq!(told, ["session exam-1: Active (its window is open)"]);
        let both = [
            fixture::session().key(),
            ResourceKey::new(KindName::Session, None, "b".parse().unwrap()),
        ];
        let lab = fixture::lab();
        let mut teller = Teller::new(&both);
        let words = self::told(&mut teller, Some(lab.clone()), &moved(&lab, "Ready", "Active"));
        assert_eq!(words, ["exam-1 part lab: Active (of the test)"]);
    }
}
