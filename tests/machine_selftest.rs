//! The full self-test's rules, each as a story on simulated time: when it runs, what it asks for, what a press does.

use std::time::Duration;

use sos::machine::selftest::{Heard, Plan, TestEffect, TestEvent};
use sos::machine::{Effect, Event, Live, Machine, Settings};
use sos::wire::down::Standing;
use sos::wire::selftest::{CallSeen, LastTest};
use sos::wire::up::{FaultKind, PressOrigin, TestOutcome, TestPart};
use sos::wire::{IncidentId, SessionId};
use uuid::Uuid;

/// The kiosk's start: 21 September 2026, noon, on a clock without a time zone.
const NOON_US: i64 = 1_790_000_000_000_000 / 86_400_000_000 * 86_400_000_000 + 12 * 3_600_000_000;
const HOUR: u64 = 3600;
const TEST: IncidentId = IncidentId(Uuid::from_u128(7));
const ALARM: IncidentId = IncidentId(Uuid::from_u128(8));
const GOOD: CallSeen = CallSeen { frames: 70, key_frames: 3, sound_packets: 150 };

struct Kiosk {
    machine: Machine,
    now: Duration,
    did: Vec<String>,
}

impl Kiosk {
    fn new(last: Option<LastTest>) -> Self {
        Self::with(Settings::default(), last)
    }

    fn with(settings: Settings, last: Option<LastTest>) -> Self {
        let mut kiosk = Self { machine: Machine::new(settings), now: Duration::ZERO, did: Vec::new() };
        for event in [Event::LinkUp, Event::CentrePresent(true), Event::LegUp] {
            kiosk.happens(event);
        }
        if let Some(last) = last {
            kiosk.test(TestEvent::Restored(last));
        }
        kiosk
    }

    fn happens(&mut self, event: Event) {
        let effects = self.machine.handle(event, self.now);
        self.did.extend(effects.iter().filter_map(say));
    }

    fn test(&mut self, event: TestEvent) {
        self.happens(Event::Test(event));
    }

    /// Time passes until `second`: deadlines are kept, and the clock is told every two seconds.
    fn until(&mut self, second: u64) {
        let until = Duration::from_secs(second);
        while self.now < until {
            let told = Duration::from_secs(self.now.as_secs() / 2 * 2 + 2);
            let due = self.machine.deadline().filter(|due| *due < told);
            self.now = due.unwrap_or(told).max(self.now);
            if due.is_some() {
                self.happens(Event::Tick);
                assert!(self.machine.deadline().is_none_or(|next| next > self.now), "the deadline did not move on");
                continue;
            }
            let since_us = i64::try_from(self.now.as_micros()).expect("a short story");
            let day_s = u32::try_from((12 * HOUR + self.now.as_secs()) % 86_400).expect("a day");
            self.test(TestEvent::Clock { wall_us: NOON_US + since_us, day_s, test: TEST });
        }
    }

    /// What was done since the last call.
    fn did(&mut self) -> String {
        std::mem::take(&mut self.did).join(", ")
    }

    fn found(&mut self, part: TestPart, outcome: TestOutcome) {
        self.test(TestEvent::Found { part, outcome, detail: "so".to_owned() });
    }

    /// The test call goes as it should.
    fn call_works(&mut self) {
        self.happens(Event::Acknowledged { incident: TEST, standing: Standing::Waiting });
        self.test(TestEvent::Heard(Heard { level_db: -3, delay_ms: 80 }));
        self.test(TestEvent::Over { test: TEST, seen: GOOD });
    }

    fn whole_test_works(&mut self) {
        self.found(TestPart::Camera, TestOutcome::Passed);
        self.call_works();
    }

    fn faults(&self) -> Vec<String> {
        let faults = self.machine.faults();
        faults.into_iter().filter(|fault| fault.kind == FaultKind::NotProved).map(|fault| fault.detail).collect()
    }
}

