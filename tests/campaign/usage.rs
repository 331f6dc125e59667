//! What a process uses, as the kernel counts it.

use anyhow::{Context, Result};

/// Processor time, seconds.
#[derive(Debug, Clone, Copy)]
pub struct Cpu(f64);

impl Cpu {
    /// Of a process so far: in user and in kernel mode, all threads, also those that have ended.
    pub fn of(pid: u32) -> Result<Self> {
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything.
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        let mut fields = rest.split_whitespace().skip(11).map(str::parse::<f64>);
        let (user, system) = (fields.next().context("no utime")??, fields.next().context("no stime")??);
        Ok(Self((user + system) / TICKS))
    }

    /// Used between then and now.
    pub fn since(self, then: Self) -> f64 {
        self.0 - then.0
    }
}

/// Resident memory, MB.
pub fn rss_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.context("no VmRSS")? / 1024.0)
}
