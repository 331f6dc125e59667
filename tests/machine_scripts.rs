//! The machine's rules, each as a story: lines of "time event" in, lines of "time effects" out, through one helper.

use std::time::Duration;

use sos::machine::words::Light;
use sos::machine::{Effect, Event, Machine, Settings};
use sos::wire::down::{Standing, Verdict};
use sos::wire::up::{Fault, FaultKind, IncidentReport, PressOrigin};
use sos::wire::{IncidentId, Output, SessionId};
use uuid::Uuid;

/// Plays `script` and returns what the machine did, a line for each instant at which it did something.
///
/// A step is `TIME EVENT`, steps are parted by `;` or line ends. Between two steps the machine is ticked at each of
/// its deadlines, as the shell does. Incidents are `A`, `B`, `C` in the order of the presses. `press` lets go at once,
/// `hold` does not.
fn play(script: &str) -> String {
    play_with(Settings::default(), script)
}

fn play_with(settings: Settings, script: &str) -> String {
    let mut machine = Machine::new(settings);
    let mut presses = 0;
    let mut lines = Vec::new();
    for step in script.split([';', '\n']).map(str::trim).filter(|step| !step.is_empty()) {
        let (time, event) = step.split_once(' ').unwrap_or_else(|| panic!("not `TIME EVENT`: {step}"));
        let time = parse_time(time);
        while let Some(due) = machine.deadline().filter(|due| *due < time) {
            let effects = machine.handle(Event::Tick, due);
            assert!(machine.deadline().is_none_or(|next| next > due), "the deadline did not move on at {due:?}");
            tell(&mut lines, due, &effects);
        }
        let effects = machine.handle(parse_event(event, &mut presses), time);
        tell(&mut lines, time, &effects);
        if let "press" | "press2" = event {
            let origin = origin(event);
            tell(&mut lines, time, &machine.handle(Event::Released { origin }, time));
        }
    }
    lines.join("\n")
}

fn tell(lines: &mut Vec<String>, at: Duration, effects: &[Effect]) {
    if !effects.is_empty() {
        let words: Vec<String> = effects.iter().map(say).collect();
        lines.push(format!("{}: {}", say_time(at), words.join(", ")));
    }
}

fn parse_time(text: &str) -> Duration {
    if let Some(ms) = text.strip_suffix("ms") {
        return Duration::from_millis(ms.parse().expect("a time"));
    }
    Duration::from_secs_f64(text.strip_suffix('s').expect("a time ends in s").parse().expect("a time"))
}

fn say_time(at: Duration) -> String {
    format!("{}s", at.as_secs_f64())
}

fn id(letter: char) -> IncidentId {
    IncidentId(Uuid::from_u128(letter as u128))
}

fn letter(incident: IncidentId) -> char {
    char::from(u8::try_from(incident.0.as_u128()).expect("ids of these tests are letters"))
}

