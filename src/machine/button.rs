//! One button's line. Debouncing is the adapter's; what a long hold or a chattering line means is decided here.
//!
//! A line that is down at the daemon's start is either stuck or under the hand of a person who pressed while the
//! daemon was not running. Only time tells: a line that goes up again within [`Settings::stuck_after`] was a
//! person, and becomes a press then; one that stays down is a fault and no alarm, or a jammed button would call
//! help at every restart.
//!
//! A line that gives more edges than a hand can, for longer than a frightened hand would, chatters: a loose wire or
//! water in the plug. Its first edge was a press all the same; from then on it is a fault and no press until it has
//! been quiet for a while, or every close would be followed by a new incident.

use std::time::Duration;

use super::settings::Settings;
use crate::wire::IncidentId;
use crate::wire::up::{ButtonLine, PressOrigin};

/// Edges are counted by the second.
const SECOND: Duration = Duration::from_secs(1);

/// The button.
#[derive(Debug, Clone, Default)]
pub struct Button {
    line: Line,
    edges: Edges,
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
    /// Up and down without end; since `last` it is quiet.
    Chattering {
        last: Duration,
        down: bool,
    },
}

/// How busy the line is.
#[derive(Debug, Clone, Default)]
struct Edges {
    /// The second under way.
    since: Option<Duration>,
    count: u32,
    /// Seconds just before it, without a gap, that had more edges than a hand makes.
    busy: u32,
}

impl Edges {
    /// Counts an edge. True if the line chatters.
    fn count(&mut self, now: Duration, settings: &Settings) -> bool {
        let age = self.since.map(|since| now.saturating_sub(since));
        if age.is_none_or(|age| age >= SECOND) {
            let goes_on = age.is_some_and(|age| age < SECOND * 2) && self.count > settings.chatter_edges;
            self.busy = if goes_on { self.busy.saturating_add(1) } else { 0 };
            (self.since, self.count) = (Some(now), 0);
        }
        self.count = self.count.saturating_add(1);
        self.busy >= settings.chatter_seconds
    }
}

/// What an edge down was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A press. It counts even if the release before it was never seen.
    Plain,
    /// The line's chatter.
    Chatter,
}

/// What a release was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The end of a press, of a fault, or chatter.
    Plain,
    /// A person held it while the daemon started.
    LatePress {
        /// Which button.
        origin: PressOrigin,
        /// Id for the incident.
        incident: IncidentId,
    },
}

impl Button {
    /// An edge down.
    pub fn pressed(&mut self, now: Duration, settings: &Settings) -> Press {
        let chatters = self.edges.count(now, settings);
        if chatters || matches!(self.line, Line::Chattering { .. }) {
            self.line = Line::Chattering { last: now, down: true };
            return Press::Chatter;
        }
        self.line = Line::Down { since: now };
        Press::Plain
    }

    /// The level at start is down. Later it says nothing new.
    pub fn held_at_start(&mut self, origin: PressOrigin, incident: IncidentId, now: Duration) {
        if matches!(self.line, Line::Released) {
            self.line = Line::Held { since: now, origin, incident };
        }
    }

    /// An edge up.
    #[must_use]
    pub fn released(&mut self, now: Duration, settings: &Settings) -> Release {
        let chatters = self.edges.count(now, settings);
        match std::mem::take(&mut self.line) {
            Line::Held { origin, incident, .. } => return Release::LatePress { origin, incident },
            Line::Chattering { .. } => self.line = Line::Chattering { last: now, down: false },
            Line::Down { .. } if chatters => self.line = Line::Chattering { last: now, down: false },
            Line::Released | Line::Down { .. } | Line::Stuck => {}
        }
        Release::Plain
    }

    /// The line has become stuck, or has ended to chatter.
    pub fn expire(&mut self, now: Duration, settings: &Settings) {
        if self.deadline(settings).is_none_or(|due| due > now) {
            return;
        }
        self.line = match self.line {
            Line::Chattering { .. } | Line::Released => Line::Released,
            Line::Down { .. } | Line::Held { .. } | Line::Stuck => Line::Stuck,
        };
        self.edges = Edges::default();
    }

    /// When [`Button::expire`] has something to do.
    #[must_use]
    pub fn deadline(&self, settings: &Settings) -> Option<Duration> {
        match self.line {
            Line::Down { since } | Line::Held { since, .. } => Some(since.saturating_add(settings.stuck_after)),
            Line::Chattering { last, down: false } => Some(last.saturating_add(settings.chatter_quiet)),
            // Quiet and down: only a release can make it better.
            Line::Chattering { down: true, .. } | Line::Released | Line::Stuck => None,
        }
    }

    /// What is wrong with the line: what was expected and what was found.
    #[must_use]
    pub fn trouble(&self, settings: &Settings) -> Option<String> {
        match self.line {
            Line::Released | Line::Down { .. } | Line::Held { .. } => None,
            Line::Stuck => Some(format!("expected a release, found it held for {} s", settings.stuck_after.as_secs())),
            Line::Chattering { .. } => Some(format!(
                "expected at most {} edges a second, found more for {} s: the line chatters",
                settings.chatter_edges, settings.chatter_seconds
            )),
        }
    }

    /// The line in the words of the heartbeat.
    #[must_use]
    pub fn line(&self) -> ButtonLine {
        match self.line {
            Line::Released => ButtonLine::Released,
            Line::Down { .. } | Line::Held { .. } => ButtonLine::Pressed,
            Line::Stuck | Line::Chattering { .. } => ButtonLine::Stuck,
        }
    }
}
