//! The button's line. Debouncing is the adapter's; what a long hold means is decided here.
//!
//! A line that is down at the daemon's start is either stuck or under the hand of a person who pressed while the
//! daemon was not running. Only time tells: a line that goes up again within [`Settings::stuck_after`] was a
//! person, and becomes a press then; one that stays down is a fault and no alarm, or a jammed button would call
//! help at every restart.

use std::time::Duration;

use super::settings::Settings;
use crate::wire::IncidentId;
use crate::wire::up::{ButtonLine, PressOrigin};

/// The button.
#[derive(Debug, Clone, Default)]
pub struct Button {
    line: Line,
}

#[derive(Debug, Clone, Default)]
enum Line {
    #[default]
    Released,
    /// Down, with the edge seen.
    Down {
        since: Duration,
    },
    /// Down without an edge.
    Held {
        since: Duration,
        origin: PressOrigin,
        incident: IncidentId,
    },
    Stuck,
}

/// What a release was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The end of a press.
    Plain,
    /// The end of a fault.
    Unstuck,
    /// A person held it while the daemon started.
    LatePress {
        /// Which button.
        origin: PressOrigin,
        /// Id for the incident.
        incident: IncidentId,
    },
}

impl Button {
    /// An edge down. A press counts even if the release before it was never seen; true if the line was stuck.
    pub fn pressed(&mut self, now: Duration) -> bool {
        let stuck = matches!(self.line, Line::Stuck);
        self.line = Line::Down { since: now };
        stuck
    }

    /// The level at start is down. Later it says nothing new.
    pub fn held_at_start(&mut self, origin: PressOrigin, incident: IncidentId, now: Duration) {
        if matches!(self.line, Line::Released) {
            self.line = Line::Held { since: now, origin, incident };
        }
    }

    /// An edge up.
    #[must_use]
    pub fn released(&mut self) -> Release {
        match std::mem::take(&mut self.line) {
            Line::Released | Line::Down { .. } => Release::Plain,
            Line::Held { origin, incident, .. } => Release::LatePress { origin, incident },
            Line::Stuck => Release::Unstuck,
        }
    }

    /// True once, when the line has become stuck.
    #[must_use]
    pub fn expire(&mut self, now: Duration, settings: &Settings) -> bool {
        let due = self.deadline(settings).is_some_and(|due| due <= now);
        if due {
            self.line = Line::Stuck;
        }
        due
    }

    /// When the line becomes stuck.
    #[must_use]
    pub fn deadline(&self, settings: &Settings) -> Option<Duration> {
        match self.line {
            Line::Down { since } | Line::Held { since, .. } => Some(since.saturating_add(settings.stuck_after)),
            Line::Released | Line::Stuck => None,
        }
    }

    /// The line in the words of the heartbeat.
    #[must_use]
    pub fn line(&self) -> ButtonLine {
        match self.line {
            Line::Released => ButtonLine::Released,
            Line::Down { .. } | Line::Held { .. } => ButtonLine::Pressed,
            Line::Stuck => ButtonLine::Stuck,
        }
    }
}
