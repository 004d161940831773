//! The seats of watchers that keep up, and what waits at each.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tessera_types::{Change, KindName, Name, Revision};
use tokio::sync::Notify;

use super::Encoded;

/// Commits that a watcher takes at once: what it has taken waits for its reader, outside of
/// the bound of the seats.
const TAKE_MAX: usize = 16;

/// What a watcher follows; what is not given is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Following {
    pub(crate) kind: Option<KindName>,
    pub(crate) namespace: Option<Name>,
    pub(crate) name: Option<Name>,
}

impl Following {
    /// Whether this change is of that.
    pub(crate) fn has(&self, change: &Change) -> bool {
        let key = &change.key;
        self.kind.is_none_or(|kind| kind == key.kind)
            && (self.namespace.is_none() || self.namespace == key.namespace)
            && self.name.as_ref().is_none_or(|name| *name == key.name)
    }

    /// In so many ways can one change be followed.
    const WAYS: usize = 8;

    /// All that can be followed and has this change.
    fn all_that_have(change: &Change) -> impl Iterator<Item = Self> {
        let key = change.key.clone();
        // Resources without a namespace are found by those that name none.
        let namespaced = if key.namespace.is_some() { 2 } else { 1 };
        (0..2).flat_map(move |kind| (0..namespaced).map(move |space| (kind, space))).flat_map(
            move |(kind, space)| {
                let key = key.clone();
                (0..2).map(move |name| Self {
                    kind: (kind == 1).then_some(key.kind),
                    namespace: key.namespace.clone().filter(|_| space == 1),
                    name: (name == 1).then(|| key.name.clone()),
                })
            },
        )
    }
}

/// A commit that concerns a watcher, with the changes that do.
pub(crate) struct Handed {
    pub(crate) commit: Arc<Encoded>,
    pub(crate) changes: Vec<usize>,
    /// How many changes had been handed out with it: one that is large is not by itself
    /// far back.
    place: u64,
}

/// What a watcher finds at its seat.
pub(crate) enum Taken {
    /// These, in order; none where nothing waits. It has everything up to this revision
    /// when it has sent them.
    Commits(Vec<Handed>, Revision),
    /// It did not keep up, and has everything up to this revision. The seat is of no more
    /// use.
    Behind(Revision),
}

pub(super) struct Seats {
    /// Everything up to here was handed out.
    revision: Revision,
    /// How many changes were.
    place: u64,
    changes_max: u64,
    /// Since when nobody looked for seats that nobody empties.
    swept_at: u64,
    next: u64,
    seats: HashMap<u64, Waiting>,
    by_following: HashMap<Following, Vec<u64>>,
    is_closed: bool,
}

struct Waiting {
    following: Following,
    /// The watcher has this already.
    after: Revision,
    commits: VecDeque<Handed>,
    behind: Option<Revision>,
    bell: Arc<Notify>,
}

