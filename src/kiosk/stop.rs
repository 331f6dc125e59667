//! The end: graceful, then bounded, then forced, in a named order.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tracing::{info, warn};

/// One step may take this long; then the next begins all the same.
pub const STEP_BOUND: Duration = Duration::from_secs(2);

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

    /// Performs them, each at most [`STEP_BOUND`]. A second signal abandons what is left. Returns the names of the
    /// steps that did not end in time.
    pub async fn run(self, signals: &mut Signals) -> Vec<&'static str> {
        let mut late = Vec::new();
        for (name, step) in self.steps {
            tokio::select! {
                done = timeout(STEP_BOUND, step) => match done {
                    Ok(()) => info!(step = name, "stopped"),
                    Err(_) => {
                        warn!(step = name, "did not stop within {} s", STEP_BOUND.as_secs());
                        late.push(name);
                    }
                },
                name = signals.next() => {
                    warn!("{name} again: stopping at once");
                    return late;
                }
            }
        }
        late
    }
}