fn parse_event(text: &str, presses: &mut u32) -> Event {
    let words: Vec<&str> = text.split(' ').collect();
    let incident = || id(words[1].chars().next().expect("an incident"));
    let mut fresh = || {
        *presses += 1;
        id(char::from(b'A' + u8::try_from((*presses - 1) % 26).expect("a letter")))
    };
    match words[0] {
        "press" | "press2" | "hold" | "hold2" => Event::Pressed { origin: origin(words[0]), incident: fresh() },
        "held" | "held2" => Event::HeldAtStart { origin: origin(words[0]), incident: fresh() },
        "release" | "release2" => Event::Released { origin: origin(words[0]) },
        "caseopen" => Event::Case { open: true },
        "caseclosed" => Event::Case { open: false },
        "switch" => Event::Switch { incident: incident(), output: output(words[2]), on: words[3] == "on" },
        "is" => Event::OutputIs { output: output(words[1]), on: words[2] == "on" },
        "kept" => Event::Kept { incident: incident() },
        "keepfailed" => Event::KeepFailed { incident: incident(), why: "disk full".to_owned() },
        "closenotkept" => Event::CloseNotKept { incident: incident(), why: "disk full".to_owned() },
        "restored" => Event::Restored {
            incident: incident(),
            origin: PressOrigin::Button,
            presses: 2,
            acknowledged: words.get(2) == Some(&"acked"),
        },
        "linkup" => Event::LinkUp,
        "linkdown" => Event::LinkDown,
        "centre" => Event::CentrePresent(true),
        "nocentre" => Event::CentrePresent(false),
        "sent" => Event::AlarmSent { incident: incident(), attempt: 1 },
        "acked" => Event::Acknowledged {
            incident: incident(),
            standing: words.get(2).map_or(Standing::Waiting, |word| standing(word)),
        },
        "stands" => Event::Stands {
            incident: incident(),
            standing: standing(words[2]),
            verdict: (words[2] == "closed").then_some(Verdict::Prank),
        },
        "keyframe" => Event::KeyFrameWanted,
        "legup" => Event::LegUp,
        "legdown" => Event::LegDown,
        "offer" => Event::OfferMade { session: SessionId(Uuid::from_u128(7)), sdp: "SDP".to_owned() },
        "recording" => Event::RecordingStarted { incident: incident() },
        "norecording" => Event::RecordingFailed { incident: incident(), why: "no space".to_owned() },
        "sealed" => Event::RecordingSealed { incident: incident(), fragments: 42 },
        "buttontest" => Event::ButtonTest,
        "buttontestover" => Event::ButtonTestOver,
        "control" => Event::Pressed { origin: PressOrigin::Control, incident: fresh() },
        "voice" => Event::VoiceHeard,
        "fault" => Event::FaultRaised(Fault { kind: FaultKind::CameraLost, detail: "gone".to_owned() }),
        "healed" => Event::FaultCleared(FaultKind::CameraLost),
        "tick" => Event::Tick,
        other => panic!("no such event: {other}"),
    }
}

/// The second button's events end in 2.
fn origin(word: &str) -> PressOrigin {
    if word.ends_with('2') { PressOrigin::SecondButton } else { PressOrigin::Button }
}

fn output(word: &str) -> Output {
    Output::ALL.into_iter().find(|output| output.name() == word).expect("an output")
}

fn standing(word: &str) -> Standing {
    match word {
        "waiting" => Standing::Waiting,
        "answered" => Standing::Answered,
        "onhold" => Standing::OnHold,
        "closed" => Standing::Closed,
        other => panic!("no such standing: {other}"),
    }
}

fn say(effect: &Effect) -> String {
    match effect {
        Effect::Test(_) => unreachable!("no clock is told in these stories"),
        Effect::Keep { incident, .. } => format!("keep {}", letter(*incident)),
        Effect::KeepAcknowledged { incident } => format!("keep-acked {}", letter(*incident)),
        Effect::KeepClosed { incident, verdict } => format!("keep-closed {} {verdict:?}", letter(*incident)),
        Effect::SendAlarm { incident, attempt, presses, offer } => {
            let offer = if offer.is_some() { " with offer" } else { "" };
            format!("alarm {} #{attempt} presses {presses}{offer}", letter(*incident))
        }
        Effect::Report { incident, what } => {
            let what = match what {
                IncidentReport::PressedAgain { presses } => format!("pressed {presses}"),
                IncidentReport::Closed => "closed".to_owned(),
                IncidentReport::TimedOut { after_s } => format!("timed out {after_s} s"),
                IncidentReport::RecordingSealed { fragments } => format!("sealed {fragments}"),
                IncidentReport::Timing { .. } => "timing".to_owned(),
            };
            format!("report {} {what}", letter(*incident))
        }
        Effect::Note { mark, .. } => format!("note {mark:?}"),
        Effect::Lamp(lamp, Light::Off) => format!("{lamp:?} off"),
        Effect::Lamp(lamp, Light::On) => format!("{lamp:?} on"),
        Effect::Lamp(lamp, Light::Blinking) => format!("{lamp:?} blinks"),
        Effect::Output { output, on } => format!("{} {}", output.name(), if *on { "on" } else { "off" }),
        Effect::Beat => "beat".to_owned(),
        Effect::Speak(prompt) => format!("say {prompt:?}"),
        Effect::Hush(prompt) => format!("hush {prompt:?}"),
        Effect::OpenGate => "open gate".to_owned(),
        Effect::CloseGate => "close gate".to_owned(),
        Effect::HangUp => "hang up".to_owned(),
        Effect::ForceKeyFrame => "key frame".to_owned(),
        Effect::Voice { open } => format!("voice {}", if *open { "open" } else { "closed" }),
        Effect::MakeOffer => "make offer".to_owned(),
        Effect::StartRecording { incident } => format!("record {}", letter(*incident)),
        Effect::StopRecording { incident } => format!("stop recording {}", letter(*incident)),
        Effect::ButtonTested { pressed } => format!("button tested: {pressed}"),
        Effect::RaiseFault(fault) => format!("fault {:?} ({})", fault.kind, fault.detail),
        Effect::ClearFault(kind) => format!("no fault {kind:?}"),
    }
}

