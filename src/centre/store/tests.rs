//! The store on real files.

use std::path::Path;

use tempfile::TempDir;

use super::accounts::{self, Account, Role};
use super::incidents::{self, kiosks, load, load_for_desk};
use super::recordings::{self, Entered, FragmentRow};
use super::{Store, StoreError};
use crate::centre::desk::IncidentRecord;
use crate::centre::page::{IncidentView, RecordingView};
use crate::wire::down::{Standing, Verdict};
use crate::wire::up::{Mark, Place, PressOrigin};
use crate::wire::{IncidentId, KioskId};

fn kiosk(name: &str) -> KioskId {
    name.parse().expect("a kiosk's name")
}

fn record(pressed_wall_us: i64, standing: Standing) -> IncidentRecord {
    let view = IncidentView {
        id: IncidentId::fresh(),
        kiosk: kiosk("north"),
        place: Place { name: "Саябақ".to_owned(), position_e6: Some((51_128_200, 71_430_400)) },
        origin: PressOrigin::Button,
        standing,
        owner: Some("ana".to_owned()),
        pressed_wall_us,
        closed_wall_us: (standing == Standing::Closed).then_some(pressed_wall_us + 1),
        presses: 2,
        verdict: (standing == Standing::Closed).then_some(Verdict::NoContact),
        note: "a \"note\"; with 'quotes'".to_owned(),
        kiosk_closed: false,
        timing: [(Mark::Edge, pressed_wall_us), (Mark::Received, pressed_wall_us + 20)].into(),
        recording: RecordingView::default(),
    };
    IncidentRecord { view, clock_offset_us: Some(-7) }
}

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("centre.sqlite")).expect("a database can be made here")
}

fn fragment(index: u64, sha256: &str) -> FragmentRow {
    FragmentRow {
        index,
        start_wall_us: 1_000_000 * index as i64,
        duration_us: if index == 0 { 0 } else { 1_000_000 },
        size: 100,
        sha256: sha256.to_owned(),
        object: format!("o{index}"),
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let kept = record(1_000, Standing::Answered);
    let id = kept.view.id;
    {
        let store = open(dir.path());
        let new = kept.clone();
        assert_eq!(store.write(move |db| incidents::save_new(db, &new)).await.expect("kept"), None);
        store.write(move |db| incidents::audit(db, 5, "ana", "answered", Some(id))).await.expect("kept");
    }
    let store = open(dir.path());
    assert_eq!(store.read(move |db| load(db, id)).await.expect("read"), Some(kept));
    let journal = store.read(move |db| incidents::journal(db, Some(id))).await.expect("read");
    assert_eq!((journal.len(), journal[0].who.as_str(), journal[0].what.as_str()), (1, "ana", "answered"));
}

#[tokio::test]
async fn an_incident_is_never_doubled_nor_opened_again() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let closed = record(1_000, Standing::Closed);
    let new = closed.clone();
    store.write(move |db| incidents::save_new(db, &new)).await.expect("kept");
    let mut again = closed.clone();
    again.view.standing = Standing::Waiting;
    let late = again.clone();
    let already = store.write(move |db| incidents::save_new(db, &again)).await.expect("answered");
    assert_eq!(already.as_ref(), Some(&closed), "what is there is given back");
    store.write(move |db| incidents::save(db, &late)).await.expect("taken, without effect");
    let id = closed.view.id;
    assert_eq!(store.read(move |db| load(db, id)).await.expect("read"), Some(closed), "closed stays closed");
}

#[tokio::test]
async fn the_first_value_of_an_instant_stands() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let mut kept = record(1_000, Standing::Waiting);
    let id = kept.view.id;
    for at in [500, 900] {
        kept.view.timing.insert(Mark::Kept, at);
        let now = kept.clone();
        store.write(move |db| incidents::save(db, &now)).await.expect("kept");
    }
    let found = store.read(move |db| load(db, id)).await.expect("read").expect("it is there");
    assert_eq!(found.view.timing.get(&Mark::Kept), Some(&500));
}

