//! What waits for the writer.
//!
//! The one idea: there are two lanes that take turns, so that what somebody waits for never stands behind
//! thousands of commits that can wait, and those go on all the same.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use crate::contract::Lane;
use crate::engine::{Job, Urgency};
use crate::writer::Message;

/// What the writer is to do next.
pub(crate) enum Next {
    Message(Message),
    /// A chore is due first.
    Nothing,
    Disconnected,
}

/// What waits for the writer: of each lane in the order in which it came.
pub(crate) struct Lanes {
    queue: Receiver<Message>,
    prompt: VecDeque<Job>,
    bulk: VecDeque<Job>,
    /// Whose turn it is.
    turn: Lane,
    /// What is not a commit comes after all commits that came before it, and before all that come after it:
    /// those stay in the queue meanwhile.
    held: Option<Message>,
}

impl Lanes {
    pub(crate) fn new(queue: Receiver<Message>) -> Self {
        let (prompt, bulk) = (VecDeque::new(), VecDeque::new());
        Self { queue, prompt, bulk, turn: Lane::Prompt, held: None }
    }

    /// The next message, or nothing when a chore is due first.
    pub(crate) fn next(&mut self, urgency: Urgency) -> Next {
        if let Some(job) = self.next_commit() {
            return Next::Message(Message::Commit(job));
        }
        if let Some(held) = self.held.take() {
            return Next::Message(held);
        }
        let received = match urgency {
            Urgency::Now => self.queue.recv_timeout(std::time::Duration::ZERO),
            Urgency::In(pause) => self.queue.recv_timeout(pause),
            Urgency::Never => self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(message) => Next::Message(message),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::Disconnected,
        }
    }

    /// The next commit if one waits.
    pub(crate) fn next_commit(&mut self) -> Option<Job> {
        self.take_in();
        let (first, second, turn) = match self.turn {
            Lane::Prompt => (&mut self.prompt, &mut self.bulk, Lane::Bulk),
            Lane::Bulk => (&mut self.bulk, &mut self.prompt, Lane::Prompt),
        };
        self.turn = turn;
        first.pop_front().or_else(|| second.pop_front())
    }

    fn take_in(&mut self) {
        while self.held.is_none()
            && let Ok(message) = self.queue.try_recv()
        {
            match message {
                Message::Commit(job) => match job.lane() {
                    Lane::Prompt => self.prompt.push_back(job),
                    Lane::Bulk => self.bulk.push_back(job),
                },
                other => self.held = Some(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use proptest::prelude::*;
    use tessera_types::{Revision, Timestamp};
    use tokio::sync::oneshot;

    use super::*;
    use crate::contract::Commit;

    /// A commit that is told from others by its time.
    fn commit(number: i64, lane: Lane) -> Message {
        let at = Timestamp::from_micros(number);
        Message::Commit(Job::new(Commit { lane, ..Commit::new(Vec::new(), at) }).0)
    }

    fn compaction(number: i64) -> Message {
        Message::Compact { up_to: Revision(number.cast_unsigned()), answer: oneshot::channel().0 }
    }

    /// All that is served, by number, with its lane if it is a commit.
    fn served(lanes: &mut Lanes) -> Vec<(i64, Option<Lane>)> {
        let mut served = Vec::new();
        while let Next::Message(message) = lanes.next(Urgency::Now) {
            served.push(match message {
                Message::Commit(job) => (job.at().as_micros(), Some(job.lane())),
                Message::Compact { up_to, .. } => (up_to.0.cast_signed(), None),
                Message::Close(_) => unreachable!("nobody closes it"),
            });
        }
        served
    }

    proptest! {
        #[test]
        fn all_is_served_in_the_order_of_its_lane_and_none_waits_for_the_other_lane(
            kinds in prop::collection::vec(prop_oneof![
                4 => Just(Some(Lane::Prompt)), 8 => Just(Some(Lane::Bulk)), 1 => Just(None),
            ], 0..60),
        ) {
            let (queue, requests) = mpsc::channel();
            let mut lanes = Lanes::new(requests);
            for (kind, number) in kinds.iter().zip(0i64..) {
                let message = kind.map_or_else(|| compaction(number), |lane| commit(number, lane));
                queue.send(message).unwrap();
            }
            let served = served(&mut lanes);
            prop_assert_eq!(served.len(), kinds.len());
            for lane in [Lane::Prompt, Lane::Bulk] {
                let of_lane = served.iter().filter(|(_, it)| *it == Some(lane));
                prop_assert!(of_lane.is_sorted_by_key(|(number, _)| *number));
            }
            // Between two compactions only what came between them.
            for ((place, (number, kind)), before) in served.iter().enumerate().zip(0i64..) {
                prop_assert!(kind.is_some() || *number == before, "at {place}");
            }
            // While both lanes have something, they take turns.
            for part in served.split(|(_, kind)| kind.is_none()) {
                let lanes: Vec<_> = part.iter().filter_map(|(_, kind)| *kind).collect();
                let fewer = [Lane::Prompt, Lane::Bulk]
                    .map(|lane| lanes.iter().filter(|it| **it == lane).count())
                    .into_iter()
                    .min()
                    .unwrap_or(0);
                prop_assert!(
                    lanes.windows(2).take((2 * fewer).saturating_sub(1)).all(|two| two[0] != two[1]),
                    "{:?}", lanes
                );
            }
        }
    }

    #[test]
    fn what_comes_while_others_wait_is_next_but_one() {
        let (queue, requests) = mpsc::channel();
        let mut lanes = Lanes::new(requests);
        (0..1000).for_each(|number| queue.send(commit(number, Lane::Bulk)).unwrap());
        for number in [2000, 2001, 2002] {
            assert!(lanes.next_commit().is_some());
            queue.send(commit(number, Lane::Prompt)).unwrap();
            let two = [lanes.next_commit(), lanes.next_commit()];
            let found = two.into_iter().flatten().any(|job| job.at().as_micros() == number);
            assert!(found, "{number} waits longer");
        }
    }
}
