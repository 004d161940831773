//! What becomes of one run by itself: it starts or cannot, ends or goes on, and is ended by its
//! supervisor when its lease or its window is over.

use tessera_agent::core::{RunEnd, RunEvent, RunId};
use tessera_types::workload::{ExitOutcome, Instance};
use tessera_types::{Duration, Now, Timestamp};

use super::{Machine, Phase, Run};
use crate::life;

impl Machine {
    /// Lets happen to one run what happens by `now`, and says what its agent sees of that.
    pub(super) fn advance_run(
        &mut self,
        id: RunId,
        now: Timestamp,
        crashes: bool,
    ) -> Option<RunEvent> {
        let fate = self.fate;
        let Now { wall, boot } = self.clock.now(now);
        let run = self.runs.get_mut(&id)?;
        match run.phase {
            Phase::Ended => return None,
            Phase::Abandoned if run.next > now => return None,
            Phase::Abandoned => return self.find_abandoned(id, now),
            _ => {}
        }
        if run.killed_by(id).is_some_and(|at| at <= boot) {
            return Some(end(run, wall, ExitOutcome::Disconnected, false));
        }
        if run.not_after.is_some_and(|at| at <= wall) {
            return Some(end(run, wall, ExitOutcome::WindowClosed, false));
        }
        if run.next > now {
            return None;
        }
        match run.phase {
            Phase::Starting => self.begin_run(id, now, crashes),
            Phase::Running => match fate.exit_code(id, &run.spec, crashes) {
                Some(code) => Some(end(run, wall, ExitOutcome::Exited { code }, false)),
                None => {
                    run.next = now.plus(Duration::from_secs(3600));
                    None
                }
            },
            Phase::Stopping => Some(end(run, wall, ExitOutcome::Signaled { signal: 15 }, true)),
            Phase::Abandoned | Phase::Ended => None,
        }
    }

    /// Its program starts, or cannot.
    fn begin_run(&mut self, id: RunId, now: Timestamp, crashes: bool) -> Option<RunEvent> {
        let (fate, wall) = (self.fate, self.clock.wall(now));
        let run = self.runs.get_mut(&id)?;
        let command = run.spec.command.as_deref();
        if command == Some(life::IMPOSSIBLE) {
            let outcome = ExitOutcome::StartFailed { message: "no such file".to_owned() };
            return Some(end_for_good(run, wall, outcome));
        }
        let has_no_room = self.is_disk_full && fate.fails_to_save(&id.to_string());
        if command == Some(life::FAILING) || crashes && fate.fails_to_start(id) || has_no_room {
            let outcome = ExitOutcome::StartFailed { message: "no memory".to_owned() };
            return Some(end(run, wall, outcome, false));
        }
        self.pids += 1;
        let instance = Instance { pid: Some(self.pids), container_id: None, started_at: wall };
        run.started = Some(instance.clone());
        run.phase = Phase::Running;
        run.next = now.plus(fate.time_to_run(id, &run.spec));
        self.has_turned(id, now);
        Some(RunEvent::Started(instance))
    }
}

/// A start that can never succeed.
fn end_for_good(run: &mut Run, now: Timestamp, outcome: ExitOutcome) -> RunEvent {
    end(run, now, outcome, false);
    let end = run.end.take().map(|end| RunEnd { permanent: true, ..end });
    run.end.clone_from(&end);
    end.map_or(RunEvent::Trouble(None), RunEvent::Ended)
}

pub(super) fn end(
    run: &mut Run,
    now: Timestamp,
    outcome: ExitOutcome,
    requested: bool,
) -> RunEvent {
    let end = RunEnd { at: now, outcome, requested, permanent: false, last_lines: Vec::new() };
    run.phase = Phase::Ended;
    run.end = Some(end.clone());
    RunEvent::Ended(end)
}