/// Plays and compares with the lines that are expected; leading space does not count.
#[track_caller]
fn expect(script: &str, lines: &str) {
    expect_with(Settings::default(), script, lines);
}

#[track_caller]
fn expect_with(settings: Settings, script: &str, lines: &str) {
    let wanted: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(play_with(settings, script).lines().collect::<Vec<_>>(), wanted, "script: {script}");
}

const UP: &str = "0s linkup; 0s centre; 0s legup;";
/// What closing does, without its time and its verdict.
const CLOSING: &str = "voice closed, close gate, hang up, Sent off, Answered off, stop recording A, keep-closed A";

#[test]
fn a_press_does_everything_at_once_and_in_order() {
    expect(
        &format!("{UP} 1s press"),
        "1s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge",
    );
}

#[test]
fn without_a_leg_the_alarm_leaves_at_once_and_again_with_the_offer() {
    expect(
        "0s linkup; 0s centre; 1s press; 1.02s offer; 1.1s acked A; 1.2s legup",
        "1s: Sent blinks, alarm A #1 presses 1, make offer, record A, keep A, say Calling, note Edge
         1.02s: alarm A #2 presses 1 with offer
         1.1s: Sent on, keep-acked A, note Acknowledged
         1.2s: open gate",
    );
}

#[test]
fn an_offer_travels_in_every_resend_until_the_leg_is_up() {
    expect(
        "0s linkup; 0s centre; 1s press; 1.02s offer; 1.6s legup; 2s linkdown; 2.1s linkup",
        "1s: Sent blinks, alarm A #1 presses 1, make offer, record A, keep A, say Calling, note Edge
         1.02s: alarm A #2 presses 1 with offer
         1.52s: alarm A #3 presses 1 with offer
         1.6s: open gate
         2.1s: alarm A #4 presses 1",
    );
}

#[test]
fn a_dead_offer_travels_no_more_and_the_next_one_does() {
    let told = play("0s linkup; 0s centre; 0s press; 1s offer; 8s offer; 30s tick");
    let with = |from: f64, to: f64| {
        let times = told
            .lines()
            .map(|line| line.split_once(": ").expect("a line"))
            .map(|(time, did)| (time.trim_end_matches('s').parse::<f64>().expect("a time"), did));
        let alarms = times.filter(|(time, did)| (from..to).contains(time) && did.contains("alarm A"));
        alarms.map(|(_, did)| did.contains("with offer")).collect::<Vec<_>>()
    };
    for (from, to, travels) in [(1.0, 4.0, true), (4.0, 8.0, false), (8.0, 11.0, true), (11.0, 30.0, false)] {
        let sent = with(from, to);
        assert!(!sent.is_empty() && sent.iter().all(|with| *with == travels), "{from} to {to}: {told}");
    }
}

#[test]
fn an_offer_that_comes_too_late_goes_nowhere() {
    expect(&format!("{UP} 1s offer"), "");
}

