//! What becomes of programs: chance decides, or what is declared.

use tessera_agent::core::RunId;
use tessera_types::workload::WorkloadSpec;
use tessera_types::{Duration, Timestamp};

use crate::rng::Rng;

/// What decides of a program. Each run has a stream of its own, so that what happens to one
/// changes nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Chance, by this seed.
    Any(u64),
    /// Its arguments: `ends` after so many milliseconds with that code; any other runs on.
    Declared,
}

impl Fate {
    fn draw<T>(self, run: RunId, what: &str, declared: T, draw: impl FnOnce(&mut Rng) -> T) -> T {
        match self {
            Self::Any(seed) => draw(&mut Rng::of_text(seed, &format!("{run} {what}"))),
            Self::Declared => declared,
        }
    }

    pub(super) fn time_to_start(self, run: RunId) -> Duration {
        Duration::from_millis(self.draw(run, "starts", 10, |rng| rng.between(1, 50)))
    }

    pub(super) fn fails_to_start(self, run: RunId) -> bool {
        self.draw(run, "fails", false, |rng| rng.percent(5))
    }

    /// How long its agent needs to find that it has no supervisor any more.
    pub(super) fn time_to_find(self, run: RunId, most: u64) -> Duration {
        Duration::from_millis(self.draw(run, "found", 10, |rng| rng.between(1, most)))
    }

    /// Whether its supervisor came up, where nothing says that its program did.
    pub(super) fn was_bound(self, run: RunId) -> bool {
        self.draw(run, "bound", true, |rng| rng.percent(50))
    }

    /// Whether a disk that is full takes this all the same, as something was removed there.
    pub(super) fn fails_to_save(self, what: &str) -> bool {
        match self {
            Self::Any(seed) => Rng::of_text(seed, &format!("{what} saves")).percent(80),
            Self::Declared => true,
        }
    }

    pub(super) fn is_healthy(self, run: RunId, now: Timestamp) -> bool {
        self.draw(run, &now.to_string(), true, |rng| rng.percent(90))
    }

    pub(super) fn time_to_stop(self, run: RunId, grace: Duration) -> Duration {
        let most = grace.as_millis().max(2);
        Duration::from_millis(self.draw(run, "stops", most / 2, |rng| rng.between(1, most)))
    }

    pub(super) fn time_to_run(self, run: RunId, spec: &WorkloadSpec) -> Duration {
        let declared = ends(spec).map_or(3_600_000, |(ms, _)| ms);
        Duration::from_millis(self.draw(run, "runs", declared, |rng| rng.between(1000, 120_000)))
    }

    /// With what it ends by itself, if it does.
    pub(super) fn exit_code(self, run: RunId, spec: &WorkloadSpec, crashes: bool) -> Option<i32> {
        let declared = ends(spec).map(|(_, code)| code);
        self.draw(run, "ends", declared, |rng| crashes.then(|| i32::from(rng.percent(70))))
    }
}

/// `ends MS CODE`
fn ends(spec: &WorkloadSpec) -> Option<(u64, i32)> {
    let [ms, code] = spec.args.as_slice() else { return None };
    (spec.command.as_deref() == Some("ends")).then_some((ms.parse().ok()?, code.parse().ok()?))
}
