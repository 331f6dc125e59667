//! A kiosk in the test's own process: the real shell and control socket, and ports that tell what they were asked.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sos::control::{ConfigState, PanelView, Vitals};
use sos::kiosk::control::{Control, Services};
use sos::kiosk::ports::{
    Board, Configured, Doing, Hand, KeptPress, Leg, Link, LivePacket, Media, MediaHealth, Panel, Proof, Saying, Scenes,
    Store, View,
};
use sos::kiosk::progress::Progress;
use sos::kiosk::selftest::camera::CameraTest;
use sos::kiosk::selftest::full::Tester;
use sos::kiosk::selftest::parts::{ButtonTest, LampTest, LinkTest};
use sos::kiosk::selftest::{PartTest, Suite};
use sos::kiosk::{Ask, INBOX_SIZE, Inbox, Parts, Setup, Shell, Stamped};
use sos::machine::words::{Lamp, Light, Prompt};
use sos::machine::{Event, Settings};
use sos::wire::selftest::LastTest;
use sos::wire::up::Place;
use sos::wire::{IncidentId, Output, SessionId};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No wait of a test is longer.
pub const BOUND: Duration = Duration::from_secs(10);

/// What a port was asked.
#[derive(Debug)]
pub enum Told {
    Lamp(Lamp, Light),
    Output(Output, bool),
    Said(Saying),
    Kept(KeptPress),
    KeptAcknowledged(IncidentId),
    KeptClosed(IncidentId),
    Recording(IncidentId, Duration),
    RecordingStopped(IncidentId),
    Prompt(Prompt),
    Hush(Prompt),
    Gate(bool),
    Voice(bool),
    KeyFrame,
    StandBy,
    MakeOffer,
    HangUp,
    Probe(bool),
    Proof(LastTest),
}

/// Every port in one, telling what it is asked.
#[derive(Clone)]
pub struct Ports(mpsc::UnboundedSender<Told>);

impl Ports {
    fn tell(&self, told: Told) {
        // A test that has seen enough listens no more.
        let _ = self.0.send(told);
    }
}

impl Panel for Ports {
    fn lamp(&mut self, lamp: Lamp, light: Light, _pressed: Option<Instant>) {
        self.tell(Told::Lamp(lamp, light));
    }
    fn output(&mut self, output: Output, on: bool) {
        self.tell(Told::Output(output, on));
    }
    fn look(&self) -> PanelView {
        PanelView { driver: "test".to_owned(), ..PanelView::default() }
    }
}

impl Media for Ports {
    fn open_gate(&self, _to: mpsc::Sender<LivePacket>) {
        self.tell(Told::Gate(true));
    }
    fn close_gate(&self) {
        self.tell(Told::Gate(false));
    }
    fn force_key_frame(&self) {
        self.tell(Told::KeyFrame);
    }
    fn voice(&self, _rtp: Bytes) {}
    fn open_voice(&self, open: bool) {
        self.tell(Told::Voice(open));
    }
    fn probe(&self, on: bool) {
        self.tell(Told::Probe(on));
    }
    fn prompt(&self, prompt: Prompt) {
        self.tell(Told::Prompt(prompt));
    }
    fn hush(&self, prompt: Prompt) {
        self.tell(Told::Hush(prompt));
    }
    fn start_recording(&self, incident: IncidentId, before: Duration) {
        self.tell(Told::Recording(incident, before));
    }
    fn stop_recording(&self, incident: IncidentId) {
        self.tell(Told::RecordingStopped(incident));
    }
    fn health(&self) -> MediaHealth {
        let fresh = Some(Duration::from_millis(40));
        MediaHealth { frame_age: fresh, sound_age: fresh, mic_dbfs: Some(-42.0) }
    }
}

impl Leg for Ports {
    fn stand_by(&self) {
        self.tell(Told::StandBy);
    }
    fn make_offer(&self) {
        self.tell(Told::MakeOffer);
    }
    fn answer(&self, _session: SessionId, _sdp: String) {}
    fn reoffer(&self) {}
    fn hang_up(&self) {
        self.tell(Told::HangUp);
    }
    fn packets(&self) -> mpsc::Sender<LivePacket> {
        mpsc::channel(1).0
    }
}

impl Link for Ports {
    fn say(&self, saying: Saying) {
        self.tell(Told::Said(saying));
    }
    fn echo_age(&self) -> Option<Duration> {
        Some(Duration::from_millis(900))
    }
    fn clock_offset_us(&self) -> Option<i64> {
        Some(1_500)
    }
}

impl Board for Ports {
    fn vitals(&self) -> Vitals {
        Vitals {
            certificate_days: Some(90),
            disk_free_mb: Some(1_000),
            disk_total_mb: Some(8_000),
            ..Vitals::default()
        }
    }
}

impl Configured for Ports {
    fn state(&self) -> ConfigState {
        ConfigState { file: "/etc/sos-kiosk/config.toml".into(), ..ConfigState::default() }
    }
    fn look(&self) {}
}

impl Proof for Ports {
    fn last(&self) -> Option<LastTest> {
        None
    }
    fn keep(&self, last: &LastTest) {
        self.tell(Told::Proof(last.clone()));
    }
}