#[tokio::test]
async fn the_desk_takes_up_what_is_open_or_unknown_to_its_kiosk_or_new() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let mut expected = Vec::new();
    for n in 0..10 {
        let mut closed = record(1_000 + n, Standing::Closed);
        closed.view.kiosk_closed = n != 1;
        if n == 1 || n >= 8 {
            expected.push(closed.view.id);
        }
        store.write(move |db| incidents::save(db, &closed)).await.expect("kept");
    }
    let waiting = record(1, Standing::Waiting);
    expected.push(waiting.view.id);
    store.write(move |db| incidents::save(db, &waiting)).await.expect("kept");
    let found = store.read(|db| load_for_desk(db, 2, 5)).await.expect("read");
    let mut found: Vec<_> = found.iter().map(|record| record.view.id).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn incidents_are_listed_newest_press_first_page_by_page() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    for n in 0..5 {
        let new = record(n, Standing::Closed);
        store.write(move |db| incidents::save(db, &new)).await.expect("kept");
    }
    let pressed = |page: Vec<IncidentView>| page.iter().map(|view| view.pressed_wall_us).collect::<Vec<_>>();
    let first = store.read(|db| incidents::list(db, 3, None)).await.expect("read");
    assert_eq!(pressed(first), [4, 3, 2]);
    let second = store.read(|db| incidents::list(db, 3, Some(2))).await.expect("read");
    assert_eq!(pressed(second), [1, 0]);
}

#[tokio::test]
async fn a_fragment_is_entered_once_and_other_bytes_never_replace_it() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let id = IncidentId::fresh();
    let enter = async |name: &'static str, row: FragmentRow| {
        store.write(move |db| recordings::enter(db, id, &kiosk(name), &row, 1)).await.expect("answered")
    };
    assert_eq!(enter("north", fragment(1, "aa")).await, Entered::New);
    assert_eq!(enter("north", fragment(1, "aa")).await, Entered::Same);
    assert_eq!(enter("north", fragment(1, "bb")).await, Entered::Other { sha256: "aa".to_owned() });
    assert_eq!(enter("south", fragment(2, "cc")).await, Entered::Foreign);
    let inventory = store.read(move |db| recordings::inventory(db, id)).await.expect("read");
    assert_eq!((inventory.have, inventory.sealed), (vec![1], false));
}

#[tokio::test]
async fn a_recording_is_complete_when_all_of_it_is_here_and_it_is_sealed() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let id = IncidentId::fresh();
    let view = async || store.read(move |db| recordings::view(db, id)).await.expect("read");
    assert_eq!(view().await, RecordingView::default());
    for index in [0, 1, 3] {
        let row = fragment(index, "aa");
        store.write(move |db| recordings::enter(db, id, &kiosk("north"), &row, 1)).await.expect("entered");
    }
    let seal = async |n| store.write(move |db| recordings::seal(db, id, &kiosk("north"), n)).await.expect("answered");
    assert_eq!(seal(3).await, Entered::New);
    assert_eq!(seal(3).await, Entered::Same);
    assert!(matches!(seal(4).await, Entered::Other { .. }));
    assert!(!view().await.complete, "fragment 2 is missing");
    let row = fragment(2, "aa");
    store.write(move |db| recordings::enter(db, id, &kiosk("north"), &row, 1)).await.expect("entered");
    let expected = RecordingView {
        header: true,
        fragments: 3,
        start_wall_us: Some(1_000_000),
        duration_ms: 3_000,
        complete: true,
        ..RecordingView::default()
    };
    assert_eq!(view().await, expected);
}

#[tokio::test]
async fn fragments_that_came_first_say_whose_incident_it_is() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let new = record(1, Standing::Waiting);
    let id = new.view.id;
    let row = fragment(0, "aa");
    store.write(move |db| recordings::enter(db, id, &kiosk("south"), &row, 1)).await.expect("entered");
    let already = store.write(move |db| incidents::save_new(db, &new)).await.expect("answered");
    assert_eq!(already.map(|record| record.view.kiosk), Some(kiosk("south")));
    assert_eq!(store.read(move |db| load(db, id)).await.expect("read"), None);
}

