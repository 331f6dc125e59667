//! The one task that owns the machine: events in, effects out through the ports, in the order the machine gave.
//!
//! No port call waits (see [`super::ports`]), so no effect holds up the next. Beside the effects the shell keeps
//! what the machine has no business with: wall time, the marks of the call, the heartbeat, the ring of events.

mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tracing::{debug, info, warn};

use self::status::ms;
use super::Stamped;
use super::ports::{Board, KeptPress, Leg, Link, Media, Panel, Saying, Store};
use super::progress::{Progress, Turns, stalled};
use super::ring::Ring;
use super::selftest::full::{Tester, Watchers};
use super::selftest::hands::Tests;
use super::timing::{Clock, Record, second_of_day, wall_us};
use crate::control::{Status, TestStep};
use crate::machine::selftest::TestEvent;
use crate::machine::words::{Lamp, Light};
use crate::machine::{Effect, Event, Live, Machine, Settings};
use crate::wire::ids::KioskId;
use crate::wire::limits::HEARTBEAT_EVERY;
use crate::wire::up::{Alarm, Heartbeat, IncidentEvent, IncidentReport, Place, SessionOffer};
use crate::wire::{IncidentId, SessionId};

/// The ports, and what recovery found. `bin` fills it in.
pub struct Parts {
    /// Lamps.
    pub panel: Box<dyn Panel>,
    /// The always-on pipeline.
    pub media: Arc<dyn Media>,
    /// The media leg.
    pub leg: Arc<dyn Leg>,
    /// The paths to the centre.
    pub link: Arc<dyn Link>,
    /// The board and what is on it.
    pub board: Arc<dyn Board>,
    /// What survives.
    pub store: Arc<dyn Store>,
    /// Tests parts for the full self-test.
    pub tester: Tester,
    /// Presses kept by an earlier run and not closed, oldest first.
    pub restored: Vec<KeptPress>,
}

/// Plain values from the configuration.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The kiosk's name.
    pub id: KioskId,
    /// Where it stands.
    pub place: Place,
    /// How far before the press a recording begins.
    pub pre_event: Duration,
    /// The machine's times.
    pub machine: Settings,
}

/// A question to the owner of the machine.
#[derive(Debug)]
pub enum Ask {
    /// How is the kiosk?
    Status(oneshot::Sender<Box<Status>>),
    /// The last events, a line each.
    Ring(oneshot::Sender<Vec<String>>),
    /// Where it stands and what it goes by from now on.
    Live(Place, Live, oneshot::Sender<()>),
    /// A heartbeat now: its echo is awaited.
    Beat(oneshot::Sender<()>),
    /// A lamp for a test, as long as no alarm is open; none: all as they should be.
    Lamp(Option<(Lamp, Light)>, oneshot::Sender<Result<(), String>>),
    /// Presses of an earlier run, found only now.
    Restore(Vec<KeptPress>),
    /// The full self-test; every step goes there, and its end closes it.
    SelfTest(mpsc::Sender<TestStep>),
    /// The button's next press is a test, within a bound; true: it came.
    Button(oneshot::Sender<bool>),
}

/// The owner of the machine.
pub struct Shell {
    machine: Machine,
    setup: Setup,
    parts: Parts,
    clock: Clock,
    record: Option<Record>,
    lamps: BTreeMap<Lamp, Light>,
    ring: Ring,
    progress: Arc<Progress>,
    tests: Tests,
    watchers: Watchers,
}

impl Shell {
    /// A shell at rest; [`Shell::run`] starts it.
    #[must_use]
    pub fn new(setup: Setup, parts: Parts) -> Self {
        Self {
            machine: Machine::new(setup.machine.clone()),
            setup,
            parts,
            clock: Clock::start(),
            record: None,
            lamps: BTreeMap::new(),
            ring: Ring::default(),
            progress: Arc::new(Progress::default()),
            tests: Tests::default(),
            watchers: Watchers::default(),
        }
    }

