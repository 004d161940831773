//! What goes wrong when: a pure function of the seed and the length of the run.
//!
//! The one idea: the schedule is made before anything is started, so a run that failed is
//! made again from its seed. What the machine makes of it is another matter.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::dice::Dice;

/// How many nodes there are.
pub(crate) const AGENTS: u8 = 4;
/// How long a node counts as reachable. Short, so that a run sees many leases end.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// Before this nothing goes wrong: the system is being used for the first time.
const CALM_AT_FIRST_MS: u64 = 4_000;
/// Between two faults.
const GAP_MS: std::ops::Range<u64> = 150..2_200;
/// Every so often nothing new goes wrong for a while, so that what should be so can be seen to be
/// so. By its end everything has recovered that recovers by itself.
pub(crate) const CALM_EVERY_MS: u64 = 120_000;
const CALM_MS: u64 = 30_000;
/// The end of a calm, in which it is looked at.
const CALM_END_MS: u64 = 6_000;
/// How often another fault is drawn where the one that was drawn does not fit.
const DRAWS_MAX: usize = 20;

/// One of the programs that the tool starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Program {
    Control,
    Engine,
    Agent(u8),
}

impl Program {
    /// All of them, in the order in which they are started.
    pub(crate) fn all() -> Vec<Self> {
        [Self::Control, Self::Engine].into_iter().chain((0..AGENTS).map(Self::Agent)).collect()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => f.pad("control"),
            Self::Engine => f.pad("engine"),
            Self::Agent(at) => f.pad(&format!("node-{at}")),
        }
    }
}

/// One of the ways between programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// From operators to the control plane.
    Operators,
    /// From the one who watches.
    Watcher,
    /// From an agent to the control plane.
    Agent(u8),
    /// From the control plane to the engine.
    ToEngine,
    /// From the engine to the control plane.
    FromEngine,
}

impl Way {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let others = [Self::Operators, Self::Watcher, Self::ToEngine, Self::FromEngine];
        others.into_iter().chain((0..AGENTS).map(Self::Agent)).collect()
    }
}

/// A file system that can be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Disk {
    /// That of the control plane.
    Control,
    /// That of the engine.
    Engine,
    /// That of the first agent.
    Agent,
}

impl Disk {
    pub(crate) const ALL: [Self; 3] = [Self::Control, Self::Engine, Self::Agent];

    /// Whose it is.
    pub(crate) fn program(self) -> Program {
        match self {
            Self::Control => Program::Control,
            Self::Engine => Program::Engine,
            Self::Agent => Program::Agent(0),
        }
    }
}

/// Something that goes wrong. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub(crate) enum Fault {
    /// SIGKILL; it is started again after a while.
    Kill { program: Program, down_ms: u64 },
    /// SIGTERM; it is started again as soon as it has ended.
    Restart { program: Program },
    /// SIGSTOP, and SIGCONT after a while.
    Freeze { program: Program, for_ms: u64 },
    /// SIGKILL for one of the supervisors.
    KillSupervisor { pick: u64 },
    /// SIGKILL for one of the workloads.
    KillCopy { pick: u64 },
    /// All connections are reset.
    Cut { way: Way },
    /// Nothing passes, and nobody is told.
    Stall { way: Way, for_ms: u64 },
    /// Requests arrive, and answers do not.
    LoseAnswers { way: Way, for_ms: u64 },
    /// Who asks says that no more comes, and goes on listening.
    HalfClose { way: Way },
    /// Everything takes longer.
    Delay { way: Way, by_ms: u64, for_ms: u64 },
    /// A disk is full.
    Fill { disk: Disk, for_ms: u64 },
}

/// What two faults must not both do at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Program(Program),
    Way(Way),
    Disk(Disk),
}

