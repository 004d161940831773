//! What a change of a resource was, in words: its new transitions, or else what
//! else is different.

use tessera_types::{
    Kind, Object, Resource, State, Timestamp, Transition, WaitReason, WaitingFor, with_object,
};

use crate::style::{Style, Tone, told, tone_of_status};

/// One thing that happened to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The status before and after, when that changed.
    pub moved: Option<(Option<String>, String)>,
    /// Why, or what else.
    pub words: String,
    /// What sort of thing.
    pub sort: Sort,
}

/// The sorts of things that happen to resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Its status changed, or it was made or deleted.
    Moved,
    /// Something worth knowing was written down, such as an extension.
    Noted,
    /// People or its parent declared something anew.
    Declared,
    /// It waits for something else than before.
    Waits(WaitReason),
    /// Only what is known of it changed.
    Observed,
}

impl Event {
    /// Whether it goes with any ordinary life, such as waiting for an agent to
    /// answer: somebody who waits for the end need not know.
    #[must_use]
    pub fn is_routine(&self) -> bool {
        match self.sort {
            Sort::Moved | Sort::Noted => false,
            Sort::Waits(reason) => is_routine(reason),
            Sort::Declared | Sort::Observed => true,
        }
    }

    /// `Pending → Scheduled: placed on node-a`.
    #[must_use]
    pub fn describe(&self, style: Style) -> String {
        let words = told(&self.words);
        let Some((from, to)) = &self.moved else { return words };
        let to = style.paint(tone_of_status(to), to);
        let moved = match from {
            Some(from) => format!("{from} → {to}"),
            None => to,
        };
        if words.is_empty() { moved } else { format!("{moved}: {words}") }
    }
}

/// What happened between `before` and `after`, oldest first; at least one thing.
pub(crate) fn events(before: Option<&Resource>, after: &Resource) -> Vec<Event> {
    with_object!(after, object => events_of(before.and_then(unwrapped(object)), object))
}

/// What happened to a resource that is gone.
pub(crate) fn deletion(before: &Resource) -> Event {
    let moved = Some((Some(before.status().to_owned()), "Deleted".to_owned()));
    Event { at: crate::moment::now(), moved, words: String::new(), sort: Sort::Moved }
}

/// The way back from [`Resource`] to the kind of `object`.
fn unwrapped<K: Kind>(_object: &Object<K>) -> impl Fn(&Resource) -> Option<&Object<K>> {
    |resource| K::unwrap(resource).map(|object| &**object)
}

fn events_of<K: Kind>(before: Option<&Object<K>>, after: &Object<K>) -> Vec<Event> {
    let before = before.filter(|before| before.id == after.id);
    let other =
        |words: String, sort: Sort| Event { at: after.updated_at, moved: None, words, sort };
    let mut events = transitions(before, after);
    events.extend(declaration(before, after).map(|words| other(words, Sort::Declared)));
    if let Some(waiting) = newly_waited_for(before, after) {
        let words = format!("waits for: {}", waiting.message);
        events.push(other(words, Sort::Waits(waiting.reason)));
    }
    if events.is_empty() {
        let is_observed = before.is_some_and(|before| before.observed != after.observed);
        let words = if is_observed { "what is known of it changed" } else { "changed" };
        events.push(other(words.to_owned(), Sort::Observed));
    }
    events
}

/// Whether waiting for such a thing goes with any start or stop.
fn is_routine(reason: WaitReason) -> bool {
    match reason {
        WaitReason::Agent
        | WaitReason::Start
        | WaitReason::Backoff
        | WaitReason::Stop
        | WaitReason::Time
        | WaitReason::Phase => true,
        WaitReason::NoNodeFits
        | WaitReason::NotBefore
        | WaitReason::Unkillable
        | WaitReason::NodeOffline
        | WaitReason::NoHostFits
        | WaitReason::Overbooked
        | WaitReason::Gate
        | WaitReason::Engine
        | WaitReason::Conflict
        | WaitReason::Children => false,
    }
}

/// The transitions of `after` that `before` does not have. The history in a
/// resource is a tail, so where nothing is common all of it is new.
fn transitions<K: Kind>(before: Option<&Object<K>>, after: &Object<K>) -> Vec<Event> {
    let history = &after.state_history;
    let last_known = before.and_then(|before| before.state_history.last());
    let known = last_known
        .and_then(|last| history.iter().rposition(|transition| transition == last))
        .map_or(0, |at| at + 1);
    history[known..].iter().map(happened).collect()
}

/// A transition as something that happened. One that changes no status is a note.
pub(crate) fn happened<S: State>(transition: &Transition<S>) -> Event {
    let is_note = transition.from == Some(transition.to);
    let moved = (transition.from.map(|from| from.to_string()), transition.to.to_string());
    Event {
        at: transition.at,
        moved: (!is_note).then_some(moved),
        words: transition.reason.clone(),
        sort: if is_note { Sort::Noted } else { Sort::Moved },
    }
}

/// What people declared anew.
fn declaration<K: Kind>(before: Option<&Object<K>>, after: &Object<K>) -> Option<String> {
    let mut words = Vec::new();
    if let Some(before) = before {
        if before.generation != after.generation {
            words.push(format!("declared anew: generation {}", after.generation));
        }
        if before.labels != after.labels {
            words.push(format!("labels: {}", super::labels(&after.labels)));
        }
    }
    let is_asked = |object: &Object<K>| object.deletion_requested_at.is_some();
    if is_asked(after) && !before.is_some_and(is_asked) {
        words.push("deletion requested".to_owned());
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// What it waits for now, if that is news.
fn newly_waited_for<'a, K: Kind>(
    before: Option<&Object<K>>,
    after: &'a Object<K>,
) -> Option<&'a WaitingFor> {
    let known = before.and_then(|before| before.waiting_for.as_ref());
    let is_news = |now: &&WaitingFor| known.is_none_or(|known| known.message != now.message);
    after.waiting_for.as_ref().filter(is_news)
}

/// The tone in which a resource's key is printed.
pub(crate) const KEY_TONE: Tone = Tone::Strong;
