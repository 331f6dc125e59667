//! Changing the configuration: killed at every step, started in every state, proved and undone by the daemon's keeper.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sos::config::change::keeper::{Daemon, Keeper, Restart, View};
use sos::config::change::start::{Start, start};
use sos::config::change::trial::Incident;
use sos::config::change::{Home, Stage, Step, differences, values, write};
use sos::config::{KioskConfig, Layers};
use sos::control::ConfigStage;
use tempfile::TempDir;
use tokio::time::timeout;

const OLD: &str = "id = \"park\" # the old one\nplace.name = \"Park\"\n[centre]\nbroker = \"c:8883\"\ndelivery = \"https://c:8444\"\n";
const STEP: &str = "SOS_TEST_KILL_AFTER";
const DIR: &str = "SOS_TEST_DIR";

fn new_text() -> String {
    OLD.replace("c:8883", "d:8883")
}

fn moved() -> String {
    OLD.replace("\"Park\"", "\"Old Park\"")
}

struct Place {
    dir: TempDir,
    layers: Layers,
    home: Home,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let place = Self::at(dir.path());
        std::fs::write(place.1.file(), OLD).expect("a file");
        Self { layers: place.0, home: place.1, dir }
    }

    fn at(dir: &Path) -> (Layers, Home) {
        let layers = Layers::only(dir.join("c.toml"));
        let home = Home::of(&layers).expect("a file");
        (layers, home)
    }

    fn proved(self) -> Self {
        std::fs::write(self.home.good(), OLD).expect("a file");
        self
    }

    fn change(&self, text: &str) {
        self.change_and(text, false);
    }

    fn change_and(&self, text: &str, keep: bool) {
        let changes = differences(&values(&self.layers, None), &values(&self.layers, Some((self.home.file(), text))));
        write(&self.home, text, changes, keep, &mut |_| {}).expect("written");
    }

    fn text(&self) -> String {
        self.home.text().expect("readable").unwrap_or_default()
    }

    fn start(&self) -> Start {
        start(&self.layers).expect("it starts")
    }

    fn names(&self) -> Vec<String> {
        let found = std::fs::read_dir(self.dir.path()).expect("a directory").flatten();
        let mut names: Vec<String> = found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Not a test of its own: the process that is killed in the middle of a change (see the next one).
#[test]
fn a_process_that_is_killed() {
    let (Ok(step), Ok(dir)) = (std::env::var(STEP), std::env::var(DIR)) else { return };
    let (layers, home) = Place::at(Path::new(&dir));
    let text = new_text();
    let changes = differences(&values(&layers, None), &values(&layers, Some((home.file(), &text))));
    let signal = if step.starts_with("hangup") { rustix::process::Signal::HUP } else { rustix::process::Signal::KILL };
    let step = step.trim_start_matches("hangup ").to_owned();
    let mut die = |done: Step| {
        if format!("{done:?}") == step {
            rustix::process::kill_process(rustix::process::getpid(), signal).expect("killed");
        }
    };
    write(&home, &text, changes, false, &mut die).expect("written");
}

#[test]
fn killed_or_hung_up_at_every_step_the_old_file_or_the_new_one_is_there_whole() {
    for signal in ["", "hangup "] {
        for step in Step::ALL {
            let place = Place::new().proved();
            let killed = Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "a_process_that_is_killed", "--nocapture"])
                .env(STEP, format!("{signal}{step:?}"))
                .env(DIR, place.dir.path())
                .output()
                .expect("it runs");
            assert_eq!(killed.status.code(), None, "ended by a signal: {killed:?}");
            let renamed = step == Step::Rename;
            assert_eq!(place.text(), if renamed { new_text() } else { OLD.to_owned() }, "{signal}{step:?}");

            let start = place.start();
            assert_eq!((start.trial.is_some(), start.broken), (renamed, None), "{signal}{step:?}");
            let broker = if renamed { "d" } else { "c" };
            assert_eq!(start.config.centre.broker_host, broker, "{signal}{step:?}");
            if !renamed {
                assert!(place.home.pending().is_none(), "what never came to be is forgotten");
                // The next change is none the worse for it.
                place.change(&new_text());
                assert!(place.start().trial.is_some());
            }
        }
    }
}

