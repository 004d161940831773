//! Does what the core of tenants wants done.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tessera_types::Timestamp;
use tokio::sync::mpsc;

use super::core::{Done, Job};
use super::notes::NoteStore;
use super::simulated::Simulated;
use super::systemd::OnSystemd;

/// Who does the jobs.
pub(crate) enum Hands {
    /// A thread, which begins with the first job: most nodes have no tenants.
    Thread(Box<Idle>),
    /// The thread of jobs, once there was one.
    Busy {
        /// Where jobs go.
        jobs: Sender<Job>,
        /// Where answers come from.
        answers: mpsc::UnboundedReceiver<Done>,
    },
    /// Nobody: it is only behaved as if.
    Simulated(Simulated),
}

/// What the thread works with.
pub(crate) struct Idle {
    notes: NoteStore,
    machine: OnSystemd,
}

impl Hands {
    /// On this machine.
    pub(crate) fn new(notes: NoteStore, machine: OnSystemd) -> Self {
        Self::Thread(Box::new(Idle { notes, machine }))
    }

    /// On a machine that there is not.
    pub(crate) fn simulated() -> Self {
        Self::Simulated(Simulated::default())
    }

    /// Takes a job on. What comes of it is answered at once, or comes by [`Hands::next`].
    pub(crate) fn take(&mut self, now: Timestamp, job: Job) -> Option<Done> {
        if let Self::Thread(_) = self {
            let (jobs, received) = channel();
            let (done, answers) = mpsc::unbounded_channel();
            let idle = std::mem::replace(self, Self::Busy { jobs, answers });
            if let Self::Thread(idle) = idle {
                // It is not waited for: a hung service manager must not keep the agent from ending.
                thread::spawn(move || idle.work(&received, &done));
            }
        }
        match self {
            Self::Simulated(simulated) => Some(simulated.carry_out(now, job)),
            Self::Busy { jobs, .. } => {
                let _never_ends_before = jobs.send(job);
                None
            }
            Self::Thread(_) => None,
        }
    }

    /// What came of the job that was taken on.
    pub(crate) async fn next(&mut self) -> Done {
        if let Self::Busy { answers, .. } = self
            && let Some(done) = answers.recv().await
        {
            return done;
        }
        std::future::pending().await
    }
}

impl Idle {
    fn work(self, jobs: &Receiver<Job>, done: &mpsc::UnboundedSender<Done>) {
        for job in jobs {
            if done.send(self.carry_out(job)).is_err() {
                return;
            }
        }
    }

    fn carry_out(&self, job: Job) -> Done {
        let said = |error: std::io::Error| format!("what is known of it cannot be saved: {error}");
        match job {
            Job::Save(note) => Done::Saved(self.notes.save(&note).map_err(said)),
            Job::Forget(id) => Done::Forgotten(self.notes.forget(id).map_err(said)),
            Job::Converge(declared) => self.machine.converge(&declared),
            Job::Remove { name, .. } => self.machine.remove(&name),
            Job::Start(start) => Done::Started(self.machine.start(&start)),
            Job::Look(units) => self.machine.look(&units),
        }
    }
}
