//! The kiosk's life of an alarm as a pure machine: (event, now) -> effects. No clock, no IO, no randomness.
//!
//! ```text
//!                                     Pressed, Restored, a late release
//!   +------+ ------------------------------------------------------------> +---------+
//!   | idle |                                                               | sending | alarm resent: 0.5, 1, 2, 2 .. s,
//!   +------+ <-----------------------------------------------+             +---------+ at once on LinkUp, CentrePresent
//!      ^     Closed, from any state; or Settings.max_incident |                  | Acknowledged (or any Stands)
//!      |     since the last press or change of standing       |                  v
//!      |                                                      |  Waiting   +---------+
//!      |                                                      +----------- | waiting | <-------------+
//!      |                                                      |            +---------+               |
//!      |                                                      |        Answered | ^ Waiting          |
//!      |                                                      |                 v |                  |
//!      |                +--------------+  LegDown / LegUp     |            +---------+    OnHold   +---------+
//!      |                | reconnecting | <--------------------+----------> | talking | <---------> | on hold |
//!      |                +--------------+                      |            +---------+   Answered  +---------+
//!      +------------------------------------------------------+
//! ```
//!
//! - One incident at most is open. A press while it is joins it.
//! - LinkUp and CentrePresent(true) make an acknowledged incident ask once more (by its alarm) how it stands:
//!   what the desk decided meanwhile is not lost.
//! - The gate is open exactly while an incident is open and the leg is up; the officer's voice exactly while the
//!   standing is Answered. [`call`] keeps both in one place.
//! - The parts: [`buttons`] (each line, stuck or not), [`outputs`] (what an officer may switch), [`alarm`]
//!   (when to send again), [`outage`] (when to tell the person that there is no connection), [`call`] (the incident),
//!   [`faults`] (what stands), [`selftest`] (the full self-test, which an alarm ends at once).

pub mod alarm;
pub mod button;
mod button_test;
pub mod buttons;
pub mod call;
mod closes;
pub mod effect;
pub mod event;
pub mod faults;
pub mod outage;
pub mod outputs;
mod panel;
pub mod phase;
pub mod selftest;
pub mod settings;
mod testcall;
pub mod words;

use std::time::Duration;

pub use effect::Effect;
pub use event::Event;
pub use phase::{Open, Phase};
pub use settings::{Live, Settings};

use crate::wire::down::{Standing, Verdict};
use crate::wire::up::{ButtonLine, Fault, FaultKind, IncidentReport, Mark, PressOrigin};
use crate::wire::{IncidentId, OutputState};
use button::{Press, Release};
use buttons::Buttons;
use call::{Call, Cx};
use closes::Closes;
use faults::Faults;
use outputs::Outputs;
use selftest::SelfTest;

/// The ways to the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    /// A path to the broker is up and subscribed.
    pub link: bool,
    /// A desk is connected to the broker.
    pub centre: bool,
    /// The media leg is connected.
    pub leg: bool,
}

impl Ways {
    /// Whether an alarm sent now would reach a desk.
    #[must_use]
    pub fn reach(self) -> bool {
        self.link && self.centre
    }
}

/// The machine. One task owns it and hands it every event with the time it happened at.
#[derive(Debug, Clone)]
pub struct Machine {
    settings: Settings,
    ways: Ways,
    /// Since when the leg is down; none while it is up.
    leg_down: Option<Duration>,
    buttons: Buttons,
    /// Until when a test waits for a button; none: nobody tests one.
    button_test: Option<Duration>,
    outputs: Outputs,
    faults: Faults,
    call: Option<Call>,
    closes: Closes,
    selftest: SelfTest,
}

