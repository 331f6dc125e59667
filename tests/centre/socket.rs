//! The officers' WebSocket: who gets in, and what is done about what should not be said.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::json;
use sos::centre::page::{FromPage, ToPage};
use sos::wire::IncidentId;
use sos::wire::down::Verdict;
use sos::wire::up::Mark;
use tokio_tungstenite::tungstenite::Message;

use crate::place::Place;
use crate::ws::Page;

const NO_BROKER: u16 = 1;

#[tokio::test]
async fn only_an_officer_on_this_page_gets_in() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let stranger = centre.browser();
    assert_eq!(Page::try_open(&centre, &stranger, None).await.err(), Some(401));
    let officer = centre.officer("ana").await;
    for other in ["https://evil.example", "null"] {
        assert_eq!(Page::try_open(&centre, &officer, Some(other)).await.err(), Some(403), "{other}");
    }
    let (_page, hello) = Page::open(&centre, &officer).await;
    let ToPage::Hello { officer: name, incidents, kiosks, on_duty, .. } = hello else { panic!("{hello:?}") };
    assert_eq!((name.as_str(), incidents.len(), kiosks.len(), on_duty.len()), ("ana", 0, 0, 0));
    assert_eq!(officer.get("/ws").await.status().as_u16() / 100, 4, "without an upgrade it is nothing");
    centre.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_the_page_lives_on() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let officer = centre.officer("ana").await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    for (bad, request) in [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        ("{\"type\":\"fly\"}", "fly"),
        ("{\"type\":\"answer\"}", "answer"),
        ("{\"type\":\"answer\",\"incident\":\"x\"}", "answer"),
        ("{\"type\":7}", ""),
    ] {
        page.send(Message::Text(bad.into())).await;
        let (found, why) = page.refused().await;
        assert_eq!(found, request, "{bad}");
        assert!(!why.is_empty() && why.len() < 1000, "{why}");
    }
    page.send(Message::Binary(vec![1, 2, 3].into())).await;
    assert_eq!(page.refused().await.1, "a page speaks text");
    // Unknown fields are accepted: an older centre understands a newer page.
    page.send(Message::Text(json!({"type": "duty", "on": true, "new": [1]}).to_string().into())).await;
    let on_duty =
        |message: &ToPage| matches!(message, ToPage::OnDuty { officers } if officers == &["ana"]).then_some(());
    page.hear_when("on duty", on_duty).await;
    centre.stop().await;
}

#[tokio::test]
async fn a_page_that_is_broken_is_closed_cleanly() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let officer = centre.officer("ana").await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    page.try_send(Message::Text("x".repeat(200_000).into())).await;
    page.end().await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    for _ in 0..100 {
        if !page.try_send(Message::Text("nonsense".into())).await {
            break;
        }
    }
    page.end().await;
    // And the next one gets in as if nothing had been.
    let (mut page, _) = Page::open(&centre, &officer).await;
    page.say(&FromPage::Ping { page_us: 5, offset_us: None, round_trip_us: None }).await;
    let pong = page.hear_when("pong", |m| if let ToPage::Pong { page_us, .. } = m { Some(*page_us) } else { None });
    assert_eq!(pong.await, 5);
    centre.stop().await;
}

#[tokio::test]
async fn requests_about_nothing_are_refused_by_their_names() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let officer = centre.officer("ana").await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    page.say(&FromPage::Duty { on: true }).await;
    let incident = IncidentId::fresh();
    for (said, request) in [
        (FromPage::Answer { incident }, "answer"),
        (FromPage::Hold { incident }, "hold"),
        (FromPage::Close { incident, verdict: Verdict::Test, note: String::new() }, "close"),
        (FromPage::Close { incident, verdict: Verdict::Test, note: "x".repeat(5_000) }, "close"),
        (FromPage::Watch { incident: Some(incident) }, "watch"),
        (FromPage::Mark { incident, mark: Mark::FirstFrame, at_us: 0 }, "mark"),
        (FromPage::Mark { incident, mark: Mark::Edge, at_us: i64::MAX }, "mark"),
        (FromPage::Offer { sdp: "x".repeat(20_000) }, "offer"),
    ] {
        page.say(&said).await;
        assert_eq!(page.refused().await.0, request);
    }
    centre.stop().await;
}

#[tokio::test]
async fn a_page_ends_with_its_session() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let officer = centre.officer("ana").await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    assert_eq!(officer.post("/api/logout", &json!({})).await.status(), 200);
    page.end().await;
    centre.stop().await;
}

#[tokio::test]
async fn a_page_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let officer = centre.officer("ana").await;
    let (mut deaf, _) = Page::open(&centre, &officer).await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    // The deaf page asks and never reads the answers; every buffer on the way fills up.
    let ping = FromPage::Ping { page_us: 0, offset_us: None, round_trip_us: None };
    let text = Message::Text(serde_json::to_string(&ping).unwrap().into());
    let flood = async {
        while tokio::time::timeout(std::time::Duration::from_secs(1), deaf.try_send(text.clone())).await == Ok(true) {}
    };
    crate::place::soon("the end of the flood", flood).await;
    page.say(&FromPage::Duty { on: true }).await;
    page.hear_when("on duty", |message| matches!(message, ToPage::OnDuty { .. }).then_some(())).await;
    centre.stop().await;
}

#[tokio::test]
async fn pages_are_told_when_the_centre_goes_down() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let officer = centre.officer("ana").await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    let (end, ()) = tokio::join!(page.end(), centre.stop());
    assert_eq!(end.map(|frame| u16::from(frame.code)), Some(1012));
}
