//! What the service manager knows of a unit, as far as runs are concerned.

use crate::systemctl::Properties;

/// The properties that are asked for.
pub(super) const NAMES: [&str; 19] = [
    "LoadState",
    "LoadError",
    "ActiveState",
    "SubState",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecStart",
    "InvocationID",
    "Job",
    "ConditionResult",
    "AssertResult",
    "SourcePath",
    "Type",
    "TriggeredBy",
    "StandardOutput",
    "InactiveExitTimestamp",
    "InactiveEnterTimestamp",
    "FragmentPath",
];

/// Whose doing the end of a program was, as `waitid(2)` tells it.
const KILLED: [&str; 2] = ["2", "3"];

/// A unit at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct State(pub(super) Properties);

impl State {
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Which run it is in, or was in last. None of a unit that the manager has forgotten, as it
    /// does with one that has ended well and that nothing refers to.
    pub(super) fn invocation(&self) -> Option<&str> {
        Some(self.get("InvocationID")).filter(|id| !id.is_empty())
    }

    /// The job that is queued or under way.
    pub(super) fn job(&self) -> Option<&str> {
        Some(self.get("Job")).filter(|job| !matches!(*job, "" | "0"))
    }

    /// Whether a run is under way that a start would join.
    pub(super) fn is_running(&self) -> bool {
        match (self.get("ActiveState"), self.get("SubState")) {
            ("activating", sub) => sub != "auto-restart",
            ("active", sub) => sub != "exited",
            (active, _) => matches!(active, "reloading" | "refreshing"),
        }
    }

    /// Whether the program has ended while the unit is said to be active, so that a start does
    /// nothing.
    pub(super) fn stays_active(&self) -> bool {
        self.get("ActiveState") == "active" && self.get("SubState") == "exited"
    }

    /// Whether nothing of a run is left to come.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_running() && self.get("ActiveState") != "deactivating"
    }

    /// Whether the manager has forgotten what was, as far as can be told.
    pub(super) fn is_kept(&self) -> bool {
        !self.get("TriggeredBy").is_empty() || self.get("ActiveState") != "inactive"
    }

    /// Where its output goes, if that is not the journal.
    pub(super) fn output(&self) -> Option<&str> {
        let output = self.get("StandardOutput");
        let is_journal = output.is_empty() || output == "inherit" || output.starts_with("journal");
        (!is_journal).then_some(output)
    }

    /// Whether the unit came with the machine's software.
    pub(super) fn is_of_the_machine(&self) -> bool {
        ["/usr/", "/lib/"].iter().any(|folder| self.get("FragmentPath").starts_with(folder))
    }

    /// Whether its program is podman's, that runs the tenant's.
    pub(super) fn is_container(&self) -> bool {
        let source = self.get("SourcePath");
        let path = self.get("ExecStart").split_once("path=").map_or("", |(_, rest)| rest);
        let program = path.split([' ', ';']).next().unwrap_or_default();
        source.ends_with(".container") || program.rsplit('/').next() == Some("podman")
    }

    /// The exit code of the program; none where it was killed, or never started.
    pub(super) fn exit_code(&self) -> Option<u8> {
        (self.get("ExecMainCode") == "1").then(|| self.status())
    }

    /// The signal that killed the program.
    pub(super) fn signal(&self) -> Option<u8> {
        KILLED.contains(&self.get("ExecMainCode")).then(|| self.status())
    }

    fn status(&self) -> u8 {
        self.get("ExecMainStatus").parse().unwrap_or(u8::MAX)
    }

    /// A time, in seconds since the epoch.
    pub(super) fn time(&self, name: &str) -> Option<i64> {
        self.get(name).strip_prefix('@')?.parse().ok()
    }
}
