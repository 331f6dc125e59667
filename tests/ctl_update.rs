//! `sos-ctl update`: what it says and does about a bundle, by what RAUC answers (a stand-in here: the real one, with real
//! bundles and slots, is in `scripts/test-image`), and when a slot counts as good.
#![cfg(feature = "kiosk")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kiosk_here;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiosk_here::Kiosk;
use sos::ctl::cli::UpdateArguments;
use sos::ctl::update::{PROVES_WITHIN, Place, Proof, Verdict, judge, run};
use sos::ctl::{Exit, Failure};
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::PressOrigin;

/// A board of which nothing is real but the files.
struct Board {
    dir: tempfile::TempDir,
    place: Place,
}

impl Board {
    /// One that runs from slot A; `rauc` is what its RAUC does, as a shell script with `$1` its command.
    fn new(rauc: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let place = Place {
            rauc: at("rauc"),
            systemctl: at("systemctl"),
            proc: at("proc"),
            config: Some(at("config.toml")),
            note: at("state/update/pending"),
        };
        fs::create_dir(at("proc")).unwrap();
        fs::write(at("proc/cmdline"), "root=PARTLABEL=root-a ro rauc.slot=A panic=5\n").unwrap();
        fs::write(at("proc/uptime"), "20.00 80.00\n").unwrap();
        fs::write(at("bundle.raucb"), "a bundle").unwrap();
        fs::write(at("config.toml"), "").unwrap();
        let board = Self { dir, place };
        board.program("rauc", rauc);
        board.program("systemctl", "true");
        board
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program that notes its words in `NAME.asked`.
    fn program(&self, name: &str, does: &str) {
        let path = self.at(name);
        fs::write(&path, format!("#!/bin/sh\necho \"$*\" >> '{}.asked'\n{does}\n", path.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn asked(&self, name: &str) -> String {
        fs::read_to_string(self.at(&format!("{name}.asked"))).unwrap_or_default()
    }

    fn note(&self) -> Option<String> {
        fs::read_to_string(&self.place.note).ok()
    }

    fn update(&self, socket: &Path) -> (Result<String, Failure>, Vec<String>) {
        let arguments = UpdateArguments { file: Some(self.at("bundle.raucb")), confirm: false };
        let mut said = Vec::new();
        let ended = run(&self.place, &arguments, socket, &mut |line| said.push(line.to_owned()));
        (ended, said)
    }

    fn confirm(&self, socket: &Path) -> Result<String, Failure> {
        let arguments = UpdateArguments { file: None, confirm: true };
        run(&self.place, &arguments, socket, &mut |_| {})
    }
}

/// What a RAUC says whose bundle is for `board` and whose installing ends so.
fn rauc(board: &str, install: &str) -> String {
    format!(
        "case $1 in
         info) echo '{{\"compatible\": \"{board}\", \"version\": \"0.2.0-7\"}}' ;;
         status) [ \"$2\" = mark-good ] || echo '{{\"compatible\": \"sos-kiosk-raspberrypi4-64\"}}' ;;
         install) {install} ;;
         esac"
    )
}

const OURS: &str = "sos-kiosk-raspberrypi4-64";
const NOBODY: &str = "/nonexistent/control.sock";

fn exit(ended: &Result<String, Failure>) -> Option<Exit> {
    ended.as_ref().err().map(|failure| failure.exit)
}

#[test]
fn an_update_goes_into_the_other_slot_and_is_noted_until_it_is_proved() {
    let board = Board::new(&rauc(OURS, "echo ' 40% Checking bundle'; echo '100% Installing done.'"));
    let (ended, said) = board.update(Path::new(NOBODY));
    assert_eq!(ended.unwrap(), "installed 0.2.0-7 into slot B");
    assert_eq!(board.note().as_deref(), Some("B\n"));
    assert!(said.iter().any(|line| line == "100% Installing done."), "{said:?}");
    assert!(said.iter().any(|line| line == "it starts with the next boot: systemctl reboot"), "{said:?}");
}

#[test]
fn each_cause_has_its_own_code_and_leaves_no_note() {
    let cases = [
        ("echo 'signature verification failed: self-signed certificate' >&2; exit 1".to_owned(), Exit::BundleRefused),
        (rauc("sos-kiosk-raspberrypi5", "exit 0"), Exit::BundleRefused),
        (rauc(OURS, "echo 'LastError: Failed updating slot rootfs.1: no space left'; exit 1"), Exit::UpdateFailed),
    ];
    for (does, expected) in cases {
        let board = Board::new(&does);
        let (ended, _) = board.update(Path::new(NOBODY));
        assert_eq!(exit(&ended), Some(expected), "{does}: {ended:?}");
        assert_eq!(board.note(), None, "{does}");
    }
    let board = Board::new("exit 0");
    fs::remove_file(board.at("rauc")).unwrap();
    assert_eq!(exit(&board.update(Path::new(NOBODY)).0), Some(Exit::NoSlots), "no RAUC");
    fs::remove_file(board.at("bundle.raucb")).unwrap();
    assert_eq!(exit(&board.update(Path::new(NOBODY)).0), Some(Exit::Files), "no file");
    let board = Board::new("exit 0");
    fs::write(board.at("proc/cmdline"), "root=/dev/mmcblk0p2 ro\n").unwrap();
    assert_eq!(exit(&board.update(Path::new(NOBODY)).0), Some(Exit::NoSlots), "no slots");
    assert_eq!(board.asked("rauc"), "");
}

#[test]
fn why_a_slot_was_not_written_is_said_in_rauc_s_own_words() {
    let board = Board::new(&rauc(OURS, "echo 'LastError: no space left'; exit 1"));
    let failure = board.update(Path::new(NOBODY)).0.unwrap_err();
    assert_eq!(failure.message, "RAUC: LastError: no space left");
}

#[tokio::test]
async fn no_update_while_an_alarm_is_open() {
    let kiosk = Kiosk::start(vec![]).up().await;
    kiosk.happens(Event::Pressed { origin: PressOrigin::Button, incident: IncidentId::fresh() }).await;
    let socket = kiosk.socket.clone();
    let (ended, board) = tokio::task::spawn_blocking(move || {
        let board = Board::new(&rauc(OURS, "exit 0"));
        (board.update(&socket).0, board)
    })
    .await
    .unwrap();
    assert_eq!(exit(&ended), Some(Exit::Refused), "{ended:?}");
    assert_eq!(board.asked("rauc"), "");
    kiosk.stop().await;
}

#[tokio::test]
async fn a_slot_that_was_not_updated_is_good_once_the_daemon_answers() {
    let kiosk = Kiosk::start(vec![]);
    let socket = kiosk.socket.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let board = Board::new(&rauc(OURS, "exit 0"));
        board.confirm(&socket).unwrap();
        board.asked("rauc")
    })
    .await
    .unwrap();
    assert_eq!(asked, "status mark-good\n");
    kiosk.stop().await;
}

