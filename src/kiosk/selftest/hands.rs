//! The shell's side of self-tests: a lamp that shines for a test, and who waits for the button.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use crate::kiosk::ports::Panel;
use crate::machine::words::{Lamp, Light};

/// What is under test.
#[derive(Debug, Default)]
pub struct Tests {
    /// Whether the lamps are other than the machine wants them.
    lamps: bool,
    button: Option<oneshot::Sender<bool>>,
}

impl Tests {
    /// Lets one lamp shine and no other; `None` gives them back to the machine.
    ///
    /// # Errors
    /// An alarm is open, and its lamps are not played with.
    pub fn lamp(
        &mut self,
        test: Option<(Lamp, Light)>,
        alarm: bool,
        wanted: &BTreeMap<Lamp, Light>,
        panel: &mut dyn Panel,
    ) -> Result<(), String> {
        let Some((lamp, light)) = test else {
            self.end_lamp(wanted, panel);
            return Ok(());
        };
        if alarm {
            return Err("an alarm is open: its lamps are left alone".to_owned());
        }
        self.lamps = true;
        for other in Lamp::ALL {
            panel.lamp(other, if other == lamp { light } else { Light::Off }, None);
        }
        Ok(())
    }

    /// The lamps are as the machine wants them again.
    pub fn end_lamp(&mut self, wanted: &BTreeMap<Lamp, Light>, panel: &mut dyn Panel) {
        if std::mem::take(&mut self.lamps) {
            for lamp in Lamp::ALL {
                panel.lamp(lamp, wanted.get(&lamp).copied().unwrap_or(Light::Off), None);
            }
        }
    }

    /// Somebody waits for the button; whoever waited before is told that it did not come.
    pub fn button(&mut self, to: oneshot::Sender<bool>) {
        self.button_over(false);
        self.button = Some(to);
    }

    /// The wait is over.
    pub fn button_over(&mut self, pressed: bool) {
        if let Some(to) = self.button.take() {
            // Who has gone does not want to know.
            let _ = to.send(pressed);
        }
    }
}