#[test]
fn a_whole_call() {
    expect(
        &format!(
            "{UP} 1s press; 1.001s sent A; 1.004s kept A; 1.02s acked A; 1.3s recording A
             5s stands A answered; 5.1s voice; 5.2s voice; 6s keyframe; 30s stands A closed; 31s sealed A"
        ),
        &format!(
            "1s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
             1.001s: note Sent
             1.004s: note Kept
             1.02s: Sent on, keep-acked A, note Acknowledged
             5s: Answered on, voice open, note Connected, hush Calling
             5.1s: note FirstSoundDown
             6s: key frame
             30s: {CLOSING} Some(Prank), report A closed, say Closed
             31s: report A sealed 42"
        ),
    );
}

#[test]
fn the_alarm_is_resent_until_the_centre_acknowledges() {
    let told = play(&format!("{UP} 0s press; 9s acked A; 60s tick"));
    let times: Vec<Duration> = told
        .lines()
        .filter(|line| line.contains("alarm A"))
        .map(|line| parse_time(line.split(':').next().expect("a time")))
        .collect();
    let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    assert!((gaps[0] - 0.5).abs() < 1e-9, "{gaps:?}");
    assert!((0.8..=1.2).contains(&gaps[1]), "{gaps:?}");
    assert!(gaps[2..].iter().all(|gap| (1.6..=2.4).contains(gap)), "{gaps:?}");
    assert!(gaps.len() >= 4 && times.iter().all(|at| at.as_secs() < 9), "{times:?}");
}

#[test]
fn jitter_comes_from_the_seed() {
    let script = format!("{UP} 0s press; 20s tick");
    let with = |seed| play_with(Settings { seed, ..Settings::default() }, &script);
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
}

#[test]
fn the_alarm_leaves_at_once_when_the_link_or_the_centre_comes() {
    expect(
        "0s legup; 0s press; 0.1s linkup; 0.2s centre; 0.3s linkup; 0.3s centre; 0.4s acked A",
        "0s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
         0.1s: alarm A #2 presses 1
         0.2s: alarm A #3 presses 1
         0.4s: Sent on, keep-acked A, note Acknowledged",
    );
}

#[test]
fn after_an_outage_an_acknowledged_incident_asks_how_it_stands() {
    let told = play(&format!("{UP} 0s press; 0.1s acked A; 5s linkdown; 6s linkup; 6.1s acked A closed; 20s tick"));
    assert!(told.contains("6s: alarm A #2 presses 1\n"), "{told}");
    assert!(told.ends_with(&format!("6.1s: {CLOSING} None, report A closed, say Closed")), "{told}");
}

#[test]
fn any_standing_means_that_the_centre_has_it() {
    expect(
        &format!("{UP} 0s press; 0.1s stands A answered; 10s acked A answered"),
        "0s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
         0.1s: Sent on, keep-acked A, note Acknowledged, Answered on, voice open, note Connected, hush Calling",
    );
}

#[test]
fn a_further_press_joins_and_is_reported() {
    expect(
        &format!("{UP} 0s press; 0s acked A; 3s press; 3.2s press; 3.4s press; 12s press"),
        "0s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
         0s: Sent on, keep-acked A, note Acknowledged
         3s: report A pressed 2
         4s: report A pressed 4
         12s: report A pressed 5, say Calling",
    );
}

#[test]
fn a_press_after_the_close_opens_a_new_incident() {
    let told = play(&format!("{UP} 0s press; 0s acked A; 2s stands A closed; 3s press"));
    assert!(
        told.ends_with("3s: Sent blinks, alarm B #1 presses 1, open gate, record B, keep B, say Calling, note Edge"),
        "{told}"
    );
}

#[test]
fn a_stuck_button_is_one_alarm_and_a_fault() {
    expect(
        &format!("{UP} 0s hold; 0s acked A; 10s stands A closed; 600s release; 601s tick"),
        &format!(
            "0s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
             0s: Sent on, keep-acked A, note Acknowledged
             10s: {CLOSING} Some(Prank), report A closed, say Closed
             15s: fault ButtonStuck (expected a release, found it held for 15 s), Fault on
             600s: no fault ButtonStuck, Fault off"
        ),
    );
}

