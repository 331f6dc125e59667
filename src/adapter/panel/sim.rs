//! The simulated panel: inputs that a command or a test moves, outputs that can be read, lines that can be lost.
//! Everything above the driver is the real thing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use super::wiring::{Role, Wiring};
use super::{Driver, Edge, Inputs, Outputs, PanelError};
use crate::kiosk::ports::{Hand, Input};

/// Edges that may wait, as in a kernel's buffer: the oldest makes room.
const EDGES: usize = 64;

/// The driver.
#[derive(Debug, Clone, Default)]
pub struct Sim {
    board: Arc<SimBoard>,
}

/// The board that is not there.
#[derive(Debug, Default)]
pub struct SimBoard {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    inputs: BTreeMap<Input, bool>,
    edges: VecDeque<Edge>,
    outputs: BTreeMap<Role, bool>,
    unplugged: bool,
    /// Somebody has the inputs open: before that there are levels and no edges.
    open: bool,
}

impl Sim {
    /// The board, to be moved and read.
    #[must_use]
    pub fn board(&self) -> Arc<SimBoard> {
        Arc::clone(&self.board)
    }
}

impl SimBoard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lines away, or gives them back.
    pub fn unplug(&self, unplugged: bool) {
        let mut state = self.state();
        state.unplugged = unplugged;
        if unplugged {
            state.open = false;
            state.edges.clear();
            state.outputs.clear();
        }
        self.wake.notify_all();
    }

    /// Whether an output's line is on.
    #[must_use]
    pub fn is_on(&self, role: Role) -> bool {
        self.state().outputs.get(&role).copied().unwrap_or(false)
    }

    /// Waits until an output's line is so, `within` at most; tells whether it is.
    #[must_use]
    pub fn until(&self, role: Role, on: bool, within: Duration) -> bool {
        let is = |state: &State| state.outputs.get(&role).copied().unwrap_or(false) == on;
        let state = self.state();
        let waited = self.wake.wait_timeout_while(state, within, |state| !is(state));
        is(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn there(state: &State) -> Result<(), PanelError> {
        if state.unplugged { Err(PanelError("expected the panel, found it unplugged".to_owned())) } else { Ok(()) }
    }
}

impl Hand for SimBoard {
    fn set(&self, input: Input, active: bool) {
        let mut state = self.state();
        state.inputs.insert(input, active);
        if state.open {
            if state.edges.len() == EDGES {
                state.edges.pop_front();
            }
            state.edges.push_back(Edge { input, active, at: Instant::now() });
        }
        self.wake.notify_all();
    }
}

impl Driver for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn open_inputs(&self, _wiring: &Wiring) -> Result<Box<dyn Inputs>, PanelError> {
        let mut state = self.board.state();
        SimBoard::there(&state)?;
        state.open = true;
        Ok(Box::new(Lines { board: self.board() }))
    }

    fn open_outputs(&self, _wiring: &Wiring) -> Result<Box<dyn Outputs>, PanelError> {
        SimBoard::there(&self.board.state())?;
        Ok(Box::new(Lines { board: self.board() }))
    }
}

struct Lines {
    board: Arc<SimBoard>,
}

impl Inputs for Lines {
    fn active(&mut self, input: Input) -> Result<bool, PanelError> {
        let state = self.board.state();
        SimBoard::there(&state)?;
        Ok(state.inputs.get(&input).copied().unwrap_or(false))
    }

    fn next(&mut self, within: Duration) -> Result<Option<Edge>, PanelError> {
        let state = self.board.state();
        let rests = |state: &mut State| state.edges.is_empty() && !state.unplugged;
        let waited = self.board.wake.wait_timeout_while(state, within, rests);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        SimBoard::there(&state)?;
        Ok(state.edges.pop_front())
    }
}

impl Outputs for Lines {
    fn set(&mut self, role: Role, on: bool) -> Result<(), PanelError> {
        let mut state = self.board.state();
        SimBoard::there(&state)?;
        if state.outputs.insert(role, on).unwrap_or(false) != on {
            info!(line = role.name(), on, "simulated panel");
        }
        self.board.wake.notify_all();
        Ok(())
    }
}
