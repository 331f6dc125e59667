//! What a process uses, as the kernel counts it.

use std::collections::BTreeMap;
use std::path::Path;

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

/// Names of what a process holds: its descriptors (a socket by its two addresses) and its threads.
pub fn held(pid: u32) -> Result<(Vec<String>, Vec<String>)> {
    let process = Path::new("/proc").join(pid.to_string());
    let sockets = sockets(&process);
    let mut files = vec![];
    for fd in std::fs::read_dir(process.join("fd"))?.flatten() {
        // One may be closed while the list is read.
        let Ok(target) = std::fs::read_link(fd.path()) else { continue };
        let target = target.display().to_string();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        let ends = inode.and_then(|inode| sockets.get(inode));
        files.push(ends.map_or_else(|| target.clone(), |ends| format!("{target} {ends}")));
    }
    let mut threads = vec![];
    for thread in std::fs::read_dir(process.join("task"))?.flatten() {
        threads.extend(std::fs::read_to_string(thread.path().join("comm")).map(|name| name.trim_end().to_owned()));
    }
    threads.sort();
    Ok((files, threads))
}

/// Sockets of a process's network by inode: protocol, both ends as the kernel writes them (hexadecimal), state.
fn sockets(process: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        let table = std::fs::read_to_string(process.join("net").join(protocol)).unwrap_or_default();
        for line in table.lines().skip(1) {
            let columns: Vec<_> = line.split_whitespace().collect();
            if let [_, local, remote, state, _, _, _, _, _, inode, ..] = columns[..] {
                found.insert(inode.to_owned(), format!("{protocol} {local} {remote} state {state}"));
            }
        }
    }
    found
}
