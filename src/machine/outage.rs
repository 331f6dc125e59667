//! When the person is told that there is no connection: after a while, then now and again while it lasts.

use std::time::Duration;

use super::settings::Settings;

/// The watch over a connection that somebody waits for.
#[derive(Debug, Clone, Default)]
pub struct Outage {
    /// When to speak next; none while connected.
    next: Option<Duration>,
    /// When it was last said.
    said: Option<Duration>,
}

impl Outage {
    /// Takes note of whether the person is cut off.
    pub fn watch(&mut self, cut_off: bool, now: Duration, settings: &Settings) {
        if !cut_off {
            self.next = None;
        } else if self.next.is_none() {
            // A connection that flaps must not make the kiosk say it more often than one that is gone.
            let earliest = self.said.map(|said| said.saturating_add(settings.no_connection_every));
            let usual = now.saturating_add(settings.no_connection_after);
            self.next = Some(earliest.map_or(usual, |earliest| earliest.max(usual)));
        }
    }

    /// True when it is to be said now.
    #[must_use]
    pub fn expire(&mut self, now: Duration, settings: &Settings) -> bool {
        let due = self.next.is_some_and(|due| due <= now);
        if due {
            self.said = Some(now);
            self.next = Some(now.saturating_add(settings.no_connection_every));
        }
        due
    }

    /// Whether the person was told since the last call of this.
    #[must_use]
    pub fn take_said(&mut self) -> bool {
        self.said.take().is_some()
    }

    /// When to speak next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.next
    }
}
