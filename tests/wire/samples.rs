//! One message of every kind, with fixed values.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use sos::wire::delivery::{EvidenceKey, Inventory, KeyReceipt, Receipt, SealProof, Sealed};
use sos::wire::down::{AlarmAck, CentreState, Echo, Order, OrderKind, SignalDown, Standing, Verdict};
use sos::wire::evidence::ChainHead;
use sos::wire::ids::KioskId;
use sos::wire::selftest::{CallSeen, LastTest, TestCall};
use sos::wire::topic::{CENTRE_STATE, Down, Up};
use sos::wire::up::{
    Alarm, ButtonLine, Fault, FaultKind, Heartbeat, IncidentEvent, IncidentReport, KioskState, Mark, Place,
    PressOrigin, SessionOffer, SignalUp, TestOutcome, TestPart, TestReport, Vitals,
};
use sos::wire::{Envelope, IncidentId, Output, OutputState, SessionId};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n";

pub fn kiosk() -> KioskId {
    "park-north-1".parse().unwrap()
}

pub fn incident() -> IncidentId {
    "018bcfe5-6800-7000-8000-000000000001".parse().unwrap()
}

fn session() -> SessionId {
    "00000000-0000-4000-8000-000000000002".parse().unwrap()
}

fn wrapped<T>(body: T) -> Envelope<T> {
    Envelope {
        id: "00000000-0000-4000-8000-000000000003".parse().unwrap(),
        boot: "00000000-0000-4000-8000-000000000004".parse().unwrap(),
        seq: 7,
        wall_us: 1_700_000_000_000_000,
        mono_us: 123_456_789,
        clock_synced: true,
        body,
    }
}

/// Does something with every sample, whatever its type.
pub trait Visitor {
    fn message<T>(&mut self, name: &str, topic: &str, message: &Envelope<T>)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug;
    /// What goes by HTTPS, without an envelope.
    fn delivery<T>(&mut self, name: &str, message: &T)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug;
}

/// Shows every sample to `visitor`.
pub fn visit(visitor: &mut impl Visitor) {
    up(visitor);
    down(visitor);
    visitor.delivery("receipt", &Receipt { incident: incident(), index: 3, sha256: "ab".repeat(32) });
    let sha256 = BTreeMap::from([(0, "ab".repeat(32)), (2, "cd".repeat(32))]);
    visitor.delivery("inventory", &Inventory { incident: incident(), have: vec![0, 2], sha256, sealed: false });
    visitor.delivery("sealed", &Sealed { fragments: 12, seal: None });
    let seal = SealProof { previous: "ab".repeat(32), signature: "cd".repeat(64), key: "ef".repeat(32) };
    visitor.delivery("sealed_signed", &Sealed { fragments: 12, seal: Some(seal) });
    visitor.delivery("evidence_key", &EvidenceKey { key: "ef".repeat(32) });
    visitor.delivery("key_receipt", &KeyReceipt { accepted: true });
}

