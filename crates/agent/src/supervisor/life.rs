//! The life of one run, as a pure function of what happens and when.
//!
//! This is the part that must not be wrong: when a signal is sent, when everything is killed, when
//! the lease or the window ends it. It knows neither clock nor process: the control loop tells it
//! what happened and the time, and does what it orders.

use jiff::Timestamp;

use super::clock::BootInstant;
use super::protocol::Phase;
use super::signal::Signal;
use super::spec::{ExitReason, Lease, StopSpec};

/// What survives SIGKILL for so long is reported.
pub(super) const UNKILLABLE_AFTER_MS: u64 = 5_000;
const KILL_RETRY_MS_MIN: u64 = 5;
const KILL_RETRY_MS_MAX: u64 = 500;

/// The time on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) boot: BootInstant,
    pub(super) wall: Timestamp,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { boot: BootInstant::now(), wall: Timestamp::now() }
    }
}

/// What the control loop is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Send this signal to the main process.
    Signal(Signal),
    /// Send SIGKILL to everything that is left.
    KillAll,
    /// Say that something does not die.
    ReportTrouble,
}

/// Why a request cannot be met.
pub(super) type Refusal = &'static str;

#[derive(Debug)]
pub(super) struct Life {
    stage: Stage,
    executed: bool,
    main_ended: bool,
    /// The signal that was last asked for.
    signal: Option<Signal>,
    stop: StopSpec,
    lease_until: Option<BootInstant>,
    not_after: Option<Timestamp>,
    requested: bool,
    lease_expired: bool,
    window_closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Living,
    Stopping { kill_at: BootInstant },
    Killing { since: BootInstant, retry_at: BootInstant, retry_ms: u64, reported: bool },
}

impl Life {
    pub(super) fn new(stop: StopSpec, lease: Option<Lease>, not_after: Option<Timestamp>) -> Self {
        Self {
            stage: Stage::Living,
            executed: false,
            main_ended: false,
            signal: None,
            stop,
            lease_until: lease.map(Lease::until),
            not_after,
            requested: false,
            lease_expired: false,
            window_closed: false,
        }
    }

    /// Whether it may still be started: not if its lease or window ended while it waited for its
    /// turn.
    pub(super) fn may_start(&mut self, now: Now) -> bool {
        self.lease_expired = self.lease_until.is_some_and(|until| until <= now.boot);
        self.window_closed = self.not_after.is_some_and(|end| end <= now.wall);
        !self.lease_expired && !self.window_closed
    }

    /// The program was executed. A stop that was asked for before that reaches it only now.
    pub(super) fn started(&mut self) -> Vec<Order> {
        self.executed = true;
        match (self.stage, self.signal) {
            (Stage::Stopping { .. }, Some(signal)) => vec![Order::Signal(signal)],
            _ => vec![],
        }
    }

    /// The main process has ended: what it left behind is killed.
    pub(super) fn main_ended(&mut self, now: Now) -> Vec<Order> {
        self.main_ended = true;
        self.kill_all(now)
    }

    /// Somebody asks for a stop. The end can only come nearer by asking again, and a signal is sent
    /// once.
    pub(super) fn stop(&mut self, stop: StopSpec, now: Now) -> Vec<Order> {
        self.requested |= !self.main_ended;
        self.begin_stop(stop, now)
    }

    /// Somebody asks for a kill.
    pub(super) fn kill(&mut self, now: Now) -> Vec<Order> {
        self.requested |= !self.main_ended;
        self.kill_all(now)
    }

    /// The lease is prolonged; a grant that is older than the present one changes nothing.
    pub(super) fn renew(&mut self, lease: Lease, now: Now) -> Result<(), Refusal> {
        if self.lease_until.is_some_and(|until| until <= now.boot) {
            return Err("the lease has lapsed");
        }
        self.lease_until = self.lease_until.max(Some(lease.until()));
        Ok(())
    }

    /// The end of the window is moved.
    pub(super) fn set_not_after(&mut self, not_after: Option<Timestamp>) -> Result<(), Refusal> {
        if !matches!(self.stage, Stage::Living) {
            return Err("it is being stopped already");
        }
        self.not_after = not_after;
        Ok(())
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Now) -> Vec<Order> {
        let lapsed = self.lease_until.is_some_and(|until| until <= now.boot);
        if lapsed && !matches!(self.stage, Stage::Killing { .. }) {
            self.lease_expired = true;
            return self.kill_all(now);
        }
        match self.stage {
            Stage::Living if self.not_after.is_some_and(|end| end <= now.wall) => {
                self.window_closed = true;
                self.begin_stop(self.stop, now)
            }
            Stage::Stopping { kill_at } if kill_at <= now.boot => self.kill_all(now),
            Stage::Killing { retry_at, .. } if retry_at <= now.boot => self.kill_again(now),
            _ => vec![],
        }
    }

