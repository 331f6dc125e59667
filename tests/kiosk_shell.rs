//! The shell around the machine: effects in order, clocks, marks, heartbeat, control socket, stop.
#![cfg(feature = "kiosk")]

mod kiosk_here;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kiosk_here::{BOUND, Kiosk, Told};
use sos::control::{Answer, MAX_LINE, PhaseName};
use sos::kiosk::control::{Control, ControlError};
use sos::kiosk::ports::{Hand, Input, KeptPress, Panel, PanelView, Saying};
use sos::kiosk::stop::{Ended, Signals, Stopping};
use sos::kiosk::{Ask, Inbox, Stamped};
use sos::machine::words::{Lamp, Light, Prompt};
use sos::machine::{Event, Settings};
use sos::wire::down::Standing;
use sos::wire::up::{Alarm, IncidentReport, Mark, PressOrigin};
use sos::wire::{IncidentId, Output};

fn alarm(told: Told) -> Option<Alarm> {
    if let Told::Said(Saying::Alarm(alarm)) = told { Some(*alarm) } else { None }
}

fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_micros()).expect("before the year 292277")
}

#[tokio::test]
async fn a_press_reaches_every_port_in_the_machines_order() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let incident = IncidentId::fresh();
    let before = now_us();
    kiosk.happens(Event::Pressed { origin: PressOrigin::Button, incident }).await;

    kiosk.until(|told| matches!(told, Told::Lamp(Lamp::Sent, Light::Blinking)).then_some(())).await;
    let sent = alarm(kiosk.told().await).expect("the alarm comes right after the lamp");
    assert_eq!((sent.incident, sent.attempt, sent.presses), (incident, 1, 1));
    assert_eq!((sent.place.name.as_str(), sent.clock_offset_us), ("Central Park", Some(1_500)));
    assert!(sent.pressed_wall_us >= before - 1_000 && sent.pressed_wall_us <= now_us());
    assert!(sent.pressed_mono_us.is_some_and(|mono| mono < 60_000_000));
    assert!(matches!(kiosk.told().await, Told::Gate(true)));
    assert!(matches!(kiosk.told().await, Told::Recording(id, before) if id == incident && before.as_secs() == 30));
    let Told::Kept(kept) = kiosk.told().await else { panic!("kept after recording") };
    assert_eq!((kept.incident, kept.pressed_wall_us, kept.acknowledged), (incident, sent.pressed_wall_us, false));
    assert!(matches!(kiosk.told().await, Told::Prompt(Prompt::Calling)));
    kiosk.stop().await;
}

#[tokio::test]
async fn an_instant_is_the_events_and_not_the_handlings() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let incident = IncidentId::fresh();
    let at = Instant::now();
    let wall = now_us();
    kiosk.happens(Event::Pressed { origin: PressOrigin::Button, incident }).await;
    // Stamped later than the press, handled out of order: the earlier instant stands.
    let event = Event::AlarmSent { incident, attempt: 1 };
    kiosk.inbox.send(Stamped { at: at + Duration::from_millis(5), event }).await.expect("the shell lives");
    let marks = kiosk
        .until(|told| match told {
            Told::Said(Saying::Report(report)) => match report.what {
                IncidentReport::Timing { marks } => Some(marks),
                _ => None,
            },
            _ => None,
        })
        .await;
    assert_eq!(marks.keys().copied().collect::<Vec<_>>(), [Mark::Edge, Mark::Sent]);
    // An instant in the (near) future counts as now, so at most; never before the press.
    let sent = marks[&Mark::Sent];
    assert!(sent >= wall - 1_000 && sent <= wall + 100_000, "{sent} at {wall}");
    kiosk.stop().await;
}

#[tokio::test]
async fn a_call_is_opened_and_closed_at_every_port() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let incident = IncidentId::fresh();
    kiosk.happens(Event::Pressed { origin: PressOrigin::Button, incident }).await;
    kiosk.happens(Event::Stands { incident, standing: Standing::Answered, verdict: None }).await;
    kiosk.until(|told| matches!(told, Told::KeptAcknowledged(id) if id == incident).then_some(())).await;
    kiosk.until(|told| matches!(told, Told::Voice(true)).then_some(())).await;
    assert!(matches!(kiosk.told().await, Told::Hush(Prompt::Calling)), "the officer speaks alone");
    kiosk.happens(Event::KeyFrameWanted).await;
    kiosk.until(|told| matches!(told, Told::KeyFrame).then_some(())).await;
    kiosk.happens(Event::VoiceHeard).await;
    kiosk.happens(Event::Stands { incident, standing: Standing::Closed, verdict: None }).await;
    kiosk.until(|told| matches!(told, Told::Voice(false)).then_some(())).await;
    kiosk.until(|told| matches!(told, Told::Gate(false)).then_some(())).await;
    kiosk.until(|told| matches!(told, Told::RecordingStopped(id) if id == incident).then_some(())).await;
    kiosk.until(|told| matches!(told, Told::KeptClosed(id) if id == incident).then_some(())).await;
    kiosk.stop().await;
}

