//! What is not a message: it is refused with a reason, and nothing panics or hangs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Debug;
use std::fs;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sos::wire::down::{AlarmAck, CentreState, Echo, Order, SignalDown};
use sos::wire::up::{Alarm, FaultKind, Heartbeat, IncidentEvent, KioskState, SignalUp};
use sos::wire::{Envelope, WireError, decode, encode, limits};

use crate::golden;
use crate::samples::{self, Visitor};

/// Every type that is read from a topic; each must survive anything.
fn decode_as_everything(bytes: &[u8]) -> usize {
    fn reads<T: DeserializeOwned>(bytes: &[u8]) -> usize {
        usize::from(decode::<T>(bytes).is_ok())
    }
    reads::<KioskState>(bytes)
        + reads::<Heartbeat>(bytes)
        + reads::<Alarm>(bytes)
        + reads::<IncidentEvent>(bytes)
        + reads::<SignalUp>(bytes)
        + reads::<CentreState>(bytes)
        + reads::<AlarmAck>(bytes)
        + reads::<Echo>(bytes)
        + reads::<SignalDown>(bytes)
        + reads::<Order>(bytes)
}

struct Mangled;

impl Visitor for Mangled {
    fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(
        &mut self,
        name: &str,
        _topic: &str,
        message: &Envelope<T>,
    ) {
        let bytes = encode(message).unwrap();
        for end in 0..bytes.len() {
            let cut = decode::<T>(&bytes[..end]).expect_err("cut off");
            assert!(matches!(cut, WireError::Malformed { .. }), "{name} at {end}");
        }
        let mut text = bytes.clone();
        text.push(b'x');
        assert!(decode::<T>(&text).is_err(), "{name}: something after it");

        // Not UTF-8, inside a string.
        let at = bytes.windows(4).position(|w| w == b"0000").unwrap();
        let mut broken = bytes.clone();
        broken[at] = 0xff;
        assert!(decode::<T>(&broken).is_err(), "{name}: not UTF-8");

        let value: Value = serde_json::from_slice(&bytes).unwrap();
        for (pointer, wrong) in [
            ("/id", json!("not a uuid")),
            ("/boot", json!(7)),
            ("/seq", json!(-1)),
            ("/seq", json!(1.5)),
            ("/seq", json!("7")),
            ("/wall_us", json!(u64::MAX)),
            ("/clock_synced", json!("yes")),
            ("/body", json!(null)),
            ("/body", json!([])),
        ] {
            let mut value = value.clone();
            *value.pointer_mut(pointer).unwrap() = wrong.clone();
            let text = serde_json::to_vec(&value).unwrap();
            assert!(decode::<T>(&text).is_err(), "{name}: {pointer} = {wrong}");
        }

        // Of a newer side: fields nobody knows, at every level.
        let mut newer = value.clone();
        newer["priority"] = json!(3);
        newer["body"]["tomorrow"] = json!({"deep": [1, {"deeper": null}]});
        let read = decode::<T>(&serde_json::to_vec(&newer).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(&read, message, "{name}");
    }

    fn delivery<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, message: &T) {
        let bytes = serde_json::to_vec(message).unwrap();
        for end in 0..bytes.len() {
            assert!(serde_json::from_slice::<T>(&bytes[..end]).is_err(), "{name} at {end}");
        }
        let mut newer: Value = serde_json::from_slice(&bytes).unwrap();
        newer["tomorrow"] = json!([1]);
        assert_eq!(&serde_json::from_value::<T>(newer).unwrap(), message, "{name}");
    }
}

#[test]
fn mangled_messages_are_refused_and_newer_ones_are_read() {
    samples::visit(&mut Mangled);
}

