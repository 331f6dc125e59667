//! Scripts for the desk's tests: what happens as text, and what the desk does about it as text.
//!
//! A line is a time in seconds and what happens: `2.5 page 1 answers A`. Incidents are single capitals,
//! kiosks and officers names, pages numbers. The desk is woken whenever it has asked to be.

use std::collections::BTreeMap;
use std::fmt::Write;

use uuid::Uuid;

use super::{Desk, Effect, Event, Now};
use crate::centre::gateway::{GatewayCommand, GatewayEvent};
use crate::centre::page::{FromPage, RecordingView, ToPage};
use crate::wire::down::{OrderKind, Standing, Verdict};
use crate::wire::evidence::ChainHead;
use crate::wire::selftest::{CallSeen, LastTest, TestCall};
use crate::wire::up::{
    Alarm, ButtonLine, Heartbeat, IncidentEvent, IncidentReport, KioskState, Place, PressOrigin, SessionOffer,
    SignalUp, Vitals,
};
use crate::wire::{IncidentId, KioskId, SessionId};
use crate::wire::{Output, OutputState};

/// Wall clock of second 0.
pub const START_US: i64 = 1_700_000_000_000_000;

pub fn incident(name: &str) -> IncidentId {
    let letter = name.bytes().next().expect("an incident is a capital");
    IncidentId(Uuid::from_u128(u128::from(letter)))
}

fn letter(id: IncidentId) -> char {
    // One that no script names.
    u8::try_from(id.0.as_u128()).map_or('*', char::from)
}

pub fn kiosk(name: &str) -> KioskId {
    name.parse().expect("a kiosk's name")
}

pub fn at(seconds: f64) -> Now {
    let us = (seconds * 1e6).round() as u64;
    Now { mono_us: us, wall_us: START_US + us as i64 }
}

pub fn alarm(incident: IncidentId, pressed_wall_us: i64) -> Alarm {
    Alarm {
        incident,
        origin: PressOrigin::Button,
        pressed_wall_us,
        pressed_mono_us: None,
        attempt: 1,
        presses: 1,
        clock_offset_us: Some(0),
        place: Place { name: "park".to_owned(), position_e6: None },
        offer: None,
    }
}

pub fn heartbeat(clock_offset_us: Option<i64>) -> Heartbeat {
    Heartbeat {
        nonce: 7,
        frame_age_ms: Some(20),
        sound_age_ms: Some(10),
        mic_dbfs: Some(-60.0),
        button: ButtonLine::Released,
        second_button: None,
        outputs: vec![],
        leg_up: true,
        echo_age_ms: None,
        clock_offset_us,
        faults: vec![],
        uptime_s: 1,
        undelivered: 0,
        last_test: None,
        board: Vitals::default(),
    }
}

/// A desk with a script's memory of time.
pub struct Stage {
    pub desk: Desk,
    pub told: String,
}

impl Stage {
    pub fn new() -> Self {
        Self { desk: Desk::new("test".to_owned()), told: String::new() }
    }

    /// Plays a script and gives what the desk did, one effect a line. Lines of `but` are left out.
    pub fn play(&mut self, script: &str, but: &[&str]) -> String {
        self.told.clear();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (time, what) = line.split_once(' ').expect("a time and what happens");
            let seconds: f64 = time.parse().expect("a time in seconds");
            self.wake_until(at(seconds).mono_us);
            if what != "nothing" {
                let effects = self.desk.handle(event(what, at(seconds)), at(seconds));
                self.write(seconds, effects);
            }
        }
        let kept = self.told.lines().filter(|line| !but.iter().any(|word| line.contains(word)));
        kept.collect::<Vec<_>>().join("\n")
    }

    fn wake_until(&mut self, mono_us: u64) {
        while let Some(due) = self.desk.deadline().filter(|due| *due <= mono_us) {
            let seconds = due as f64 / 1e6;
            let effects = self.desk.handle(Event::Tick, at(seconds));
            assert!(self.desk.deadline().is_none_or(|next| next > due), "the desk spins at {seconds} s");
            self.write(seconds, effects);
        }
    }

    fn write(&mut self, seconds: f64, effects: Vec<Effect>) {
        for effect in effects {
            writeln!(self.told, "{seconds} {}", text(&effect)).expect("a string takes everything");
        }
    }
}

