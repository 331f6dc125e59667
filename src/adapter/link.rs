//! The link to the centre (port [`Link`]) over MQTT: envelopes, echo and clock offset, de-duplication.

mod clock;
mod envelopes;
mod leaving;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use self::clock::{CentreClock, Now};
pub use self::envelopes::{Envelopes, wall_us};
use self::leaving::Leaving;
use crate::kiosk::ports::{Leg, Link, Saying};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::machine::selftest::TestEvent;
use crate::mqtt::{self, Client, Happening, Kind};
use crate::tls::ClientFiles;
use crate::wire::down::{AlarmAck, CentreState, Echo, Order, OrderKind, SignalDown};
use crate::wire::topic::{self, Down, Up};
use crate::wire::up::{KioskState, Place};
use crate::wire::{BootId, Envelope, KioskId, MessageId, decode, encode, limits};

/// Happenings that may wait for the link's task.
const HAPPENINGS: usize = 256;
/// The reader's loop turns at least this often, so that its standstill can be told from silence.
const TURN: Duration = Duration::from_secs(1);

/// Who speaks, and where from.
#[derive(Clone)]
pub struct LinkSettings {
    /// This kiosk.
    pub kiosk: KioskId,
    /// This run.
    pub boot: BootId,
    /// Where it stands.
    pub place: Place,
    /// Broker's host name.
    pub host: String,
    /// Broker's port.
    pub port: u16,
    /// TLS with the kiosk's certificate; none only in tests on loopback.
    pub tls: Option<ClientFiles>,
}

/// The link's handle.
pub struct LinkAdapter {
    shared: Arc<Shared>,
    client: Client,
}

struct Shared {
    place: Mutex<Place>,
    /// Whether the place is another than that of the message which each connection begins with.
    moved: AtomicBool,
    trouble: Mutex<Option<String>>,
    kiosk: KioskId,
    envelopes: Envelopes,
    clock: Mutex<Clock>,
    leaving: Mutex<Leaving>,
    inbox: Inbox,
}

#[derive(Default)]
struct Clock {
    /// When the reader's loop last turned.
    turned: Option<Instant>,
    echoed: Option<Instant>,
    centre: CentreClock,
}

fn state(online: bool, place: Place) -> KioskState {
    KioskState { online, version: env!("CARGO_PKG_VERSION").to_owned(), place }
}

impl LinkAdapter {
    /// Connects, and keeps connecting. Signals for the leg go to it through [`LinkReader`], started
    /// once the leg exists (the leg needs the link to speak, the link needs the leg to answer).
    ///
    /// # Errors
    /// [`crate::wire::WireError`] if the kiosk's own state does not fit into a message.
    pub fn start(settings: LinkSettings, inbox: Inbox) -> Result<(Arc<Self>, LinkReader), crate::wire::WireError> {
        let envelopes = Envelopes::new(settings.boot);
        let state = |online| state(online, settings.place.clone());
        let state_topic = Up::State.of(&settings.kiosk);
        let (happenings, queue) = mpsc::channel(HAPPENINGS);
        let client = mqtt::start(
            mqtt::Settings {
                host: settings.host.clone(),
                port: settings.port,
                client_id: format!("kiosk-{}", settings.kiosk),
                tls: settings.tls.clone(),
                subscriptions: vec![Down::all_of(&settings.kiosk), topic::CENTRE_STATE.to_owned()],
                will: Some((state_topic.clone(), encode(&envelopes.wrap(state(false)))?)),
                birth: Some((state_topic, encode(&envelopes.wrap(state(true)))?)),
            },
            happenings,
        );
        let shared = Arc::new(Shared {
            place: Mutex::new(settings.place),
            moved: AtomicBool::new(false),
            trouble: Mutex::default(),
            kiosk: settings.kiosk,
            envelopes,
            clock: Mutex::default(),
            leaving: Mutex::default(),
            inbox,
        });
        let reader = LinkReader {
            shared: Arc::clone(&shared),
            client: client.clone(),
            up: false,
            queue,
            seen: VecDeque::new(),
            centre: None,
        };
        Ok((Arc::new(Self { shared, client }), reader))
    }

    fn publish<T: Serialize>(&self, kind: Up, body: &T, how: Kind) -> bool {
        self.shared.publish(&self.client, kind, body, how)
    }
}

