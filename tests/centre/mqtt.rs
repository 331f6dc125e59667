//! Kiosks over a real mosquitto with mutual TLS.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sos::centre::page::{FromPage, ToPage};
use sos::mqtt::{self, Client, Happening, Kind, Settings};
use sos::tls;
use sos::wire::down::{AlarmAck, Echo, Order, OrderKind, SignalDown, Standing, Verdict};
use sos::wire::topic::{Down, Up};
use sos::wire::up::{
    Alarm, ButtonLine, Heartbeat, IncidentEvent, IncidentReport, KioskState, Mark, Place as Where, PressOrigin,
    SessionOffer, SignalUp, Vitals,
};
use sos::wire::{BootId, Envelope, IncidentId, KioskId, MessageId, Output, OutputState, SessionId, decode, encode};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::delivery::{put, seal};
use crate::place::{Centre, Place, identity_of, soon};
use crate::ws::Page;

struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    async fn start(dir: &Path, port: u16) -> Self {
        let keys = dir.display();
        let text = format!(
            "per_listener_settings false\nlistener {port} 127.0.0.1\ncafile {keys}/ca.pem\n\
             certfile {keys}/server.pem\nkeyfile {keys}/server.key\nrequire_certificate true\n\
             allow_anonymous true\npersistence false\nmax_packet_size 200000\nuser root\n"
        );
        let config = dir.join("mosquitto.conf");
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().unwrap();
        let mut look = tokio::time::interval(Duration::from_millis(20));
        soon("the broker's port", async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                look.tick().await;
            }
        })
        .await;
        Self { child, port }
    }

    async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A kiosk's end of the wire, and nothing of a kiosk besides.
struct Wire {
    kiosk: KioskId,
    client: Client,
    happenings: mpsc::Receiver<Happening>,
    boot: BootId,
    seq: u64,
}

impl Wire {
    async fn connect(dir: &Path, name: &str, port: u16) -> Self {
        let kiosk: KioskId = name.parse().unwrap();
        let (sender, happenings) = mpsc::channel(256);
        let client = mqtt::start(
            Settings {
                host: "localhost".to_owned(),
                port,
                client_id: format!("kiosk-{name}"),
                tls: Some(tls::ClientFiles { ca: dir.join("ca.pem"), identity: identity_of(dir, name) }),
                subscriptions: vec![Down::all_of(&kiosk)],
                will: None,
                birth: None,
            },
            sender,
        );
        let mut wire = Self { kiosk, client, happenings, boot: BootId::fresh(), seq: 0 };
        wire.up().await;
        wire
    }

    async fn up(&mut self) {
        soon("the line", async { while self.happenings.recv().await.unwrap() != Happening::Up {} }).await;
    }

    fn wrap<T>(&mut self, body: T) -> Envelope<T> {
        self.seq += 1;
        Envelope {
            id: MessageId::fresh(),
            boot: self.boot,
            seq: self.seq,
            wall_us: sos::centre::clock::wall_us(),
            mono_us: 1_000_000 + self.seq,
            clock_synced: true,
            body,
        }
    }

    fn say<T: Serialize>(&mut self, kind: Up, body: T) -> Vec<u8> {
        let bytes = encode(&self.wrap(body)).unwrap();
        self.publish(&kind.of(&self.kiosk), bytes.clone());
        bytes
    }

    fn publish(&self, topic: &str, bytes: Vec<u8>) {
        self.client.publish(topic.to_owned(), bytes, false, Kind::Kept).unwrap();
    }

    async fn hear<T: DeserializeOwned>(&mut self, kind: Down) -> T {
        let topic = kind.of(&self.kiosk);
        let heard = async {
            loop {
                if let Happening::Message { topic: found, payload, .. } = self.happenings.recv().await.unwrap()
                    && found == topic
                {
                    return decode::<T>(&payload).unwrap().body;
                }
            }
        };
        soon(&format!("{kind:?}"), heard).await
    }