impl Fault {
    /// What it is called in counts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Restart { .. } => "restart",
            Self::Freeze { .. } => "freeze",
            Self::KillSupervisor { .. } => "kill_supervisor",
            Self::KillCopy { .. } => "kill_copy",
            Self::Cut { .. } => "cut",
            Self::Stall { .. } => "stall",
            Self::LoseAnswers { .. } => "lose_answers",
            Self::HalfClose { .. } => "half_close",
            Self::Delay { .. } => "delay",
            Self::Fill { .. } => "fill",
        }
    }

    /// Where it is, and for how long; none where others do not mind it.
    fn takes(&self) -> Option<(Place, u64)> {
        Some(match *self {
            Self::Kill { program, down_ms } => (Place::Program(program), down_ms + 1_000),
            Self::Restart { program } => (Place::Program(program), 3_000),
            Self::Freeze { program, for_ms } => (Place::Program(program), for_ms + 500),
            Self::Stall { way, for_ms }
            | Self::LoseAnswers { way, for_ms }
            | Self::Delay { way, for_ms, .. } => (Place::Way(way), for_ms),
            Self::Cut { way } | Self::HalfClose { way } => (Place::Way(way), 100),
            Self::Fill { disk, for_ms } => (Place::Disk(disk), for_ms + 2_000),
            Self::KillSupervisor { .. } | Self::KillCopy { .. } => return None,
        })
    }

    fn draw(dice: &mut Dice) -> Self {
        let lease_ms = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
        let program = dice.of(&Program::all());
        let way = dice.of(&Way::all());
        let while_ms = dice.within(200..lease_ms * 3);
        match dice.within(0..100) {
            0..16 => Self::Kill { program, down_ms: dice.of(&[0, 0, 300, 1_500, lease_ms * 2]) },
            16..22 => Self::Restart { program },
            22..36 => Self::Freeze { program, for_ms: while_ms },
            36..46 => Self::KillSupervisor { pick: dice.within(0..1_000) },
            46..58 => Self::KillCopy { pick: dice.within(0..1_000) },
            58..66 => Self::Cut { way },
            66..77 => Self::Stall { way, for_ms: while_ms },
            77..84 => Self::LoseAnswers { way, for_ms: while_ms },
            84..88 => Self::HalfClose { way },
            88..94 => Self::Delay { way, by_ms: dice.within(20..800), for_ms: while_ms },
            _ => Self::Fill { disk: dice.of(&Disk::ALL), for_ms: dice.within(500..6_000) },
        }
    }
}

/// A fault and when it comes, counted from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) at_ms: u64,
    #[serde(flatten)]
    pub(crate) fault: Fault,
}

/// As it is printed and logged: when, and what, as in the report.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = serde_json::to_string(&self.fault).map_err(|_| fmt::Error)?;
        write!(f, "{:>8} ms  {fault}", self.at_ms)
    }
}

/// Whether nothing new goes wrong so long after the beginning of a run.
fn is_calm(at_ms: u64) -> bool {
    at_ms % CALM_EVERY_MS >= CALM_EVERY_MS - CALM_MS
}

/// Whether all that went wrong before is long over.
pub(crate) fn has_calmed_down(at: Duration) -> bool {
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    at_ms % CALM_EVERY_MS >= CALM_EVERY_MS - CALM_END_MS
}

/// Everything that goes wrong in a run of this length.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<Entry> {
    let mut dice = Dice::new(seed, "schedule");
    let end_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let (mut at_ms, mut entries, mut taken) = (CALM_AT_FIRST_MS, Vec::new(), Vec::new());
    while at_ms < end_ms {
        let fits = |taken: &[(Place, u64)], fault: &Fault| {
            let Some((place, _)) = fault.takes() else { return true };
            !taken.iter().any(|(other, until)| *other == place && *until > at_ms)
        };
        let mut drawn = (0..DRAWS_MAX).map(|_| Fault::draw(&mut dice));
        if is_calm(at_ms) {
            at_ms += CALM_EVERY_MS - at_ms % CALM_EVERY_MS;
            continue;
        }
        if let Some(fault) = drawn.find(|fault| fits(&taken, fault)) {
            taken.retain(|(_, until)| *until > at_ms);
            taken.extend(fault.takes().map(|(place, for_ms)| (place, at_ms + for_ms)));
            entries.push(Entry { at_ms, fault });
        }
        at_ms += dice.within(GAP_MS);
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_schedule_is_a_function_of_its_seed() {
        let long = Duration::from_secs(600);
        assert_eq!(schedule(7, long), schedule(7, long));
        assert_ne!(schedule(7, long), schedule(8, long));
    }

    #[test]
    fn whatever_goes_wrong_is_over_before_a_calm_is() {
        for seed in 0..20 {
            for entry in schedule(seed, Duration::from_secs(600)) {
                assert!(!is_calm(entry.at_ms), "{entry:?}");
                let over = entry.at_ms + entry.fault.takes().map_or(0, |(_, for_ms)| for_ms);
                let calm = entry.at_ms - entry.at_ms % CALM_EVERY_MS + CALM_EVERY_MS - CALM_END_MS;
                assert!(over + 12_000 < calm, "{entry:?}");
            }
        }
        assert!(has_calmed_down(Duration::from_millis(CALM_EVERY_MS - 1)));
        assert!(!has_calmed_down(Duration::from_millis(CALM_EVERY_MS)));
    }

    #[test]
    fn a_long_one_has_every_fault_in_order_and_no_place_twice_at_once() {
        for seed in 0..20 {
            let entries = schedule(seed, Duration::from_secs(600));
            assert!(entries.is_sorted_by_key(|entry| entry.at_ms));
            let names: BTreeSet<_> = entries.iter().map(|entry| entry.fault.name()).collect();
            assert_eq!(names.len(), 11, "{names:?}");
            for (at, entry) in entries.iter().enumerate() {
                let Some((place, for_ms)) = entry.fault.takes() else { continue };
                let later = entries[at + 1..].iter().filter(|it| it.at_ms < entry.at_ms + for_ms);
                for other in later {
                    assert_ne!(other.fault.takes().map(|it| it.0), Some(place), "{other:?}");
                }
            }
        }
    }
}