/// Plays one script on an empty desk. What is not at issue in most stories is left out.
pub fn play(script: &str) -> String {
    Stage::new().play(script, &["< hello", "save kiosk", "< on duty", "first seen", "audit", "< kiosk", "echo"])
}

fn event(what: &str, now: Now) -> Event {
    let words: Vec<_> = what.split(' ').collect();
    match words.as_slice() {
        ["page", page, rest @ ..] => page_event(page.parse().expect("a page's number"), rest, now),
        ["store", "has", id] => stored(id),
        ["store", "fails", id] => Event::StoreFailed { incident: incident(id), why: "disk full".to_owned() },
        ["store", "grows", id, fragments] => Event::Recording {
            incident: incident(id),
            recording: RecordingView {
                header: true,
                fragments: fragments.parse().expect("a number"),
                ..RecordingView::default()
            },
        },
        ["archive", full] => Event::Archive { full: *full == "full" },
        ["leg", name, up] => Event::Gateway(GatewayEvent::KioskLeg { kiosk: kiosk(name), up: *up == "up" }),
        [name, rest @ ..] => kiosk_event(kiosk(name), rest, now),
        [] => unreachable!("split gives one word at least"),
    }
}

fn stored(id: &str) -> Event {
    Event::Stored { incident: incident(id), already: None, recording: RecordingView::default() }
}

fn kiosk_event(kiosk: KioskId, words: &[&str], now: Now) -> Event {
    let with = |alarm: Alarm| Event::Alarm { kiosk: kiosk.clone(), alarm: Box::new(alarm), age_us: None, synced: true };
    let report = |id: &str, what| {
        let report = Box::new(IncidentEvent { incident: incident(id), what });
        Event::Report { kiosk: kiosk.clone(), report }
    };
    match words {
        ["alarm", id] => with(alarm(incident(id), now.wall_us)),
        ["alarm", id, "presses", n] => {
            with(Alarm { presses: n.parse().expect("a number"), ..alarm(incident(id), now.wall_us) })
        }
        ["alarm", id, "offer", n] => {
            let session = SessionId(Uuid::from_u128(n.parse().expect("a number")));
            let offer = Some(SessionOffer { session, sdp: "sdp".to_owned() });
            with(Alarm { offer, ..alarm(incident(id), now.wall_us) })
        }
        ["tests", id] => Event::TestCall { kiosk, call: TestCall { test: incident(id), attempt: 1, offer: None } },
        ["test", "kept", id] => Event::TestKept { kiosk, test: incident(id) },
        ["signs", id, fragment] => {
            let (fragment, digest) = (fragment.parse().expect("a number"), "ab".repeat(32));
            Event::Head { kiosk, head: ChainHead { incident: incident(id), fragment, sealed: false, digest } }
        }
        ["tested"] => Event::Gateway(GatewayEvent::KioskTested { kiosk, seen: CallSeen::default() }),
        ["online"] | ["offline"] => Event::State {
            kiosk,
            state: KioskState { online: words == ["online"], version: "1".to_owned(), place: Place::default() },
        },
        ["beats"] => Event::Heartbeat { kiosk, beat: Box::new(heartbeat(Some(0))), sent_wall_us: now.wall_us },
        ["beats", "strobe", is] => {
            let outputs = vec![OutputState { output: Output::Strobe, on: *is == "on" }];
            let beat = Heartbeat { outputs, ..heartbeat(Some(0)) };
            Event::Heartbeat { kiosk, beat: Box::new(beat), sent_wall_us: now.wall_us }
        }
        ["beats", "proved", hours] => {
            let age_us = (hours.parse::<f64>().expect("hours") * 3.6e9) as i64;
            let last = LastTest { ended_wall_us: now.wall_us - age_us, good: true, failed: vec![], why: None };
            let beat = Heartbeat { last_test: Some(last), ..heartbeat(Some(0)) };
            Event::Heartbeat { kiosk, beat: Box::new(beat), sent_wall_us: now.wall_us }
        }
        ["beats", "late", seconds] => {
            let late = (seconds.parse::<f64>().expect("seconds") * 1e6) as i64;
            Event::Heartbeat { kiosk, beat: Box::new(heartbeat(Some(0))), sent_wall_us: now.wall_us - late }
        }
        ["presses", id, n] => report(id, IncidentReport::PressedAgain { presses: n.parse().expect("a number") }),
        ["has", "closed", id] => report(id, IncidentReport::Closed),
        ["timing", id, mark, ms] => {
            let mark = serde_json::from_str(&format!("{mark:?}")).expect("a mark");
            let at = START_US + ms.parse::<i64>().expect("milliseconds") * 1000;
            report(id, IncidentReport::Timing { marks: BTreeMap::from([(mark, at)]) })
        }
        ["offers", n] => {
            let session = SessionId(Uuid::from_u128(n.parse().expect("a number")));
            Event::Signal { kiosk, signal: SignalUp::Offer(SessionOffer { session, sdp: "sdp".to_owned() }) }
        }
        other => panic!("no such line: {other:?}"),
    }
}

