//! One file a port and a library; no decisions. What happens comes back through the shell's inbox.

pub mod board;
pub mod leg;
pub mod link;
pub mod media;
pub mod panel;
pub mod proof;
pub mod store;
pub mod systemd;
pub mod upload;
pub mod witness;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What `read` gives at once, for what the start can do without: a disk that hangs gives nothing.
pub fn soon<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    const SOON: Duration = Duration::from_millis(250);
    let (to, found) = std::sync::mpsc::sync_channel(1);
    // Nobody waits any more for what comes too late.
    let reading = std::thread::Builder::new().name("soon".to_owned()).spawn(move || drop(to.try_send(read())));
    reading.ok().and_then(|_| found.recv_timeout(SOON).ok())
}

/// Waits for a thread to end, but not for ever: a driver or a disk that hangs must not hold the shutdown.
fn join_within(thread: JoinHandle<()>, what: &str) {
    const LONGEST: Duration = Duration::from_secs(5);
    let end = Instant::now() + LONGEST;
    while !thread.is_finished() {
        if Instant::now() >= end {
            return tracing::error!("the {what} does not end; left behind");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    if thread.join().is_err() {
        tracing::error!("the {what} ended badly");
    }
}
