//! Alarms between their hand-over to the line and its word that a connection has taken them.

use std::collections::VecDeque;

use crate::machine::Event;
use crate::wire::IncidentId;

/// So many are remembered; what the line drops is never told.
const MOST: usize = 16;

/// Alarms that the line has, oldest first, by the mark they carry.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    marks: u64,
    alarms: VecDeque<(u64, Event)>,
}

impl Leaving {
    /// An alarm goes to the line; the mark it carries.
    pub fn goes(&mut self, incident: IncidentId, attempt: u32) -> u64 {
        self.marks += 1;
        if self.alarms.len() >= MOST {
            self.alarms.pop_front();
        }
        self.alarms.push_back((self.marks, Event::AlarmSent { incident, attempt }));
        self.marks
    }

    /// A connection has taken the marked one. The line keeps the order: those before it were dropped.
    pub fn gone(&mut self, mark: u64) -> Option<Event> {
        self.alarms.retain(|(other, _)| *other >= mark);
        let first = self.alarms.front().is_some_and(|(other, _)| *other == mark);
        if first { self.alarms.pop_front().map(|(_, sent)| sent) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_taken_is_told_and_only_once() {
        let mut leaving = Leaving::default();
        let incident = IncidentId::fresh();
        let marks: Vec<u64> = (1..=40).map(|attempt| leaving.goes(incident, attempt)).collect();
        assert_eq!(leaving.gone(marks[38]), Some(Event::AlarmSent { incident, attempt: 39 }));
        assert_eq!(leaving.gone(marks[38]), None);
        assert_eq!(leaving.gone(marks[37]), None, "dropped before");
        assert_eq!(leaving.gone(marks[39]), Some(Event::AlarmSent { incident, attempt: 40 }));
        assert!(leaving.alarms.is_empty());
    }
}