#[test]
fn a_press_on_a_line_thought_stuck_is_still_a_press() {
    let told = play(&format!("{UP} 0s hold; 0s acked A; 10s stands A closed; 20s press"));
    assert!(told.contains("20s: Sent blinks, alarm B #1"), "{told}");
    assert!(told.ends_with("no fault ButtonStuck, Fault off"), "{told}");
}

#[test]
fn a_line_held_at_start_and_let_go_was_a_person() {
    expect(
        &format!("{UP} 0s held; 2s release"),
        "2s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge",
    );
}

#[test]
fn a_line_held_at_start_for_long_is_a_fault_and_no_alarm() {
    expect(
        &format!("{UP} 0s held; 20s release; 21s tick"),
        "15s: fault ButtonStuck (expected a release, found it held for 15 s), Fault on
         20s: no fault ButtonStuck, Fault off",
    );
}

#[test]
fn on_hold_and_back() {
    let told = play(&format!(
        "{UP} 0s press; 0s acked A; 5s stands A answered; 9s stands A onhold; 9.1s stands A onhold; 12s stands A answered"
    ));
    assert!(told.ends_with("9s: voice closed, say OnHold\n12s: voice open, hush Calling"), "{told}");
}

#[test]
fn an_officer_who_vanishes_leaves_the_incident_waiting() {
    let told = play(&format!("{UP} 0s press; 0s acked A; 5s stands A answered; 9s stands A waiting"));
    assert!(told.ends_with("9s: Answered off, voice closed, say Calling"), "{told}");
}

#[test]
fn a_leg_lost_in_a_call_is_reconnected() {
    let told = play(&format!("{UP} 0s press; 0s acked A; 5s stands A answered; 9s legdown; 15s legup"));
    assert!(
        told.ends_with(
            "9s: Answered blinks, close gate
14s: say NoConnection
15s: Answered on, open gate"
        ),
        "{told}"
    );
}

#[test]
fn a_link_lost_in_a_call_does_not_talk_over_the_officer() {
    let told = play(&format!("{UP} 0s press; 0s acked A; 5s stands A answered; 9s linkdown; 60s tick"));
    assert!(!told.contains("NoConnection"), "{told}");
}

#[test]
fn on_a_metered_path_a_lost_leg_is_offered_anew() {
    let settings = Settings { standby: false, ..Settings::default() };
    expect_with(
        settings,
        "0s linkup; 0s centre; 0s press; 0.01s offer; 0.1s acked A; 0.2s legup; 9s legdown; 9.01s offer; 9.2s acked A; 60s tick",
        "0s: Sent blinks, alarm A #1 presses 1, make offer, record A, keep A, say Calling, note Edge
         0.01s: alarm A #2 presses 1 with offer
         0.1s: Sent on, keep-acked A, note Acknowledged
         0.2s: open gate
         9s: make offer, close gate
         9.01s: alarm A #3 presses 1 with offer",
    );
}

#[test]
fn without_a_connection_the_person_is_told() {
    let told = play("0s legup; 0s press; 70s linkup; 70s centre; 71s acked A; 120s tick");
    let said: Vec<&str> = told.lines().filter(|line| line.contains("say ")).collect();
    assert_eq!(said.len(), 5, "{said:#?}");
    for (line, start) in said.iter().zip(["0s:", "5s:", "35s:", "65s:", "71s:"]) {
        assert!(line.starts_with(start), "{said:#?}");
    }
    assert!(said[1..4].iter().all(|line| line.contains("say NoConnection")), "{said:#?}");
    assert!(said[4].ends_with("say Calling"), "{said:#?}");
}

#[test]
fn a_restored_incident_goes_on_without_a_press() {
    expect(
        "0s restored A; 0.1s linkup; 0.2s centre; 0.3s legup; 0.4s acked A answered",
        "0s: Sent blinks, alarm A #1 presses 2, make offer, record A
         0.1s: alarm A #2 presses 2
         0.2s: alarm A #3 presses 2
         0.3s: open gate
         0.4s: Sent on, keep-acked A, note Acknowledged, Answered on, voice open, note Connected, hush Calling",
    );
}