impl Link for LinkAdapter {
    fn say(&self, saying: Saying) {
        match saying {
            Saying::Alarm(alarm) => {
                // Fresh: the machine itself sends again until the centre acknowledges. Taken by the line is not sent.
                let mark = self.shared.leaving().goes(alarm.incident, alarm.attempt);
                self.publish(Up::Alarm, &*alarm, Kind::Marked(mark));
            }
            Saying::Report(report) => {
                // Said once: a centre that is away has to hear of it when it is back.
                self.publish(Up::Event, &*report, Kind::Heard);
            }
            Saying::Signal(signal) => {
                self.publish(Up::Signal, &*signal, Kind::Fresh);
            }
            Saying::Heartbeat(heartbeat) => {
                self.publish(Up::Heartbeat, &*heartbeat, Kind::Fresh);
            }
            Saying::Test(report) => {
                self.publish(Up::Test, &*report, Kind::Heard);
            }
            Saying::TestCall(call) => {
                self.publish(Up::TestCall, &*call, Kind::Fresh);
            }
            Saying::Head(head) => {
                // The next fragment's follows in a second; after the last one nothing does.
                let how = if head.sealed { Kind::Kept } else { Kind::Fresh };
                self.publish(Up::Evidence, &*head, how);
            }
            Saying::Place(place) => {
                *self.shared.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
                self.shared.moved.store(true, Ordering::Relaxed);
                self.shared.say_place(&self.client);
            }
        }
    }

    fn echo_age(&self) -> Option<Duration> {
        self.shared.clock().echoed.map(|at| at.elapsed())
    }

    fn trouble(&self) -> Option<String> {
        self.shared.trouble().clone()
    }

    fn loop_age(&self) -> Option<Duration> {
        self.shared.clock().turned.map(|at| at.elapsed())
    }

    fn clock_offset_us(&self) -> Option<i64> {
        self.shared.offset()
    }
}

impl Shared {
    fn clock(&self) -> MutexGuard<'_, Clock> {
        // A panic while holding it leaves plain numbers behind, nothing torn.
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish<T: Serialize>(&self, client: &Client, kind: Up, body: &T, how: Kind) -> bool {
        let envelope = self.envelopes.wrap(body);
        let topic = kind.of(&self.kiosk);
        let sent = encode(&envelope)
            .map_err(|e| e.to_string())
            .and_then(|bytes| client.publish(topic, bytes, kind == Up::State, how).map_err(|e| e.to_string()));
        if let Err(error) = &sent {
            warn!(%error, kind = kind.level(), "link: not sent");
        }
        sent.is_ok()
    }

    /// The retained state with the present place; the one of each connection's beginning has the first.
    fn say_place(&self, client: &Client) {
        if self.moved.load(Ordering::Relaxed) {
            let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.publish(client, Up::State, &state(true, place), Kind::Fresh);
        }
    }

    fn leaving(&self) -> MutexGuard<'_, Leaving> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now { wall_us: wall_us(), mono_us: i64::try_from(self.envelopes.mono_us()).unwrap_or(i64::MAX) }
    }

    fn report(&self, event: Event) {
        self.tell(Stamped::now(event));
    }

    fn tell(&self, event: Stamped) {
        if self.inbox.try_send(event).is_err() {
            warn!("link: the shell does not keep up");
        }
    }

    fn echoed(&self, echo: &Echo) {
        let now = self.now();
        let mut clock = self.clock();
        if clock.centre.echoed(echo.kiosk_wall_us, echo.received_wall_us, now) {
            clock.echoed = Some(Instant::now());
        }
    }

    /// Centre's wall clock minus ours, microseconds.
    fn offset(&self) -> Option<i64> {
        self.clock().centre.offset_us(self.now())
    }
}

/// Reads what the centre says.
pub struct LinkReader {
    shared: Arc<Shared>,
    client: Client,
    /// Whether the core was told that the link is up.
    up: bool,
    queue: mpsc::Receiver<Happening>,
    seen: VecDeque<MessageId>,
    centre: Option<BootId>,
}