fn up(visitor: &mut impl Visitor) {
    let kiosk = kiosk();
    let place = Place {
        name: "Орталық саябақ, солтүстік қақпа".to_owned(),
        position_e6: Some((43_238_949, 76_889_709)),
    };
    let state = KioskState { online: true, version: "1.2.3".to_owned(), place: place.clone() };
    visitor.message("kiosk_state", &Up::State.of(&kiosk), &wrapped(state));
    let heartbeat = Heartbeat {
        nonce: 42,
        frame_age_ms: Some(33),
        sound_age_ms: Some(10),
        mic_dbfs: Some(-52.5),
        button: ButtonLine::Released,
        second_button: None,
        outputs: vec![],
        leg_up: true,
        echo_age_ms: Some(2010),
        clock_offset_us: Some(-1500),
        faults: vec![Fault { kind: FaultKind::ButtonStuck, detail: "down for 15 s".to_owned() }],
        uptime_s: 86_400,
        undelivered: 5,
        last_test: None,
        board: Vitals::default(),
    };
    visitor.message("heartbeat", &Up::Heartbeat.of(&kiosk), &wrapped(heartbeat.clone()));
    let is = |output, on| OutputState { output, on };
    let fitted = Heartbeat {
        second_button: Some(ButtonLine::Pressed),
        outputs: vec![is(Output::Strobe, true), is(Output::Relay, false), is(Output::Heater, false)],
        ..heartbeat
    };
    visitor.message("heartbeat_fitted", &Up::Heartbeat.of(&kiosk), &wrapped(fitted.clone()));
    let failed = vec![TestPart::Camera, TestPart::Call];
    let tested = LastTest { ended_wall_us: 1_700_000_000_000_000, good: false, failed, why: None };
    let proved = Heartbeat { last_test: Some(tested), outputs: vec![], second_button: None, ..fitted.clone() };
    visitor.message("heartbeat_tested", &Up::Heartbeat.of(&kiosk), &wrapped(proved.clone()));
    let why = Some("expected frames, found none since the daemon's start".to_owned());
    let board = Vitals {
        certificate_days: Some(90),
        disk_free_mb: Some(5_012),
        disk_total_mb: Some(14_910),
        store_writable: Some(true),
        temperature_c: Some(41.5),
        clock_synced: Some(true),
    };
    let last_test = proved.last_test.clone().map(|last| LastTest { why, ..last });
    visitor.message("heartbeat_board", &Up::Heartbeat.of(&kiosk), &wrapped(Heartbeat { board, last_test, ..proved }));
    let alarm = Alarm {
        incident: incident(),
        origin: PressOrigin::Button,
        pressed_wall_us: 1_700_000_000_000_000,
        pressed_mono_us: Some(123_000_000),
        attempt: 1,
        presses: 1,
        clock_offset_us: None,
        place,
        offer: None,
    };
    visitor.message("alarm", &Up::Alarm.of(&kiosk), &wrapped(alarm.clone()));
    let second = Alarm { origin: PressOrigin::SecondButton, ..alarm.clone() };
    visitor.message("alarm_second_button", &Up::Alarm.of(&kiosk), &wrapped(second));
    let offer = SessionOffer { session: session(), sdp: SDP.to_owned() };
    let cold = Alarm { offer: Some(offer.clone()), pressed_mono_us: None, origin: PressOrigin::Control, ..alarm };
    visitor.message("alarm_with_offer", &Up::Alarm.of(&kiosk), &wrapped(cold));
    let marks = BTreeMap::from([(Mark::Edge, 1_700_000_000_000_000), (Mark::Kept, 1_700_000_000_004_000)]);
    for (name, what) in [
        ("event_timing", IncidentReport::Timing { marks }),
        ("event_pressed_again", IncidentReport::PressedAgain { presses: 2 }),
        ("event_closed", IncidentReport::Closed),
        ("event_recording_sealed", IncidentReport::RecordingSealed { fragments: 12 }),
    ] {
        let event = IncidentEvent { incident: incident(), what };
        visitor.message(name, &Up::Event.of(&kiosk), &wrapped(event));
    }
    let call = TestCall { test: incident(), attempt: 1, offer: None };
    visitor.message("test_call", &Up::TestCall.of(&kiosk), &wrapped(call.clone()));
    let cold = TestCall { attempt: 2, offer: Some(offer.clone()), ..call };
    visitor.message("test_call_with_offer", &Up::TestCall.of(&kiosk), &wrapped(cold));
    visitor.message("signal_offer", &Up::Signal.of(&kiosk), &wrapped(SignalUp::Offer(offer)));
    let begins = TestReport { part: TestPart::Button, outcome: None, detail: "asked for".to_owned() };
    visitor.message("test_begins", &Up::Test.of(&kiosk), &wrapped(begins));
    let detail = "echo of the centre after 12 ms; the media leg is connected".to_owned();
    let passed = TestReport { part: TestPart::Link, outcome: Some(TestOutcome::Passed), detail };
    visitor.message("test_passed", &Up::Test.of(&kiosk), &wrapped(passed));
    let head = ChainHead { incident: incident(), fragment: 12, sealed: false, digest: "ab".repeat(32) };
    visitor.message("evidence_head", &Up::Evidence.of(&kiosk), &wrapped(head.clone()));
    visitor.message("evidence_sealed", &Up::Evidence.of(&kiosk), &wrapped(ChainHead { sealed: true, ..head }));
    visitor.message("signal_bye", &Up::Signal.of(&kiosk), &wrapped(SignalUp::Bye { session: session() }));
}

fn down(visitor: &mut impl Visitor) {
    let kiosk = kiosk();
    let state = CentreState { online: true, instance: "centre-1".to_owned(), version: "1.2.3".to_owned() };
    visitor.message("centre_state", CENTRE_STATE, &wrapped(state));
    let ack = AlarmAck { incident: incident(), standing: Standing::Waiting };
    visitor.message("ack", &Down::Ack.of(&kiosk), &wrapped(ack));
    let echo = Echo { nonce: 42, kiosk_wall_us: 1_700_000_000_000_000, received_wall_us: 1_700_000_000_001_000 };
    visitor.message("echo", &Down::Echo.of(&kiosk), &wrapped(echo));
    let answer = SignalDown::Answer { session: session(), sdp: SDP.to_owned() };
    visitor.message("signal_answer", &Down::Signal.of(&kiosk), &wrapped(answer));
    let reoffer = SignalDown::Reoffer { reason: "the gateway was restarted".to_owned() };
    visitor.message("signal_reoffer", &Down::Signal.of(&kiosk), &wrapped(reoffer));
    let seen = CallSeen { frames: 75, key_frames: 3, sound_packets: 150 };
    let stands = |standing, verdict| OrderKind::Stands { incident: incident(), standing, verdict };
    for (name, what) in [
        ("order_answered", stands(Standing::Answered, None)),
        ("order_on_hold", stands(Standing::OnHold, None)),
        ("order_closed", stands(Standing::Closed, Some(Verdict::NoContact))),
        ("order_key_frame", OrderKind::KeyFrame),
        ("order_test_over", OrderKind::TestOver { test: incident(), seen }),
        ("order_switch", OrderKind::Switch { incident: incident(), output: Output::Strobe, on: true }),
    ] {
        let order = Order { expires_wall_us: 1_700_000_010_000_000, what };
        visitor.message(name, &Down::Order.of(&kiosk), &wrapped(order));
    }
}
