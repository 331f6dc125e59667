//! The test of a button: for a bounded time its next press is no alarm. Once, and never while an alarm is open.

use std::time::Duration;

use super::Machine;
use super::effect::Effect;
use crate::wire::up::ButtonLine;

impl Machine {
    /// Somebody tests a button.
    pub(super) fn test_button(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let lines = [self.buttons.button(), self.buttons.second()];
        if self.call.is_some() || lines.iter().any(|line| *line != ButtonLine::Released) {
            out.push(Effect::ButtonTested { pressed: false });
        } else {
            self.button_test = Some(now.saturating_add(self.settings.button_test_for));
        }
    }

    /// The test is over, if there is one.
    pub(super) fn end_button_test(&mut self, pressed: bool, out: &mut Vec<Effect>) {
        if self.button_test.take().is_some() {
            out.push(Effect::ButtonTested { pressed });
        }
    }
}
