//! Delivery of recordings with a kiosk's certificate.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sos::centre::page::ToPage;
use sos::centre::settings::Room;
use sos::wire::IncidentId;
use sos::wire::delivery::{
    DURATION_HEADER, Inventory, Receipt, SHA256_HEADER, START_HEADER, fragment_path, recording_path, sealed_path,
};
use sos::wire::limits::MAX_FRAGMENT;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::place::{Centre, Kiosk, Place, REFUSED, identity_of, soon};
use crate::ws::Page;

const NO_BROKER: u16 = 1;

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub async fn put(kiosk: &Kiosk, incident: IncidentId, index: u64, bytes: &[u8]) -> Response {
    kiosk
        .request(Method::PUT, &fragment_path(incident, index))
        .header(SHA256_HEADER, sha256(bytes))
        .header(START_HEADER, (1_700_000_000_000_000 + index as i64 * 1_000_000).to_string())
        .header(DURATION_HEADER, if index == 0 { "0" } else { "1000000" })
        .body(bytes.to_vec())
        .send()
        .await
        .unwrap()
}

pub async fn seal(kiosk: &Kiosk, incident: IncidentId, fragments: u64) -> Response {
    let body = json!({ "fragments": fragments });
    kiosk.request(Method::PUT, &sealed_path(incident)).json(&body).send().await.unwrap()
}