#[test]
fn a_change_keeps_comments_owner_and_mode_and_is_on_trial_at_the_next_start() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let place = Place::new().proved();
    std::fs::set_permissions(place.home.file(), std::fs::Permissions::from_mode(0o640)).expect("a mode");
    let root = chown(place.home.file(), Some(12), Some(34)).is_ok();
    place.change(&new_text());
    let found = std::fs::metadata(place.home.file()).expect("a file");
    assert_eq!(found.mode() & 0o7777, 0o640);
    if root {
        assert_eq!((found.uid(), found.gid()), (12, 34));
    }
    assert!(place.text().contains("# the old one"));
    let start = place.start();
    assert_eq!(start.trial.map(|trial| trial.stage), Some(Stage::Trying));
    assert_eq!(place.home.pending().map(|pending| pending.stage), Some(Stage::Trying), "it survives a power cut");
    place.home.prove(&place.text()).expect("proved");
    assert_eq!(place.names(), ["c.toml", "c.toml.good"]);
}

#[test]
fn a_trial_that_ended_without_an_echo_is_undone_at_the_next_start() {
    let place = Place::new().proved();
    place.change(&new_text());
    assert!(place.start().trial.is_some());
    let next = place.start();
    assert!(next.trial.is_none() && next.broken.is_none());
    assert_eq!((place.text().as_str(), next.config.centre.broker_host.as_str()), (OLD, "c"));
    let undone = place.home.undone().expect("it is told");
    assert_eq!(
        (undone.why.as_str(), undone.changes[0].key.as_str()),
        ("the daemon ended before the centre's echo came", "centre.broker")
    );
    assert!(place.home.pending().is_none());
}

#[test]
fn what_nothing_proved_came_before_is_kept_and_so_is_what_was_to_be_kept() {
    let fresh = Place::new();
    fresh.change(&new_text());
    fresh.start();
    assert!(fresh.start().trial.is_some());
    assert_eq!(fresh.text(), new_text());
    let kept = Place::new().proved();
    kept.change_and(&new_text(), true);
    kept.start();
    assert!(kept.start().trial.is_some());
    assert_eq!(kept.text(), new_text());
}

#[test]
fn changes_on_top_of_each_other_are_undone_together() {
    let place = Place::new().proved();
    place.change(&new_text());
    place.start();
    place.change(&format!("{}[media]\nfps = 10\n", new_text()));
    let pending = place.home.pending().expect("a change");
    let keys: Vec<&str> = pending.changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["centre.broker", "media.fps"]);
    assert_eq!(place.start().config.media.fps, 10);
    place.start();
    assert_eq!(place.text(), OLD);
}

#[test]
fn a_file_broken_by_hand_is_not_used_and_said_with_file_line_and_key() {
    let place = Place::new().proved();
    let broken = OLD.replace("place.name", "plaice.name");
    std::fs::write(place.home.file(), &broken).expect("a file");
    let start = place.start();
    assert_eq!(start.config.place.name, "Park");
    let why = start.broken.expect("it is said");
    let file = place.home.file().display().to_string();
    assert!(why.contains(&format!("the last good one is used, since {file}:2: plaice: unknown key")), "{why}");
    assert!(start.text.is_none(), "a broken file never becomes the last good one");
    assert_eq!(place.text(), broken, "an editor's work is left alone");

    let fresh = Place::new();
    std::fs::write(fresh.home.file(), &broken).expect("a file");
    let errors = start_error(&fresh.layers);
    assert!(errors.contains("c.toml:2: plaice: unknown key"), "{errors}");
}

fn start_error(layers: &Layers) -> String {
    start(layers).expect_err("nothing to start with").to_string()
}