    /// When `tick` is due next by the boot clock.
    pub(super) fn wake_at(&self) -> Option<BootInstant> {
        match self.stage {
            Stage::Living => self.lease_until,
            Stage::Stopping { kill_at } => {
                Some(self.lease_until.map_or(kill_at, |until| until.min(kill_at)))
            }
            Stage::Killing { retry_at, .. } => Some(retry_at),
        }
    }

    /// When `tick` is due next by the wall clock.
    pub(super) fn wake_at_wall(&self) -> Option<Timestamp> {
        self.not_after.filter(|_| matches!(self.stage, Stage::Living))
    }

    pub(super) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Living if self.executed => Phase::Running,
            Stage::Living => Phase::Starting,
            Stage::Stopping { .. } => Phase::Stopping,
            Stage::Killing { .. } => Phase::Killing,
        }
    }

    pub(super) fn requested(&self) -> bool {
        self.requested
    }

    pub(super) fn lease_expired(&self) -> bool {
        self.lease_expired
    }

    pub(super) fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// How long the lease still lasts, in milliseconds.
    pub(super) fn lease_left_ms(&self, now: BootInstant) -> Option<u64> {
        let left = self.lease_until?.since(now).as_millis();
        Some(u64::try_from(left).unwrap_or(u64::MAX))
    }

    pub(super) fn reason(&self) -> Option<ExitReason> {
        self.window_closed.then_some(ExitReason::NotAfter)
    }

    fn begin_stop(&mut self, stop: StopSpec, now: Now) -> Vec<Order> {
        let kill_at = now.boot.plus_ms(stop.grace_ms);
        self.stage = match self.stage {
            Stage::Living => Stage::Stopping { kill_at },
            Stage::Stopping { kill_at: before } => Stage::Stopping { kill_at: before.min(kill_at) },
            Stage::Killing { .. } => return vec![],
        };
        let again = self.signal.replace(stop.signal) == Some(stop.signal);
        if again || !self.executed { vec![] } else { vec![Order::Signal(stop.signal)] }
    }

    fn kill_all(&mut self, now: Now) -> Vec<Order> {
        if !matches!(self.stage, Stage::Killing { .. }) {
            self.stage = Stage::Killing {
                since: now.boot,
                retry_at: now.boot.plus_ms(KILL_RETRY_MS_MIN),
                retry_ms: KILL_RETRY_MS_MIN,
                reported: false,
            };
        }
        vec![Order::KillAll]
    }

    fn kill_again(&mut self, now: Now) -> Vec<Order> {
        let Stage::Killing { since, retry_at, retry_ms, reported } = &mut self.stage else {
            return vec![];
        };
        *retry_ms = (*retry_ms * 2).min(KILL_RETRY_MS_MAX);
        *retry_at = now.boot.plus_ms(*retry_ms);
        let stuck = now.boot >= since.plus_ms(UNKILLABLE_AFTER_MS);
        if stuck && !std::mem::replace(reported, true) {
            return vec![Order::KillAll, Order::ReportTrouble];
        }
        vec![Order::KillAll]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STOP: StopSpec = StopSpec { signal: Signal::TERM, grace_ms: 1000 };

    fn at(ms: u64) -> Now {
        let wall = Timestamp::from_millisecond(ms as i64).unwrap();
        Now { boot: BootInstant::from_ms(ms), wall }
    }

    fn wall(ms: u64) -> Option<Timestamp> {
        Some(at(ms).wall)
    }

    fn lease(from: u64, lease_ms: u64) -> Lease {
        Lease { lease_ms, granted_at: BootInstant::from_ms(from) }
    }

    fn running(lease: Option<Lease>, not_after: Option<Timestamp>) -> Life {
        let mut life = Life::new(STOP, lease, not_after);
        assert!(life.may_start(at(0)));
        assert_eq!(life.started(), []);
        life
    }

    #[test]
    fn a_stop_signals_once_and_kills_after_the_grace() {
        let mut life = running(None, None);
        assert_eq!(life.stop(STOP, at(10)), [Order::Signal(Signal::TERM)]);
        assert_eq!(life.stop(STOP, at(20)), []);
        assert_eq!(life.tick(at(1009)), []);
        assert_eq!(life.wake_at(), Some(BootInstant::from_ms(1010)));
        assert_eq!(life.tick(at(1010)), [Order::KillAll]);
        assert!(life.requested());
    }

    #[test]
    fn a_stop_with_less_grace_comes_sooner_and_one_with_more_does_not_delay() {
        let mut life = running(None, None);
        life.stop(STOP, at(0));
        life.stop(StopSpec { grace_ms: 100_000, ..STOP }, at(1));
        life.stop(StopSpec { grace_ms: 50, ..STOP }, at(2));
        assert_eq!(life.wake_at(), Some(BootInstant::from_ms(52)));
        let quit = StopSpec { signal: "SIGQUIT".parse().unwrap(), ..STOP };
        assert_eq!(life.stop(quit, at(3)), [Order::Signal(quit.signal)]);
    }

    #[test]
    fn a_stop_before_the_program_runs_reaches_it_when_it_does() {
        let mut life = Life::new(STOP, None, None);
        assert_eq!(life.stop(STOP, at(0)), []);
        assert_eq!(life.started(), [Order::Signal(Signal::TERM)]);
    }

    #[test]
    fn a_lapsed_lease_kills_even_during_a_stop_and_cannot_be_renewed() {
        let mut life = running(Some(lease(0, 100)), None);
        life.renew(lease(50, 100), at(60)).unwrap();
        life.renew(lease(10, 100), at(70)).unwrap();
        life.stop(StopSpec { grace_ms: 10_000, ..STOP }, at(80));
        assert_eq!(life.wake_at(), Some(BootInstant::from_ms(150)));
        assert_eq!(life.tick(at(149)), []);
        assert!(life.renew(lease(150, 100), at(150)).is_err());
        assert_eq!(life.tick(at(150)), [Order::KillAll]);
        assert!(life.lease_expired());
    }

    #[test]
    fn a_lease_that_lapsed_before_the_start_prevents_it() {
        let mut life = Life::new(STOP, Some(lease(0, 100)), None);
        assert!(!life.may_start(at(100)));
        assert!(life.lease_expired());
    }

    #[test]
    fn the_window_stops_gracefully_and_may_be_moved_until_then() {
        let mut life = running(None, wall(100));
        life.set_not_after(wall(200)).unwrap();
        assert_eq!(life.tick(at(100)), []);
        assert_eq!(life.wake_at_wall(), wall(200));
        assert_eq!(life.tick(at(200)), [Order::Signal(Signal::TERM)]);
        assert_eq!(life.wake_at_wall(), None);
        assert!(life.set_not_after(None).is_err());
        assert_eq!(life.reason(), Some(ExitReason::NotAfter));
        assert!(!life.requested());
    }

    #[test]
    fn what_does_not_die_is_reported_once_and_killed_for_ever() {
        let mut life = running(None, None);
        let mut orders = life.kill(at(0));
        let mut now = 0;
        while now < 60_000 {
            now = life.wake_at().unwrap().as_ms();
            orders.extend(life.tick(at(now)));
        }
        let reports = orders.iter().filter(|order| **order == Order::ReportTrouble).count();
        let kills = orders.iter().filter(|order| **order == Order::KillAll).count();
        assert_eq!(reports, 1);
        assert!((100..300).contains(&kills), "{kills}");
    }

    #[test]
    fn a_request_after_the_end_does_not_make_it_requested() {
        let mut life = running(None, None);
        life.main_ended(at(5));
        life.stop(STOP, at(6));
        life.kill(at(7));
        assert!(!life.requested());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Tick,
        Stop(u64),
        Renew(u64),
    }

    proptest! {
        /// Whatever is asked of it, nothing lives beyond the last valid grant, and nothing that was
        /// asked to stop lives beyond the shortest grace.
        #[test]
        fn every_deadline_is_kept(steps in proptest::collection::vec(
            (1..200_u64, prop_oneof![
                Just(Step::Tick),
                (0..500_u64).prop_map(Step::Stop),
                (0..500_u64).prop_map(Step::Renew),
            ]), 1..40)) {
            let mut life = running(Some(lease(0, 300)), None);
            let (mut now, mut lease_until, mut kill_at) = (0, 300, u64::MAX);
            for (delay, step) in steps {
                now += delay;
                if now >= lease_until.min(kill_at) {
                    // The loop wakes at `wake_at`, before it looks at requests.
                    prop_assert!(life.wake_at().unwrap().as_ms() <= lease_until.min(kill_at));
                    prop_assert_eq!(life.tick(at(now)), [Order::KillAll]);
                    prop_assert_eq!(life.lease_expired(), now >= lease_until);
                    return Ok(());
                }
                match step {
                    Step::Tick => prop_assert_eq!(life.tick(at(now)), []),
                    Step::Stop(grace_ms) => {
                        life.stop(StopSpec { grace_ms, ..STOP }, at(now));
                        kill_at = kill_at.min(now + grace_ms);
                    }
                    Step::Renew(ms) => {
                        life.renew(lease(now, ms), at(now)).unwrap();
                        lease_until = lease_until.max(now + ms);
                    }
                }
            }
        }
    }
}
