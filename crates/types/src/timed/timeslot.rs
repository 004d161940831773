//! Windows of time.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::time::{Duration, Timestamp};
use crate::validate::{Invalid, Validate};

/// The time from `from` until just before `until`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Window {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it; [`Timestamp::MAX`] is for ever.
    pub until: Timestamp,
}

impl Window {
    /// From `from` until just before `until`.
    #[must_use]
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }

    /// From `from` on, for ever.
    #[must_use]
    pub const fn starting(from: Timestamp) -> Self {
        Self { from, until: Timestamp::MAX }
    }

    /// Whether there is no instant in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from >= self.until
    }

    /// Whether it has no end.
    #[must_use]
    pub fn is_for_ever(&self) -> bool {
        self.until >= Timestamp::MAX
    }

    /// Whether `at` is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether an instant is in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.from < other.until && other.from < self.until
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.until <= self.until
    }

    /// A window as long as this one that starts at `from`. One that has no end,
    /// or would end after the last time, ends never.
    #[must_use]
    pub fn moved_to(&self, from: Timestamp) -> Self {
        if self.is_for_ever() {
            return Self::starting(from);
        }
        let micros = self.until.as_micros().saturating_sub(self.from.as_micros());
        let until = Timestamp::from_micros(from.as_micros().saturating_add(micros));
        Self { from, until: until.min(Timestamp::MAX) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_for_ever() {
            return write!(f, "from {} on", self.from);
        }
        write!(f, "from {} to {}", self.from, self.until)
    }
}

/// When a timed resource is wanted, and what it needs before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Timeslot {
    /// When it is wanted from.
    pub start: Timestamp,
    /// Until when; not included.
    pub end: Timestamp,
    /// How long before `start` its provisioning begins. A short one provisions
    /// just in time, a long one eagerly.
    #[serde(default)]
    pub lead_time: Duration,
    /// How long after `end` its teardown may take.
    #[serde(default)]
    pub teardown_buffer: Duration,
}

impl Timeslot {
    /// When its provisioning begins.
    #[must_use]
    pub fn provision_at(&self) -> Timestamp {
        self.start.minus(self.lead_time)
    }

    /// When nothing of it may be left.
    #[must_use]
    pub fn cleanup_deadline(&self) -> Timestamp {
        self.end.plus(self.teardown_buffer)
    }

    /// When its teardown begins at the latest. The first half of the teardown
    /// buffer is for a last grading, the second for the teardown itself.
    #[must_use]
    pub fn teardown_at(&self) -> Timestamp {
        self.end.plus(Duration::from_millis(self.teardown_buffer.as_millis() / 2))
    }

    /// How long the window is.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether the window is open at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.window().contains(now)
    }

    /// Whether the window is over at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.end
    }

    /// The window itself.
    #[must_use]
    pub fn window(&self) -> Window {
        Window { from: self.start, until: self.end }
    }

    /// The time for which capacity is held: with the buffers.
    #[must_use]
    pub fn held(&self) -> Window {
        Window { from: self.provision_at(), until: self.cleanup_deadline() }
    }

    /// The same with a later end.
    #[must_use]
    pub fn extend(self, by: Duration) -> Self {
        Self { end: self.end.plus(by), ..self }
    }

    /// The same with an earlier end; none when nothing would be left.
    #[must_use]
    pub fn shrink(self, by: Duration) -> Option<Self> {
        let end = self.end.minus(by);
        (end > self.start).then_some(Self { end, ..self })
    }

    /// The same, all of it this much later.
    #[must_use]
    pub fn shift(self, by: Duration) -> Self {
        Self { start: self.start.plus(by), end: self.end.plus(by), ..self }
    }
}

impl fmt::Display for Timeslot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

/// A window as a person declares it: from `start` (or `start_in`, counted from
/// the moment it is declared) to `end` (or for `duration`). What is not given
/// comes from the definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeclaredTimeslot {
    /// When it is wanted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// The same, counted from the moment it is first declared. It is stored as
    /// `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_in: Option<Duration>,
    /// Until when; not included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// The same as a length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// How long before `start` its provisioning begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<Duration>,
    /// How long after `end` its teardown may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teardown_buffer: Option<Duration>,
}

impl DeclaredTimeslot {
    /// Everything said.
    #[must_use]
    pub fn exactly(timeslot: Timeslot) -> Self {
        Self {
            start: Some(timeslot.start),
            start_in: None,
            end: Some(timeslot.end),
            duration: None,
            lead_time: Some(timeslot.lead_time),
            teardown_buffer: Some(timeslot.teardown_buffer),
        }
    }

    /// Replaces a relative start by an absolute one: that of `existing` if there
    /// is such, so that declaring the same file again changes nothing.
    pub fn settle(&mut self, existing: Option<&Self>, now: Timestamp) {
        if let Some(start_in) = self.start_in.take() {
            self.start = existing.and_then(|existing| existing.start).or(Some(now.plus(start_in)));
        }
    }

