//! The jobs that wait for their turn.
//!
//! The one idea: submitters take turns, so whoever submits ten thousand jobs delays
//! another's one by one place, not by ten thousand.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tessera_store::journal::JobNumber;

/// The jobs that wait, by submitter.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: HashMap<Arc<str>, VecDeque<JobNumber>>,
    /// Whose turn it is: every submitter that has a job waiting, once.
    turns: VecDeque<Arc<str>>,
    len: usize,
}

impl Queue {
    /// Puts a job behind those of its submitter.
    pub(crate) fn push(&mut self, submitter: &str, job: JobNumber) {
        self.len += 1;
        if let Some(lane) = self.lanes.get_mut(submitter) {
            lane.push_back(job);
            return;
        }
        let submitter: Arc<str> = submitter.into();
        self.turns.push_back(Arc::clone(&submitter));
        self.lanes.insert(submitter, VecDeque::from([job]));
    }

    /// Takes the next job.
    pub(crate) fn pop(&mut self) -> Option<JobNumber> {
        let submitter = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&submitter)?;
        let job = lane.pop_front()?;
        self.len -= 1;
        match lane.is_empty() {
            true => drop(self.lanes.remove(&submitter)),
            false => self.turns.push_back(submitter),
        }
        Some(job)
    }

    /// Takes a job out; false when it does not wait.
    pub(crate) fn remove(&mut self, submitter: &str, job: JobNumber) -> bool {
        let Some(lane) = self.lanes.get_mut(submitter) else { return false };
        let Some(place) = lane.iter().position(|it| *it == job) else { return false };
        lane.remove(place);
        self.len -= 1;
        if lane.is_empty() {
            self.lanes.remove(submitter);
            self.turns.retain(|it| &**it != submitter);
        }
        true
    }

    /// How many jobs of a submitter wait.
    pub(crate) fn len_of(&self, submitter: &str) -> usize {
        self.lanes.get(submitter).map_or(0, VecDeque::len)
    }

    /// Whether a submitter may have one more wait where `max` may altogether: he has no more places
    /// than he leaves free. So with half of them he is at his end, and there is always one for another.
    pub(crate) fn has_room(&self, submitter: &str, max: usize) -> bool {
        self.len_of(submitter) + self.len < max
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn between_two_turns_of_a_submitter_every_other_that_waits_has_one(
            ops in proptest::collection::vec(proptest::option::weighted(0.6, 0..5_usize), 0..200),
        ) {
            let mut queue = Queue::default();
            // Of each submitter: the jobs that wait, and who had a turn since its last one.
            let mut waiting: [VecDeque<u64>; 5] = Default::default();
            let mut served_since: [[bool; 5]; 5] = Default::default();
            for (number, submitter) in ops.into_iter().enumerate() {
                let number = number as u64;
                let Some(submitter) = submitter else {
                    let Some(job) = queue.pop() else {
                        assert!(waiting.iter().all(VecDeque::is_empty));
                        continue;
                    };
                    let turn = waiting.iter().position(|it| it.front() == Some(&job.0));
                    let turn = turn.expect("a submitter's jobs come in order");
                    for other in (0..5).filter(|it| *it != turn && !waiting[*it].is_empty()) {
                        // It may have come only just now, but then not twice over.
                        assert!(!served_since[other][turn], "{turn} twice before {other}");
                        served_since[other][turn] = true;
                    }
                    waiting[turn].pop_front();
                    served_since[turn] = [false; 5];
                    continue;
                };
                if waiting[submitter].is_empty() {
                    served_since[submitter] = [false; 5];
                }
                waiting[submitter].push_back(number);
                queue.push(&submitter.to_string(), JobNumber(number));
            }
            assert_eq!(queue.len(), waiting.iter().map(VecDeque::len).sum::<usize>());
        }
    }

    fn drain(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|job| job.0).collect()
    }

    #[test]
    fn submitters_take_turns_and_each_ones_jobs_stay_in_order() {
        let mut queue = Queue::default();
        (1..=5).for_each(|job| queue.push("a", JobNumber(job)));
        assert_eq!(queue.pop(), Some(JobNumber(1)));
        queue.push("b", JobNumber(10));
        queue.push("c", JobNumber(20));
        queue.push("b", JobNumber(11));
        assert_eq!(queue.len(), 7);
        assert_eq!(drain(&mut queue), [2, 10, 20, 3, 11, 4, 5]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn whoever_submits_without_end_leaves_places_to_others() {
        let mut queue = Queue::default();
        for submitter in ["a", "b", "c"] {
            let mut job = 0;
            while queue.has_room(submitter, 100) {
                queue.push(submitter, JobNumber(job));
                job += 1;
            }
            assert!(job > 0);
        }
        assert_eq!(["a", "b", "c"].map(|it| queue.len_of(it)), [50, 25, 13]);
        assert!(queue.has_room("d", 100));
    }

    #[test]
    fn a_job_that_is_taken_out_leaves_no_turn_behind() {
        let mut queue = Queue::default();
        queue.push("a", JobNumber(1));
        queue.push("b", JobNumber(2));
        assert!(queue.remove("a", JobNumber(1)));
        assert!(!queue.remove("a", JobNumber(1)));
        assert!(!queue.remove("b", JobNumber(1)));
        queue.push("a", JobNumber(3));
        assert_eq!(drain(&mut queue), [2, 3]);
    }
}
