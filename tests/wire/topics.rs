//! Topics: what is formatted is parsed back, and nothing else is taken for one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use sos::wire::KioskId;
use sos::wire::topic::{Down, ROOT, Up};

fn kiosk() -> impl Strategy<Value = KioskId> {
    "[a-z0-9-]{1,32}".prop_map(|text| text.parse().unwrap())
}

proptest! {
    #[test]
    fn a_topic_is_read_back(kiosk in kiosk(), up in 0..Up::ALL.len(), down in 0..Down::ALL.len()) {
        let (up, down) = (Up::ALL[up], Down::ALL[down]);
        prop_assert_eq!(Up::parse(&up.of(&kiosk)), Some((kiosk.clone(), up)));
        prop_assert_eq!(Down::parse(&down.of(&kiosk)), Some((kiosk.clone(), down)));
        prop_assert_eq!(Up::parse(&down.of(&kiosk)), None);
        prop_assert_eq!(Down::parse(&up.of(&kiosk)), None);
    }

    #[test]
    fn what_is_read_is_written_back_the_same(topic in "(sos/v1/(kiosk|to)/)?[a-zA-Z0-9/+#._ \u{430}-]{0,60}") {
        if let Some((kiosk, kind)) = Up::parse(&topic) {
            prop_assert_eq!(kind.of(&kiosk), topic.clone());
        }
        if let Some((kiosk, kind)) = Down::parse(&topic) {
            prop_assert_eq!(kind.of(&kiosk), topic);
        }
    }

    #[test]
    fn only_a_kiosk_id_is_one(text in ".{0,40}") {
        let fits = !text.is_empty() && text.len() <= 32
            && text != "centre"
            && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'));
        prop_assert_eq!(text.parse::<KioskId>().is_ok(), fits);
    }
}

#[test]
fn no_kiosk_is_the_centre_to_the_broker() {
    assert!("centre".parse::<KioskId>().is_err(), "the ACL gives this name every kiosk's topics");
    assert!("centre-park".parse::<KioskId>().is_ok());
}

#[test]
fn wildcards_and_neighbours_are_nobody_s() {
    for topic in [
        String::new(),
        ROOT.to_owned(),
        format!("{ROOT}/kiosk/+/alarm"),
        format!("{ROOT}/kiosk/#"),
        format!("{ROOT}/kiosk//alarm"),
        format!("{ROOT}/kiosk/a/alarm/"),
        format!("{ROOT}/kiosk/a/alarm/b"),
        format!("{ROOT}/kiosk/A/alarm"),
        format!("{ROOT}/kiosk/a/unknown"),
        "sos/v2/kiosk/a/alarm".to_owned(),
        format!("/{ROOT}/kiosk/a/alarm"),
    ] {
        assert_eq!(Up::parse(&topic), None, "{topic}");
        assert_eq!(Down::parse(&topic), None, "{topic}");
    }
}