#[tokio::test]
async fn an_incident_of_an_earlier_run_is_resumed_before_anything_else() {
    let incident = IncidentId::fresh();
    let kept = KeptPress {
        incident,
        origin: PressOrigin::Button,
        pressed_wall_us: 1_700_000_000_000_000,
        presses: 2,
        acknowledged: false,
    };
    let mut kiosk = Kiosk::start(vec![kept]);
    assert!(matches!(kiosk.told().await, Told::Lamp(Lamp::Sent, Light::Blinking)));
    let sent = alarm(kiosk.told().await).expect("the alarm goes on");
    assert_eq!((sent.incident, sent.pressed_wall_us, sent.presses), (incident, 1_700_000_000_000_000, 2));
    assert_eq!(sent.pressed_mono_us, None);
    let again = kiosk.until(alarm).await;
    assert_eq!(again.attempt, 2, "resent by the timer");
    kiosk.stop().await;
}

#[tokio::test]
async fn an_older_incident_whose_close_was_not_kept_does_not_take_the_newer_ones_place() {
    let kept = |pressed_wall_us, acknowledged| {
        let (incident, origin) = (IncidentId::fresh(), PressOrigin::Button);
        KeptPress { incident, origin, pressed_wall_us, presses: 1, acknowledged }
    };
    let (older, newer) = (kept(1_700_000_000_000_000, true), kept(1_700_000_900_000_000, false));
    let mut kiosk = Kiosk::start(vec![older.clone(), newer.clone()]);
    let sent = kiosk.until(alarm).await;
    assert_eq!((sent.incident, sent.pressed_wall_us), (newer.incident, newer.pressed_wall_us));
    let closed = kiosk.until(|told| if let Told::KeptClosed(id) = told { Some(id) } else { None }).await;
    assert_eq!(closed, older.incident);
    let again = kiosk.until(alarm).await;
    assert_eq!(again.incident, newer.incident, "it goes on");
    kiosk.stop().await;
}

#[tokio::test]
async fn a_press_in_the_moment_of_the_stop_is_kept_and_sent() {
    let kiosk = Kiosk::start(vec![]);
    // Enough before it that a stop which is looked at now and then is seen first.
    for _ in 0..100 {
        kiosk.inbox.try_send(Stamped::now(Event::Tick)).expect("room");
    }
    let incident = IncidentId::fresh();
    kiosk.inbox.try_send(Stamped::now(Event::Pressed { origin: PressOrigin::Button, incident })).expect("room");
    let told = kiosk.stop().await;
    assert!(told.iter().any(|told| matches!(told, Told::Kept(press) if press.incident == incident)), "{told:?}");
    assert!(told.into_iter().filter_map(alarm).any(|alarm| alarm.incident == incident));
}

/// A panel one of whose threads hangs in the kernel.
struct Hung;

impl Panel for Hung {
    fn lamp(&mut self, _lamp: Lamp, _light: Light, _pressed: Option<Instant>) {}
    fn output(&mut self, _output: Output, _on: bool) {}
    fn look(&self) -> PanelView {
        PanelView::default()
    }
    fn turn_age(&self) -> Option<Duration> {
        Some(Duration::from_secs(9))
    }
}

struct NoHand;

impl Hand for NoHand {
    fn set(&self, _input: Input, _active: bool) {}
}

#[tokio::test]
async fn a_button_that_hangs_is_no_progress() {
    let hung = |_: &Inbox| Some((Box::new(Hung) as Box<dyn Panel>, Arc::new(NoHand) as Arc<dyn Hand>));
    let mut kiosk = Kiosk::start_with(vec![], Settings::default(), hung);
    kiosk.until(|told| matches!(told, Told::Said(Saying::Heartbeat(_))).then_some(())).await;
    assert_eq!(kiosk.progress.check(), Err("the panel's thread has not turned for 9.0 s".to_owned()));
    kiosk.stop().await;
}

#[tokio::test]
async fn an_incident_that_a_late_disk_gives_is_resumed_then() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let incident = IncidentId::fresh();
    let (origin, pressed_wall_us) = (PressOrigin::Button, 1_700_000_000_000_000);
    let kept = KeptPress { incident, origin, pressed_wall_us, presses: 2, acknowledged: false };
    kiosk.asks.send(Ask::Restore(vec![kept])).await.expect("the shell lives");
    let sent = kiosk.until(alarm).await;
    assert_eq!((sent.incident, sent.pressed_wall_us, sent.presses), (incident, pressed_wall_us, 2));
    kiosk.stop().await;
}