/// In a word; what has nothing to do with the test or an alarm is left out.
fn say(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Test(TestEffect::Part(part)) => format!("test {part:?}"),
        Effect::Test(TestEffect::Call { attempt, offer, .. }) => {
            format!("call {attempt}{}", if offer.is_some() { " with offer" } else { "" })
        }
        Effect::Test(TestEffect::Probe { on }) => format!("probe {}", if *on { "on" } else { "off" }),
        Effect::Test(TestEffect::Step { part, outcome: Some(outcome), .. }) => format!("{part:?} {outcome:?}"),
        Effect::Test(TestEffect::Step { outcome: None, .. }) => return None,
        Effect::Test(TestEffect::Ended(last)) => format!("ended {}", if last.good { "good" } else { "bad" }),
        Effect::Test(TestEffect::BrokenOff) => "broken off".to_owned(),
        Effect::SendAlarm { attempt, .. } => format!("ALARM {attempt}"),
        Effect::OpenGate => "gate open".to_owned(),
        Effect::CloseGate => "gate shut".to_owned(),
        Effect::HangUp => "hang up".to_owned(),
        Effect::MakeOffer => "make offer".to_owned(),
        Effect::Keep { .. } => "keep".to_owned(),
        Effect::StartRecording { .. } => "record".to_owned(),
        Effect::Lamp(lamp, light) => format!("{lamp:?} {light:?}"),
        _ => return None,
    })
}

fn press() -> Event {
    Event::Pressed { origin: PressOrigin::Button, incident: ALARM }
}

fn good(hours_ago: i64) -> LastTest {
    LastTest { ended_wall_us: NOON_US - hours_ago * 3_600_000_000, good: true, failed: vec![], why: None }
}

#[test]
fn a_new_kiosk_is_tested_after_ten_minutes_and_proved_by_it() {
    let mut kiosk = Kiosk::new(None);
    kiosk.until(598);
    assert_eq!(kiosk.did(), "");
    kiosk.until(600);
    assert_eq!(kiosk.did(), "test Camera");
    kiosk.found(TestPart::Camera, TestOutcome::Passed);
    assert_eq!(kiosk.did(), "Camera Passed, call 1");
    kiosk.happens(Event::Acknowledged { incident: TEST, standing: Standing::Waiting });
    assert_eq!(kiosk.did(), "gate open, probe on", "and neither lamp, prompt nor recording");
    kiosk.test(TestEvent::Heard(Heard { level_db: -3, delay_ms: 80 }));
    assert_eq!(kiosk.did(), "", "the centre has its say as well");
    kiosk.test(TestEvent::Over { test: TEST, seen: GOOD });
    assert_eq!(kiosk.did(), "probe off, gate shut, hang up, Call Passed, ended good");
    let last = kiosk.machine.last_test().expect("a result");
    assert_eq!(last.ended_wall_us, NOON_US + 600_000_000);
    assert!(
        last.proves(NOON_US + 600_000_000 + 86_399_999_999) && !last.proves(NOON_US + 600_000_000 + 86_400_000_000)
    );
}

#[test]
fn the_next_ones_come_at_half_past_three_once_a_night() {
    let mut kiosk = Kiosk::new(Some(good(8)));
    let half_past_three = 15 * HOUR + HOUR / 2;
    kiosk.until(half_past_three - 2);
    assert_eq!(kiosk.did(), "");
    kiosk.until(half_past_three);
    assert_eq!(kiosk.did(), "test Camera");
    kiosk.whole_test_works();
    assert!(kiosk.did().ends_with("ended good"));
    kiosk.until(half_past_three + 24 * HOUR - 2);
    assert_eq!((kiosk.did().as_str(), kiosk.faults().len()), ("", 0));
    kiosk.until(half_past_three + 24 * HOUR);
    assert_eq!(kiosk.did(), "test Camera");
}

