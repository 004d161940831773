//! Two alarms that `poll` can wait for, one on each clock.
//!
//! An idle supervisor sleeps until one of them rings. The one on the wall clock is absolute, so the
//! kernel itself notices when the clock is set past it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use jiff::Timestamp;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::clock::BootInstant;

#[derive(Debug)]
pub(super) struct Timers {
    boot: OwnedFd,
    wall: OwnedFd,
}

impl Timers {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self {
            boot: timerfd_create(TimerfdClockId::Boottime, flags)?,
            wall: timerfd_create(TimerfdClockId::Realtime, flags)?,
        })
    }

    /// Sets both alarms. One in the past rings at once; setting also silences one that has rung.
    pub(super) fn set(&self, boot: Option<BootInstant>, wall: Option<Timestamp>) -> io::Result<()> {
        arm(&self.boot, boot.map(|instant| to_timespec(i128::from(instant.as_ms()) * 1_000_000)))?;
        arm(&self.wall, wall.map(|time| to_timespec(time.as_nanosecond())))
    }

    /// They become readable when they ring.
    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.boot.as_fd(), self.wall.as_fd()]
    }
}

fn arm(timer: &OwnedFd, at: Option<Timespec>) -> io::Result<()> {
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let setting = Itimerspec { it_interval: never, it_value: at.unwrap_or(never) };
    timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &setting)?;
    Ok(())
}

/// The earliest time is one nanosecond: zero would mean never.
fn to_timespec(nanos: i128) -> Timespec {
    let nanos = nanos.max(1);
    Timespec {
        tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % 1_000_000_000).expect("a remainder below a billion fits"),
    }
}