#[tokio::test]
async fn one_bad_write_does_not_take_the_others_with_it() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let (told, mut outcomes) = tokio::sync::mpsc::channel(8);
    for n in 0..3u32 {
        let told = told.clone();
        let job = move |db: &rusqlite::Connection| -> Result<(), StoreError> {
            incidents::audit(db, i64::from(n), "test", "entry", None)?;
            if n == 1 {
                db.execute("INSERT INTO no_such_table VALUES (1)", [])?;
            }
            Ok(())
        };
        let then = move |outcome: Result<(), StoreError>| told.blocking_send((n, outcome.is_ok())).expect("heard");
        store.post(job, then).expect("there is room");
    }
    let mut found = Vec::new();
    for _ in 0..3 {
        found.push(outcomes.recv().await.expect("each write is answered"));
    }
    assert_eq!(found, [(0, true), (1, false), (2, true)]);
    let journal = store.read(|db| incidents::journal(db, None)).await.expect("read");
    assert_eq!(journal.iter().map(|entry| entry.at_us).collect::<Vec<_>>(), [0, 2]);
}

#[tokio::test]
async fn a_full_queue_is_said_and_nothing_waits() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let block = move |_: &rusqlite::Connection| {
        let _ = wait.recv();
        Ok(())
    };
    store.post(block, |_| {}).expect("there is room");
    let mut refused = 0;
    for _ in 0..super::QUEUE + super::BATCH + 2 {
        refused += u32::from(store.post(|_| Ok(()), |_| {}).is_err());
    }
    assert!(refused >= 1);
    drop(go);
    store.settle().await;
}

#[tokio::test]
async fn sessions_end_with_time_with_logout_and_with_the_account() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let account = Account { name: "ana".to_owned(), role: Role::Supervisor, password: "hash".to_owned() };
    let put = account.clone();
    store.write(move |db| accounts::put(db, &put, 0)).await.expect("kept");
    assert_eq!(store.read(|db| accounts::account(db, "ana")).await.expect("read"), Some(account.clone()));
    assert_eq!(store.read(|db| accounts::account(db, "bek")).await.expect("read"), None);
    let begin = async |token: &'static str| {
        store.write(move |db| accounts::begin_session(db, token, "ana", 0, 100)).await.expect("kept");
    };
    let is_there = async |token: &'static str, now| {
        store.read(move |db| accounts::session(db, token, now)).await.expect("read").is_some()
    };
    for token in ["a", "b"] {
        begin(token).await;
        assert!(is_there(token, 99).await && !is_there(token, 100).await);
    }
    store.write(|db| accounts::prolong_session(db, "a", 200)).await.expect("kept");
    assert!(is_there("a", 150).await);
    store.write(|db| accounts::end_session(db, "a")).await.expect("kept");
    assert!(!is_there("a", 50).await && is_there("b", 50).await);
    store.write(move |db| accounts::put(db, &account, 0)).await.expect("kept");
    assert!(!is_there("b", 50).await, "a new password ends every session");
    begin("c").await;
    assert!(store.write(|db| accounts::remove(db, "ana")).await.expect("answered"));
    assert!(!store.write(|db| accounts::remove(db, "ana")).await.expect("answered"));
    assert!(!is_there("c", 50).await);
}

#[tokio::test]
async fn kiosks_are_remembered() {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    let seen = crate::centre::page::KioskView {
        id: kiosk("north"),
        place: Place { name: "park".to_owned(), position_e6: None },
        alive: true,
        leg_up: true,
        faults: vec![],
        outputs: vec![],
        testing: false,
        last_test: None,
        proved: false,
        board: crate::wire::up::Vitals::default(),
        seen_wall_us: Some(5),
        version: "1".to_owned(),
    };
    for seen_wall_us in [Some(5), None] {
        let view = crate::centre::page::KioskView { seen_wall_us, ..seen.clone() };
        store.write(move |db| incidents::save_kiosk(db, &view)).await.expect("kept");
    }
    let found = store.read(kiosks).await.expect("read");
    assert_eq!(found, [crate::centre::page::KioskView { alive: false, leg_up: false, ..seen }]);
}

#[test]
fn a_database_of_a_newer_centre_is_refused_and_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("centre.sqlite");
    let db = rusqlite::Connection::open(&path).expect("a database");
    db.pragma_update(None, "user_version", 99).expect("set");
    drop(db);
    let refused = Store::open(&path).err().expect("it is newer");
    assert!(refused.to_string().contains("version 99"), "{refused}");
    let refused = Store::open(&dir.path().join("no/such/dir.sqlite")).err().expect("there is no such directory");
    assert!(refused.to_string().contains("no/such/dir.sqlite"), "{refused}");
}
