//! MQTT messages of kiosks into events of the desk. Whatever is wrong with one is counted and harmless.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::mqtt::Happening;
use crate::wire::topic::Up;
use crate::wire::{BootId, Envelope, KioskId, MessageId, WireError, decode, limits};

use super::counters::{Counters, Refused};
use super::desk::{Event, Rejection};
use super::shell::DeskHandle;

/// Kiosks whose messages are remembered.
const MAX_KIOSKS: usize = 10_000;

/// What is remembered of a kiosk's messages.
#[derive(Debug, Default)]
struct Seen {
    order: VecDeque<MessageId>,
    ids: HashSet<MessageId>,
    newest: BTreeMap<Up, (BootId, u64)>,
}

impl Seen {
    /// Tells whether the message is new.
    fn is_new(&mut self, id: MessageId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > limits::DEDUP_WINDOW
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }

    /// Tells whether nothing later of its kind and run has come.
    fn is_newest(&mut self, kind: Up, boot: BootId, seq: u64) -> bool {
        match self.newest.insert(kind, (boot, seq)) {
            Some((last_boot, last)) if last_boot == boot && last > seq => {
                self.newest.insert(kind, (boot, last));
                false
            }
            Some(_) | None => true,
        }
    }
}

/// Reads messages; remembers what it has seen.
#[derive(Debug)]
pub struct Inbound {
    seen: BTreeMap<KioskId, Seen>,
    counters: Arc<Counters>,
    refused: BTreeSet<KioskId>,
}

impl Inbound {
    /// Has seen nothing; takes nothing of `refused`.
    #[must_use]
    pub fn new(counters: Arc<Counters>, refused: BTreeSet<KioskId>) -> Self {
        Self { seen: BTreeMap::new(), counters, refused }
    }

    /// Reads what the line reports until it or the desk ends.
    pub async fn read_all(mut self, mut happenings: mpsc::Receiver<Happening>, desk: DeskHandle) {
        while let Some(happening) = happenings.recv().await {
            match happening {
                Happening::Up => tracing::info!("connected to the broker"),
                Happening::Down { why } => tracing::warn!(why, "no connection to the broker"),
                // The centre marks nothing.
                Happening::Sent { .. } => {}
                Happening::Message { topic, payload, retained } => {
                    if let Some(event) = self.read(&topic, &payload, retained)
                        && desk.tell(event).await.is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    /// The event a message means; `None` when it was refused, which is counted.
    pub fn read(&mut self, topic: &str, payload: &[u8], retained: bool) -> Option<Event> {
        let Some((kiosk, kind)) = Up::parse(topic) else {
            self.counters.refuse(Refused::UnknownTopic, topic, "");
            return None;
        };
        if self.refused.contains(&kiosk) {
            self.counters.refuse(Refused::Kiosk, topic, "");
            return None;
        }
        if !self.seen.contains_key(&kiosk) && self.seen.len() >= MAX_KIOSKS {
            self.counters.refuse(Refused::Desk(Rejection::TooMany), topic, "");
            return None;
        }
        // A kept message is true only where it is meant to be kept. An alarm counts however it comes.
        if retained && matches!(kind, Up::Heartbeat | Up::Event | Up::Signal | Up::Test | Up::TestCall | Up::Evidence) {
            self.counters.refuse(Refused::Desk(Rejection::Stale), topic, "retained");
            return None;
        }
        let read = Reading { topic, payload, kiosk: &kiosk, kind };
        match kind {
            Up::State => self.take(&read).map(|m| Event::State { kiosk: kiosk.clone(), state: m.body }),
            Up::Heartbeat => self.take(&read).map(|m| Event::Heartbeat {
                kiosk: kiosk.clone(),
                beat: Box::new(m.body),
                sent_wall_us: m.wall_us,
            }),
            Up::Alarm => self.take(&read).map(|m: Envelope<crate::wire::up::Alarm>| Event::Alarm {
                kiosk: kiosk.clone(),
                age_us: m.body.pressed_mono_us.map(|pressed| m.mono_us.saturating_sub(pressed)),
                alarm: Box::new(m.body),
                synced: m.clock_synced,
            }),
            Up::Event => self.take(&read).map(|m| Event::Report { kiosk: kiosk.clone(), report: Box::new(m.body) }),
            Up::Signal => self.take(&read).map(|m| Event::Signal { kiosk: kiosk.clone(), signal: m.body }),
            Up::TestCall => self.take(&read).map(|m| Event::TestCall { kiosk: kiosk.clone(), call: m.body }),
            Up::Evidence => self.take(&read).map(|m| Event::Head { kiosk: kiosk.clone(), head: m.body }),
            Up::Test => self.take(&read).map(|m| Event::Test { kiosk: kiosk.clone(), report: m.body }),
        }
    }

    fn take<T: DeserializeOwned>(&mut self, reading: &Reading<'_>) -> Option<Envelope<T>> {
        let message: Envelope<T> = match decode(reading.payload) {
            Ok(message) => message,
            Err(why) => {
                let reason = match why {
                    WireError::TooLarge { .. } => Refused::Oversized,
                    WireError::Malformed { .. } => Refused::Malformed,
                };
                self.counters.refuse(reason, reading.topic, &why.to_string());
                return None;
            }
        };
        let seen = self.seen.entry(reading.kiosk.clone()).or_default();
        // A kiosk's state and last will are written once and come again with every connection.
        if reading.kind != Up::State && !seen.is_new(message.id) {
            self.counters.refuse(Refused::Duplicate, reading.topic, "");
            // An alarm that comes again may not have been acknowledged: the desk does so again.
            if reading.kind != Up::Alarm {
                return None;
            }
        }
        // Late presence or a late offer would undo a newer one; everything else is true however late.
        if matches!(reading.kind, Up::Heartbeat | Up::Signal)
            && !seen.is_newest(reading.kind, message.boot, message.seq)
        {
            self.counters.refuse(Refused::Desk(Rejection::Stale), reading.topic, "a later one has come");
            return None;
        }
        Some(message)
    }
}

struct Reading<'a> {
    topic: &'a str,
    payload: &'a [u8],
    kiosk: &'a KioskId,
    kind: Up,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::up::{KioskState, Place};
    use crate::wire::{Envelope, encode};

    #[test]
    fn nothing_is_heard_of_a_kiosk_that_is_refused() {
        let refused = BTreeSet::from(["stolen".parse().unwrap()]);
        let mut inbound = Inbound::new(Arc::default(), refused);
        let message = Envelope {
            id: MessageId::fresh(),
            boot: BootId::fresh(),
            seq: 1,
            wall_us: 0,
            mono_us: 0,
            clock_synced: true,
            body: KioskState { online: true, version: "1".to_owned(), place: Place::default() },
        };
        let payload = encode(&message).unwrap();
        let mut hears = |kiosk: &str| inbound.read(&Up::State.of(&kiosk.parse().unwrap()), &payload, false).is_some();
        assert!(hears("north"));
        assert!(!hears("stolen"));
    }
}
