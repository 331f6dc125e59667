//! The end: graceful, then bounded, then forced, in a named order.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tracing::{info, warn};

/// One step may take this long; then the next begins all the same.
pub const STEP_BOUND: Duration = Duration::from_secs(2);

/// A signal that is there is seen within this.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// The signals that end a daemon.
pub struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the process may not install handlers.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

type Step<'a> = (&'static str, Pin<Box<dyn Future<Output = ()> + Send + 'a>>);

/// The steps of the end, in their order.
#[derive(Default)]
pub struct Stopping<'a> {
    steps: Vec<Step<'a>>,
}

impl<'a> Stopping<'a> {
    /// Adds a step.
    #[must_use]
    pub fn then(mut self, name: &'static str, step: impl Future<Output = ()> + Send + 'a) -> Self {
        self.steps.push((name, Box::pin(step)));
        self
    }

    /// Performs them, each at most [`STEP_BOUND`]. `asked` tells whether a signal has asked for the end already: then
    /// another one abandons what is left. Where none has (the daemon was about to start anew), the first is only noted.
    pub async fn run(self, signals: &mut Signals, mut asked: bool) -> Ended {
        let mut late = Vec::new();
        for (name, step) in self.steps {
            let step = timeout(STEP_BOUND, step);
            tokio::pin!(step);
            loop {
                tokio::select! {
                    done = &mut step => {
                        match done {
                            Ok(()) => info!(step = name, "stopped"),
                            Err(_) => {
                                warn!(step = name, "did not stop within {} s", STEP_BOUND.as_secs());
                                late.push(name);
                            }
                        }
                        break;
                    }
                    signal = signals.next() => {
                        if asked {
                            warn!("{signal} again: stopping at once");
                            return Ended { late, asked };
                        }
                        info!("{signal}: stopping, and no new start");
                        asked = true;
                    }
                }
            }
        }
        // One that came at the last moment: the program that takes this one's place would know nothing of it.
        asked |= timeout(LAST_LOOK, signals.next()).await.is_ok();
        Ended { late, asked }
    }
}

/// What came of the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The steps that did not end in time.
    pub late: Vec<&'static str>,
    /// Whether a signal asks for the end.
    pub asked: bool,
}
