//! The panel above its driver: the real adapter and shell, a board that is simulated, nothing else.
#![cfg(feature = "kiosk")]

mod kiosk_here;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kiosk_here::{BOUND, Kiosk, Told};
use sos::adapter::panel::{
    Bias, Driver, Edge, Gpiocdev, InputLine, Inputs, Line, OutputLine, Outputs, PanelAdapter, PanelError, Role, Rppal,
    Sim, SimBoard, Wiring, make_safe,
};
use sos::control::{Answer, Request, Status};
use sos::kiosk::ports::{Hand, Input, Panel};
use sos::kiosk::{INBOX_SIZE, Stamped};
use sos::machine::words::Lamp;
use sos::machine::{Event, Settings};
use sos::wire::Output;
use sos::wire::up::{ButtonLine, FaultKind, Heartbeat, PressOrigin};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SENT: Role = Role::Lamp(Lamp::Sent);
const STROBE: Role = Role::Output(Output::Strobe);

fn wiring() -> Wiring {
    let input = |input, line| InputLine {
        input,
        line: Line::Offset(line),
        inverted: true,
        bias: Bias::Up,
        debounce: Duration::from_millis(10),
    };
    let output = |role, name: &str| OutputLine { role, line: Line::Name(name.to_owned()), inverted: false };
    Wiring {
        chip: None,
        inputs: vec![input(Input::Button, 17), input(Input::SecondButton, 27), input(Input::Tamper, 5)],
        outputs: vec![output(SENT, "YELLOW"), output(Role::Lamp(Lamp::Fault), "RED"), output(STROBE, "STROBE")],
    }
}

/// A kiosk with a simulated board.
fn kiosk(board: &dyn Fn(&SimBoard)) -> (Kiosk, Arc<SimBoard>) {
    let sim = Sim::default();
    let there = sim.board();
    board(&there);
    let hand = sim.board();
    let settings = Settings {
        second_button: true,
        outputs: [Output::Strobe].into(),
        stuck_after: Duration::from_millis(300),
        ..Settings::default()
    };
    let kiosk = Kiosk::start_with(vec![], settings, |inbox| {
        let panel = PanelAdapter::start(wiring(), Arc::new(sim), inbox.clone()).expect("threads");
        Some((Box::new(panel), hand as Arc<dyn Hand>))
    });
    (kiosk, there)
}

async fn ask(kiosk: &Kiosk, request: Request) -> Answer {
    let stream = tokio::net::UnixStream::connect(&kiosk.socket).await.expect("the daemon listens");
    let (reader, mut writer) = stream.into_split();
    let mut line = serde_json::to_vec(&request).expect("JSON");
    line.push(b'\n');
    writer.write_all(&line).await.expect("asked");
    let mut answer = String::new();
    timeout(BOUND, BufReader::new(reader).read_line(&mut answer)).await.expect("in time").expect("an answer");
    serde_json::from_str(&answer).expect("an answer")
}

async fn status(kiosk: &Kiosk) -> Status {
    *ask(kiosk, Request::Status).await.status.expect("a status")
}