    /// What the watchdog asks.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Resumes what an earlier run left open, then handles events until `stop` turns true (or its sender is gone),
    /// or every adapter is gone. An open incident stays open: the next run resumes it (crash-only).
    pub async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Stamped>,
        mut asks: mpsc::Receiver<Ask>,
        mut stop: watch::Receiver<bool>,
    ) {
        self.start();
        let mut beat = interval(HEARTBEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.wake();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                event = inbox.recv() => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                Some(ask) = asks.recv() => self.answer(ask),
                () = sleep_until(wake.into()) => self.wake_up(),
                _ = beat.tick() => {
                    self.tell_the_time();
                    self.beat();
                }
            }
        }
        // What happened before the end does not go with it: a press is kept and sent.
        while let Ok(event) = inbox.try_recv() {
            self.take(event);
        }
        // What was noted leaves before the link is closed.
        self.report_marks();
    }

    fn start(&mut self) {
        let restored = std::mem::take(&mut self.parts.restored);
        self.restore(restored);
        if let Some(last) = self.parts.tester.last() {
            self.take(Stamped::now(Event::Test(TestEvent::Restored(last))));
        }
        if self.setup.machine.standby {
            self.parts.leg.stand_by();
        }
    }

    fn restore(&mut self, presses: Vec<KeptPress>) {
        // The newest goes on. Whatever else is there was closed in an earlier run that could not keep the close, or the
        // newer press would have joined it: it must not take the newer one's place.
        for KeptPress { incident, origin, pressed_wall_us, presses, acknowledged } in presses.into_iter().rev() {
            info!(%incident, acknowledged, "an earlier run has left an incident open");
            self.record.get_or_insert_with(|| Record::kept(incident, origin, pressed_wall_us));
            self.take(Stamped::now(Event::Restored { incident, origin, presses, acknowledged }));
        }
    }

    /// When to wake without an event: the machine's deadline or the marks' batch.
    fn wake(&self) -> Instant {
        let deadline = self.machine.deadline().unwrap_or(Duration::MAX);
        let marks = self.record.as_ref().and_then(Record::due);
        let deadline = self.clock.instant(deadline);
        marks.map_or(deadline, |marks| marks.min(deadline))
    }

    fn wake_up(&mut self) {
        let now = Instant::now();
        if self.record.as_ref().and_then(Record::due).is_some_and(|due| due <= now) {
            self.report_marks();
        }
        self.take(Stamped { at: now, event: Event::Tick });
    }

    fn take(&mut self, Stamped { at, event }: Stamped) {
        let now = self.clock.machine_time(at);
        match &event {
            Event::Tick => {}
            Event::Pressed { .. }
            | Event::Switch { .. }
            | Event::OutputIs { .. }
            | Event::Acknowledged { .. }
            | Event::Stands { .. } => info!(?event, "event"),
            Event::KeepFailed { .. } | Event::CloseNotKept { .. } | Event::RecordingFailed { .. } => {
                warn!(?event, "event")
            }
            _ => debug!(?event, "event"),
        }
        // Told every two seconds; a ring of hours of clock would hide what happened.
        if !matches!(event, Event::Test(TestEvent::Clock { .. })) {
            self.ring.push(now, &event);
        }
        let pressed = matches!(event, Event::Pressed { .. });
        for effect in self.machine.handle(event, now) {
            self.perform(effect, at, pressed);
        }
        if self.machine.open().is_some() {
            // Whoever tests the lamps: now they are needed.
            self.tests.end_lamp(&self.lamps, &mut *self.parts.panel);
        }
    }

    /// Performs one effect; `at` is when its event happened, `pressed` whether that was a press.
    fn perform(&mut self, effect: Effect, at: Instant, pressed: bool) {
        debug!(?effect, "effect");
        match effect {
            Effect::Keep { incident, .. } => self.keep(incident, at),
            Effect::KeepAcknowledged { incident } => self.parts.store.keep_acknowledged(incident),
            Effect::KeepClosed { incident, verdict } => {
                info!(%incident, ?verdict, "closed");
                self.report_marks();
                self.parts.store.keep_closed(incident);
            }
            Effect::SendAlarm { incident, attempt, presses, offer } => {
                self.send_alarm(incident, attempt, presses, offer, at);
            }
            Effect::Report { incident, what } => self.report(incident, what),
            Effect::Note { incident, mark } => {
                if self.record_of(incident, at).is_some_and(|record| record.note(mark, at)) {
                    self.report_marks();
                }
            }
            Effect::Lamp(lamp, light) => {
                self.lamps.insert(lamp, light);
                self.parts.panel.lamp(lamp, light, pressed.then_some(at));
            }
            Effect::Output { output, on } => self.parts.panel.output(output, on),
            Effect::Beat => self.beat(),
            Effect::Test(effect) => self.watchers.perform(effect, &self.parts),
            Effect::Speak(prompt) => self.parts.media.prompt(prompt),
            Effect::Hush(prompt) => self.parts.media.hush(prompt),
            Effect::OpenGate => self.parts.media.open_gate(self.parts.leg.packets()),
            Effect::CloseGate => self.parts.media.close_gate(),
            Effect::HangUp => self.parts.leg.hang_up(),
            Effect::ForceKeyFrame => self.parts.media.force_key_frame(),
            Effect::Voice { open } => self.parts.media.open_voice(open),
            Effect::MakeOffer => self.parts.leg.make_offer(),
            Effect::StartRecording { incident } => self.parts.media.start_recording(incident, self.setup.pre_event),
            Effect::StopRecording { incident } => self.parts.media.stop_recording(incident),
            Effect::ButtonTested { pressed } => self.tests.button_over(pressed),
            Effect::RaiseFault(fault) => warn!(kind = ?fault.kind, detail = fault.detail, "a fault stands"),
            Effect::ClearFault(kind) => info!(?kind, "a fault is gone"),
        }
    }

    /// The record of the open incident, begun at the first effect that needs it.
    fn record_of(&mut self, incident: IncidentId, at: Instant) -> Option<&mut Record> {
        if self.record.as_ref().is_none_or(|record| record.incident != incident) {
            let open = self.machine.open().filter(|open| open.incident == incident)?;
            self.report_marks();
            let offset = self.parts.link.clock_offset_us();
            self.record = Some(Record::pressed(incident, open.origin, at, &self.clock, offset));
        }
        self.record.as_mut()
    }

    fn keep(&mut self, incident: IncidentId, at: Instant) {
        let Some(open) = self.machine.open() else { return };
        let Some(record) = self.record_of(incident, at) else { return };
        let press = KeptPress {
            incident,
            origin: record.origin,
            pressed_wall_us: record.pressed_wall_us,
            presses: open.presses,
            acknowledged: open.acknowledged,
        };
        self.parts.store.keep(press);
    }

    fn send_alarm(
        &mut self,
        incident: IncidentId,
        attempt: u32,
        presses: u32,
        offer: Option<(SessionId, String)>,
        at: Instant,
    ) {
        let place = self.setup.place.clone();
        let Some(record) = self.record_of(incident, at) else { return };
        let alarm = Alarm {
            incident,
            origin: record.origin,
            pressed_wall_us: record.pressed_wall_us,
            pressed_mono_us: record.pressed_mono_us,
            attempt,
            presses,
            clock_offset_us: record.clock_offset_us,
            place,
            offer: offer.map(|(session, sdp)| SessionOffer { session, sdp }),
        };
        self.parts.link.say(Saying::Alarm(Box::new(alarm)));
    }

    fn report(&self, incident: IncidentId, what: IncidentReport) {
        self.parts.link.say(Saying::Report(Box::new(IncidentEvent { incident, what })));
    }

    fn report_marks(&mut self) {
        let Some(record) = &mut self.record else { return };
        let (incident, marks) = (record.incident, record.take());
        if !marks.is_empty() {
            self.report(incident, IncidentReport::Timing { marks });
        }
    }

    fn tell_the_time(&mut self) {
        let offset = self.parts.link.clock_offset_us().unwrap_or(0);
        let (wall_us, day_s) = (wall_us(Instant::now()).saturating_add(offset), second_of_day());
        self.take(Stamped::now(Event::Test(TestEvent::Clock { wall_us, day_s, test: IncidentId::fresh() })));
    }

    fn beat(&mut self) {
        let heartbeat = self.heartbeat();
        let media = self.parts.media.health();
        let turns = Turns {
            panel: self.parts.panel.turn_age(),
            link: self.parts.link.loop_age(),
            media: self.parts.media.turn_age(),
        };
        self.progress.report(stalled(self.clock.since_boot(Instant::now()), media, turns, &heartbeat.faults));
        self.parts.link.say(Saying::Heartbeat(Box::new(heartbeat)));
    }

    fn heartbeat(&self) -> Heartbeat {
        let media = self.parts.media.health();
        Heartbeat {
            nonce: rand::random(),
            frame_age_ms: media.frame_age.map(ms),
            sound_age_ms: media.sound_age.map(ms),
            mic_dbfs: media.mic_dbfs.filter(|level| level.is_finite()),
            button: self.machine.button(),
            second_button: self.machine.second_button(),
            outputs: self.machine.outputs(),
            leg_up: self.machine.ways().leg,
            echo_age_ms: self.parts.link.echo_age().map(ms),
            clock_offset_us: self.parts.link.clock_offset_us(),
            faults: self.machine.faults(),
            uptime_s: self.clock.since_boot(Instant::now()).as_secs(),
            undelivered: self.parts.store.undelivered(),
            last_test: self.machine.last_test().cloned(),
            board: self.parts.board.vitals(),
        }
    }

    fn answer(&mut self, ask: Ask) {
        // An asker that has gone does not want to know.
        match ask {
            Ask::Status(to) => _ = to.send(Box::new(self.status())),
            Ask::Ring(to) => _ = to.send(self.ring.lines()),
            Ask::Live(place, live, to) => {
                self.take(Stamped::now(Event::Changed(live)));
                if self.setup.place != place {
                    self.setup.place = place.clone();
                    self.parts.link.say(Saying::Place(place));
                }
                _ = to.send(());
            }
            Ask::Beat(to) => {
                self.beat();
                _ = to.send(());
            }
            Ask::Lamp(lamp, to) => {
                let open = self.machine.open().is_some();
                _ = to.send(self.tests.lamp(lamp, open, &self.lamps, &mut *self.parts.panel));
            }
            Ask::Restore(presses) => self.restore(presses),
            Ask::SelfTest(to) => {
                self.watchers.watch(to);
                self.tell_the_time();
                self.take(Stamped::now(Event::Test(TestEvent::Wanted { test: IncidentId::fresh() })));
            }
            Ask::Button(to) => {
                self.tests.button(to);
                self.take(Stamped::now(Event::ButtonTest));
            }
        }
    }
}