impl Scenes for Ports {
    fn compare(&self) -> Doing<Result<View, String>> {
        Box::pin(async { Ok(View::NoReference) })
    }
    fn learn(&self) -> Doing<Result<(), String>> {
        Box::pin(async { Err("no store".to_owned()) })
    }
}

impl Store for Ports {
    fn keep(&self, press: KeptPress) {
        self.tell(Told::Kept(press));
    }
    fn keep_acknowledged(&self, incident: IncidentId) {
        self.tell(Told::KeptAcknowledged(incident));
    }
    fn keep_closed(&self, incident: IncidentId) {
        self.tell(Told::KeptClosed(incident));
    }
    fn undelivered(&self) -> u64 {
        7
    }
}

/// The kiosk.
pub struct Kiosk {
    pub inbox: Inbox,
    pub asks: mpsc::Sender<Ask>,
    pub socket: PathBuf,
    /// What the watchdog asks.
    pub progress: Arc<Progress>,
    told: mpsc::UnboundedReceiver<Told>,
    stop: watch::Sender<bool>,
    shell: JoinHandle<()>,
    control: JoinHandle<()>,
    _dir: TempDir,
}

impl Kiosk {
    pub fn start(restored: Vec<KeptPress>) -> Self {
        Self::start_with(restored, Settings::default(), |_| None)
    }

    /// With the machine's settings and a panel of its own, which is given the inbox.
    pub fn start_with(
        restored: Vec<KeptPress>,
        machine: Settings,
        panel: impl FnOnce(&Inbox) -> Option<(Box<dyn Panel>, Arc<dyn Hand>)>,
    ) -> Self {
        Self::start_all(restored, machine, panel, |_, _| None)
    }

    /// With a leg of its own as well, which is given the inbox and the other ports.
    pub fn start_all(
        restored: Vec<KeptPress>,
        machine: Settings,
        panel: impl FnOnce(&Inbox) -> Option<(Box<dyn Panel>, Arc<dyn Hand>)>,
        leg: impl FnOnce(&Inbox, &Ports) -> Option<Arc<dyn Leg>>,
    ) -> Self {
        let dir = TempDir::new().expect("a directory");
        let socket = dir.path().join("run/control.sock");
        let (to, told) = mpsc::unbounded_channel();
        let (inbox, events) = mpsc::channel(INBOX_SIZE);
        let (asks, questions) = mpsc::channel(16);
        let (stop, stopped) = watch::channel(false);
        let ports = Ports(to);
        let (panel, hand): (Box<dyn Panel>, _) = match panel(&inbox) {
            Some((panel, hand)) => (panel, Some(hand)),
            None => (Box::new(ports.clone()), None),
        };
        let leg = leg(&inbox, &ports).unwrap_or_else(|| Arc::new(ports.clone()));
        let tests: Vec<Box<dyn PartTest>> = vec![
            Box::new(CameraTest { asks: asks.clone(), scenes: Arc::new(ports.clone()) }),
            Box::new(LinkTest { asks: asks.clone() }),
            Box::new(LampTest { asks: asks.clone() }),
            Box::new(ButtonTest { asks: asks.clone(), inbox: inbox.clone() }),
        ];
        let suite = Arc::new(Suite::new(tests, Arc::new(ports.clone())));
        let parts = Parts {
            tester: Tester::new(suite.clone(), Arc::new(ports.clone()), inbox.clone()),
            panel,
            media: Arc::new(ports.clone()),
            leg,
            link: Arc::new(ports.clone()),
            board: Arc::new(ports.clone()),
            store: Arc::new(ports.clone()),
            restored,
        };
        let setup = Setup {
            id: "park-north".parse().expect("an id"),
            place: Place { name: "Central Park".to_owned(), position_e6: None },
            pre_event: Duration::from_secs(30),
            machine,
        };
        let control = Control::bind(&socket).expect("a socket").with_hand(hand);
        let services = Services { inbox: inbox.clone(), asks: asks.clone(), config: Arc::new(ports.clone()), suite };
        let control = tokio::spawn(control.serve(services));
        let shell = Shell::new(setup, parts);
        let progress = shell.progress();
        let shell = tokio::spawn(shell.run(events, questions, stopped));
        Self { inbox, asks, socket, progress, told, stop, shell, control, _dir: dir }
    }

    pub async fn up(self) -> Self {
        for event in [Event::LinkUp, Event::CentrePresent(true), Event::LegUp] {
            self.happens(event).await;
        }
        self
    }

    pub async fn happens(&self, event: Event) {
        self.inbox.send(Stamped::now(event)).await.expect("the shell lives");
    }

    /// The next thing a port is asked.
    pub async fn told(&mut self) -> Told {
        timeout(BOUND, self.told.recv()).await.expect("a port is asked in time").expect("the shell lives")
    }

    /// What `pick` makes of the first thing it wants.
    pub async fn until<T>(&mut self, pick: impl Fn(Told) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(self.told().await) {
                return found;
            }
        }
    }

    /// Stops it as a signal does. What the ports were asked and nobody has looked at.
    pub async fn stop(mut self) -> Vec<Told> {
        self.control.abort();
        self.stop.send(true).expect("the shell lives");
        timeout(BOUND, self.shell).await.expect("it stops in time").expect("it does not panic");
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }
}
