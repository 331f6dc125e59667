//! `sos-ctl status --watch`: the same screen every second; where stdout is no terminal, a line when the verdict changes.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{SignalKind, signal};

use super::absent;
use super::status::{render, verdict};
use super::{Exit, Failure, json};
use crate::control::Status;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// Cursor home, and everything below it gone.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Watches until Ctrl-C (or SIGTERM), or until nobody reads any more.
///
/// # Errors
/// No runtime, no signals.
pub fn run(socket: &Path, file: Option<&Path>, as_json: bool) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Files, error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut tick = tokio::time::interval(EVERY);
        let mut screen = Screen { terminal: std::io::stdout().is_terminal(), as_json, last: String::new() };
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(Exit::Ok),
                _ = terminate.recv() => return Ok(Exit::Ok),
                _ = tick.tick() => {
                    let status = absent::status(socket, file.map(Path::to_owned));
                    if screen.show(status).is_err() {
                        return Ok(Exit::Ok);
                    }
                }
            }
        }
    })
}

struct Screen {
    terminal: bool,
    as_json: bool,
    last: String,
}

impl Screen {
    /// A daemon that is away (it may be starting anew) is shown like any other state.
    fn show(&mut self, status: Result<Box<Status>, Failure>) -> std::io::Result<()> {
        let (line, whole, record) = match &status {
            Ok(status) => (verdict(status), render(status), Some(json(status))),
            Err(failure) => {
                let hint = failure.hint.as_ref().map_or_else(String::new, |hint| format!("\n  look at     {hint}"));
                (failure.message.clone(), failure.message.clone() + &hint, None)
            }
        };
        let mut out = std::io::stdout().lock();
        match (self.as_json, self.terminal) {
            (true, _) => {
                let failed = json(&serde_json::json!({ "error": line }));
                writeln!(out, "{}", record.unwrap_or(failed))?;
            }
            (false, true) => write!(out, "{CLEAR}{whole}\n\n  {} UTC, Ctrl-C ends\n", time_of_day())?,
            (false, false) if line != self.last => writeln!(out, "{} {line}", time_of_day())?,
            (false, false) => {}
        }
        self.last = line;
        out.flush()
    }
}

fn time_of_day() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}