async fn inventory(kiosk: &Kiosk, incident: IncidentId) -> Inventory {
    let answer = kiosk.request(Method::GET, &recording_path(incident)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Files of the archive, sizes by name.
fn files(centre: &Centre) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut directories = vec![centre.dir.join("archive")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.metadata().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else {
                found.push((entry.file_name().into_string().unwrap(), kind.len()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn fragments_are_kept_once_and_receipts_say_so() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let kiosk = centre.kiosk("north");
    let id = IncidentId::fresh();
    for index in [0, 2, 1] {
        let bytes = vec![index as u8; 1000 + index as usize];
        // A receipt that got lost: the kiosk sends the same again and is answered the same.
        for _ in 0..2 {
            let answer = put(&kiosk, id, index, &bytes).await;
            assert_eq!(answer.status(), 200);
            let expected = Receipt { incident: id, index, sha256: sha256(&bytes) };
            assert_eq!(answer.json::<Receipt>().await.unwrap(), expected);
        }
    }
    let found = inventory(&kiosk, id).await;
    assert_eq!((found.have, found.sealed), (vec![0, 1, 2], false));
    assert_eq!(files(&centre).len(), 3);
    assert_eq!(files(&centre)[2].1, 1002);
    for _ in 0..2 {
        let answer = seal(&kiosk, id, 2).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.json::<Inventory>().await.unwrap().sealed);
    }
    assert_eq!(seal(&kiosk, id, 3).await.status(), 409);
    centre.stop().await;
}

#[tokio::test]
async fn what_was_receipted_is_there_after_a_restart() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let id = IncidentId::fresh();
    let centre = place.start().await;
    assert_eq!(put(&centre.kiosk("north"), id, 0, b"header").await.status(), 200);
    centre.stop().await;
    let centre = place.start().await;
    let kiosk = centre.kiosk("north");
    assert_eq!(inventory(&kiosk, id).await.have, [0]);
    assert_eq!(put(&kiosk, id, 0, b"header").await.status(), 200);
    centre.stop().await;
}

#[tokio::test]
async fn other_bytes_never_replace_what_has_a_receipt() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let kiosk = centre.kiosk("north");
    let id = IncidentId::fresh();
    assert_eq!(put(&kiosk, id, 1, b"first").await.status(), 200);
    assert_eq!(put(&kiosk, id, 1, b"other").await.status(), 409);
    assert_eq!(files(&centre).len(), 1, "nothing of the other is left");
    // Two at once with different bytes: one is kept, and it is the one with the receipt.
    let (a, b) = tokio::join!(put(&kiosk, id, 2, b"aaaa"), put(&kiosk, id, 2, b"bbbb"));
    let mut statuses = [a.status().as_u16(), b.status().as_u16()];
    let kept = if statuses[0] == 200 { sha256(b"aaaa") } else { sha256(b"bbbb") };
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(inventory(&kiosk, id).await.sha256.get(&2), Some(&kept));
    assert_eq!(files(&centre).len(), 2);
    centre.stop().await;
}

#[tokio::test]
async fn bytes_that_do_not_fit_their_hash_are_refused() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let kiosk = centre.kiosk("north");
    let id = IncidentId::fresh();
    let request = kiosk.request(Method::PUT, &fragment_path(id, 0)).header(SHA256_HEADER, sha256(b"this"));
    let request = request.header(START_HEADER, "0").header(DURATION_HEADER, "0").body("that");
    assert_eq!(request.send().await.unwrap().status(), 422);
    assert!(files(&centre).is_empty());
    assert!(inventory(&kiosk, id).await.have.is_empty());
    centre.stop().await;
}

#[tokio::test]
async fn a_kiosk_delivers_only_its_own() {
    let place = Place::new(&["north", "south", "Not A Kiosk"], NO_BROKER).await;
    let centre = place.start().await;
    let id = IncidentId::fresh();
    assert_eq!(put(&centre.kiosk("north"), id, 0, b"header").await.status(), 200);
    let south = centre.kiosk("south");
    assert_eq!(put(&south, id, 1, b"media").await.status(), 403);
    assert_eq!(put(&south, id, 0, b"header").await.status(), 403);
    assert_eq!(seal(&south, id, 1).await.status(), 403);
    assert_eq!(south.request(Method::GET, &recording_path(id)).send().await.unwrap().status(), 403);
    let nobody = centre.kiosk("Not A Kiosk");
    assert_eq!(put(&nobody, IncidentId::fresh(), 0, b"header").await.status(), 403);
    // Without a certificate of the authority there is no TLS at all.
    let without = centre.browser();
    let url = format!("https://localhost:{}{}", centre.at.delivery.port(), recording_path(id));
    let bare = reqwest::Client::builder().tls_backend_preconfigured(std::sync::Arc::unwrap_or_clone(
        sos::tls::client(&centre.dir.join("ca.pem"), None).unwrap(),
    ));
    assert!(bare.build().unwrap().get(url).send().await.is_err());
    assert_eq!(without.get(&recording_path(id)).await.status(), 200, "on the officers' side it is only a page");
    centre.stop().await;
}

#[tokio::test]
async fn nothing_is_taken_of_a_kiosk_that_was_stolen() {
    let place = Place::new(&REFUSED, NO_BROKER).await;
    let centre = place.start().await;
    let stolen = centre.kiosk(REFUSED[0]);
    assert_eq!(put(&stolen, IncidentId::fresh(), 0, b"header").await.status(), 403);
    assert_eq!(seal(&stolen, IncidentId::fresh(), 1).await.status(), 403);
    assert!(files(&centre).is_empty());
    centre.stop().await;
}

#[tokio::test]
async fn malformed_deliveries_are_refused_and_harmless() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let kiosk = centre.kiosk("north");
    let id = IncidentId::fresh();
    let with = async |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let mut request = kiosk.request(Method::PUT, path).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let hash = sha256(b"x");
    let good = [(SHA256_HEADER, hash.as_str()), (START_HEADER, "1"), (DURATION_HEADER, "1")];
    let path = fragment_path(id, 1);
    for missing in 0..3 {
        let mut headers = good.to_vec();
        headers.remove(missing);
        assert_eq!(with(&path, &headers, b"x").await, 400, "without {}", good[missing].0);
    }
    for (slot, bad) in [(0, "zz"), (1, "noon"), (2, "-1"), (2, "99999999999999999")] {
        let mut headers = good;
        headers[slot].1 = bad;
        assert_eq!(with(&path, &headers, b"x").await, 400, "{} {bad}", headers[slot].0);
    }
    assert_eq!(with("/kiosk/v1/recordings/not-a-uuid/fragments/1", &good, b"x").await, 400);
    assert_eq!(with(&format!("/kiosk/v1/recordings/{id}/fragments/-1"), &good, b"x").await, 400);
    assert_eq!(with(&format!("/kiosk/v1/recordings/{id}/fragments/99999999999"), &good, b"x").await, 400);
    assert_eq!(with("/kiosk/v1/../../etc/passwd", &good, b"x").await, 404);
    assert_eq!(with(&path, &good, b"").await, 400);
    for bad in ["", "{}", "[]", "{\"fragments\":-1}", "{\"fragments\":99999999999}"] {
        assert_eq!(with(&sealed_path(id), &[], bad.as_bytes()).await, 400, "{bad}");
    }
    assert_eq!(with(&sealed_path(id), &[], &vec![b' '; 10_000]).await, 413);
    assert_eq!(with(&path, &good, b"x").await, 200);
    centre.stop().await;
}

