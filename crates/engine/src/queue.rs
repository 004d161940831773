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

    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