#[test]
fn a_restored_and_acknowledged_incident_asks_how_it_stands() {
    expect(
        "0s restored A acked; 0.1s acked A closed; 9s tick",
        &format!(
            "0s: Sent on, alarm A #1 presses 2, make offer, record A
             0.1s: {CLOSING} None, report A closed, say Closed"
        ),
    );
}

#[test]
fn a_close_that_was_not_kept_is_kept_again() {
    let told = play(&format!("{UP} 0s closenotkept A; 11s closenotkept A; 40s tick"));
    assert_eq!(told, "10s: keep-closed A None\n21s: keep-closed A None");
}

#[test]
fn a_second_restored_incident_joins_the_first() {
    let told = play("0s restored A; 0s restored B; 0s restored A");
    assert!(told.ends_with("0s: report A pressed 3, keep-closed B None, report B closed"), "{told}");
}

#[test]
fn closing_twice_closes_once_and_tells_the_desk_twice() {
    let told = play(&format!(
        "{UP} 0s press; 0s acked A; 5s stands A closed; 6s stands A closed; 7s acked A closed; 8s acked A"
    ));
    assert!(told.ends_with("say Closed\n6s: report A closed"), "{told}");
}

#[test]
fn an_acknowledged_incident_never_closed_is_ended_and_reported() {
    let told = play(&format!("{UP} 0s press; 0s acked A; 10s stands A answered; 7300s tick"));
    assert!(
        told.ends_with(&format!("7210s: report A timed out 7200 s, {CLOSING} None, report A closed, say Closed")),
        "{told}"
    );
}

#[test]
fn an_alarm_nobody_acknowledged_is_never_given_up() {
    let told = play("0s legup; 0s press; 8000s press; 8001s linkup; 8001s centre; 8002s acked A");
    assert!(told.contains("7200s: stop recording A") || told.contains("7200s: alarm"), "{told}");
    let last: Vec<&str> = told.lines().skip_while(|line| !line.starts_with("8000s")).collect();
    assert!(last[0].contains("report A pressed 2, record A"), "{last:#?}");
    assert!(last.last().expect("lines").contains("Sent on, keep-acked A"), "{last:#?}");
}

#[test]
fn a_press_that_cannot_be_kept_is_a_fault_and_tried_again() {
    expect(
        &format!("{UP} 0s press; 0s acked A; 0.1s keepfailed A; 2.2s keepfailed A; 4.3s kept A"),
        "0s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
         0s: Sent on, keep-acked A, note Acknowledged
         0.1s: fault StoreFailed (disk full), Fault on
         2.1s: keep A
         4.2s: keep A
         4.3s: note Kept, no fault StoreFailed, Fault off",
    );
}

#[test]
fn faults_are_raised_once_and_cleared_once() {
    expect(
        "0s fault; 1s fault; 2s healed; 3s healed",
        "0s: fault CameraLost (gone), Fault on
         2s: no fault CameraLost, Fault off",
    );
}

#[test]
fn a_recording_that_fails_is_a_fault_until_it_runs() {
    let told = play(&format!("{UP} 0s press; 0s acked A; 1s norecording A; 2s recording A"));
    assert!(told.contains("1s: fault RecordingFailed"), "{told}");
    assert!(told.ends_with("2s: no fault RecordingFailed, Fault off"), "{told}");
}

#[test]
fn a_missing_standby_leg_is_a_fault() {
    expect(
        "0s linkup; 0s centre; 30s legup; 40s legdown; 70s tick",
        "20s: fault LegDown (expected a standby leg to the centre, found none for 20 s), Fault on
         30s: no fault LegDown, Fault off
         60s: fault LegDown (expected a standby leg to the centre, found none for 20 s), Fault on",
    );
}

