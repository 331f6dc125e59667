//! Closes that could not be kept. Each is tried again: a daemon that starts anew would resume what is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::effect::Effect;
use crate::wire::IncidentId;

/// So many wait at most. One comes with each incident, so this is a disk that has kept nothing for a long time.
const MOST: usize = 16;

/// Closes to be kept again, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Closes {
    again: BTreeMap<IncidentId, Duration>,
}

impl Closes {
    /// One was not kept: again at `at`.
    pub fn failed(&mut self, incident: IncidentId, at: Duration) {
        if self.again.len() < MOST {
            self.again.insert(incident, at);
        }
    }

    /// When [`Closes::expire`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        self.again.values().min().copied()
    }

    /// Does what is due. What is `open` is not closed.
    pub fn expire(&mut self, now: Duration, open: Option<IncidentId>, out: &mut Vec<Effect>) {
        self.again.retain(|incident, at| {
            let due = *at <= now;
            if due && open != Some(*incident) {
                out.push(Effect::KeepClosed { incident: *incident, verdict: None });
            }
            !due
        });
    }
}
