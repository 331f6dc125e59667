//! What the panel's inputs say, and what an officer wants of its outputs.

use super::Machine;
use super::effect::Effect;
use crate::wire::up::FaultKind;
use crate::wire::{IncidentId, Output};

impl Machine {
    /// One fault for all of them: it stands while anything is wrong with any line.
    pub(super) fn judge_buttons(&mut self, out: &mut Vec<Effect>) {
        match self.buttons.trouble(&self.settings) {
            Some(why) => self.faults.raise(FaultKind::ButtonStuck, why, out),
            None => self.faults.clear(FaultKind::ButtonStuck, out),
        }
    }

    pub(super) fn case(&mut self, open: bool, out: &mut Vec<Effect>) {
        if open {
            let detail = "expected the case closed, found its contact open".to_owned();
            self.faults.raise(FaultKind::CaseOpen, detail, out);
        } else {
            self.faults.clear(FaultKind::CaseOpen, out);
        }
    }

    pub(super) fn switch(&mut self, incident: IncidentId, output: Output, on: bool, out: &mut Vec<Effect>) {
        if self.call.as_ref().is_some_and(|call| call.is(incident)) {
            self.outputs.ask(output, on, &self.settings, out);
        } else {
            // An order of a call that is over: the centre learns what is.
            out.push(Effect::Beat);
        }
    }
}