#[test]
fn what_belongs_to_another_incident_changes_nothing() {
    expect(
        &format!(
            "{UP} 0s press; 0.1s acked X; 0.1s stands X answered; 0.1s kept X; 0.1s sent X; 0.1s voice; 0.2s acked A
             0.3s keyframe; 0.4s voice"
        ),
        "0s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
         0.2s: Sent on, keep-acked A, note Acknowledged
         0.3s: key frame",
    );
}

#[test]
fn at_rest_nothing_leaves_the_kiosk() {
    expect(&format!("{UP} 0s keyframe; 0s voice; 0s offer; 0s acked A; 0s kept A; 1s stands A answered; 5s tick"), "");
}

#[test]
fn the_second_button_opens_an_incident_like_the_first_and_joins_an_open_one() {
    expect(
        &format!("{UP} 1s press2"),
        "1s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge",
    );
    expect(
        &format!("{UP} 1s press; 1s acked A; 5s press2"),
        "1s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
         1s: Sent on, keep-acked A, note Acknowledged
         5s: report A pressed 2",
    );
}

#[test]
fn each_button_is_stuck_for_itself() {
    expect(
        &format!(
            "{UP} 0s hold; 0s acked A; 1s stands A closed; 16s hold2; 16s acked B; 17s stands B closed
             32s release; 33s release2"
        ),
        &format!(
            "0s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
             0s: Sent on, keep-acked A, note Acknowledged
             1s: {CLOSING} Some(Prank), report A closed, say Closed
             15s: fault ButtonStuck (expected a release, found it held for 15 s), Fault on
             16s: Sent blinks, alarm B #1 presses 1, open gate, record B, keep B, say Calling, note Edge
             16s: Sent on, keep-acked B, note Acknowledged
             17s: {} Some(Prank), report B closed, say Closed
             31s: fault ButtonStuck (expected a release, found it held for 15 s; second button: expected a release, \
             found it held for 15 s)
             32s: fault ButtonStuck (second button: expected a release, found it held for 15 s)
             33s: no fault ButtonStuck, Fault off",
            CLOSING.replace('A', "B").replace("Bnswered", "Answered"),
        ),
    );
}

#[test]
fn an_open_case_is_a_fault_and_no_alarm() {
    expect(
        &format!("{UP} 1s caseopen; 2s caseopen; 3s caseclosed"),
        "1s: fault CaseOpen (expected the case closed, found its contact open), Fault on
         3s: no fault CaseOpen, Fault off",
    );
}

fn with_strobe() -> Settings {
    Settings { outputs: [Output::Strobe].into(), ..Settings::default() }
}

#[test]
fn an_officer_switches_what_is_fitted_in_the_open_incident_and_the_close_switches_it_off() {
    expect_with(
        with_strobe(),
        &format!(
            "{UP} 1s switch A strobe on; 2s press; 2s acked A; 3s stands A answered; 4s switch A strobe on
             4.01s is strobe on; 5s switch A heater on; 6s switch B strobe off
             9s stands A closed; 9.01s is strobe off; 10s switch A strobe on"
        ),
        &format!(
            "1s: beat
             2s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
             2s: Sent on, keep-acked A, note Acknowledged
             3s: Answered on, voice open, note Connected, hush Calling
             4s: strobe on
             4.01s: beat
             5s: beat
             6s: beat
             9s: {CLOSING} Some(Prank), report A closed, say Closed, strobe off
             9.01s: beat
             10s: beat"
        ),
    );
}

#[test]
fn what_was_switched_off_again_is_not_switched_at_the_close() {
    expect_with(
        with_strobe(),
        &format!("{UP} 2s press; 2s acked A; 4s switch A strobe on; 5s switch A strobe off; 9s stands A closed"),
        &format!(
            "2s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge
             2s: Sent on, keep-acked A, note Acknowledged
             4s: strobe on
             5s: strobe off
             9s: {CLOSING} Some(Prank), report A closed, say Closed"
        ),
    );
}

