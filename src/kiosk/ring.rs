//! The last events with their times, so that what happened in the street can be replayed as a test.

use std::collections::VecDeque;
use std::time::Duration;

use crate::machine::Event;

/// How many are kept.
pub const RING_SIZE: usize = 512;

/// The ring. Ticks are left out: a replay makes its own.
#[derive(Debug, Default)]
pub struct Ring {
    events: VecDeque<(Duration, Event)>,
}

impl Ring {
    /// Adds an event; the oldest makes room.
    pub fn push(&mut self, now: Duration, event: &Event) {
        if *event == Event::Tick {
            return;
        }
        if self.events.len() == RING_SIZE {
            self.events.pop_front();
        }
        self.events.push_back((now, slim(event)));
    }

    /// The events, oldest first, with the time since boot the machine took each at.
    pub fn iter(&self) -> impl Iterator<Item = &(Duration, Event)> {
        self.events.iter()
    }

    /// One line an event.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.events.iter().map(|(at, event)| format!("{:.6} {event:?}", at.as_secs_f64())).collect()
    }
}

/// A session description is long, and the machine only carries it.
fn slim(event: &Event) -> Event {
    if let Event::OfferMade { session, sdp } = event {
        return Event::OfferMade { session: *session, sdp: format!("({} bytes)", sdp.len()) };
    }
    event.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_ticks_take_none() {
        let mut ring = Ring::default();
        for second in 0..(RING_SIZE as u64 + 10) {
            ring.push(Duration::from_secs(second), &Event::LinkUp);
            ring.push(Duration::from_secs(second), &Event::Tick);
        }
        assert_eq!(ring.iter().count(), RING_SIZE);
        assert_eq!(ring.iter().next().map(|(at, _)| at.as_secs()), Some(10));
        assert_eq!(ring.lines()[0], "10.000000 LinkUp");
    }
}
