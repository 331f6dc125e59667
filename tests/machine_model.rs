//! Random lives of the machine against a small model that knows the invariants and nothing of how they are kept.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use sos::machine::{Effect, Event, Machine, Settings};
use sos::wire::down::Standing;
use sos::wire::up::{Fault, FaultKind, IncidentReport, PressOrigin};
use sos::wire::{IncidentId, Output, SessionId};
use uuid::Uuid;

/// Ids are few, so that events meet incidents that are open, closed and never heard of.
fn id() -> impl Strategy<Value = IncidentId> {
    (1..6u128).prop_map(|number| IncidentId(Uuid::from_u128(number)))
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        1 => Just(Standing::Waiting),
        3 => Just(Standing::Answered),
        1 => Just(Standing::OnHold),
        1 => Just(Standing::Closed)
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let origin = || prop_oneof![Just(PressOrigin::Button), Just(PressOrigin::SecondButton), Just(PressOrigin::Control)];
    let output = || prop::sample::select(Output::ALL.to_vec());
    let fault = Fault { kind: FaultKind::CameraLost, detail: "gone".to_owned() };
    prop_oneof![
        4 => (origin(), id()).prop_map(|(origin, incident)| Event::Pressed { origin, incident }),
        1 => (origin(), id()).prop_map(|(origin, incident)| Event::HeldAtStart { origin, incident }),
        3 => origin().prop_map(|origin| Event::Released { origin }),
        1 => any::<bool>().prop_map(|open| Event::Case { open }),
        3 => (id(), output(), any::<bool>()).prop_map(|(incident, output, on)| Event::Switch { incident, output, on }),
        1 => (output(), any::<bool>()).prop_map(|(output, on)| Event::OutputIs { output, on }),
        1 => id().prop_map(|incident| Event::Kept { incident }),
        1 => id().prop_map(|incident| Event::KeepFailed { incident, why: "full".to_owned() }),
        1 => id().prop_map(|incident| Event::CloseNotKept { incident, why: "full".to_owned() }),
        1 => (id(), any::<bool>(), any::<u32>()).prop_map(|(incident, acknowledged, presses)| Event::Restored {
            incident,
            origin: PressOrigin::Button,
            presses,
            acknowledged
        }),
        2 => Just(Event::LinkUp),
        1 => Just(Event::LinkDown),
        2 => any::<bool>().prop_map(Event::CentrePresent),
        1 => id().prop_map(|incident| Event::AlarmSent { incident, attempt: 1 }),
        4 => (id(), standing()).prop_map(|(incident, standing)| Event::Acknowledged { incident, standing }),
        4 => (id(), standing()).prop_map(|(incident, standing)| Event::Stands { incident, standing, verdict: None }),
        1 => Just(Event::KeyFrameWanted),
        3 => Just(Event::LegUp),
        2 => Just(Event::LegDown),
        1 => Just(Event::OfferMade { session: SessionId(Uuid::nil()), sdp: String::new() }),
        1 => id().prop_map(|incident| Event::RecordingStarted { incident }),
        1 => id().prop_map(|incident| Event::RecordingFailed { incident, why: "full".to_owned() }),
        1 => id().prop_map(|incident| Event::RecordingSealed { incident, fragments: 1 }),
        1 => Just(Event::VoiceHeard),
        1 => Just(Event::ButtonTest),
        1 => Just(Event::ButtonTestOver),
        1 => Just(Event::FaultRaised(fault)),
        1 => Just(Event::FaultCleared(FaultKind::CameraLost)),
        2 => Just(Event::Tick),
    ]
}

const FITTED: [Output; 2] = [Output::Strobe, Output::Relay];

fn fitted() -> Settings {
    Settings { second_button: true, outputs: FITTED.into(), ..Settings::default() }
}

/// What the outside would see, from the effects alone.
#[derive(Debug, Default)]
struct World {
    open: Option<IncidentId>,
    acknowledged: bool,
    gate: bool,
    voice: bool,
    standing: Option<Standing>,
    leg: bool,
    hung_up: bool,
    recording: BTreeSet<IncidentId>,
    faults: BTreeSet<FaultKind>,
    outputs: BTreeSet<Output>,
}