#[test]
fn the_strobe_shines_by_itself_where_it_is_told_to() {
    let settings = Settings { strobe_in_alarm: true, ..with_strobe() };
    expect_with(
        settings.clone(),
        &format!("{UP} 2s press; 2s acked A; 9s stands A closed"),
        &format!(
            "2s: Sent blinks, alarm A #1 presses 1, open gate, record A, keep A, say Calling, note Edge, strobe on
             2s: Sent on, keep-acked A, note Acknowledged
             9s: {CLOSING} Some(Prank), report A closed, say Closed, strobe off"
        ),
    );
    let told = play_with(settings, "0s restored A acked; 7200s tick");
    assert!(told.starts_with("0s: ") && told.contains("strobe on"), "resumed: {told}");
    assert!(told.ends_with("say Closed, strobe off"), "timed out: {told}");
}

/// Edges of a line that goes down every 20 ms, from `from` on, for `times`.
fn chatter(from: Duration, times: u32) -> String {
    let at = |n: u32| (from + Duration::from_millis(20) * n).as_millis();
    (0..times).map(|n| format!("{}ms press;", at(n))).collect()
}

#[test]
fn a_line_that_chatters_is_one_incident_and_a_fault_and_no_flood() {
    let told = play(&format!(
        "{UP} {} 5s acked A; 5s stands A closed; {} 20s press",
        chatter(Duration::ZERO, 250),
        chatter(Duration::from_secs(5), 250),
    ));
    let opened: Vec<&str> =
        told.lines().filter(|line| line.contains("keep A") || line.contains("say Calling")).collect();
    let fault =
        "fault ButtonStuck (expected at most 20 edges a second, found more for 3 s: the line chatters), Fault on";
    let faults: Vec<&str> = told.lines().filter(|line| line.contains("ButtonStuck")).collect();
    assert_eq!(faults.len(), 2, "{told}");
    assert!(faults[0].starts_with("3s: ") && faults[0].ends_with(fault), "{}", faults[0]);
    assert_eq!(faults[1], "11.98s: no fault ButtonStuck, Fault off", "quiet for two seconds");
    assert_eq!(opened.len(), 2, "one at the first edge, one when the line is believed again: {opened:?}");
    assert!(opened[0].starts_with("0s: Sent blinks") && opened[1].starts_with("20s: Sent blinks"), "{opened:?}");
}

#[test]
fn a_frightened_hand_is_no_chatter() {
    // Nine presses a second for a minute: faster than most can.
    let presses: String = (0..540).map(|n| format!("{}ms press;", n * 111)).collect();
    let told = play(&format!("{UP} {presses}"));
    assert!(!told.contains("fault"), "{told}");
}

#[test]
fn one_press_of_the_button_under_test_is_no_alarm_and_the_next_one_is() {
    let told = play("0s buttontest; 3s press; 4s press");
    assert!(told.starts_with("3s: button tested: true\n4s: Sent blinks, alarm B #1"), "{told}");
    let up = format!("{UP} 0s buttontest");
    assert_eq!(play(&format!("{up}; 40s tick")), "30s: button tested: false");
    assert_eq!(play(&format!("{up}; 5s buttontestover; 40s tick")), "5s: button tested: false");
}

#[test]
fn a_press_after_the_test_of_the_button_is_an_alarm() {
    for script in ["0s buttontest; 31s press", "0s buttontest; 5s buttontestover; 6s press"] {
        let told = play(script);
        assert!(told.contains("Sent blinks, alarm A #1"), "{script}: {told}");
    }
}

#[test]
fn an_alarm_ends_the_test_of_the_button_and_an_open_one_lets_none_begin() {
    let told = play("0s buttontest; 1s control; 2s press");
    assert!(told.starts_with("1s: button tested: false, Sent blinks, alarm A #1"), "{told}");
    assert!(!told.contains("button tested: true"), "the press joins the alarm: {told}");
    let told = play("0s press; 1s buttontest; 2s press");
    assert!(told.contains("1s: button tested: false") && !told.contains("button tested: true"), "{told}");
    let told = play("0s hold; 1s buttontest");
    assert!(told.contains("1s: button tested: false"), "a button that is down cannot be tested: {told}");
}