#[test]
fn the_hour_is_changed_while_it_runs_and_so_is_whether_there_is_one() {
    let mut kiosk = Kiosk::new(Some(good(8)));
    kiosk.until(HOUR);
    kiosk.happens(Event::Changed(Live { nightly: true, at_s: 22 * 3600, strobe_in_alarm: false }));
    kiosk.until(10 * HOUR - 2);
    assert_eq!(kiosk.did(), "", "nothing at once");
    kiosk.until(10 * HOUR);
    assert_eq!(kiosk.did(), "test Camera", "at ten in the evening");
    kiosk.whole_test_works();
    kiosk.did();
    kiosk.happens(Event::Changed(Live { nightly: false, at_s: 22 * 3600, strobe_in_alarm: false }));
    kiosk.until(80 * HOUR);
    assert_eq!((kiosk.did().as_str(), kiosk.faults().len()), ("", 0), "and nobody misses a proof");
}

#[test]
fn a_night_that_the_kiosk_slept_through_is_made_up_for_at_its_start() {
    let mut kiosk = Kiosk::new(Some(good(20)));
    kiosk.until(2);
    assert_eq!(kiosk.did(), "test Camera", "the last one was at four in the afternoon");
}

#[test]
fn a_failure_is_a_fault_is_tried_once_more_and_then_not_until_the_night() {
    let mut kiosk = Kiosk::new(None);
    kiosk.until(600);
    kiosk.found(TestPart::Camera, TestOutcome::Failed);
    kiosk.call_works();
    assert!(kiosk.did().ends_with("Call Passed, ended bad, Fault On"), "the other parts are tested all the same");
    assert_eq!(kiosk.faults(), ["the last full self-test failed: camera (so)"]);
    kiosk.until(1198);
    assert_eq!(kiosk.did(), "");
    kiosk.until(1200);
    assert_eq!(kiosk.did(), "test Camera");
    kiosk.found(TestPart::Camera, TestOutcome::Failed);
    kiosk.call_works();
    kiosk.did();
    kiosk.until(15 * HOUR);
    assert_eq!(kiosk.did(), "", "twice is enough for a day");
    kiosk.until(15 * HOUR + HOUR / 2);
    assert_eq!(kiosk.did(), "test Camera");
    kiosk.whole_test_works();
    assert!(kiosk.did().ends_with("ended good, Fault Off"));
    assert_eq!(kiosk.faults().len(), 0);
}

#[test]
fn a_press_ends_the_test_call_and_nothing_of_it_is_in_the_alarms_way() {
    let mut kiosk = Kiosk::new(None);
    kiosk.until(600);
    kiosk.found(TestPart::Camera, TestOutcome::Passed);
    kiosk.happens(Event::Acknowledged { incident: TEST, standing: Standing::Waiting });
    kiosk.did();
    kiosk.happens(press());
    kiosk.happens(Event::Released { origin: PressOrigin::Button });
    assert_eq!(
        kiosk.did(),
        "Sent Blinking, ALARM 1, gate open, record, keep, probe off, Call NotTested, broken off",
        "the alarm first, and its gate stays open"
    );
    assert_eq!(kiosk.machine.testing(), None);
    // What still comes of the test is nobody's.
    kiosk.test(TestEvent::Heard(Heard { level_db: 0, delay_ms: 1 }));
    kiosk.test(TestEvent::Over { test: TEST, seen: GOOD });
    kiosk.found(TestPart::Camera, TestOutcome::Failed);
    assert_eq!(kiosk.did(), "");
    kiosk.happens(Event::Acknowledged { incident: ALARM, standing: Standing::Waiting });
    assert_eq!(kiosk.did(), "Sent On");
    kiosk.until(2000);
    assert_eq!(kiosk.did(), "", "no test while an incident is open");
    kiosk.test(TestEvent::Wanted { test: TEST });
    assert_eq!(kiosk.did(), "broken off", "not even when somebody asks");
    kiosk.happens(Event::Stands { incident: ALARM, standing: Standing::Closed, verdict: None });
    kiosk.did();
    kiosk.until(2004);
    assert_eq!(kiosk.did(), "test Camera");
}

#[test]
fn a_press_while_a_part_is_tested_is_an_alarm_like_any() {
    let mut kiosk = Kiosk::new(None);
    kiosk.until(600);
    kiosk.did();
    kiosk.happens(press());
    assert_eq!(kiosk.did(), "Sent Blinking, ALARM 1, gate open, record, keep, Camera NotTested, broken off");
}