fn page_event(page: u64, words: &[&str], now: Now) -> Event {
    let said = match words {
        ["opens", officer] => return Event::PageOpened { page, officer: (*officer).to_owned() },
        ["closes"] => return Event::PageClosed { page },
        ["on", "duty"] => FromPage::Duty { on: true },
        ["off", "duty"] => FromPage::Duty { on: false },
        ["offers"] => FromPage::Offer { sdp: "sdp".to_owned() },
        ["watches", "nothing"] => FromPage::Watch { incident: None },
        ["watches", id] => FromPage::Watch { incident: Some(incident(id)) },
        ["answers", id] => FromPage::Answer { incident: incident(id) },
        ["switches", id, output, on] => FromPage::Switch {
            incident: incident(id),
            output: serde_json::from_str(&format!("{output:?}")).expect("an output"),
            on: *on == "on",
        },
        ["holds", id] => FromPage::Hold { incident: incident(id) },
        ["shuts", id] => FromPage::Close { incident: incident(id), verdict: Verdict::Real, note: "fine".to_owned() },
        ["marks", id, mark] => FromPage::Mark {
            incident: incident(id),
            mark: serde_json::from_str(&format!("{mark:?}")).expect("a mark"),
            at_us: now.wall_us,
        },
        ["wants", "key", "frame"] => FromPage::KeyFrame,
        ["pings"] => FromPage::Ping { page_us: 0, offset_us: Some(0), round_trip_us: None },
        other => panic!("no such line: {other:?}"),
    };
    Event::PageSaid { page, said }
}

/// A unit value as the wire writes it.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).expect("a word of the wire")
}