/// A configuration that the new version does not take: its daemon never answers.
#[test]
fn an_update_whose_daemon_does_not_answer_is_waited_for_and_then_restarted() {
    let board = Board::new(&rauc(OURS, "exit 0"));
    fs::write(board.at("config.toml"), "id = \"park-north\"\n[camera_of_old]\nfps = 12\n").unwrap();
    fs::create_dir_all(board.place.note.parent().unwrap()).unwrap();
    fs::write(&board.place.note, "A\n").unwrap();
    assert_eq!(exit(&board.confirm(Path::new(NOBODY))), Some(Exit::NotProved));
    assert_eq!((board.asked("rauc").as_str(), board.asked("systemctl").as_str()), ("", ""));
    fs::write(board.at("proc/uptime"), "601.00 0.00\n").unwrap();
    assert_eq!(exit(&board.confirm(Path::new(NOBODY))), Some(Exit::NotProved));
    assert_eq!((board.asked("rauc").as_str(), board.asked("systemctl").as_str()), ("", "reboot\n"));
    assert_eq!(board.note().as_deref(), Some("A\n"), "the other slot must still know that this one failed");
}

#[test]
fn a_kiosk_that_nobody_has_set_up_yet_has_nothing_to_prove() {
    let board = Board::new(&rauc(OURS, "exit 0"));
    fs::create_dir_all(board.place.note.parent().unwrap()).unwrap();
    fs::write(&board.place.note, "A\n").unwrap();
    board.confirm(Path::new(NOBODY)).unwrap();
    assert_eq!((board.asked("rauc").as_str(), board.note()), ("status mark-good\n", None));
}

#[test]
fn what_makes_a_slot_good() {
    let early = Duration::from_secs(30);
    let failed = Proof::Failed("camera".into());
    let is_good =
        |running, pending, proof: &Proof, uptime| matches!(judge(running, pending, proof, uptime), Verdict::Good(_));
    assert!(is_good("B", Some("B"), &Proof::Passed, early), "an update that passed");
    assert!(is_good("A", Some("B"), &Proof::Passed, early), "the old one, after an update that did not");
    assert!(is_good("A", None, &Proof::Passed, early), "nothing was updated");
    assert!(is_good("B", Some("B"), &Proof::NotEnrolled, early), "nobody to call");
    assert_eq!(judge("B", Some("B"), &failed, early), Verdict::Wait("camera".into()));
    assert_eq!(judge("B", Some("B"), &failed, PROVES_WITHIN), Verdict::GiveUp("camera".into()));
    assert_eq!(judge("A", None, &failed, PROVES_WITHIN), Verdict::Wait("camera".into()), "a slot that was good stays");
    assert_eq!(judge("A", Some("B"), &failed, PROVES_WITHIN), Verdict::Wait("camera".into()));
    let busy = Proof::Busy("an alarm is open".into());
    assert_eq!(
        judge("B", Some("B"), &busy, PROVES_WITHIN),
        Verdict::Wait("an alarm is open".into()),
        "never in an alarm"
    );
}