#[test]
fn a_test_call_is_said_again_like_an_alarm_and_fails_when_nobody_answers() {
    let mut kiosk = Kiosk::new(None);
    kiosk.until(600);
    kiosk.found(TestPart::Camera, TestOutcome::Passed);
    kiosk.did();
    kiosk.until(604);
    assert_eq!(kiosk.did(), "call 2, call 3, call 4");
    kiosk.until(626);
    assert!(kiosk.did().ends_with("gate shut, hang up, Call Failed, ended bad, Fault On"));
}

#[test]
fn bytes_alone_prove_no_sound_and_a_standing_picture_no_camera() {
    for (heard, seen) in
        [(false, GOOD), (true, CallSeen { frames: 1, ..GOOD }), (true, CallSeen { key_frames: 0, ..GOOD })]
    {
        let mut kiosk = Kiosk::new(None);
        kiosk.until(600);
        kiosk.found(TestPart::Camera, TestOutcome::Passed);
        kiosk.happens(Event::Acknowledged { incident: TEST, standing: Standing::Waiting });
        if heard {
            kiosk.test(TestEvent::Heard(Heard { level_db: 0, delay_ms: 1 }));
        }
        kiosk.test(TestEvent::Over { test: TEST, seen });
        kiosk.until(606);
        assert!(kiosk.did().contains("Call Failed"), "{heard} {seen:?}");
    }
}

#[test]
fn without_a_standby_leg_the_offer_travels_in_the_test_call() {
    let mut kiosk = Kiosk::with(Settings { standby: false, ..Settings::default() }, None);
    kiosk.happens(Event::LegDown);
    kiosk.until(600);
    kiosk.found(TestPart::Camera, TestOutcome::Passed);
    assert!(kiosk.did().ends_with("call 1, make offer"));
    kiosk.happens(Event::OfferMade { session: SessionId(Uuid::from_u128(1)), sdp: "sdp".to_owned() });
    assert_eq!(kiosk.did(), "call 2 with offer");
    kiosk.happens(Event::Acknowledged { incident: TEST, standing: Standing::Waiting });
    assert_eq!(kiosk.did(), "");
    kiosk.happens(Event::LegUp);
    assert_eq!(kiosk.did(), "gate open, probe on");
    kiosk.test(TestEvent::Heard(Heard { level_db: -3, delay_ms: 80 }));
    kiosk.test(TestEvent::Over { test: TEST, seen: GOOD });
    assert_eq!(kiosk.did(), "probe off, gate shut, hang up, Call Passed, ended good");
}

#[test]
fn a_part_whose_test_hangs_is_given_up_and_the_others_go_on() {
    let mut kiosk = Kiosk::new(None);
    kiosk.until(600);
    kiosk.did();
    kiosk.until(690);
    assert_eq!(kiosk.did(), "Camera Failed, call 1");
}

#[test]
fn a_kiosk_that_never_proves_itself_and_one_whose_proof_is_old_are_faults() {
    let patient = Settings {
        selftest: Plan { first_after: Duration::from_secs(9 * HOUR), ..Plan::default() },
        ..Settings::default()
    };
    let mut kiosk = Kiosk::with(patient, None);
    kiosk.until(HOUR - 2);
    assert_eq!(kiosk.faults().len(), 0);
    kiosk.until(HOUR);
    assert!(kiosk.faults()[0].contains("found none"));
    // A test at every slot, and none ever ends well: the last good one grows old.
    let mut kiosk = Kiosk::new(Some(good(4)));
    kiosk.happens(press());
    kiosk.until(22 * HOUR);
    assert_eq!(kiosk.faults().len(), 0);
    kiosk.until(22 * HOUR + 4);
    assert!(kiosk.faults()[0].contains("older than 26 h"));
}

#[test]
fn a_test_that_is_due_waits_a_while_for_the_centre() {
    let mut kiosk = Kiosk::new(None);
    kiosk.happens(Event::LinkDown);
    kiosk.until(898);
    assert_eq!(kiosk.did(), "");
    kiosk.until(900);
    assert_eq!(kiosk.did(), "test Camera", "and then finds out what is wrong");
}