fn text(effect: &Effect) -> String {
    match effect {
        Effect::ToPage { page, message } => format!("page {page} < {}", message_text(message)),
        Effect::ToAllPages(message) => format!("pages < {}", message_text(message)),
        Effect::DropPage { page, why } => format!("drop page {page}: {why}"),
        Effect::Gateway(command) => format!("gateway < {}", gateway_text(command)),
        Effect::SaveNew(record) => format!("save new {}", letter(record.view.id)),
        Effect::Save(record) => format!("save {} {}", letter(record.view.id), word(&record.view.standing)),
        Effect::SaveKiosk(view) => format!("save kiosk {}", view.id),
        Effect::Ack { kiosk, incident, standing } => format!("ack {kiosk} {} {}", letter(*incident), word(standing)),
        Effect::Echo { kiosk, .. } => format!("echo {kiosk}"),
        Effect::Order { kiosk, what: OrderKind::Stands { incident, standing, verdict } } => {
            let verdict = verdict.map(|v| format!(" {}", word(&v))).unwrap_or_default();
            format!("order {kiosk} {} {}{verdict}", letter(*incident), word(standing))
        }
        Effect::Order { kiosk, what: OrderKind::Switch { incident, output, on } } => {
            let on = if *on { "on" } else { "off" };
            format!("order {kiosk} {} {} {on}", letter(*incident), output.name())
        }
        Effect::Order { kiosk, what: OrderKind::KeyFrame } => format!("order {kiosk} key frame"),
        Effect::Order { kiosk, what: OrderKind::TestOver { test, .. } } => {
            format!("order {kiosk} {} test over", letter(*test))
        }
        Effect::KeepHead(head) => format!("keep head {} {}", letter(head.incident), head.fragment),
        Effect::KeepTest { kiosk, test } => format!("keep test {kiosk} {}", letter(*test)),
        Effect::Signal { kiosk, .. } => format!("signal {kiosk}"),
        Effect::Audit { who, what, incident } => {
            format!("audit {who}: {what}{}", incident.map(|id| format!(" ({})", letter(id))).unwrap_or_default())
        }
        Effect::Rejected { kiosk, why } => format!("rejected {kiosk} {why:?}"),
    }
}

fn message_text(message: &ToPage) -> String {
    match message {
        ToPage::Hello { incidents, .. } => {
            let shown: String = incidents.iter().map(|i| format!(" {} {}", letter(i.id), word(&i.standing))).collect();
            format!("hello{shown}")
        }
        ToPage::Incident { incident } => {
            let owner = incident.owner.as_ref().map(|o| format!(" {o}")).unwrap_or_default();
            let fragments = incident.recording.fragments;
            let recording = if fragments > 0 { format!(" {fragments} fragments") } else { String::new() };
            let ended = if incident.kiosk_closed && incident.standing != Standing::Closed { " ended" } else { "" };
            format!("{} {}{owner}{recording}{ended}", letter(incident.id), word(&incident.standing))
        }
        ToPage::Kiosk { kiosk } => {
            let leg = if kiosk.leg_up { " leg" } else { "" };
            let proved = if kiosk.proved { " proved" } else { "" };
            format!("kiosk {} {}{leg}{proved}", kiosk.id, if kiosk.alive { "alive" } else { "dead" })
        }
        ToPage::Archive { full } => format!("archive {}", if *full { "full" } else { "has room" }),
        ToPage::OnDuty { officers } => format!("on duty {}", officers.join(",")),
        ToPage::Answer { .. } => "answer".to_owned(),
        ToPage::Watching { incident } => {
            format!("watching {}", incident.map_or("nothing".to_owned(), |id| letter(id).to_string()))
        }
        ToPage::Reoffer => "reoffer".to_owned(),
        ToPage::Pong { .. } => "pong".to_owned(),
        ToPage::Refused { request, why } => format!("refused {request}: {why}"),
    }
}

fn gateway_text(command: &GatewayCommand) -> String {
    match command {
        GatewayCommand::KioskOffer { kiosk, session, .. } => format!("offer of {kiosk} {}", session.0.as_u128()),
        GatewayCommand::KioskBye { kiosk, .. } => format!("bye of {kiosk}"),
        GatewayCommand::PageOffer { page, .. } => format!("offer of page {page}"),
        GatewayCommand::PageGone { page } => format!("page {page} gone"),
        GatewayCommand::Carry { page, kiosk, sound } => {
            let kiosk = kiosk.as_ref().map_or("nothing".to_owned(), ToString::to_string);
            format!("page {page} gets {kiosk}{}", if *sound { " with sound" } else { "" })
        }
        GatewayCommand::Alarm { kiosk, open } => format!("alarm of {kiosk} {}", if *open { "open" } else { "over" }),
        GatewayCommand::Test { kiosk, open } => format!("test of {kiosk} {}", if *open { "open" } else { "over" }),
        GatewayCommand::KeyFrame { page } => format!("key frame for page {page}"),
    }
}
