//! The buttons: each has its own line, and one that is stuck leaves the others as they are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::button::Button;
use super::settings::Settings;
use crate::wire::up::{ButtonLine, PressOrigin};

/// Every button that was ever heard of. `sos-ctl press` has a line of its own, so that a technician's press says
/// nothing of the button in the wall.
#[derive(Debug, Clone, Default)]
pub struct Buttons {
    lines: BTreeMap<PressOrigin, Button>,
}

impl Buttons {
    /// One of them.
    pub fn of(&mut self, origin: PressOrigin) -> &mut Button {
        self.lines.entry(origin).or_default()
    }

    /// Does what is due on each.
    pub fn expire(&mut self, now: Duration, settings: &Settings) {
        self.lines.values_mut().for_each(|button| button.expire(now, settings));
    }

    /// When [`Buttons::expire`] has something to do.
    #[must_use]
    pub fn deadline(&self, settings: &Settings) -> Option<Duration> {
        self.lines.values().filter_map(|button| button.deadline(settings)).min()
    }

    /// What is wrong with any of them.
    #[must_use]
    pub fn trouble(&self, settings: &Settings) -> Option<String> {
        let found: Vec<String> = self
            .lines
            .iter()
            .filter_map(|(origin, button)| Some((origin, button.trouble(settings)?)))
            .map(|(origin, why)| match origin {
                PressOrigin::Button | PressOrigin::Unknown => why,
                PressOrigin::SecondButton => format!("second button: {why}"),
                PressOrigin::Control => format!("pressed by sos-ctl: {why}"),
            })
            .collect();
        (!found.is_empty()).then(|| found.join("; "))
    }

    /// The button's line; a press by `sos-ctl` shows on it.
    #[must_use]
    pub fn button(&self) -> ButtonLine {
        self.line(PressOrigin::Button).max(self.line(PressOrigin::Control))
    }

    /// The second button's line.
    #[must_use]
    pub fn second(&self) -> ButtonLine {
        self.line(PressOrigin::SecondButton)
    }

    fn line(&self, origin: PressOrigin) -> ButtonLine {
        self.lines.get(&origin).map_or(ButtonLine::Released, Button::line)
    }
}