#[tokio::test]
async fn the_heartbeat_proves_something() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let beat = |told| if let Told::Said(Saying::Heartbeat(beat)) = told { Some(*beat) } else { None };
    let first = kiosk.until(beat).await;
    let second = kiosk.until(beat).await;
    assert_ne!(first.nonce, second.nonce);
    assert!(second.leg_up);
    assert_eq!((second.frame_age_ms, second.mic_dbfs, second.echo_age_ms), (Some(40), Some(-42.0), Some(900)));
    assert_eq!(second.undelivered, 7);
    kiosk.stop().await;
}

/// Says one line and reads one answer.
async fn ask(socket: &Path, line: Vec<u8>) -> Answer {
    let socket = PathBuf::from(socket);
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).expect("it listens");
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
        stream.write_all(&line).expect("it reads");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("it answers");
        answer
    });
    serde_json::from_str(&answer.await.expect("no panic")).expect("an answer")
}

#[tokio::test]
async fn the_control_socket_presses_and_tells() {
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let socket = kiosk.socket.clone();
    let pressed = ask(&socket, b"{\"do\":\"press\"}\n".to_vec()).await;
    let incident = pressed.incident.expect("an incident");
    let sent = kiosk.until(alarm).await;
    assert_eq!((sent.incident, sent.origin), (incident, PressOrigin::Control));

    let status = ask(&socket, b"{\"do\":\"status\"}\n".to_vec()).await.status.expect("a status");
    assert_eq!((status.id.as_str(), status.phase), ("park-north", PhaseName::Sending));
    assert_eq!(status.incident.map(|open| open.id), Some(incident));
    assert!(status.link_up && status.centre_present && status.leg_up);
    assert_eq!((status.lamps[0].lamp.as_str(), status.lamps[0].light.as_str()), ("sent", "blinking"));

    let ring = ask(&socket, b"{\"do\":\"ring\"}\n".to_vec()).await.ring;
    assert!(ring.iter().any(|line| line.contains("LegUp")), "{ring:?}");
    assert!(ring.iter().any(|line| line.contains("Pressed")), "{ring:?}");
    kiosk.stop().await;
}

#[tokio::test]
async fn bad_lines_are_answered_and_survived() {
    let kiosk = Kiosk::start(vec![]);
    let mut long = vec![b'x'; MAX_LINE + 10];
    long.push(b'\n');
    for (line, wanted) in [
        (b"hello\n".to_vec(), "not a request"),
        (b"{\"do\":\"dance\"}\n".to_vec(), "unknown variant"),
        (b"{\"do\":\"press\",\"hard\":true}\n".to_vec(), "unknown field"),
        (b"\xff\xfe\n".to_vec(), "not a request"),
        (b"\n".to_vec(), "not a request"),
        (long, "expected a line of at most"),
    ] {
        let answer = ask(&kiosk.socket, line).await;
        assert!(!answer.ok && answer.error.as_deref().is_some_and(|why| why.contains(wanted)), "{answer:?}");
    }
    assert!(ask(&kiosk.socket, b"{\"do\":\"status\"}\n".to_vec()).await.ok);
    kiosk.stop().await;
}

#[tokio::test]
async fn a_stale_socket_is_taken_over_and_a_living_one_is_not() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let path = dir.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket that nobody answers"));
    let first = Control::bind(&path).expect("taken over");
    assert!(matches!(Control::bind(&path), Err(ControlError::Taken { .. })));
    drop(first);
    assert!(!path.exists(), "the file goes with it");
}

#[tokio::test]
async fn a_step_that_hangs_does_not_keep_the_end_from_coming() {
    let mut signals = Signals::listen().expect("signals");
    let mut last = false;
    let ended = Stopping::default()
        .then("hangs", std::future::pending())
        .then("ends", async { last = true })
        .run(&mut signals, false)
        .await;
    assert_eq!(ended.late, ["hangs"]);
    assert!(last);
}

#[tokio::test]
async fn told_to_end_while_it_is_about_to_start_anew_it_ends_in_order() {
    use rustix::process::{Signal, getpid, kill_process};
    let mut signals = Signals::listen().expect("signals");
    let tell = || kill_process(getpid(), Signal::TERM).expect("told");
    let mut last = false;
    let ended = Stopping::default()
        .then("is told", async {
            tell();
            std::future::pending().await
        })
        .then("ends", async { last = true })
        .run(&mut signals, false)
        .await;
    assert!(ended.asked && last, "no step is left out: {ended:?}");
    // At the last moment.
    let ended = Stopping::default().then("is told", async { tell() }).run(&mut signals, false).await;
    assert_eq!(ended, Ended { late: vec![], asked: true });
    // Told once more, it ends at once.
    let mut never = false;
    let ended = Stopping::default()
        .then("is told", async {
            tell();
            std::future::pending().await
        })
        .then("never", async { never = true })
        .run(&mut signals, true)
        .await;
    assert!(ended.asked && !never, "{ended:?}");
}
