//! Asks the daemon over its control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Exit, Failure};
use crate::control::{Answer, MAX_ANSWER, Request};

/// The daemon answers within microseconds, or is not well.
const WITHIN: Duration = Duration::from_secs(3);
/// A line of a self-test comes within this: the daemon itself ends a test after a minute.
const STEP_WITHIN: Duration = Duration::from_secs(75);

/// Sends `request` and reads the answer.
///
/// # Errors
/// [`Failure`]: unreachable, or refused by the daemon.
pub fn ask(socket: &Path, request: &Request) -> Result<Answer, Failure> {
    let mut lines = Lines::open(socket, request, WITHIN).map_err(|error| unreachable(socket, &error))?;
    accepted(lines.next(socket)?)
}

/// Sends `request` and hands each line to `step` until the last, which is returned.
///
/// # Errors
/// [`Failure`]: unreachable, or refused by the daemon.
pub fn follow(socket: &Path, request: &Request, mut step: impl FnMut(Answer)) -> Result<Answer, Failure> {
    let mut lines = Lines::open(socket, request, STEP_WITHIN).map_err(|error| unreachable(socket, &error))?;
    loop {
        let answer = accepted(lines.next(socket)?)?;
        if !answer.more {
            return Ok(answer);
        }
        step(answer);
    }
}

fn accepted(answer: Answer) -> Result<Answer, Failure> {
    if answer.ok {
        return Ok(answer);
    }
    let why = answer.error.unwrap_or_else(|| "no reason given".to_owned());
    Err(Failure::new(Exit::Refused, format!("the daemon refused: {why}")))
}

struct Lines(BufReader<UnixStream>);

impl Lines {
    fn open(socket: &Path, request: &Request, within: Duration) -> std::io::Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(within))?;
        stream.set_write_timeout(Some(WITHIN))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn next(&mut self, socket: &Path) -> Result<Answer, Failure> {
        self.read().map_err(|error| unreachable(socket, &error))
    }

    fn read(&mut self) -> std::io::Result<Answer> {
        let mut line = Vec::new();
        (&mut self.0).take(MAX_ANSWER as u64).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(std::io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection without an answer"));
        }
        Ok(serde_json::from_slice(&line)?)
    }
}

fn unreachable(socket: &Path, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "is it running? systemctl status sos-kiosk; sos-ctl logs says why it ended"
        }
        ErrorKind::PermissionDenied => "only root and the group of the socket may ask: try sudo",
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it accepts but does not answer: sos-ctl logs",
        _ => "sos-ctl logs shows what the daemon did",
    };
    Failure::new(Exit::Unreachable, format!("{}: the daemon cannot be reached: {error}", socket.display())).hint(hint)
}