#[tokio::test]
async fn a_fragment_that_is_too_large_is_refused() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let kiosk = centre.kiosk("north");
    let id = IncidentId::fresh();
    let largest = vec![7; MAX_FRAGMENT];
    assert_eq!(put(&kiosk, id, 1, &largest).await.status(), 200);
    // Said beforehand: refused by its length alone, without a byte of it.
    let request = kiosk.request(Method::PUT, &fragment_path(id, 2)).header(SHA256_HEADER, sha256(b""));
    let request = request.header(START_HEADER, "0").header(DURATION_HEADER, "0");
    let answer = request.body(vec![7; MAX_FRAGMENT + 1]).send().await;
    // The connection is closed with the answer, which a client still sending may miss.
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 413));
    assert_eq!(inventory(&kiosk, id).await.have, [1]);
    centre.stop().await;
}

/// The head of a delivery whose body does not come.
async fn stall(centre: &Centre, kiosk: &str) -> TlsStream<TcpStream> {
    let config = sos::tls::client(&centre.dir.join("ca.pem"), Some(&identity_of(&centre.dir, kiosk))).unwrap();
    let tcp = TcpStream::connect(centre.at.delivery).await.unwrap();
    let mut tls = TlsConnector::from(config).connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n{SHA256_HEADER}: {}\r\n{START_HEADER}: 1\r\n\
         {DURATION_HEADER}: 1\r\n\r\n",
        fragment_path(IncidentId::fresh(), 1),
        sha256(b"")
    );
    tls.write_all(head.as_bytes()).await.unwrap();
    // A piece of the body: its turn has come, if it gets one.
    tls.write_all(&[7; 1000]).await.unwrap();
    tls
}

#[tokio::test]
async fn a_kiosk_that_sends_slowly_takes_nobody_s_turn() {
    let place = Place::new(&["north", "south"], NO_BROKER).await;
    let centre = place.start().await;
    let mut stalled = vec![];
    for _ in 0..40 {
        stalled.push(stall(&centre, "north").await);
    }
    let answer = soon("the receipt", put(&centre.kiosk("south"), IncidentId::fresh(), 0, b"header")).await;
    assert_eq!(answer.status(), 200);
    drop(stalled);
    centre.stop().await;
}

#[tokio::test]
async fn recordings_leave_the_disk_to_the_alarms() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start_with(Room { reserve: u64::MAX, ..Room::default() }).await;
    let kiosk = centre.kiosk("north");
    for index in 0..2 {
        assert_eq!(put(&kiosk, IncidentId::fresh(), index, b"header").await.status(), 507);
    }
    centre.journal_says("centre: no recordings are taken: the disk is nearly full").await;
    assert!(files(&centre).is_empty());
    let (mut page, hello) = Page::open(&centre, &centre.officer("ana").await).await;
    if !matches!(hello, ToPage::Hello { archive_full: true, .. }) {
        page.hear_when("a full archive", |said| matches!(said, ToPage::Archive { full: true }).then_some(())).await;
    }
    centre.stop().await;
}

#[tokio::test]
async fn a_kiosk_cannot_fill_the_disk_with_incidents_that_never_were() {
    let place = Place::new(&["north", "south"], NO_BROKER).await;
    let centre = place.start_with(Room { unknown: 1000, ..Room::default() }).await;
    let kiosk = centre.kiosk("north");
    for index in 0..2 {
        assert_eq!(put(&kiosk, IncidentId::fresh(), index, &[7; 600]).await.status(), 200);
    }
    assert_eq!(put(&kiosk, IncidentId::fresh(), 0, b"one more").await.status(), 507);
    assert_eq!(put(&centre.kiosk("south"), IncidentId::fresh(), 0, b"header").await.status(), 200);
    centre.stop().await;
}

#[tokio::test]
async fn a_fragment_may_come_before_its_alarm() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let id = IncidentId::fresh();
    assert_eq!(put(&centre.kiosk("north"), id, 0, b"header").await.status(), 200);
    let officer = centre.officer("ana").await;
    assert_eq!(officer.get(&format!("/api/incidents/{id}")).await.status(), 404, "nothing was pressed yet");
    let body = officer.get(&format!("/api/incidents/{id}/fragments/0")).await;
    assert_eq!(body.bytes().await.unwrap().as_ref(), b"header", "but what came is evidence");
    let all: Value = officer.json("/api/incidents").await;
    assert_eq!(all, json!([]));
    centre.stop().await;
}
