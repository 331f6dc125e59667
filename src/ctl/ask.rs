//! Asks the daemon over its control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Exit, Failure};
use crate::control::{Answer, MAX_ANSWER, Request};

/// The daemon answers within microseconds, or is not well.
const WITHIN: Duration = Duration::from_secs(3);

/// Sends `request` and reads the answer.
///
/// # Errors
/// [`Failure`]: unreachable, or refused by the daemon.
pub fn ask(socket: &Path, request: Request) -> Result<Answer, Failure> {
    let answer = exchange(socket, request).map_err(|error| unreachable(socket, &error))?;
    if answer.ok {
        return Ok(answer);
    }
    let why = answer.error.unwrap_or_else(|| "no reason given".to_owned());
    Err(Failure::new(Exit::Refused, format!("the daemon refused: {why}")))
}

fn exchange(socket: &Path, request: Request) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(MAX_ANSWER as u64)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(std::io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection without an answer"));
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn unreachable(socket: &Path, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => "is it running? systemctl status sos-kiosk",
        ErrorKind::PermissionDenied => "only root and the group of the socket may ask: try sudo",
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it accepts but does not answer: journalctl -u sos-kiosk",
        _ => "journalctl -u sos-kiosk shows what the daemon did",
    };
    Failure::new(Exit::Unreachable, format!("{}: the daemon cannot be reached: {error}", socket.display())).hint(hint)
}
