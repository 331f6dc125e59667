//! `sos-ctl logs`: the journal of the service; where there is none, the daemon's last events.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::ask::ask;
use super::{Exit, Failure};
use crate::control::Request;

/// How often the daemon is asked for more.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What to show.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Go on.
    pub follow: bool,
    /// Lines of what was.
    pub lines: u32,
    /// The service.
    pub unit: String,
    /// The daemon's events even where there is a journal.
    pub events: bool,
}

/// Shows it; `print` gets the events, the journal goes to stdout by itself.
///
/// # Errors
/// Neither is to be had.
pub fn run(
    socket: &Path,
    logs: &Logs,
    say: &mut dyn FnMut(&str),
    print: &mut dyn FnMut(&str) -> bool,
) -> Result<(), Failure> {
    if !logs.events {
        if has_journal(&logs.unit) {
            return journal(logs);
        }
        say("no journal of the service to be had here: the daemon's last events, with seconds since the board's start");
    }
    let mut last: Option<String> = None;
    loop {
        let ring = ask(socket, &Request::Ring)?.ring;
        // What was shown last is still there, or so much has happened that everything is new.
        let seen = last.as_ref().and_then(|last| ring.iter().rposition(|line| line == last));
        let from = match (seen, &last) {
            (Some(at), _) => at + 1,
            (None, Some(_)) => 0,
            (None, None) => ring.len().saturating_sub(usize::try_from(logs.lines).unwrap_or(usize::MAX)),
        };
        for line in &ring[from..] {
            if !print(line) {
                return Ok(());
            }
        }
        last = ring.last().cloned().or(last);
        if !logs.follow {
            return Ok(());
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// Whether the journal has anything of the service that we may read.
fn has_journal(unit: &str) -> bool {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "-o", "cat", "-n", "1", "-u", unit]).stderr(Stdio::null());
    command.stdin(Stdio::null()).output().is_ok_and(|found| found.status.success() && !found.stdout.is_empty())
}

fn journal(logs: &Logs) -> Result<(), Failure> {
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "-o", "short-iso", "-u", &logs.unit, "-n", &logs.lines.to_string()]);
    if logs.follow {
        command.arg("--follow");
    }
    let ended = command.status().map_err(|error| Failure::new(Exit::Files, format!("journalctl: {error}")))?;
    if ended.success() || logs.follow {
        return Ok(());
    }
    Err(Failure::new(Exit::Files, format!("journalctl: {ended}")))
}
