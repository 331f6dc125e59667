//! The MQTT line against a real mosquitto that comes and goes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::time::Duration;

use sos::mqtt::{self, Client, Happening, Kind, NotTaken, Settings};
use support::process::{Process, free_port, open_broker};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(15);

fn broker(dir: &Path, port: u16) -> Process {
    open_broker(dir, port).unwrap()
}

fn line(name: &str, port: u16, subscribe: &str) -> (Client, mpsc::Receiver<Happening>) {
    let (to, happenings) = mpsc::channel(256);
    let settings = Settings {
        host: "127.0.0.1".to_owned(),
        port,
        client_id: name.to_owned(),
        tls: None,
        subscriptions: vec![subscribe.to_owned()],
        will: Some((format!("state/{name}"), b"gone".to_vec())),
        birth: Some((format!("state/{name}"), b"here".to_vec())),
    };
    (mqtt::start(settings, to), happenings)
}

async fn until(happenings: &mut mpsc::Receiver<Happening>, what: &str, mut fits: impl FnMut(&Happening) -> bool) {
    let reached = async { while !fits(&happenings.recv().await.expect("the line lives")) {} };
    timeout(BOUND, reached).await.unwrap_or_else(|_| panic!("{what} did not come"));
}

fn says(topic: &'static str, text: &'static str) -> impl Fn(&Happening) -> bool {
    move |h| matches!(h, Happening::Message { topic: t, payload, .. } if t == topic && payload == text.as_bytes())
}

fn up(h: &Happening) -> bool {
    *h == Happening::Up
}

fn down(h: &Happening) -> bool {
    matches!(h, Happening::Down { .. })
}

#[tokio::test]
async fn what_is_kept_arrives_after_the_brokers_death_and_what_is_fresh_does_not() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let mut first = broker(dir.path(), port);
    let (sender, mut sender_heard) = line("sender", port, "none");
    let (_reader, mut heard) = line("reader", port, "news/+");
    until(&mut sender_heard, "up", up).await;
    until(&mut heard, "up", up).await;
    sender.publish("news/a".to_owned(), b"one".to_vec(), false, Kind::Kept).unwrap();
    until(&mut heard, "one", says("news/a", "one")).await;

    first.kill().await.unwrap();
    until(&mut sender_heard, "down", down).await;
    until(&mut heard, "down", down).await;
    // Retained, so that it does not matter which of the two is back at the broker first.
    sender.publish("news/b".to_owned(), b"stale".to_vec(), true, Kind::Fresh).unwrap();
    sender.publish("news/c".to_owned(), b"two".to_vec(), true, Kind::Kept).unwrap();
    sender.publish("news/d".to_owned(), b"three".to_vec(), true, Kind::Kept).unwrap();

    let _second = broker(dir.path(), port);
    let mut got = vec![];
    let reached = async {
        while got.len() < 2 {
            if let Happening::Message { payload, .. } = heard.recv().await.expect("the line lives") {
                got.push(String::from_utf8(payload.to_vec()).unwrap());
            }
        }
    };
    timeout(BOUND, reached).await.unwrap_or_else(|_| panic!("what was kept did not come"));
    got.sort();
    assert_eq!(got, ["three", "two"]);
}

#[tokio::test]
async fn sent_is_told_of_what_a_connection_has_taken_and_of_nothing_else() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let (sender, mut heard) = line("sender", port, "none");
    sender.publish("news/a".to_owned(), b"lost".to_vec(), false, Kind::Marked(1)).unwrap();
    until(&mut heard, "down", down).await;
    let _broker = broker(dir.path(), port);
    until(&mut heard, "up", up).await;
    sender.publish("news/a".to_owned(), b"unmarked".to_vec(), false, Kind::Fresh).unwrap();
    sender.publish("news/a".to_owned(), b"there".to_vec(), false, Kind::Marked(2)).unwrap();
    let mut marks = vec![];
    let sent = |h: &Happening| {
        let Happening::Sent { mark, .. } = h else { return false };
        marks.push(*mark);
        true
    };
    until(&mut heard, "sent", sent).await;
    assert_eq!(marks, [2]);
}