impl LinkReader {
    /// Starts reading, on a task of its own. `reachable` is called whenever broker or centre is there again.
    pub fn run(mut self, leg: Arc<dyn Leg>, reachable: impl Fn() + Send + 'static) {
        tokio::spawn(async move {
            let mut turn = tokio::time::interval(TURN);
            loop {
                self.shared.clock().turned = Some(Instant::now());
                tokio::select! {
                    _ = turn.tick() => {}
                    happening = self.queue.recv() => match happening {
                        Some(happening) => self.happened(happening, &*leg, &reachable),
                        None => return,
                    },
                }
            }
        });
    }

    fn happened(&mut self, happening: Happening, leg: &dyn Leg, reachable: &dyn Fn()) {
        match happening {
            Happening::Up => {
                *self.shared.trouble() = None;
                self.up = true;
                self.shared.report(Event::LinkUp);
                self.shared.say_place(&self.client);
                leg.stand_by();
                reachable();
            }
            Happening::Down { why } => {
                *self.shared.trouble() = Some(why);
                // Another reason why it is still down is for people alone.
                if std::mem::take(&mut self.up) {
                    self.shared.report(Event::LinkDown);
                }
            }
            Happening::Sent { mark, at } => {
                if let Some(event) = self.shared.leaving().gone(mark) {
                    self.shared.tell(Stamped { at, event });
                }
            }
            Happening::Message { topic, payload, .. } => {
                if topic == topic::CENTRE_STATE {
                    reachable();
                }
                if let Err(error) = self.message(&topic, &payload, leg) {
                    warn!(%topic, %error, "link: message refused");
                }
            }
        }
    }

    fn message(&mut self, topic: &str, payload: &[u8], leg: &dyn Leg) -> Result<(), String> {
        if topic == topic::CENTRE_STATE {
            // Retained: it comes again, with the same id, at every connection, and counts every time.
            let state: Envelope<CentreState> = decode(payload).map_err(|e| e.to_string())?;
            self.shared.report(Event::CentrePresent(state.body.online));
            // Another run of the centre knows nothing of this leg.
            if state.body.online && self.centre.replace(state.boot).is_some_and(|before| before != state.boot) {
                leg.reoffer();
            }
            return Ok(());
        }
        let (kiosk, kind) = Down::parse(topic).ok_or("unknown topic")?;
        if kiosk != self.shared.kiosk {
            return Err("addressed to another kiosk".to_owned());
        }
        match kind {
            Down::Ack => {
                if let Some(AlarmAck { incident, standing }) = self.open(payload)? {
                    self.shared.report(Event::Acknowledged { incident, standing });
                }
            }
            Down::Echo => {
                if let Some(echo) = self.open(payload)? {
                    self.shared.echoed(&echo);
                }
            }
            Down::Signal => match self.open(payload)? {
                Some(SignalDown::Answer { session, sdp }) => leg.answer(session, sdp),
                Some(SignalDown::Reoffer { reason }) => {
                    debug!(%reason, "link: the gateway wants a new offer");
                    leg.reoffer();
                }
                None => {}
            },
            Down::Order => {
                if let Some(order) = self.open(payload)? {
                    self.order(order)?;
                }
            }
        }
        Ok(())
    }

    fn order(&self, order: Order) -> Result<(), String> {
        let late = wall_us() + self.shared.offset().unwrap_or(0) - order.expires_wall_us;
        if late > 0 {
            return Err(format!("order came {late} us after its expiry"));
        }
        self.shared.report(match order.what {
            OrderKind::Stands { incident, standing, verdict } => Event::Stands { incident, standing, verdict },
            OrderKind::KeyFrame => Event::KeyFrameWanted,
            OrderKind::TestOver { test, seen } => Event::Test(TestEvent::Over { test, seen }),
            OrderKind::Switch { incident, output, on } => Event::Switch { incident, output, on },
        });
        Ok(())
    }

    /// The message, or `None` if it was seen before.
    fn open<T: DeserializeOwned>(&mut self, payload: &[u8]) -> Result<Option<T>, String> {
        let envelope: Envelope<T> = decode(payload).map_err(|e| e.to_string())?;
        if self.seen.contains(&envelope.id) {
            return Ok(None);
        }
        if self.seen.len() >= limits::DEDUP_WINDOW {
            self.seen.pop_front();
        }
        self.seen.push_back(envelope.id);
        Ok(Some(envelope.body))
    }
}