    /// The window, with what is not said taken from the arguments; none when no
    /// start is said.
    #[must_use]
    pub fn resolve(
        &self,
        duration: Duration,
        lead_time: Duration,
        teardown_buffer: Duration,
    ) -> Option<Timeslot> {
        let start = self.start?;
        let end = self.end.unwrap_or_else(|| start.plus(self.duration.unwrap_or(duration)));
        Some(Timeslot {
            start,
            end,
            lead_time: self.lead_time.unwrap_or(lead_time),
            teardown_buffer: self.teardown_buffer.unwrap_or(teardown_buffer),
        })
    }
}

impl Validate for DeclaredTimeslot {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        if self.start.is_none() && self.start_in.is_none() {
            let message = "it has no start: give `start` (a time) or `start_in`";
            problems.push(Invalid::new(&format!("{path}.start"), message));
        }
        self.validate_override(path, problems);
    }
}

impl DeclaredTimeslot {
    /// As [`Validate::validate`], of a window whose start may follow from something else.
    pub(crate) fn validate_override(&self, path: &str, problems: &mut Vec<Invalid>) {
        let mut add = |field: &str, message: String| {
            problems.push(Invalid::new(&format!("{path}.{field}"), message));
        };
        if self.start.is_some() && self.start_in.is_some() {
            add("start_in", "`start` is given too: give one of the two".to_owned());
        }
        if self.end.is_some() && self.duration.is_some() {
            add("duration", "`end` is given too: give one of the two".to_owned());
        }
        if self.end.is_some() && self.start_in.is_some() {
            add("end", "with `start_in`, give `duration` instead".to_owned());
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end <= start
        {
            add("end", format!("{end} is not after the start, {start}"));
        }
        if self.duration == Some(Duration::ZERO) {
            add("duration", "a window is longer than nothing".to_owned());
        }
        for (field, value) in [
            ("duration", self.duration),
            ("lead_time", self.lead_time),
            ("teardown_buffer", self.teardown_buffer),
        ] {
            if value.is_some_and(|value| value > limits::WINDOW_MAX) {
                add(field, format!("at most {} are allowed", limits::WINDOW_MAX));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    fn slot() -> Timeslot {
        Timeslot {
            start: at(100),
            end: at(200),
            lead_time: Duration::from_secs(30),
            teardown_buffer: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_window_is_half_open_and_its_buffers_lie_outside() {
        let slot = slot();
        assert_eq!(slot.held(), Window { from: at(70), until: at(210) });
        assert_eq!(slot.duration(), Duration::from_secs(100));
        let active: Vec<_> =
            [99, 100, 199, 200].into_iter().map(|s| slot.is_active(at(s))).collect();
        assert_eq!(active, [false, true, true, false]);
        assert!(!slot.is_expired(at(199)) && slot.is_expired(at(200)));
    }

    #[test]
    fn a_moved_window_keeps_its_length_or_has_no_end() {
        let window = Window::new(Timestamp::from_micros(5), Timestamp::from_micros(8));
        let ten = Timestamp::from_micros(10);
        assert_eq!(window.moved_to(ten), Window::new(ten, Timestamp::from_micros(13)));
        assert_eq!(Window::starting(ten).moved_to(Timestamp::EPOCH).until, Timestamp::MAX);
        assert!(window.moved_to(Timestamp::MAX).is_empty());
    }

    #[test]
    fn windows_that_touch_do_not_overlap() {
        let window =
            |from, until| Window::new(Timestamp::from_micros(from), Timestamp::from_micros(until));
        assert!(!window(0, 5).overlaps(&window(5, 9)));
        assert!(window(0, 6).overlaps(&window(5, 9)));
        assert!(!window(0, 6).overlaps(&window(3, 3)));
    }

    #[test]
    fn a_window_never_shrinks_to_nothing() {
        assert_eq!(slot().shrink(Duration::from_secs(100)), None);
        assert_eq!(slot().shrink(Duration::from_secs(99)).unwrap().end, at(101));
        assert_eq!(slot().extend(Duration::from_secs(5)).end, at(205));
    }

    #[test]
    fn a_relative_start_is_settled_once() {
        let declared = DeclaredTimeslot {
            start_in: Some(Duration::from_secs(10)),
            duration: Some(Duration::from_secs(60)),
            ..DeclaredTimeslot::default()
        };
        let mut first = declared;
        first.settle(None, at(100));
        assert_eq!((first.start, first.start_in), (Some(at(110)), None));
        let mut again = declared;
        again.settle(Some(&first), at(500));
        assert_eq!(again, first);
    }

    #[test]
    fn contradictions_are_told_apart() {
        let wrong = DeclaredTimeslot {
            start: Some(at(100)),
            start_in: Some(Duration::from_secs(1)),
            end: Some(at(100)),
            duration: Some(Duration::ZERO),
            ..DeclaredTimeslot::default()
        };
        let mut problems = Vec::new();
        wrong.validate("spec.timeslot", &mut problems);
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "spec.timeslot.start_in",
                "spec.timeslot.duration",
                "spec.timeslot.end",
                "spec.timeslot.end",
                "spec.timeslot.duration"
            ]
        );
    }
}