#[tokio::test]
async fn what_somebody_must_hear_waits_for_somebody_to_be_there() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let _broker = broker(dir.path(), port);
    let (sender, mut sender_heard) = line("sender", port, "echo/+");
    until(&mut sender_heard, "up", up).await;
    sender.publish("news/a".to_owned(), b"one".to_vec(), false, Kind::Heard).unwrap();
    sender.publish("news/b".to_owned(), b"kept".to_vec(), false, Kind::Kept).unwrap();
    sender.publish("news/c".to_owned(), b"two".to_vec(), false, Kind::Heard).unwrap();
    // It comes back after the others have reached the broker, which had nobody to give them to.
    sender.publish("echo/a".to_owned(), b"back".to_vec(), false, Kind::Kept).unwrap();
    until(&mut sender_heard, "back", says("echo/a", "back")).await;
    let (_reader, mut heard) = line("reader", port, "news/+");
    let mut got = vec![];
    let reached = async {
        while got.len() < 2 {
            if let Happening::Message { payload, .. } = heard.recv().await.expect("the line lives") {
                got.push(String::from_utf8(payload.to_vec()).unwrap());
            }
        }
    };
    timeout(BOUND, reached).await.unwrap_or_else(|_| panic!("what was said once did not come"));
    assert_eq!(got, ["one", "two"]);
}

#[tokio::test]
async fn a_client_that_vanishes_is_announced_by_its_will() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let _broker = broker(dir.path(), port);
    let (_watcher, mut heard) = line("watcher", port, "state/other");
    until(&mut heard, "up", up).await;
    let (other, mut other_heard) = line("other", port, "none");
    until(&mut other_heard, "up", up).await;
    until(&mut heard, "here", says("state/other", "here")).await;
    drop(other);
    until(&mut heard, "gone", says("state/other", "gone")).await;
}

#[tokio::test]
async fn a_broker_that_stops_reading_is_given_up_and_found_again() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let broker = broker(dir.path(), port);
    let (_line, mut heard) = line("one", port, "none");
    until(&mut heard, "up", up).await;
    let signal = |name: &'static str| Command::new("kill").args([name, &broker.pid().to_string()]).status();
    signal("-STOP").await.unwrap();
    timeout(Duration::from_secs(20), until(&mut heard, "down", down)).await.unwrap();
    signal("-CONT").await.unwrap();
    until(&mut heard, "up again", up).await;
}

#[tokio::test]
async fn a_message_nobody_could_read_is_refused_before_it_is_sent() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let _broker = broker(dir.path(), port);
    let (line, mut heard) = line("one", port, "one/+");
    until(&mut heard, "up", up).await;
    let refused = line.publish("one/a".to_owned(), vec![b'x'; 100_000], false, Kind::Kept);
    assert_eq!(
        refused,
        Err(NotTaken::TooLarge { topic: "one/a".to_owned(), found: 100_000, limit: sos::wire::limits::MAX_MESSAGE })
    );
    line.publish("one/a".to_owned(), b"small".to_vec(), false, Kind::Kept).unwrap();
    until(&mut heard, "small", says("one/a", "small")).await;
}

#[tokio::test]
async fn files_that_cannot_be_read_are_why_there_is_no_link_and_are_read_again() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let of = |name: &str| dir.path().join(name);
    let identity = sos::tls::Identity { cert: of("kiosk.pem"), key: of("kiosk.key") };
    let tls = Some(sos::tls::ClientFiles { ca: of("ca.pem"), identity });
    let (to, mut heard) = mpsc::channel(256);
    let settings = Settings {
        host: "127.0.0.1".to_owned(),
        port,
        client_id: "kiosk".to_owned(),
        tls,
        subscriptions: vec![],
        will: None,
        birth: None,
    };
    let _client = mqtt::start(settings, to);
    let says = |why: &'static str| move |h: &Happening| matches!(h, Happening::Down { why: w } if w.contains(why));
    until(&mut heard, "why not", says("ca.pem: cannot be read")).await;
    std::fs::write(of("ca.pem"), "nonsense").unwrap();
    until(&mut heard, "another reason", says("ca.pem: expected a certificate")).await;
}