#[test]
fn another_layer_broken_by_hand_does_not_stop_the_daemon_either() {
    let place = Place::new().proved();
    let run = place.dir.path().join("run.toml");
    std::fs::write(&run, "nonsense = = 1\n").expect("a file");
    let weak = place.dir.path().join("weak.toml");
    let layers = Layers { files: vec![weak, place.home.file().to_owned(), run.clone()], must_exist: false };
    let start = start(&layers).expect("it starts");
    assert_eq!(start.config.id.as_str(), "park");
    assert!(start.broken.is_some_and(|why| why.contains(&format!("{}:1: ", run.display()))));
}

#[test]
fn a_marker_of_half_a_word_is_no_marker() {
    let place = Place::new().proved();
    place.change(&new_text());
    std::fs::write(place.dir.path().join("c.toml.pending"), "{\"stage\":\"wri").expect("a file");
    assert!(place.start().trial.is_none());
    assert_eq!(place.text(), new_text());
}

/// A daemon that does as the test says.
#[derive(Clone, Default)]
struct Fake {
    echo: Arc<Mutex<Option<tokio::time::Instant>>>,
    incident: Arc<Mutex<Option<Incident>>>,
    applied: Arc<Mutex<Vec<String>>>,
    broken: Arc<Mutex<Option<String>>>,
}

impl Fake {
    fn echoes(&self) {
        *self.echo.lock().expect("no panic") = Some(tokio::time::Instant::now());
    }

    fn applied(&self) -> Vec<String> {
        self.applied.lock().expect("no panic").clone()
    }
}

impl Daemon for Fake {
    fn echo_age(&self) -> Option<Duration> {
        self.echo.lock().expect("no panic").map(|at| at.elapsed())
    }
    async fn incident(&self) -> Incident {
        self.incident.lock().expect("no panic").unwrap_or(Incident::None)
    }
    fn apply(&self, config: &KioskConfig) -> impl Future<Output = ()> + Send {
        self.applied.lock().expect("no panic").push(config.place.name.clone());
        async {}
    }
    fn broken(&self, why: Option<&str>) {
        *self.broken.lock().expect("no panic") = why.map(str::to_owned);
    }
}

/// The keeper on a task of its own, in simulated time.
struct Kept {
    fake: Fake,
    view: View,
    task: tokio::task::JoinHandle<Restart>,
}

fn keep(place: &Place) -> Kept {
    let (fake, view) = (Fake::default(), View::default());
    let keeper = Keeper::new(&place.layers, &place.start(), view.clone(), fake.clone()).expect("a file to keep");
    Kept { fake, view, task: tokio::spawn(keeper.run()) }
}