impl World {
    /// The centre's and the leg's words, before the machine has heard them.
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Acknowledged { incident, standing } | Event::Stands { incident, standing, .. }
                if self.open == Some(*incident) =>
            {
                self.standing = Some(*standing);
                self.acknowledged = true;
            }
            Event::LegUp => self.leg = true,
            Event::LegDown => self.leg = false,
            _ => {}
        }
    }

    fn see(&mut self, effect: &Effect) {
        match effect {
            // An alarm is the sign that an incident is open: at once at the press, before anything is kept.
            Effect::SendAlarm { incident, .. } => {
                if self.open.is_none() {
                    assert!(!self.gate && !self.voice && self.recording.is_empty(), "something was left: {self:?}");
                    self.open = Some(*incident);
                    self.standing = None;
                    (self.acknowledged, self.hung_up) = (false, false);
                }
                assert_eq!(self.open, Some(*incident), "an alarm of an incident that is not the open one");
            }
            Effect::KeepClosed { incident, .. } if self.open == Some(*incident) => {
                assert!(!self.gate && !self.voice, "closed while something is open: {self:?}");
                assert!(self.recording.is_empty(), "closed while recording: {self:?}");
                self.open = None;
            }
            Effect::OpenGate => {
                assert!(self.open.is_some() && self.leg, "a gate without incident or leg: {self:?}");
                self.gate = true;
            }
            Effect::CloseGate => self.gate = false,
            Effect::HangUp => self.hung_up = true,
            Effect::ForceKeyFrame => assert!(self.gate, "a key frame for nobody"),
            Effect::Voice { open } => {
                assert!(!open || self.standing == Some(Standing::Answered), "a voice unanswered: {self:?}");
                self.voice = *open;
            }
            Effect::StartRecording { incident } => {
                assert_eq!(self.open, Some(*incident));
                assert!(self.recording.insert(*incident), "recorded twice");
            }
            Effect::StopRecording { incident } => assert!(self.recording.remove(incident), "stopped, never started"),
            Effect::Output { output, on } => {
                assert!(FITTED.contains(output), "{output:?} is not fitted");
                if *on {
                    self.outputs.insert(*output);
                } else {
                    self.outputs.remove(output);
                }
            }
            Effect::RaiseFault(fault) => _ = self.faults.insert(fault.kind),
            Effect::ClearFault(kind) => assert!(self.faults.remove(kind), "cleared, never raised"),
            _ => {}
        }
    }

    fn agrees_with(&self, machine: &Machine, now: Duration) {
        assert_eq!(machine.open().map(|open| open.incident), self.open);
        assert_eq!(self.gate, self.open.is_some() && self.leg, "gate: {self:?}");
        let talking = self.open.is_some() && self.standing == Some(Standing::Answered);
        assert_eq!(self.voice, talking, "voice: {self:?}");
        assert!(self.open.is_none() || !self.hung_up, "hung up in an alarm: {self:?}");
        assert!(self.open.is_some() || self.recording.is_empty());
        assert!(self.open.is_some() || self.outputs.is_empty(), "on without an incident: {self:?}");
        assert_eq!(machine.faults().iter().map(|fault| fault.kind).collect::<BTreeSet<_>>(), self.faults);
        let deadline = machine.deadline();
        assert!(deadline.is_none_or(|due| due > now), "a deadline that has passed: {deadline:?} at {now:?}");
        if machine.open().is_some_and(|open| !open.acknowledged) {
            let due = deadline.expect("an alarm that is not acknowledged has a deadline");
            assert!(due - now <= Duration::from_millis(2500), "too far: {due:?} at {now:?}");
        }
    }
}

/// What a repetition may do again: a press counts, the desk is told again, time goes on.
fn may_repeat(event: &Event) -> bool {
    matches!(
        event,
        Event::Switch { .. }
            | Event::Pressed { .. }
            | Event::ButtonTest
            | Event::KeyFrameWanted
            | Event::OfferMade { .. }
            | Event::RecordingSealed { .. }
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold(
        steps in prop::collection::vec((event(), 0..5_000_u64, any::<bool>()), 1..120),
        standby in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut machine = Machine::new(Settings { standby, seed, strobe_in_alarm: standby, ..fitted() });
        let mut world = World::default();
        let mut now = Duration::ZERO;
        for (event, pause, twice) in steps {
            let next = now + Duration::from_millis(pause * pause / 400);
            // The shell ticks at deadlines; now and then it comes late.
            while let Some(due) = machine.deadline().filter(|due| *due < next && pause % 7 != 0) {
                now = due;
                for effect in machine.handle(Event::Tick, now) {
                    world.see(&effect);
                }
                world.agrees_with(&machine, now);
            }
            now = next;
            world.hear(&event);
            for effect in machine.handle(event.clone(), now) {
                world.see(&effect);
            }
            world.agrees_with(&machine, now);
            if twice && !may_repeat(&event) {
                for effect in machine.handle(event.clone(), now) {
                    let told_again = matches!(&effect, Effect::Report { what: IncidentReport::Closed, .. });
                    prop_assert!(told_again || matches!(event, Event::Restored { .. }), "{:?} again: {:?}", event, effect);
                    world.see(&effect);
                }
                world.agrees_with(&machine, now);
            }
        }
    }

    /// Whatever happened before, an acknowledgement and a close bring the kiosk to rest, and a press out of it.
    #[test]
    fn a_close_brings_rest(events in prop::collection::vec(event(), 0..60)) {
        let mut machine = Machine::new(Settings::default());
        let mut now = Duration::ZERO;
        for event in events {
            now += Duration::from_millis(100);
            _ = machine.handle(event, now);
        }
        if let Some(open) = machine.open() {
            let event = Event::Stands { incident: open.incident, standing: Standing::Closed, verdict: None };
            let effects = machine.handle(event, now);
            let silent = effects.contains(&Effect::CloseGate) && effects.contains(&Effect::Voice { open: false });
            prop_assert!(silent, "{:?}", effects);
        }
        prop_assert_eq!(machine.open(), None);
        _ = machine.handle(Event::ButtonTestOver, now);
        let incident = IncidentId(Uuid::from_u128(99));
        let effects = machine.handle(Event::Pressed { origin: PressOrigin::Button, incident }, now);
        let sent = Effect::SendAlarm { incident, attempt: 1, presses: 1, offer: None };
        prop_assert_eq!(effects.get(1), Some(&sent));
    }

    /// The same life lived twice is the same life.
    #[test]
    fn a_replay_is_exact(steps in prop::collection::vec((event(), 0..3_000_u64), 0..80), seed in any::<u64>()) {
        let live = |steps: &[(Event, u64)]| {
            let mut machine = Machine::new(Settings { seed, ..Settings::default() });
            let mut now = Duration::ZERO;
            let mut all = Vec::new();
            for (event, pause) in steps {
                now += Duration::from_millis(*pause);
                all.extend(machine.handle(event.clone(), now));
            }
            all
        };
        prop_assert_eq!(live(&steps), live(&steps));
    }
}