/// Asks until the status is as wanted.
async fn until(kiosk: &Kiosk, what: &str, is: impl Fn(&Status) -> bool) -> Status {
    let end = Instant::now() + BOUND;
    loop {
        let found = status(kiosk).await;
        if is(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{what}: {found:?}");
        tokio::task::yield_now().await;
    }
}

/// The lines are open: an edge before that is nobody's.
async fn armed(kiosk: &Kiosk) {
    until(kiosk, "armed", |s| s.panel.lines.iter().any(|line| line.name == "button" && line.state != "unknown")).await;
}

fn line(status: &Status, name: &str) -> String {
    status.panel.lines.iter().find(|line| line.name == name).expect("a line").state.clone()
}

fn lit(board: &Arc<SimBoard>, role: Role, on: bool) {
    assert!(board.until(role, on, BOUND), "{role:?} is not {on}");
}

fn beat(told: Told) -> Option<Heartbeat> {
    match told {
        Told::Said(sos::kiosk::ports::Saying::Heartbeat(beat)) => Some(*beat),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_of_the_button_lights_the_lamp_and_is_measured() {
    let (kiosk, board) = kiosk(&|_| ());
    let kiosk = kiosk.up().await;
    armed(&kiosk).await;
    board.set(Input::Button, true);
    board.set(Input::Button, false);
    lit(&board, SENT, true);
    let found =
        until(&kiosk, "an incident and its figure", |s| s.incident.is_some() && s.panel.press_to_lamp_ms.is_some())
            .await;
    let lamp = found.panel.press_to_lamp_ms.clone().expect("waited for");
    assert_eq!(lamp.count, 1, "{lamp:?}");
    assert!(lamp.median > 0.0 && lamp.p95 < 20_000.0, "{lamp:?}");
    assert_eq!((line(&found, "button").as_str(), line(&found, "lamp_sent").as_str()), ("released", "blinking"));
    // Not acknowledged: it blinks, so it goes dark and shines again.
    lit(&board, SENT, false);
    lit(&board, SENT, true);
    kiosk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_held_since_before_the_start_is_a_press_when_it_is_let_go_and_stuck_when_it_is_not() {
    let (kiosk, board) = kiosk(&|board| board.set(Input::Button, true));
    let found = until(&kiosk, "stuck", |s| s.button == ButtonLine::Stuck).await;
    assert!(found.incident.is_none() && found.faults.iter().any(|fault| fault.kind == FaultKind::ButtonStuck));
    lit(&board, Role::Lamp(Lamp::Fault), true);
    board.set(Input::Button, false);
    until(&kiosk, "released", |s| s.button == ButtonLine::Released && s.faults.is_empty()).await;
    kiosk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_button_and_the_case_are_moved_through_the_control_socket() {
    let (kiosk, board) = kiosk(&|_| ());
    let mut kiosk = kiosk.up().await;
    armed(&kiosk).await;
    let pressed = ask(&kiosk, Request::Press { hold: true, second: true }).await;
    assert!(pressed.ok && pressed.incident.is_some(), "{pressed:?}");
    let found = status(&kiosk).await;
    assert_eq!((found.button, found.second_button), (ButtonLine::Released, Some(ButtonLine::Pressed)));
    let origin = kiosk
        .until(|told| match told {
            Told::Said(sos::kiosk::ports::Saying::Alarm(alarm)) => Some(alarm.origin),
            _ => None,
        })
        .await;
    assert_eq!(origin, PressOrigin::SecondButton);
    assert!(ask(&kiosk, Request::Release { second: true }).await.ok);
    until(&kiosk, "let go", |s| s.second_button == Some(ButtonLine::Released)).await;
    assert!(ask(&kiosk, Request::Tamper { open: true }).await.ok);
    let open = until(&kiosk, "open", |s| s.faults.iter().any(|fault| fault.kind == FaultKind::CaseOpen)).await;
    assert_eq!(line(&open, "tamper"), "open");
    assert!(ask(&kiosk, Request::Tamper { open: false }).await.ok);
    until(&kiosk, "closed", |s| s.faults.is_empty()).await;
    drop(board);
    kiosk.stop().await;
}

#[tokio::test]
async fn a_real_panel_is_not_moved_through_the_control_socket() {
    let kiosk = Kiosk::start(vec![]).up().await;
    let refused = ask(&kiosk, Request::Press { hold: false, second: true }).await;
    assert!(refused.error.is_some_and(|why| why.starts_with("expected panel.driver = \"sim\"")));
    assert!(!ask(&kiosk, Request::Tamper { open: true }).await.ok);
    kiosk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_told_as_it_is_and_goes_off_with_the_close() {
    let (kiosk, board) = kiosk(&|_| ());
    let mut kiosk = kiosk.up().await;
    armed(&kiosk).await;
    let incident = ask(&kiosk, Request::Press { hold: false, second: false }).await.incident.expect("an incident");
    kiosk.happens(Event::Switch { incident, output: Output::Strobe, on: true }).await;
    lit(&board, STROBE, true);
    kiosk.until(|told| beat(told).filter(|beat| beat.outputs.iter().any(|is| is.on))).await;
    let found = status(&kiosk).await;
    assert_eq!(line(&found, "strobe"), "on");
    let closed = sos::wire::down::Standing::Closed;
    kiosk.happens(Event::Stands { incident, standing: closed, verdict: None }).await;
    lit(&board, STROBE, false);
    lit(&board, SENT, false);
    kiosk.until(|told| beat(told).filter(|beat| beat.outputs.iter().all(|is| !is.on))).await;
    kiosk.stop().await;
    // The panel is dropped with the shell: everything is dark.
    assert!(!board.is_on(STROBE) && !board.is_on(SENT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_that_is_lost_is_a_fault_and_comes_back_with_what_is_wanted_now() {
    let (kiosk, board) = kiosk(&|board| board.unplug(true));
    let kiosk = kiosk.up().await;
    let lost = until(&kiosk, "lost", |s| s.faults.iter().any(|fault| fault.kind == FaultKind::PanelLost)).await;
    assert_eq!(lost.faults[0].detail, "expected the panel, found it unplugged");
    assert_eq!((line(&lost, "button").as_str(), line(&lost, "lamp_sent").as_str()), ("unknown", "unknown"));
    board.unplug(false);
    until(&kiosk, "found", |s| s.faults.is_empty()).await;
    board.set(Input::Button, true);
    lit(&board, SENT, true);
    board.unplug(true);
    until(&kiosk, "lost again", |s| s.faults.iter().any(|fault| fault.kind == FaultKind::PanelLost)).await;
    // Let go while nobody could see it.
    board.set(Input::Button, false);
    board.unplug(false);
    lit(&board, SENT, true);
    until(&kiosk, "released", |s| s.button == ButtonLine::Released && s.faults.is_empty()).await;
    kiosk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_chatters_does_not_flood() {
    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    let sim = Sim::default();
    let board = sim.board();
    let panel = PanelAdapter::start(wiring(), Arc::new(sim), inbox).expect("threads");
    panel.armed(BOUND);
    // More edges than the inbox, which nobody empties, and the board's own buffer hold together: the oldest make room,
    // the last one is true.
    for _ in 0..INBOX_SIZE {
        board.set(Input::Button, true);
        board.set(Input::Button, false);
    }
    board.set(Input::SecondButton, true);
    let mut last = None;
    let mut count = 0;
    while let Ok(Some(Stamped { event, .. })) = timeout(Duration::from_millis(500), events.recv()).await {
        count += 1;
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Pressed { origin: PressOrigin::SecondButton, .. })), "{last:?}");
    assert!(count <= INBOX_SIZE + 100, "{count}");
    tokio::task::spawn_blocking(move || drop(panel)).await.expect("it ends");
}

/// A board whose edges are lost, or whose driver hangs, while somebody says so.
#[derive(Clone, Default)]
struct Faulty {
    sim: Sim,
    loses: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

struct FaultyInputs(Box<dyn Inputs>, Faulty);

impl Driver for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }
    fn open_inputs(&self, wiring: &Wiring) -> Result<Box<dyn Inputs>, PanelError> {
        Ok(Box::new(FaultyInputs(self.sim.open_inputs(wiring)?, self.clone())))
    }
    fn open_outputs(&self, wiring: &Wiring) -> Result<Box<dyn Outputs>, PanelError> {
        self.sim.open_outputs(wiring)
    }
}

impl Inputs for FaultyInputs {
    fn active(&mut self, input: Input) -> Result<bool, PanelError> {
        self.0.active(input)
    }
    fn next(&mut self, within: Duration) -> Result<Option<Edge>, PanelError> {
        while self.1.hangs.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let edge = self.0.next(within)?;
        Ok(edge.filter(|_| !self.1.loses.load(Ordering::SeqCst)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_was_lost_is_seen_by_the_level_and_the_next_press_is_a_press() {
    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    let faulty = Faulty::default();
    let (board, loses) = (faulty.sim.board(), Arc::clone(&faulty.loses));
    let panel = PanelAdapter::start(wiring(), Arc::new(faulty), inbox).expect("threads");
    panel.armed(BOUND);
    let mut next = async || timeout(BOUND, events.recv()).await.expect("in time").expect("the panel lives").event;
    board.set(Input::Button, true);
    assert!(matches!(next().await, Event::Pressed { .. }));
    loses.store(true, Ordering::SeqCst);
    board.set(Input::Button, false);
    assert_eq!(next().await, Event::Released { origin: PressOrigin::Button });
    loses.store(false, Ordering::SeqCst);
    board.set(Input::Button, true);
    assert!(matches!(next().await, Event::Pressed { .. }), "not told before");
    board.set(Input::Button, false);
    assert_eq!(next().await, Event::Released { origin: PressOrigin::Button });
    // The edge of a press is lost: as at the start, the release tells that it was one.
    loses.store(true, Ordering::SeqCst);
    board.set(Input::Button, true);
    assert!(matches!(next().await, Event::HeldAtStart { .. }));
    tokio::task::spawn_blocking(move || drop(panel)).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_hangs_shows_in_the_age_of_the_last_turn_and_a_lost_panel_does_not() {
    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    let faulty = Faulty::default();
    let (board, hangs) = (faulty.sim.board(), Arc::clone(&faulty.hangs));
    let panel = PanelAdapter::start(wiring(), Arc::new(faulty), inbox).expect("threads");
    panel.armed(BOUND);
    let age = || panel.turn_age().unwrap_or_default();
    // A panel at rest turns every second.
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let rests = Instant::now() + Duration::from_secs(4);
    while Instant::now() < rests {
        assert!(age() < Duration::from_secs(3), "{:?}", age());
        look.tick().await;
    }
    hangs.store(true, Ordering::SeqCst);
    let end = Instant::now() + BOUND;
    while age() < Duration::from_secs(4) {
        assert!(Instant::now() < end, "{:?}", age());
        look.tick().await;
    }
    hangs.store(false, Ordering::SeqCst);
    board.unplug(true);
    let lost = async { while !matches!(events.recv().await.expect("the panel lives").event, Event::FaultRaised(_)) {} };
    timeout(BOUND, lost).await.expect("lost");
    assert!(age() < Duration::from_secs(3), "{:?}", age());
    tokio::task::spawn_blocking(move || drop(panel)).await.expect("it ends");
}

#[test]
fn a_board_without_the_chip_says_what_it_expected_and_what_it_found() {
    let wiring = Wiring { chip: Some("no-such-chip".to_owned()), ..wiring() };
    let why = Gpiocdev.open_inputs(&wiring).map(|_| ()).expect_err("no such chip").to_string();
    assert!(why.starts_with("expected a GPIO chip labelled or named no-such-chip, found "), "{why}");
    let why = Rppal.open_outputs(&wiring).map(|_| ()).expect_err("this is no Raspberry Pi").to_string();
    assert!(why.starts_with("expected a"), "{why}");
}

#[test]
fn each_output_is_made_safe_on_its_own() {
    let sim = Sim::default();
    let mut lines = sim.open_outputs(&wiring()).expect("a board");
    for role in [SENT, STROBE] {
        lines.set(role, true).expect("a board");
    }
    assert!(make_safe(&wiring(), &sim).is_empty());
    assert!(!sim.board().is_on(SENT) && !sim.board().is_on(STROBE));
    sim.board().unplug(true);
    assert_eq!(make_safe(&wiring(), &sim).len(), 3, "each is told");
}
