//! A watcher gets each change that it follows once and in order, however slow it is.

use proptest::prelude::*;
use tessera_types::{Committed, ResourceKey, Timestamp, Uid};

use super::*;

/// So few that watchers fall behind all the time.
const CHANGES_MAX: u64 = 6;

fn name(number: u8) -> Name {
    Name::new(&format!("n-{number}")).unwrap()
}

fn following() -> impl Strategy<Value = Following> {
    let kind = prop::option::of(prop_oneof![Just(KindName::Workload), Just(KindName::Node)]);
    let name = || prop::option::of((0u8..2).prop_map(name));
    (kind, name(), name()).prop_map(|(kind, namespace, name)| Following { kind, namespace, name })
}

fn change() -> impl Strategy<Value = Change> {
    (any::<bool>(), 0u8..2, 0u8..2).prop_map(|(is_node, namespace, of)| {
        let (kind, namespace) = match is_node {
            true => (KindName::Node, None),
            false => (KindName::Workload, Some(name(namespace))),
        };
        let key = ResourceKey { kind, namespace, name: name(of) };
        Change { key, id: Uid(1), after: None }
    })
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    /// All that was committed is handed out.
    HandOut,
    /// A watcher takes what waits for it, or reads one commit of the log.
    Read(usize),
    Skip,
    SkipIfEmpty,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(change(), 1..8).prop_map(Step::Commit),
        4 => Just(Step::HandOut),
        8 => (0usize..4).prop_map(Step::Read),
        1 => Just(Step::Skip),
        2 => Just(Step::SkipIfEmpty),
    ]
}

struct Watcher {
    following: Following,
    at: Revision,
    seat: Option<u64>,
    got: Vec<(Revision, usize)>,
}

impl Watcher {
    fn read(&mut self, seats: &mut Seats, log: &[Arc<Encoded>]) {
        let bell = Arc::new(Notify::new());
        let following = self.following.clone();
        self.seat = self.seat.or_else(|| seats.sit_down(following, self.at, bell));
        let Some(seat) = self.seat else { return self.read_log(log) };
        match seats.take(seat) {
            Taken::Commits(commits, up_to) => {
                for Handed { commit, changes, .. } in commits {
                    self.got.extend(changes.into_iter().map(|i| (commit.revision(), i)));
                }
                self.at = self.at.max(up_to);
            }
            Taken::Behind(up_to) => {
                seats.leave(seat);
                self.seat = None;
                self.at = self.at.max(up_to);
            }
        }
    }

    fn read_log(&mut self, log: &[Arc<Encoded>]) {
        let Some(next) = log.get(self.at.0 as usize) else { return };
        self.got.extend(self.followed(next));
        self.at = next.revision();
    }

    fn followed(&self, commit: &Encoded) -> Vec<(Revision, usize)> {
        let changes = commit.changes().iter().enumerate();
        let followed = changes.filter(|(_, change)| self.following.has(change));
        followed.map(|(i, _)| (commit.revision(), i)).collect()
    }
}

fn hand_out(seats: &mut Seats, log: &[Arc<Encoded>]) {
    let handed = seats.revision().0 as usize;
    log[handed..].iter().for_each(|commit| seats.hand_out(commit));
}

proptest! {
    #[test]
    fn each_change_that_is_followed_is_seen_once_and_in_order(
        following in prop::collection::vec(following(), 1..12),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut seats = Seats::new(Revision(0), CHANGES_MAX);
        let mut log: Vec<Arc<Encoded>> = Vec::new();
        let watcher = |following| Watcher { following, at: Revision(0), seat: None, got: Vec::new() };
        let mut watchers: Vec<_> = following.into_iter().map(watcher).collect();
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let revision = Revision(log.len() as u64 + 1);
                    let committed = Committed { revision, at: Timestamp::EPOCH, changes };
                    log.push(Arc::new(Encoded::new(Arc::new(committed))));
                }
                Step::HandOut => hand_out(&mut seats, &log),
                Step::Read(first) => {
                    watchers.iter_mut().skip(first).step_by(4).for_each(|it| it.read(&mut seats, &log));
                }
                Step::Skip => seats.skip_to(Revision(log.len() as u64)),
                Step::SkipIfEmpty => {
                    seats.skip_if_empty(Revision(log.len() as u64));
                }
            }
            let waiting = seats.seats.values().flat_map(|seat| &seat.commits);
            let oldest = waiting.map(|it| it.place).min().unwrap_or(seats.place);
            prop_assert!(seats.place - oldest <= CHANGES_MAX + CHANGES_MAX / 4 + 8, "it piles up");
        }
        hand_out(&mut seats, &log);
        for watcher in &mut watchers {
            // A step of it makes progress, until it has all.
            for _ in 0..3 * log.len() + 3 {
                watcher.read(&mut seats, &log);
            }
            let expected: Vec<_> = log.iter().flat_map(|it| watcher.followed(it)).collect();
            prop_assert_eq!(&watcher.got, &expected);
            prop_assert_eq!(watcher.at, Revision(log.len() as u64));
        }
    }
}

#[test]
fn nobody_sits_down_where_nothing_is_handed_out_any_more() {
    let mut seats = Seats::new(Revision(7), CHANGES_MAX);
    let bell = || Arc::new(Notify::new());
    assert!(seats.sit_down(Following::default(), Revision(6), bell()).is_none());
    let seat = seats.sit_down(Following::default(), Revision(9), bell()).unwrap();
    seats.close();
    assert!(matches!(seats.take(seat), Taken::Behind(Revision(9))));
    assert!(seats.sit_down(Following::default(), Revision(9), bell()).is_none());
}
