//! Outputs an officer may switch in a call: on only while an incident is open, off at its end whatever else fails.
//!
//! What was asked for is one thing, what the panel says it has done another; the centre is told the second.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::Effect;
use super::settings::Settings;
use crate::wire::{Output, OutputState};

/// The outputs.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// Asked to be on in the open incident.
    asked: BTreeSet<Output>,
    /// As the panel says they are.
    are: BTreeMap<Output, bool>,
}

impl Outputs {
    /// An incident is open.
    pub fn begin(&mut self, settings: &Settings, out: &mut Vec<Effect>) {
        if settings.strobe_in_alarm {
            self.ask(Output::Strobe, true, settings, out);
        }
    }

    /// An officer of the open incident asks for it. One that is not fitted is answered by what is.
    pub fn ask(&mut self, output: Output, on: bool, settings: &Settings, out: &mut Vec<Effect>) {
        if !settings.outputs.contains(&output) {
            out.push(Effect::Beat);
            return;
        }
        if on {
            self.asked.insert(output);
        } else {
            self.asked.remove(&output);
        }
        out.push(Effect::Output { output, on });
    }

    /// The panel has set it: the centre hears of it at once.
    pub fn is(&mut self, output: Output, on: bool, out: &mut Vec<Effect>) {
        if self.are.insert(output, on).unwrap_or(false) != on {
            out.push(Effect::Beat);
        }
    }

    /// The incident is over.
    pub fn end(&mut self, out: &mut Vec<Effect>) {
        out.extend(std::mem::take(&mut self.asked).into_iter().map(|output| Effect::Output { output, on: false }));
    }

    /// Those that are fitted, as they are.
    #[must_use]
    pub fn states(&self, settings: &Settings) -> Vec<OutputState> {
        let is = |output| self.are.get(&output).copied().unwrap_or(false);
        settings.outputs.iter().map(|&output| OutputState { output, on: is(output) }).collect()
    }
}