#[test]
fn a_message_over_the_limit_is_neither_read_nor_sent() {
    let golden = fs::read(golden::path("signal_offer")).unwrap();
    let mut message = decode::<SignalUp>(&golden).unwrap();
    let SignalUp::Offer(offer) = &mut message.body else { panic!("an offer") };
    offer.sdp = "x".repeat(limits::MAX_MESSAGE);
    assert!(matches!(encode(&message), Err(WireError::TooLarge { limit: limits::MAX_MESSAGE, .. })));
    let bytes = serde_json::to_vec(&message).unwrap();
    let refused = decode::<SignalUp>(&bytes).expect_err("too large");
    assert_eq!(
        refused.to_string(),
        format!("message of {} bytes, at most {} are read", bytes.len(), limits::MAX_MESSAGE)
    );
    // White space counts as well: it is read before it is known to be nothing.
    let mut padded = golden.clone();
    padded.resize(limits::MAX_MESSAGE, b' ');
    assert!(decode::<SignalUp>(&padded).is_ok());
    padded.push(b' ');
    assert!(decode::<SignalUp>(&padded).is_err());
}

#[test]
fn nesting_is_refused_before_the_stack_is_at_an_end() {
    let golden: Value = serde_json::from_slice(&fs::read(golden::path("ack")).unwrap()).unwrap();
    let plain = serde_json::to_string(&golden).unwrap();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = (limits::MAX_MESSAGE - plain.len() - 32) / (open.len() + close.len());
        let nest = format!("{}0{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(decode_as_everything(nest.as_bytes()), 0);
        // In a field that nobody knows it is skipped over without a stack, or refused; both end.
        let hidden = plain.replacen('{', &format!("{{\"unknown\":{nest},"), 1);
        assert!(hidden.len() <= limits::MAX_MESSAGE);
        assert!(decode_as_everything(hidden.as_bytes()) <= 1);
        // Where fields are buffered before it is known what they are, it is refused.
        let event = fs::read_to_string(golden::path("event_closed")).unwrap();
        let depth = (limits::MAX_MESSAGE - event.len() - 32) / (open.len() + close.len());
        let nest = format!("{}0{}", open.repeat(depth), close.repeat(depth));
        let hidden = event.replacen("\"body\":{", &format!("\"body\":{{\"unknown\":{nest},"), 1);
        assert!(hidden.len() <= limits::MAX_MESSAGE && hidden.len() > event.len());
        assert!(decode::<IncidentEvent>(hidden.as_bytes()).is_err());
        let unclosed = open.repeat(limits::MAX_MESSAGE / open.len());
        assert_eq!(decode_as_everything(unclosed.as_bytes()), 0);
    }
}

#[test]
fn an_unknown_type_is_an_error_that_names_it_and_an_unknown_fault_is_not() {
    for (file, expected) in
        [("signal_offer", "SignalUp"), ("signal_answer", "SignalDown"), ("order_key_frame", "Order")]
    {
        let mut value: Value = serde_json::from_slice(&fs::read(golden::path(file)).unwrap()).unwrap();
        value["body"]["type"] = json!("teleport");
        let bytes = serde_json::to_vec(&value).unwrap();
        let why = match expected {
            "SignalUp" => decode::<SignalUp>(&bytes).unwrap_err().to_string(),
            "SignalDown" => decode::<SignalDown>(&bytes).unwrap_err().to_string(),
            _ => decode::<Order>(&bytes).unwrap_err().to_string(),
        };
        assert!(why.contains(expected) && why.contains("teleport"), "{why}");
    }
    let mut value: Value = serde_json::from_slice(&fs::read(golden::path("heartbeat")).unwrap()).unwrap();
    value["body"]["faults"][0]["kind"] = json!("flux_capacitor");
    let heartbeat = decode::<Heartbeat>(&serde_json::to_vec(&value).unwrap()).unwrap();
    assert_eq!(heartbeat.body.faults[0].kind, FaultKind::Unknown);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(decode_as_everything(&bytes), 0);
    }

    #[test]
    fn any_change_of_a_byte_is_survived(which in 0..7usize, at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let names = ["kiosk_state", "heartbeat", "alarm_with_offer", "event_timing", "signal_offer", "order_closed", "echo"];
        let mut bytes = fs::read(golden::path(names[which])).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // Whether it can still be read depends on the byte; that it ends, and without a panic, does not.
        decode_as_everything(&bytes);
    }
}
