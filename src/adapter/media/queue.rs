//! The bounded hand-over from the capture threads to the recorder's thread. Putting in never waits:
//! when the disk is slower than the camera, pictures that others depend on the least go first.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::clock::Running;
use super::fmp4::PictureTrack;
use super::lock;
use super::ring::Unit;
use crate::kiosk::ports::Medium;
use crate::wire::IncidentId;

/// What the recorder is told.
#[derive(Debug)]
pub enum Message {
    /// Record, beginning with what the ring held.
    Start {
        /// Which incident.
        incident: IncidentId,
        /// From the ring, in order of time.
        units: Vec<Unit>,
        /// The picture's configuration.
        picture: Option<PictureTrack>,
    },
    /// A live unit, for every recording under way.
    Unit(Unit),
    /// End the recording.
    Stop {
        /// Which incident.
        incident: IncidentId,
        /// What was captured after this is not part of it.
        at: Running,
    },
    /// The daemon ends: write what is there, seal nothing.
    Shutdown,
}

/// Units that may wait: some 20 s, far more than a card's worst stall.
const MAX_UNITS: usize = 2000;
/// Bytes that may wait.
const MAX_BYTES: usize = 16 << 20;
/// Starts and stops that may wait when another start comes.
const MAX_ORDERS: usize = 16;

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    messages: VecDeque<Message>,
    units: usize,
    bytes: usize,
    shed: u64,
    /// When the store last took a fragment or said why not, or a recording began; and whether it took one.
    answered: Option<(Instant, bool)>,
}

impl Queue {
    /// Puts a unit in; sheds others (or this one) if the queue is full.
    pub fn unit(&self, unit: Unit) {
        let mut inner = lock(&self.inner);
        inner.units += 1;
        inner.bytes += unit.data.len();
        inner.messages.push_back(Message::Unit(unit));
        if inner.units > MAX_UNITS || inner.bytes > MAX_BYTES {
            inner.shed();
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Puts the order to record in. `false` if too many orders wait already.
    #[must_use]
    pub fn start(&self, incident: IncidentId, units: Vec<Unit>, picture: Option<PictureTrack>) -> bool {
        let mut inner = lock(&self.inner);
        if inner.messages.len() - inner.units >= MAX_ORDERS {
            return false;
        }
        inner.messages.push_back(Message::Start { incident, units, picture });
        drop(inner);
        self.filled.notify_one();
        true
    }

    /// Puts the order to end in, however many wait: a recording must not run on because it was lost. There is at most
    /// one for each start that was taken (see [`super::hub::Hub::stop_recording`]), so they are few.
    pub fn stop(&self, incident: IncidentId, at: Running) {
        lock(&self.inner).messages.push_back(Message::Stop { incident, at });
        self.filled.notify_one();
    }

    /// The last order: taken however many wait.
    pub fn shut_down(&self) {
        lock(&self.inner).messages.push_back(Message::Shutdown);
        self.filled.notify_one();
    }

    /// The next message; `None` when none has come by `until`.
    pub fn next(&self, until: Option<Instant>) -> Option<Message> {
        const LONG: Duration = Duration::from_secs(3600);
        let mut inner = lock(&self.inner);
        loop {
            if let Some(message) = inner.messages.pop_front() {
                if let Message::Unit(unit) = &message {
                    inner.units -= 1;
                    inner.bytes -= unit.data.len();
                }
                return Some(message);
            }
            let wait = until.map_or(LONG, |until| until.saturating_duration_since(Instant::now()));
            if wait.is_zero() {
                return None;
            }
            inner = self.filled.wait_timeout(inner, wait).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// The store took a fragment or said why not, or a recording begins.
    pub fn answered(&self, taken: bool) {
        lock(&self.inner).answered = Some((Instant::now(), taken));
    }

    /// Whether it took the last one.
    #[must_use]
    pub fn taken(&self) -> bool {
        lock(&self.inner).answered.is_some_and(|(_, taken)| taken)
    }

    /// How long ago that was.
    #[must_use]
    pub fn answer_age(&self) -> Option<Duration> {
        lock(&self.inner).answered.map(|(at, _)| at.elapsed())
    }

    /// Units shed since the start.
    #[must_use]
    pub fn shed(&self) -> u64 {
        lock(&self.inner).shed
    }
}

impl Inner {
    /// Makes room: the waiting delta frames of the oldest group (so that what stays still decodes);
    /// failing that, the oldest unit.
    fn shed(&mut self) {
        let delta = |message: &Message| matches!(message, Message::Unit(unit) if !unit.key);
        let begin = self.messages.iter().position(delta);
        let begin = begin.or_else(|| self.messages.iter().position(|message| matches!(message, Message::Unit(_))));
        let Some(begin) = begin else { return };
        let is_delta = delta(&self.messages[begin]);
        let rest = self.messages.iter().skip(begin + 1);
        let ends = |message: &Message| matches!(message, Message::Unit(u) if u.key && u.medium == Medium::Picture);
        let end = if is_delta { rest.take_while(|message| !ends(message)).count() + begin + 1 } else { begin + 1 };
        let mut index = 0;
        let (mut units, mut bytes) = (0, 0);
        self.messages.retain(|message| {
            let here = index;
            index += 1;
            let Message::Unit(unit) = message else { return true };
            if here < begin || here >= end || (is_delta && unit.key) {
                return true;
            }
            units += 1;
            bytes += unit.data.len();
            false
        });
        self.units -= units;
        self.bytes -= bytes;
        self.shed += units as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn unit(n: u64) -> Unit {
        let data = Bytes::from_static(&[0; 64]);
        Unit { medium: Medium::Picture, key: n.is_multiple_of(30), at: n, duration: 1, data }
    }

    #[test]
    fn a_stop_is_taken_however_many_orders_wait() {
        let queue = Queue::default();
        let incident = IncidentId::fresh();
        assert!((0..MAX_ORDERS).all(|_| queue.start(incident, vec![], None)));
        assert!(!queue.start(incident, vec![], None));
        queue.stop(incident, 5);
        let now = Some(Instant::now());
        let last = std::iter::from_fn(|| queue.next(now)).last();
        assert!(matches!(last, Some(Message::Stop { at: 5, .. })), "{last:?}");
    }

    #[test]
    fn a_full_queue_sheds_whole_tails_of_groups_and_keeps_orders() {
        let queue = Queue::default();
        let incident = IncidentId::fresh();
        queue.stop(incident, 0);
        (0..10_000).for_each(|n| queue.unit(unit(n)));
        assert!(queue.shed() >= 8000);
        assert!(matches!(queue.next(None), Some(Message::Stop { .. })));
        let now = Some(Instant::now());
        let kept: Vec<Unit> = std::iter::from_fn(|| match queue.next(now) {
            Some(Message::Unit(unit)) => Some(unit),
            _ => None,
        })
        .collect();
        assert!(kept.len() <= MAX_UNITS);
        let torn = kept.windows(2).filter(|pair| !pair[1].key && pair[1].at != pair[0].at + 1).count();
        assert_eq!(torn, 0, "no delta frame without the frame before it");
    }
}