    /// Says the alarm again and again until it is acknowledged, as a kiosk does.
    async fn acknowledged(&mut self, alarm: Alarm) -> AlarmAck {
        let mut again = tokio::time::interval(Duration::from_millis(250));
        let acknowledged = async {
            loop {
                tokio::select! {
                    ack = self.hear::<AlarmAck>(Down::Ack) => return ack,
                    _ = again.tick() => {}
                }
                self.say(Up::Alarm, alarm.clone());
            }
        };
        soon("the acknowledgement", acknowledged).await
    }

    /// The order that fits.
    async fn ordered(&mut self, incident: IncidentId, standing: Standing) -> Option<Verdict> {
        loop {
            let order: Order = self.hear(Down::Order).await;
            assert!(order.expires_wall_us > sos::centre::clock::wall_us());
            if let OrderKind::Stands { incident: found, standing: now, verdict } = order.what
                && (found, now) == (incident, standing)
            {
                return verdict;
            }
        }
    }
}

fn alarm(incident: IncidentId) -> Alarm {
    Alarm {
        incident,
        origin: PressOrigin::Button,
        pressed_wall_us: sos::centre::clock::wall_us(),
        pressed_mono_us: Some(0),
        attempt: 1,
        presses: 1,
        clock_offset_us: Some(0),
        place: Where { name: "Central Park".to_owned(), position_e6: None },
        offer: None,
    }
}

fn heartbeat(nonce: u64) -> Heartbeat {
    Heartbeat {
        nonce,
        frame_age_ms: Some(5),
        sound_age_ms: Some(5),
        mic_dbfs: None,
        button: ButtonLine::Released,
        second_button: None,
        outputs: vec![],
        leg_up: false,
        echo_age_ms: None,
        clock_offset_us: None,
        faults: vec![],
        uptime_s: 1,
        undelivered: 0,
        last_test: None,
        board: Vitals::default(),
    }
}

async fn world(kiosks: &[&str]) -> (Place, Broker, Centre) {
    let port = free_port();
    let place = Place::new(kiosks, port).await;
    let broker = Broker::start(place.dir.path(), port).await;
    let centre = place.start().await;
    (place, broker, centre)
}

/// A kiosk's wire once the centre is there to answer it.
async fn kiosk(place: &Place, name: &str, port: u16) -> Wire {
    let mut wire = Wire::connect(place.dir.path(), name, port).await;
    // Whether the centre is subscribed yet is shown by its echo alone.
    let mut again = tokio::time::interval(Duration::from_millis(100));
    soon("the first echo", async {
        loop {
            again.tick().await;
            wire.say(Up::Heartbeat, heartbeat(7));
            if let Ok(echo) = tokio::time::timeout(Duration::from_millis(300), wire.hear::<Echo>(Down::Echo)).await {
                assert_eq!(echo.nonce, 7);
                return;
            }
        }
    })
    .await;
    wire
}

async fn count(centre: &Centre) -> usize {
    centre.officer("bek").await.json("/api/incidents").await.as_array().unwrap().len()
}