impl Seats {
    pub(super) fn new(revision: Revision, changes_max: u64) -> Self {
        Self {
            revision,
            place: 0,
            changes_max,
            swept_at: 0,
            next: 0,
            seats: HashMap::new(),
            by_following: HashMap::new(),
            is_closed: false,
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn sit_down(
        &mut self,
        following: Following,
        after: Revision,
        bell: Arc<Notify>,
    ) -> Option<u64> {
        if self.is_closed || after < self.revision {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.by_following.entry(following.clone()).or_default().push(number);
        let commits = VecDeque::new();
        self.seats.insert(number, Waiting { following, after, commits, behind: None, bell });
        Some(number)
    }

    pub(super) fn leave(&mut self, number: u64) {
        if let Some(seat) = self.seats.remove(&number) {
            self.unfollow(&seat.following, number);
        }
    }

    fn unfollow(&mut self, following: &Following, number: u64) {
        if let Some(numbers) = self.by_following.get_mut(following) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_following.remove(following);
            }
        }
    }

    pub(super) fn hand_out(&mut self, commit: &Arc<Encoded>) {
        self.place += commit.changes().len() as u64;
        self.revision = commit.revision();
        for (i, change) in commit.changes().iter().enumerate() {
            if self.by_following.len() <= Following::WAYS {
                let having = self.by_following.iter().filter(|(it, _)| it.has(change));
                let numbers = having.flat_map(|(_, numbers)| numbers);
                hand(&mut self.seats, numbers, commit, i, self.place);
                continue;
            }
            for following in Following::all_that_have(change) {
                let numbers = self.by_following.get(&following).into_iter().flatten();
                hand(&mut self.seats, numbers, commit, i, self.place);
            }
        }
        if self.place - self.swept_at >= self.changes_max / 4 {
            self.sweep();
        }
    }

    /// Empties the seats at which something waits that is too far back.
    fn sweep(&mut self) {
        self.swept_at = self.place;
        let (place, changes_max) = (self.place, self.changes_max);
        let is_behind = |seat: &Waiting| {
            seat.commits.front().is_some_and(|oldest| place - oldest.place > changes_max)
        };
        let behind: Vec<_> =
            self.seats.iter().filter(|(_, it)| is_behind(it)).map(|(number, _)| *number).collect();
        for number in behind {
            self.leave_behind(number);
        }
    }

    fn leave_behind(&mut self, number: u64) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        if seat.behind.is_none() {
            seat.behind = Some(seat.has_all_up_to(self.revision));
            seat.commits = VecDeque::new();
            seat.bell.notify_one();
            let following = seat.following.clone();
            self.unfollow(&following, number);
        }
    }

    pub(super) fn take(&mut self, number: u64) -> Taken {
        let revision = self.revision;
        let Some(seat) = self.seats.get_mut(&number) else { return Taken::Behind(revision) };
        if let Some(behind) = seat.behind {
            return Taken::Behind(behind);
        }
        let count = seat.commits.len().min(TAKE_MAX);
        let taken = seat.commits.drain(..count).collect();
        Taken::Commits(taken, seat.has_all_up_to(revision))
    }

    /// Goes on from `revision`: what was committed before is not handed out.
    pub(super) fn skip_to(&mut self, revision: Revision) {
        let all: Vec<_> = self.seats.keys().copied().collect();
        all.into_iter().for_each(|number| self.leave_behind(number));
        self.revision = revision;
    }

    /// The same, if nobody sits here and there is something to skip; says whether it was.
    pub(super) fn skip_if_empty(&mut self, revision: Revision) -> bool {
        let skips = self.seats.is_empty() && self.revision < revision;
        if skips {
            self.revision = revision;
        }
        skips
    }

    /// Nothing is handed out any more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.skip_to(self.revision);
    }
}

fn hand<'a>(
    seats: &mut HashMap<u64, Waiting>,
    numbers: impl Iterator<Item = &'a u64>,
    commit: &Arc<Encoded>,
    change: usize,
    place: u64,
) {
    for number in numbers {
        if let Some(seat) = seats.get_mut(number) {
            seat.hand(commit, change, place);
        }
    }
}

impl Waiting {
    fn hand(&mut self, commit: &Arc<Encoded>, change: usize, place: u64) {
        if commit.revision() <= self.after {
            return;
        }
        match self.commits.back_mut() {
            Some(last) if last.commit.revision() == commit.revision() => last.changes.push(change),
            _ => {
                let commit = Arc::clone(commit);
                self.commits.push_back(Handed { commit, changes: vec![change], place });
                self.bell.notify_one();
            }
        }
    }

    /// What its watcher has, once what waits no more is sent: everything before what does.
    fn has_all_up_to(&self, newest: Revision) -> Revision {
        let before = |oldest: &Handed| Revision(oldest.commit.revision().0.saturating_sub(1));
        self.commits.front().map_or(newest, before).max(self.after)
    }
}

#[cfg(test)]
mod tests;
