//! What the kernel says of a process.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Resident memory, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// Of the resident memory what is not mapped from a file, in bytes: what one
/// process more costs where others run the same program.
pub(crate) fn own_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "RssAnon:")
}

/// The most resident memory that it ever had, in bytes.
pub(crate) fn peak_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no such field")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Result<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).context("no parent")?;
    Ok(line.trim().parse()?)
}

/// Processor time used so far.
fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain anything; the fields follow it.
    let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
    let field = |n: usize| fields.split(' ').nth(n).and_then(|text| text.parse::<u64>().ok());
    let ticks = field(11).zip(field(12)).map(|(user, system)| user + system).context("no times")?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// The processor time of a process from a moment on.
pub(crate) struct Meter {
    pid: u32,
    before: Duration,
    begun: Instant,
}

impl Meter {
    pub(crate) fn start(pid: u32) -> Result<Self> {
        Ok(Self { pid, before: cpu_time(pid)?, begun: Instant::now() })
    }

    /// How long ago it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// In seconds.
    pub(crate) fn used(&self) -> Result<f64> {
        Ok(cpu_time(self.pid)?.saturating_sub(self.before).as_secs_f64())
    }

    /// In hundredths of a core.
    pub(crate) fn share(&self) -> Result<f64> {
        Ok(self.used()? / self.elapsed().as_secs_f64() * 100.0)
    }
}

/// How many files and connections it has open.
pub(crate) fn open_files(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
