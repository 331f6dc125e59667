//! `sos-ctl selftest` against the real shell: steps as they happen, exit codes, and what a press is meanwhile.
#![cfg(feature = "kiosk")]

mod kiosk_here;

use std::process::Stdio;

use kiosk_here::{BOUND, Kiosk, Told};
use sos::kiosk::ports::Saying;
use sos::machine::Event;
use sos::machine::selftest::{Heard, TestEvent};
use sos::machine::words::{Lamp, Light};
use sos::wire::IncidentId;
use sos::wire::down::Standing;
use sos::wire::selftest::CallSeen;
use sos::wire::up::{PressOrigin, TestOutcome, TestPart, TestReport};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

struct Ctl {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Ctl {
    fn start(kiosk: &Kiosk, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sos-ctl"))
            .arg("--socket")
            .arg(&kiosk.socket)
            .arg("selftest")
            .args(args)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        timeout(BOUND, self.lines.next_line()).await.expect("in time").expect("readable").unwrap_or_default()
    }

    async fn code(&mut self) -> Option<i32> {
        timeout(BOUND, self.child.wait()).await.expect("in time").expect("it ends").code()
    }
}

fn logged(told: Told) -> Option<TestReport> {
    if let Told::Said(Saying::Test(report)) = told { Some(*report) } else { None }
}

async fn press(kiosk: &Kiosk) {
    let incident = IncidentId::fresh();
    kiosk.happens(Event::Pressed { origin: PressOrigin::Button, incident }).await;
    kiosk.happens(Event::Released { origin: PressOrigin::Button }).await;
}

fn alarm(told: Told) -> Option<()> {
    matches!(told, Told::Said(Saying::Alarm(_))).then_some(())
}

#[tokio::test]
async fn the_button_is_tested_without_an_alarm_and_logged_at_the_centre() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let mut ctl = Ctl::start(&kiosk, &["button"]);
    assert!(ctl.line().await.starts_with("button  ...        press the button once, within half a minute"));
    press(&kiosk).await;
    assert_eq!(ctl.line().await, "button  passed     the button was pressed; no alarm was made of it");
    assert_eq!(ctl.code().await, Some(0));
    let begins = kiosk.until(logged).await;
    assert_eq!((begins.part, begins.outcome), (TestPart::Button, None));
    let ends = kiosk
        .until(|told| {
            assert!(!matches!(told, Told::Said(Saying::Alarm(_))), "a test is no alarm");
            logged(told)
        })
        .await;
    assert_eq!(ends.outcome, Some(TestOutcome::Passed));
    press(&kiosk).await;
    kiosk.until(alarm).await;
    kiosk.stop().await;
}

#[tokio::test]
async fn a_technician_who_goes_away_leaves_the_button_to_the_street() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let mut ctl = Ctl::start(&kiosk, &["button"]);
    ctl.line().await;
    ctl.child.kill().await.expect("killed");
    let ended = kiosk.until(|told| logged(told).filter(|report| report.outcome.is_some())).await;
    assert_eq!(ended.outcome, Some(TestOutcome::NotTested));
    press(&kiosk).await;
    kiosk.until(alarm).await;
    kiosk.stop().await;
}

#[tokio::test]
async fn a_press_during_a_test_of_the_lamps_is_an_alarm_and_takes_its_lamps() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let mut ctl = Ctl::start(&kiosk, &["lamp", "--json"]);
    let step: serde_json::Value = serde_json::from_str(&ctl.line().await).expect("JSON");
    assert_eq!((step["part"].as_str(), step["outcome"].as_str()), (Some("lamp"), None));
    kiosk.until(|told| matches!(told, Told::Lamp(Lamp::Sent, Light::On)).then_some(())).await;
    press(&kiosk).await;
    kiosk.until(alarm).await;
    kiosk.until(|told| matches!(told, Told::Lamp(Lamp::Sent, Light::Blinking)).then_some(())).await;
    let step: serde_json::Value = serde_json::from_str(&ctl.line().await).expect("JSON");
    assert_eq!(
        (step["outcome"].as_str(), step["detail"].as_str()),
        (Some("not_tested"), Some("broken off by an alarm"))
    );
    assert_eq!(ctl.code().await, Some(9), "asked for by name, and not tested");
    kiosk.stop().await;
}

#[tokio::test]
async fn lamps_shine_one_after_the_other_and_go_back_to_what_they_were() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let mut ctl = Ctl::start(&kiosk, &["lamp"]);
    for name in ["sent", "answered", "fault"] {
        assert!(ctl.line().await.contains(&format!("the lamp \"{name}\" shines")), "{name}");
    }
    assert!(ctl.line().await.starts_with("lamp    passed"));
    assert_eq!(ctl.code().await, Some(0));
    let mut lit = Vec::new();
    while lit.len() < 3 {
        lit.push(kiosk.until(|told| if let Told::Lamp(lamp, Light::On) = told { Some(lamp) } else { None }).await);
    }
    assert_eq!(lit, [Lamp::Sent, Lamp::Answered, Lamp::Fault]);
    kiosk.until(|told| matches!(told, Told::Lamp(Lamp::Fault, Light::Off)).then_some(())).await;
    kiosk.stop().await;
}

#[tokio::test]
async fn without_a_name_everything_is_tested_with_a_test_call_and_the_result_is_kept() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let mut ctl = Ctl::start(&kiosk, &[]);
    let call = kiosk.until(|told| if let Told::Said(Saying::TestCall(call)) = told { Some(*call) } else { None }).await;
    kiosk.happens(Event::Acknowledged { incident: call.test, standing: Standing::Waiting }).await;
    kiosk.until(|told| matches!(told, Told::Probe(true)).then_some(())).await;
    kiosk.happens(Event::Test(TestEvent::Heard(Heard { level_db: 0, delay_ms: 70 }))).await;
    let seen = CallSeen { frames: 70, key_frames: 3, sound_packets: 150 };
    kiosk.happens(Event::Test(TestEvent::Over { test: call.test, seen })).await;
    let mut outcomes = Vec::new();
    loop {
        let line = ctl.line().await;
        if line.is_empty() {
            break;
        }
        if !line.contains("...") {
            outcomes.push(line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
        }
    }
    assert_eq!(outcomes, ["camera passed", "call passed"]);
    assert_eq!(ctl.code().await, Some(0));
    let last = kiosk.until(|told| if let Told::Proof(last) = told { Some(last) } else { None }).await;
    assert!(last.good && last.failed.is_empty(), "{last:?}");
    let mut sound = Ctl::start(&kiosk, &["sound"]);
    assert_eq!(sound.line().await, "sound   not tested this kiosk has no test for it");
    assert_eq!(sound.code().await, Some(9));
    kiosk.stop().await;
}

#[tokio::test]
async fn two_tests_at_a_time_are_refused() {
    let kiosk = Kiosk::start(vec![]).up().await;
    let mut first = Ctl::start(&kiosk, &["button"]);
    first.line().await;
    let mut second = Ctl::start(&kiosk, &["camera"]);
    assert_eq!(second.code().await, Some(5));
    kiosk.stop().await;
}