#[tokio::test]
async fn a_call_from_the_alarm_to_the_evidence() {
    let (place, broker, centre) = world(&["north"]).await;
    let mut wire = kiosk(&place, "north", broker.port).await;
    let state = KioskState { online: true, version: "9".to_owned(), place: alarm(IncidentId::fresh()).place };
    wire.say(Up::State, state);
    let officer = centre.officer("ana").await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    page.say(&FromPage::Duty { on: true }).await;

    let id = IncidentId::fresh();
    wire.say(Up::Alarm, alarm(id));
    let shown = page.incident_when("the alarm", |view| view.id == id).await;
    assert_eq!((shown.standing, shown.place.name.as_str()), (Standing::Waiting, "Central Park"));
    let ack: AlarmAck = wire.hear(Down::Ack).await;
    assert_eq!(ack, AlarmAck { incident: id, standing: Standing::Waiting });
    page.hear_when("the picture", |m| (*m == ToPage::Watching { incident: Some(id) }).then_some(())).await;

    page.say(&FromPage::Answer { incident: id }).await;
    wire.ordered(id, Standing::Answered).await;
    let connected = sos::centre::clock::wall_us();
    let marks = [(Mark::Connected, connected)].into();
    wire.say(Up::Event, IncidentEvent { incident: id, what: IncidentReport::Timing { marks } });
    let timed = page.incident_when("timing", |view| view.timing.contains_key(&Mark::Connected)).await;
    assert_eq!(timed.timing[&Mark::Connected], connected);

    let kiosk = centre.kiosk("north");
    assert_eq!(put(&kiosk, id, 0, b"header").await.status(), 200);
    assert_eq!(put(&kiosk, id, 1, b"media").await.status(), 200);
    page.say(&FromPage::Close { incident: id, verdict: Verdict::Real, note: "helped".to_owned() }).await;
    assert_eq!(wire.ordered(id, Standing::Closed).await, Some(Verdict::Real));
    wire.say(Up::Event, IncidentEvent { incident: id, what: IncidentReport::Closed });
    assert_eq!(seal(&kiosk, id, 1).await.status(), 200);
    let whole = page.incident_when("the whole recording", |view| view.recording.complete).await;
    assert_eq!((whole.recording.fragments, whole.recording.duration_ms), (1, 1000));

    centre.journal_says("kiosk:north: the kiosk has ended it").await;
    let all = officer.json(&format!("/api/incidents/{id}")).await;
    assert_eq!(all["incident"]["verdict"], "real");
    assert_eq!(all["incident"]["note"], "helped");
    assert_eq!(all["fragments"].as_array().unwrap().len(), 2);
    let journal: Vec<_> = all["journal"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    for what in ["alarm", "answered", "closed: Real", "the kiosk has ended it", "recording ended, 1 fragments"] {
        assert!(journal.contains(&what), "{what} is not in {journal:?}");
    }
    let kiosks = officer.json("/api/kiosks").await;
    assert_eq!(
        (&kiosks[0]["id"], &kiosks[0]["alive"], &kiosks[0]["version"]),
        (&"north".into(), &true.into(), &"9".into())
    );
    assert!(officer.json("/api/gateway").await.is_array());
    centre.stop().await;
}

#[tokio::test]
async fn an_officers_switch_reaches_the_kiosk_and_what_the_kiosk_says_reaches_the_page() {
    let (place, broker, centre) = world(&["north"]).await;
    let mut wire = kiosk(&place, "north", broker.port).await;
    let officer = centre.officer("ana").await;
    let (mut page, _) = Page::open(&centre, &officer).await;
    page.say(&FromPage::Duty { on: true }).await;
    let beat = |nonce, on| Heartbeat { outputs: vec![OutputState { output: Output::Strobe, on }], ..heartbeat(nonce) };
    wire.say(Up::Heartbeat, beat(1, false));
    let shown = |m: &ToPage, on| {
        let ToPage::Kiosk { kiosk } = m else { return None };
        (kiosk.outputs == [OutputState { output: Output::Strobe, on }]).then_some(())
    };
    page.hear_when("what is fitted", |m| shown(m, false)).await;
    let id = IncidentId::fresh();
    assert_eq!(wire.acknowledged(alarm(id)).await.incident, id);
    page.say(&FromPage::Answer { incident: id }).await;
    wire.ordered(id, Standing::Answered).await;

    page.say(&FromPage::Switch { incident: id, output: Output::Strobe, on: true }).await;
    let order = loop {
        let order: Order = wire.hear(Down::Order).await;
        if matches!(order.what, OrderKind::Switch { .. }) {
            break order;
        }
    };
    assert_eq!(order.what, OrderKind::Switch { incident: id, output: Output::Strobe, on: true });
    let left = order.expires_wall_us - sos::centre::clock::wall_us();
    assert!(left > 0 && left <= 5_000_000, "an officer tries again sooner: {left} us");
    wire.say(Up::Heartbeat, beat(2, true));
    page.hear_when("the strobe on", |m| shown(m, true)).await;
    centre.journal_says("kiosk:north: strobe is on").await;
    page.say(&FromPage::Switch { incident: id, output: Output::Heater, on: true }).await;
    let refused = |m: &ToPage| match m {
        ToPage::Refused { request, why } => Some(format!("{request}: {why}")),
        _ => None,
    };
    assert_eq!(page.hear_when("a refusal", refused).await, "switch: north has no heater");
    centre.stop().await;
}

#[tokio::test]
async fn messages_that_should_not_be_are_harmless_on_every_topic() {
    let (place, broker, centre) = world(&["north", "south"]).await;
    let mut wire = kiosk(&place, "north", broker.port).await;
    let mut south = kiosk(&place, "south", broker.port).await;
    let id = IncidentId::fresh();
    let first = wire.say(Up::Alarm, alarm(id));
    assert_eq!(wire.hear::<AlarmAck>(Down::Ack).await.incident, id);

    for kind in Up::ALL {
        let topic = kind.of(&wire.kiosk);
        for bad in ["", "{", "[]", "null", "{\"id\":1}", "{\"body\":{}}"] {
            wire.publish(&topic, bad.into());
        }
        wire.publish(&topic, vec![0xff; 100]);
        // Nested as deep as a message allows: the reader must not recurse itself to death.
        wire.publish(&topic, vec![b'['; 60_000]);
        let mut unknown: Value = serde_json::from_slice(&encode(&wire.wrap(heartbeat(1))).unwrap()).unwrap();
        unknown["body"] = serde_json::json!({ "type": "no_such_type" });
        wire.publish(&topic, serde_json::to_vec(&unknown).unwrap());
    }
    for topic in ["sos/v1/kiosk/north/no-such-kind", "sos/v1/kiosk/NORTH/alarm", "sos/v1/kiosk/no kiosk/state"] {
        wire.publish(topic, first.clone());
    }
    // Another kiosk's incident, in every message that can name one.
    south.say(Up::Alarm, alarm(id));
    south.say(Up::Event, IncidentEvent { incident: id, what: IncidentReport::PressedAgain { presses: 99 } });
    let marks = [(Mark::Kept, 1), (Mark::Answered, 2)].into();
    south.say(Up::Event, IncidentEvent { incident: id, what: IncidentReport::Timing { marks } });
    south.say(Up::Event, IncidentEvent { incident: IncidentId::fresh(), what: IncidentReport::Closed });
    // Stale: a heartbeat and an offer older than the newest of the same run.
    let old = encode(&Envelope { seq: 0, ..wire.wrap(heartbeat(2)) }).unwrap();
    wire.publish(&Up::Heartbeat.of(&wire.kiosk), old);
    let offer = SessionOffer { session: SessionId::fresh(), sdp: "not an offer".to_owned() };
    wire.say(Up::Signal, SignalUp::Offer(offer));

    // Duplicated: the very message, and the same incident in a new one. Both are acknowledged.
    wire.publish(&Up::Alarm.of(&wire.kiosk), first);
    assert_eq!(wire.hear::<AlarmAck>(Down::Ack).await.incident, id);
    wire.say(Up::Alarm, Alarm { attempt: 2, ..alarm(id) });
    assert_eq!(wire.hear::<AlarmAck>(Down::Ack).await.incident, id);

    assert_eq!(count(&centre).await, 1);
    let officer = centre.officer("ana").await;
    let found = officer.json(&format!("/api/incidents/{id}")).await;
    assert_eq!(found["incident"]["presses"], 1);
    assert_eq!(found["incident"]["kiosk"], "north");
    assert!(found["incident"]["timing"]["kept"].is_null());
    centre.stop().await;
}

#[tokio::test]
async fn an_offer_that_is_none_is_answered_and_not_taken() {
    let (place, broker, centre) = world(&["north"]).await;
    let mut wire = kiosk(&place, "north", broker.port).await;
    let offer = SessionOffer { session: SessionId::fresh(), sdp: "not an offer".to_owned() };
    wire.say(Up::Signal, SignalUp::Offer(offer));
    let answer: SignalDown = wire.hear(Down::Signal).await;
    assert!(matches!(answer, SignalDown::Reoffer { .. }), "{answer:?}");
    centre.stop().await;
}

#[tokio::test]
async fn an_open_alarm_survives_the_centre_and_is_not_doubled() {
    let (place, broker, centre) = world(&["north"]).await;
    let mut wire = kiosk(&place, "north", broker.port).await;
    let id = IncidentId::fresh();
    wire.say(Up::Alarm, alarm(id));
    assert_eq!(wire.hear::<AlarmAck>(Down::Ack).await.incident, id);
    centre.stop().await;

    let centre = place.start().await;
    let officer = centre.officer("ana").await;
    let (mut page, hello) = Page::open(&centre, &officer).await;
    let ToPage::Hello { incidents, .. } = hello else { panic!("{hello:?}") };
    assert_eq!(incidents.iter().map(|view| view.id).collect::<Vec<_>>(), [id]);
    let ack = wire.acknowledged(Alarm { attempt: 2, ..alarm(id) }).await;
    assert_eq!(ack, AlarmAck { incident: id, standing: Standing::Waiting });
    page.say(&FromPage::Close { incident: id, verdict: Verdict::Prank, note: String::new() }).await;
    wire.ordered(id, Standing::Closed).await;
    // The kiosk has lost its memory and says the alarm again: closed it stays, over another restart too.
    centre.stop().await;
    let centre = place.start().await;
    let closed = async {
        // Acknowledgements of what was said before may still be on their way.
        while wire.acknowledged(Alarm { attempt: 3, ..alarm(id) }).await.standing != Standing::Closed {}
    };
    soon("closed", closed).await;
    assert_eq!(count(&centre).await, 1);
    centre.stop().await;
}

#[tokio::test]
async fn an_alarm_that_waits_for_the_broker_is_there_within_two_seconds_of_its_return() {
    let (place, mut broker, centre) = world(&["north"]).await;
    let mut wire = kiosk(&place, "north", broker.port).await;
    broker.kill().await;
    let down = |h: &Happening| matches!(h, Happening::Down { .. });
    soon("the broken line", async { while !down(&wire.happenings.recv().await.unwrap()) {} }).await;
    let id = IncidentId::fresh();
    wire.say(Up::Alarm, alarm(id));
    let _broker = Broker::start(place.dir.path(), broker.port).await;
    let back = Instant::now();
    assert_eq!(wire.acknowledged(alarm(id)).await.incident, id);
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    assert_eq!(count(&centre).await, 1);
    centre.stop().await;
}

#[tokio::test]
async fn a_page_that_vanishes_gives_its_call_back_within_five_seconds() {
    let (place, broker, centre) = world(&["north"]).await;
    let mut wire = kiosk(&place, "north", broker.port).await;
    let (ana, bek) = (centre.officer("ana").await, centre.officer("bek").await);
    let (mut page, _) = Page::open(&centre, &ana).await;
    page.say(&FromPage::Duty { on: true }).await;
    let id = IncidentId::fresh();
    wire.say(Up::Alarm, alarm(id));
    page.incident_when("the alarm", |view| view.id == id).await;
    page.say(&FromPage::Answer { incident: id }).await;
    wire.ordered(id, Standing::Answered).await;
    let (mut other, _) = Page::open(&centre, &bek).await;
    other.say(&FromPage::Duty { on: true }).await;
    other.say(&FromPage::Answer { incident: id }).await;
    assert_eq!(other.refused().await, ("answer".to_owned(), "already answered by ana".to_owned()));
    drop(page);
    let vanished = Instant::now();
    other.incident_when("waiting again", |view| view.standing == Standing::Waiting).await;
    assert!(vanished.elapsed() < Duration::from_secs(5));
    wire.ordered(id, Standing::Waiting).await;
    centre.stop().await;
}