impl Machine {
    /// A machine at rest: nothing is up, nothing is open.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ways: Ways::default(),
            leg_down: Some(Duration::ZERO),
            buttons: Buttons::default(),
            button_test: None,
            outputs: Outputs::default(),
            faults: Faults::default(),
            call: None,
            closes: Closes::default(),
            selftest: SelfTest::default(),
        }
    }

    /// Takes one event. `now` is the time since boot and never runs back. The effects are to be performed in
    /// order, none waiting for another's success.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Pressed { origin, incident } => self.pressed(origin, incident, now, &mut out),
            Event::HeldAtStart { origin, incident } => self.buttons.of(origin).held_at_start(origin, incident, now),
            Event::Released { origin } => self.released(origin, now, &mut out),
            Event::Case { open } => self.case(open, &mut out),
            Event::Switch { incident, output, on } => self.switch(incident, output, on, &mut out),
            Event::OutputIs { output, on } => self.outputs.is(output, on, &mut out),
            Event::Kept { incident } => self.kept(incident, now, &mut out),
            Event::KeepFailed { incident, why } => {
                self.faults.raise(FaultKind::StoreFailed, why, &mut out);
                self.on(incident, now, &mut out, |call, cx| call.keep_failed(cx));
            }
            Event::CloseNotKept { incident, why: _ } => {
                self.closes.failed(incident, now.saturating_add(self.settings.close_again_after));
            }
            Event::Restored { incident, origin, presses, acknowledged } => {
                self.restored(incident, origin, presses, acknowledged, now, &mut out);
            }
            Event::Changed(live) => self.settings.change(live),
            Event::LinkUp => self.reach(now, &mut out, |ways| ways.link = true),
            Event::LinkDown => self.reach(now, &mut out, |ways| ways.link = false),
            Event::CentrePresent(present) => self.reach(now, &mut out, |ways| ways.centre = present),
            Event::AlarmSent { incident, attempt: _ } => {
                self.on(incident, now, &mut out, |call, cx| call.note(Mark::Sent, cx));
            }
            Event::Acknowledged { incident, standing } => self.acknowledged(incident, standing, now, &mut out),
            Event::Stands { incident, standing, verdict } => {
                self.stands(incident, standing, verdict, now, &mut out);
            }
            Event::KeyFrameWanted => self.on_any(now, &mut out, |call, cx| call.key_frame(cx)),
            Event::LegUp => self.leg_up(now, &mut out),
            Event::LegDown => self.leg_lost(now, &mut out),
            Event::OfferMade { session, sdp } => {
                self.test_offer(session, sdp.clone(), now, &mut out);
                self.on_any(now, &mut out, |call, cx| call.offer_made(session, sdp, cx));
            }
            Event::RecordingStarted { incident: _ } => self.faults.clear(FaultKind::RecordingFailed, &mut out),
            Event::RecordingFailed { incident, why } => {
                self.faults.raise(FaultKind::RecordingFailed, format!("{incident}: {why}"), &mut out);
            }
            Event::RecordingSealed { incident, fragments } => {
                out.push(Effect::Report { incident, what: IncidentReport::RecordingSealed { fragments } });
            }
            Event::ButtonTest => self.test_button(now, &mut out),
            Event::ButtonTestOver => self.end_button_test(false, &mut out),
            Event::VoiceHeard => self.on_any(now, &mut out, |call, cx| call.voice_heard(cx)),
            Event::FaultRaised(Fault { kind, detail }) => self.faults.raise(kind, detail, &mut out),
            Event::FaultCleared(kind) => self.faults.clear(kind, &mut out),
            Event::Test(event) => self.test_event(event, now, &mut out),
            Event::Tick => {}
        }
        self.expire(now, &mut out);
        out
    }

    /// When [`Event::Tick`] is due at the latest, if nothing else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let call = self.call.as_ref().and_then(Call::deadline);
        let buttons = self.buttons.deadline(&self.settings);
        let closes = self.closes.deadline();
        [buttons, self.button_test, self.leg_deadline(), self.test_deadline(), call, closes].into_iter().flatten().min()
    }

    /// What the machine is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.call.as_ref().map_or(Phase::Idle, |call| call.phase(self.ways))
    }

    /// The open incident.
    #[must_use]
    pub fn open(&self) -> Option<Open> {
        self.call.as_ref().map(Call::open)
    }

    /// The ways to the centre.
    #[must_use]
    pub fn ways(&self) -> Ways {
        self.ways
    }

    /// The button's line.
    #[must_use]
    pub fn button(&self) -> ButtonLine {
        self.buttons.button()
    }

    /// The second button's line, if there is one.
    #[must_use]
    pub fn second_button(&self) -> Option<ButtonLine> {
        self.settings.second_button.then(|| self.buttons.second())
    }

    /// The outputs that are fitted, as they are.
    #[must_use]
    pub fn outputs(&self) -> Vec<OutputState> {
        self.outputs.states(&self.settings)
    }

    /// Faults that stand, by kind.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.faults.standing()
    }

    fn cx<'a>(settings: &'a Settings, ways: Ways, now: Duration, out: &'a mut Vec<Effect>) -> Cx<'a> {
        Cx { settings, ways, now, out }
    }

    fn on_any(&mut self, now: Duration, out: &mut Vec<Effect>, what: impl FnOnce(&mut Call, &mut Cx<'_>)) {
        if let Some(call) = &mut self.call {
            what(call, &mut Self::cx(&self.settings, self.ways, now, out));
        }
    }

    fn on(&mut self, id: IncidentId, now: Duration, out: &mut Vec<Effect>, f: impl FnOnce(&mut Call, &mut Cx<'_>)) {
        if self.call.as_ref().is_some_and(|call| call.is(id)) {
            self.on_any(now, out, f);
        }
    }

    fn pressed(&mut self, origin: PressOrigin, incident: IncidentId, now: Duration, out: &mut Vec<Effect>) {
        match self.buttons.of(origin).pressed(now, &self.settings) {
            // Only a button itself, only once, and never while an alarm is open: any other press calls help.
            Press::Plain if self.button_test.is_some() && origin != PressOrigin::Control => {
                self.end_button_test(true, out);
            }
            Press::Plain => self.call_for(origin, incident, now, out),
            Press::Chatter => {}
        }
        self.judge_buttons(out);
    }

    fn call_for(&mut self, origin: PressOrigin, incident: IncidentId, now: Duration, out: &mut Vec<Effect>) {
        self.end_button_test(false, out);
        let mut cx = Self::cx(&self.settings, self.ways, now, out);
        match &mut self.call {
            Some(call) => call.pressed_again(&mut cx),
            None => {
                self.call = Some(Call::begin(incident, origin, &mut cx));
                self.outputs.begin(&self.settings, out);
            }
        }
    }

    fn released(&mut self, origin: PressOrigin, now: Duration, out: &mut Vec<Effect>) {
        match self.buttons.of(origin).released(now, &self.settings) {
            Release::Plain => self.judge_buttons(out),
            Release::LatePress { origin, incident } => self.call_for(origin, incident, now, out),
        }
    }

    fn kept(&mut self, incident: IncidentId, now: Duration, out: &mut Vec<Effect>) {
        self.on(incident, now, out, |call, cx| call.kept(cx));
        self.faults.clear(FaultKind::StoreFailed, out);
    }

    fn restored(
        &mut self,
        incident: IncidentId,
        origin: PressOrigin,
        presses: u32,
        acknowledged: bool,
        now: Duration,
        out: &mut Vec<Effect>,
    ) {
        match &self.call {
            None => {
                self.end_button_test(false, out);
                let mut cx = Self::cx(&self.settings, self.ways, now, out);
                self.call = Some(Call::resume(incident, origin, presses, acknowledged, &mut cx));
                self.outputs.begin(&self.settings, out);
            }
            Some(call) if call.is(incident) => {}
            // One incident at most is open, the newest: another was closed, and its close was not kept.
            Some(_) => {
                self.on_any(now, out, |call, cx| call.pressed_again(cx));
                out.push(Effect::KeepClosed { incident, verdict: None });
                out.push(Effect::Report { incident, what: IncidentReport::Closed });
            }
        }
    }

    fn reach(&mut self, now: Duration, out: &mut Vec<Effect>, change: impl FnOnce(&mut Ways)) {
        let before = self.ways;
        change(&mut self.ways);
        let better = (self.ways.link && !before.link) || (self.ways.centre && !before.centre);
        if self.ways != before {
            self.on_any(now, out, |call, cx| call.ways_changed(better, cx));
        }
    }

    fn acknowledged(&mut self, incident: IncidentId, standing: Standing, now: Duration, out: &mut Vec<Effect>) {
        if self.test_acknowledged(incident, now) {
            return;
        }
        self.on(incident, now, out, |call, cx| call.acknowledged(standing, cx));
        if standing == Standing::Closed {
            self.close(incident, None, now, out);
        }
    }

    fn stands(
        &mut self,
        incident: IncidentId,
        standing: Standing,
        verdict: Option<Verdict>,
        now: Duration,
        out: &mut Vec<Effect>,
    ) {
        let open = self.call.as_ref().is_some_and(|call| call.is(incident));
        self.on(incident, now, out, |call, cx| call.acknowledged(standing, cx));
        if standing != Standing::Closed {
            return;
        }
        if open {
            self.close(incident, verdict, now, out);
        } else {
            // The desk says it again until it knows that we know.
            out.push(Effect::Report { incident, what: IncidentReport::Closed });
        }
    }

    fn close(&mut self, incident: IncidentId, verdict: Option<Verdict>, now: Duration, out: &mut Vec<Effect>) {
        if let Some(call) = self.call.take_if(|call| call.is(incident)) {
            call.close(verdict, &mut Self::cx(&self.settings, self.ways, now, out));
            self.outputs.end(out);
        }
    }

    fn leg_up(&mut self, now: Duration, out: &mut Vec<Effect>) {
        self.ways.leg = true;
        self.leg_down = None;
        self.on_any(now, out, |call, cx| call.leg_changed(cx));
        self.faults.clear(FaultKind::LegDown, out);
    }

    fn leg_lost(&mut self, now: Duration, out: &mut Vec<Effect>) {
        if self.ways.leg {
            self.ways.leg = false;
            self.leg_down = Some(now);
            self.on_any(now, out, |call, cx| call.leg_changed(cx));
        }
    }

    fn leg_deadline(&self) -> Option<Duration> {
        let missing = self.settings.standby && !self.faults.has(FaultKind::LegDown);
        self.leg_down.filter(|_| missing).map(|since| since.saturating_add(self.settings.leg_missing_after))
    }

    /// Does what is due.
    fn expire(&mut self, now: Duration, out: &mut Vec<Effect>) {
        self.buttons.expire(now, &self.settings);
        self.judge_buttons(out);
        if self.button_test.is_some_and(|until| until <= now) {
            self.end_button_test(false, out);
        }
        if self.leg_deadline().is_some_and(|due| due <= now) {
            let missing = self.settings.leg_missing_after.as_secs();
            let detail = format!("expected a standby leg to the centre, found none for {missing} s");
            self.faults.raise(FaultKind::LegDown, detail, out);
        }
        self.closes.expire(now, self.open().map(|open| open.incident), out);
        self.on_any(now, out, |call, cx| call.expire(cx));
        if let Some(call) = self.call.take_if(|call| call.is_over(now)) {
            call.time_out(&mut Self::cx(&self.settings, self.ways, now, out));
            self.outputs.end(out);
        }
        self.expire_test(now, out);
    }
}
