//! Button, tamper contact, lamps and outputs: the port [`Panel`] over whatever a board has.
//!
//! ```text
//!   driver (gpiocdev, rppal, sim) -> Inputs  -> inputs.rs  (a thread: edges)        -> the shell's inbox
//!                                 -> Outputs <- outputs.rs (a thread: level, blink) <- state.rs <- the shell
//! ```
//!
//! A driver only knows how to open lines, wait for an edge and set a level. What is common to all of them is here:
//! a half that cannot be opened, or is lost, is the fault `PanelLost` and is tried again with back-off for ever.

mod chip;
mod contact;
mod gpiocdev;
mod inputs;
mod outputs;
mod rppal;
mod sim;
mod state;
mod wiring;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use self::gpiocdev::Gpiocdev;
pub use self::rppal::Rppal;
pub use self::sim::{Sim, SimBoard};
pub use self::wiring::{Bias, InputLine, Line, OutputLine, Role, Wiring};

use self::state::Shared;
use crate::kiosk::Inbox;
use crate::kiosk::ports::{Input, Panel, PanelView};
use crate::machine::words::{Lamp, Light};
use crate::wire::Output;

/// Why a panel cannot be read or set.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PanelError(pub String);

/// An edge of an input.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// Which input.
    pub input: Input,
    /// Whether it is active now: pressed, or open for the case.
    pub active: bool,
    /// When the line went, as exactly as the driver knows.
    pub at: Instant,
}

/// Inputs that are open.
pub trait Inputs {
    /// Whether an input is active now.
    ///
    /// # Errors
    /// The lines are lost.
    fn active(&mut self, input: Input) -> Result<bool, PanelError>;
    /// The next edge, or none within `within`: then the levels are looked at.
    ///
    /// # Errors
    /// The lines are lost.
    fn next(&mut self, within: Duration) -> Result<Option<Edge>, PanelError>;
}

/// Outputs that are open; each was off at first.
pub trait Outputs {
    /// Sets one.
    ///
    /// # Errors
    /// The lines are lost.
    fn set(&mut self, role: Role, on: bool) -> Result<(), PanelError>;
}

/// One way to lines. Called on the thread that then uses what it opened.
pub trait Driver: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &'static str;
    /// Opens every input of `wiring`.
    ///
    /// # Errors
    /// What was expected and what was found.
    fn open_inputs(&self, wiring: &Wiring) -> Result<Box<dyn Inputs>, PanelError>;
    /// Opens every output of `wiring`, off.
    ///
    /// # Errors
    /// What was expected and what was found.
    fn open_outputs(&self, wiring: &Wiring) -> Result<Box<dyn Outputs>, PanelError>;
}

/// The panel.
pub struct PanelAdapter {
    shared: Arc<Shared>,
    outputs: Option<thread::JoinHandle<()>>,
}

impl PanelAdapter {
    /// Starts both threads; whether the lines can be had is told through the inbox.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(wiring: Wiring, driver: Arc<dyn Driver>, inbox: Inbox) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(wiring, driver, inbox));
        let (reads, sets) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::Builder::new().name("panel-in".to_owned()).spawn(move || inputs::run(&reads))?;
        let outputs = thread::Builder::new().name("panel-out".to_owned()).spawn(move || outputs::run(&sets))?;
        Ok(Self { shared, outputs: Some(outputs) })
    }

    /// Waits until the button is armed, or is known not to be; `within` at most.
    pub fn armed(&self, within: Duration) {
        self.shared.tried(within);
    }
}

impl Panel for PanelAdapter {
    fn lamp(&mut self, lamp: Lamp, light: Light, pressed: Option<Instant>) {
        self.shared.want(Role::Lamp(lamp), light, pressed);
    }

    fn output(&mut self, output: Output, on: bool) {
        self.shared.want(Role::Output(output), if on { Light::On } else { Light::Off }, None);
    }

    fn look(&self) -> PanelView {
        self.shared.look()
    }

    fn turn_age(&self) -> Option<Duration> {
        self.shared.turn_age()
    }
}

impl Drop for PanelAdapter {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(outputs) = self.outputs.take() {
            // It switches everything off and ends; a panic in it has been told on stderr.
            let _ = outputs.join();
        }
    }
}

/// Brings every output to its safe state, off, each on its own: one that cannot be had does not keep the others
/// from it. For use after the daemon has died. Gives what could not be done.
#[must_use]
pub fn make_safe(wiring: &Wiring, driver: &dyn Driver) -> Vec<(OutputLine, PanelError)> {
    let mut failed = Vec::new();
    for output in &wiring.outputs {
        let alone = Wiring { chip: wiring.chip.clone(), inputs: Vec::new(), outputs: vec![output.clone()] };
        let done = driver.open_outputs(&alone).and_then(|mut lines| lines.set(output.role, false));
        if let Err(why) = done {
            failed.push((output.clone(), why));
        }
    }
    failed
}