/// Simulated: the clock jumps when nothing else is to be done.
async fn pass(seconds: u64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..=seconds * 10 {
        ticks.tick().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_echo_proves_the_file_and_a_live_change_takes_effect_at_once() {
    let place = Place::new();
    let kept = keep(&place);
    pass(5).await;
    assert_eq!(kept.view.state().stage, ConfigStage::Unproved);
    assert!(!place.home.good().exists());
    kept.fake.echoes();
    pass(2).await;
    assert_eq!(kept.view.state().stage, ConfigStage::Proved);
    assert_eq!(std::fs::read_to_string(place.home.good()).expect("kept"), OLD);

    place.change(&moved());
    // Nobody tells the keeper: the session is gone.
    pass(2).await;
    assert_eq!(kept.fake.applied(), ["Old Park"]);
    let state = kept.view.state();
    assert_eq!((state.stage, state.changes.len()), (ConfigStage::OnTrial, 1));
    kept.fake.echoes();
    pass(2).await;
    assert_eq!(kept.view.state().stage, ConfigStage::Proved);
    assert_eq!(std::fs::read_to_string(place.home.good()).expect("kept"), moved());
    assert!(!kept.task.is_finished(), "no restart");
}

#[tokio::test(start_paused = true)]
async fn a_live_change_without_an_echo_is_undone_after_a_minute() {
    let place = Place::new().proved();
    let kept = keep(&place);
    kept.fake.echoes();
    pass(1).await;
    place.change(&moved());
    pass(58).await;
    assert_eq!((kept.view.state().stage, place.text()), (ConfigStage::OnTrial, moved()));
    pass(6).await;
    assert_eq!(kept.fake.applied(), ["Old Park", "Park"], "the old value counts again");
    assert_eq!(place.text(), OLD);
    let state = kept.view.state();
    let undone = "place.name: the centre's echo did not come within 60 s";
    assert_eq!((state.stage, state.undone.as_deref()), (ConfigStage::Unproved, Some(undone)));
    assert!(!kept.task.is_finished(), "no restart");
}

#[tokio::test(start_paused = true)]
async fn another_broker_is_tried_by_a_restart_and_undone_by_another() {
    let place = Place::new().proved();
    let kept = keep(&place);
    place.change(&new_text());
    let restart = timeout(Duration::from_secs(5), kept.task).await.expect("in time").expect("no panic");
    assert_eq!(restart.why, "a change of the configuration: centre.broker");

    let tried = keep(&place);
    assert_eq!(tried.view.state().undone_in_s, Some(60));
    pass(30).await;
    assert!(!tried.task.is_finished());
    let restart = timeout(Duration::from_secs(40), tried.task).await.expect("in time").expect("no panic");
    assert!(restart.why.contains("did not come within 60 s"), "{}", restart.why);
    assert_eq!(place.text(), OLD);
    let back = keep(&place);
    pass(1).await;
    assert_eq!(back.view.state().stage, ConfigStage::Unproved);
}

#[tokio::test(start_paused = true)]
async fn a_live_change_on_top_of_one_that_was_not_is_undone_with_it() {
    let place = Place::new().proved();
    place.change(&new_text());
    let tried = keep(&place);
    pass(3).await;
    place.change(&new_text().replace("\"Park\"", "\"Old Park\""));
    pass(3).await;
    assert_eq!((tried.fake.applied(), tried.view.state().changes.len()), (vec!["Old Park".to_owned()], 2));
    let restart = timeout(Duration::from_secs(70), tried.task).await.expect("in time").expect("no panic");
    assert!(restart.why.contains("did not come"), "the broker needs a restart: {}", restart.why);
    assert_eq!(place.text(), OLD);
}

#[tokio::test(start_paused = true)]
async fn an_open_alarm_is_not_disturbed_by_a_restart() {
    let place = Place::new().proved();
    let kept = keep(&place);
    *kept.fake.incident.lock().expect("no panic") = Some(Incident::Acknowledged);
    place.change(&new_text());
    pass(100).await;
    assert_eq!(kept.view.state().stage, ConfigStage::Waiting);
    assert!(!kept.task.is_finished());
    *kept.fake.incident.lock().expect("no panic") = None;
    timeout(Duration::from_secs(5), kept.task).await.expect("in time").expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_told_until_a_right_one_is_set() {
    let place = Place::new().proved();
    std::fs::write(place.home.file(), "id = 3\n").expect("a file");
    let kept = keep(&place);
    assert!(kept.fake.broken.lock().expect("no panic").as_ref().is_some_and(|why| why.contains("c.toml:1: id: ")));
    assert_eq!(kept.view.state().stage, ConfigStage::Broken);
    kept.fake.echoes();
    pass(3).await;
    assert_eq!(std::fs::read_to_string(place.home.good()).expect("kept"), OLD, "it does not become the last good one");
    place.change(&moved());
    pass(2).await;
    assert_eq!(*kept.fake.broken.lock().expect("no panic"), None);
    kept.fake.echoes();
    pass(2).await;
    assert_eq!(kept.view.state().stage, ConfigStage::Proved);
}

#[test]
fn differences_name_the_key_and_both_values() {
    let from = BTreeMap::from([("media.fps", "25".to_owned()), ("place.name", "\"a\"".to_owned())]);
    let to = BTreeMap::from([("media.fps", "30".to_owned()), ("rtc.udp", "true".to_owned())]);
    let found: Vec<String> = differences(&from, &to).iter().map(sos::ctl::config::line).collect();
    assert_eq!(found, ["place.name: \"a\" -> (not set)", "media.fps: 25 -> 30", "rtc.udp: (not set) -> true"]);
}
