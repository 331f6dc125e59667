//! Playing a recording back: single fragments, the whole, ranges of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reqwest::Method;
use sos::wire::IncidentId;

use crate::delivery::{put, sha256};
use crate::place::{Centre, Place};

const NO_BROKER: u16 = 1;

async fn delivered(centre: &Centre) -> (IncidentId, Vec<u8>) {
    let kiosk = centre.kiosk("north");
    let id = IncidentId::fresh();
    let mut whole = Vec::new();
    for index in 0..5u8 {
        let bytes: Vec<u8> = (0..100).map(|n| index * 50 + n % 50).collect();
        assert_eq!(put(&kiosk, id, index.into(), &bytes).await.status(), 200);
        whole.extend(bytes);
    }
    (id, whole)
}

#[tokio::test]
async fn the_whole_is_the_fragments_in_order() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let (id, whole) = delivered(&centre).await;
    let officer = centre.officer("ana").await;
    let answer = officer.get(&format!("/api/incidents/{id}/recording.mp4")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "video/mp4");
    assert_eq!(answer.headers()["content-length"], "500");
    assert_eq!(answer.headers()["accept-ranges"], "bytes");
    assert_eq!(answer.bytes().await.unwrap().as_ref(), whole);
    let one = officer.get(&format!("/api/incidents/{id}/fragments/3")).await;
    assert_eq!(one.headers()["x-sos-sha256"].to_str().unwrap(), sha256(&whole[300..400]));
    assert_eq!(one.bytes().await.unwrap().as_ref(), &whole[300..400]);
    let head = officer.request(Method::HEAD, &format!("/api/incidents/{id}/recording.mp4")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "500"));
    centre.journal_says("ana: opened the recording").await;
    let entries = centre.journal().await;
    assert_eq!(entries.iter().filter(|entry| entry.contains("opened")).count(), 1, "not once for every part");
    centre.stop().await;
}

#[tokio::test]
async fn ranges_cross_fragments_and_end_where_the_recording_does() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let (id, whole) = delivered(&centre).await;
    let officer = centre.officer("ana").await;
    let path = format!("/api/incidents/{id}/recording.mp4");
    let ask = async |range: &str| officer.request(Method::GET, &path).header("range", range).send().await.unwrap();
    for (range, from, to) in
        [("bytes=0-0", 0, 1), ("bytes=90-310", 90, 311), ("bytes=450-", 450, 500), ("bytes=-20", 480, 500)]
    {
        let answer = ask(range).await;
        assert_eq!(answer.status(), 206, "{range}");
        let expected = format!("bytes {from}-{}/500", to - 1);
        assert_eq!(answer.headers()["content-range"].to_str().unwrap(), expected);
        assert_eq!(answer.headers()["content-length"].to_str().unwrap(), (to - from).to_string());
        assert_eq!(answer.bytes().await.unwrap().as_ref(), &whole[from..to], "{range}");
    }
    let beyond = ask("bytes=500-").await;
    assert_eq!((beyond.status().as_u16(), &beyond.headers()["content-range"]), (416, &"bytes */500".parse().unwrap()));
    assert_eq!(ask("bytes=nonsense").await.status(), 200);
    centre.stop().await;
}

#[tokio::test]
async fn parts_of_an_older_answer_are_not_joined_to_a_newer_one() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let (id, _) = delivered(&centre).await;
    let officer = centre.officer("ana").await;
    let path = format!("/api/incidents/{id}/recording.mp4");
    let tag = officer.get(&path).await.headers()["etag"].clone();
    let ask = async || {
        let request = officer.request(Method::GET, &path).header("range", "bytes=0-9").header("if-range", &tag);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 206);
    assert_eq!(put(&centre.kiosk("north"), id, 5, b"more").await.status(), 200);
    assert_eq!(ask().await, 200, "it has grown: the whole");
    centre.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let (id, _) = delivered(&centre).await;
    let officer = centre.officer("ana").await;
    let other = IncidentId::fresh();
    for (path, status) in [
        (format!("/api/incidents/{id}/fragments/9"), 404),
        (format!("/api/incidents/{id}/fragments/x"), 400),
        (format!("/api/incidents/{other}/fragments/0"), 404),
        (format!("/api/incidents/{other}/recording.mp4"), 404),
        (format!("/api/incidents/{other}"), 404),
        ("/api/incidents/x".to_owned(), 400),
        ("/api/incidents?limit=x".to_owned(), 400),
        ("/api/incidents?limit=0&before=5".to_owned(), 200),
    ] {
        assert_eq!(officer.get(&path).await.status().as_u16(), status, "{path}");
    }
    centre.stop().await;
}

#[tokio::test]
async fn an_object_lost_from_the_archive_breaks_the_answer_off_and_nothing_else() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let (id, _) = delivered(&centre).await;
    let directory = centre.dir.join(format!("archive/recordings/north/{id}"));
    let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    std::fs::remove_file(&names[2]).unwrap();
    std::fs::write(&names[3], b"cut").unwrap();
    let officer = centre.officer("ana").await;
    let request = officer.request(Method::GET, &format!("/api/incidents/{id}/recording.mp4"));
    let whole = async { request.send().await?.bytes().await };
    assert!(whole.await.is_err(), "half a recording must not look whole");
    assert_eq!(officer.get(&format!("/api/incidents/{id}/fragments/2")).await.status(), 500);
    assert_eq!(officer.get(&format!("/api/incidents/{id}/fragments/1")).await.status(), 200);
    centre.stop().await;
}
