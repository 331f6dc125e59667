//! The durable store on real files and a real SQLite: stopped after every step, torn, corrupted, restarted.
#![cfg(feature = "kiosk")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sos::adapter::store::{LateStore, State, Step, StoreAdapter, StoreError, layout};
use sos::evidence::chain::Chain;
use sos::evidence::verify::{Outcome, verify};
use sos::evidence::{SigningKey, Subject};
use sos::kiosk::ports::{Fragments, KeptPress, NewFragment, Store};
use sos::kiosk::{INBOX_SIZE, Stamped};
use sos::machine::Event;
use sos::wire::up::{Fault, FaultKind, PressOrigin};
use sos::wire::{IncidentId, KioskId};
use tempfile::TempDir;
use tokio::sync::mpsc;

type Events = mpsc::Receiver<Stamped>;

fn kiosk() -> KioskId {
    "park-north-1".parse().unwrap()
}

fn open(dir: &Path) -> (Arc<StoreAdapter>, Vec<KeptPress>, Vec<String>, Events) {
    let (inbox, events) = mpsc::channel(INBOX_SIZE);
    let (store, presses, mut report) = StoreAdapter::open(dir, &kiosk(), inbox).expect("the store opens");
    report.extend(store.recovered(Duration::from_secs(10)).expect("every recording is looked at in time"));
    // The count follows each job; the next answer comes after it.
    store.next_index(IncidentId::fresh());
    (store, presses, report, events)
}

fn press(incident: IncidentId) -> KeptPress {
    KeptPress {
        incident,
        origin: PressOrigin::Button,
        pressed_wall_us: 1_700_000_000_000_000,
        presses: 1,
        acknowledged: false,
    }
}

fn fragment(incident: IncidentId, index: u64) -> NewFragment {
    NewFragment {
        incident,
        index,
        start_wall_us: 1_700_000_000_000_000 + i64::try_from(index).unwrap() * 1_000_000,
        duration_us: if index == 0 { 0 } else { 1_000_000 },
        bytes: Bytes::from(format!("fragment {index} of {incident}").repeat(100)),
    }
}

async fn event(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(10), events.recv()).await.expect("an event in time").expect("open").event
}

/// What a power cut at this instant leaves, as far as SIGKILL can show it: a copy of the directory.
fn snapshot(dir: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), &target).unwrap();
                let modified = entry.metadata().unwrap().modified().unwrap();
                fs::File::options().append(true).open(&target).unwrap().set_modified(modified).unwrap();
            }
        }
    }
    let to = TempDir::new().unwrap();
    copy(dir, to.path());
    to
}

fn temporaries(dir: &Path, incident: IncidentId) -> usize {
    let files = layout::files(dir, incident).unwrap();
    files.iter().filter(|(kind, _)| *kind == layout::Kind::Temporary).count()
}

/// Fragments of an incident as the index has them.
async fn indexed(store: &StoreAdapter, incident: IncidentId) -> Vec<(u64, State)> {
    let found = store.ask(move |index| index.fragments(incident)).await.unwrap();
    found.into_iter().map(|(entry, state)| (entry.index, state)).collect()
}

#[tokio::test]
async fn a_press_is_kept_and_restored_until_it_is_over() {
    let dir = TempDir::new().unwrap();
    let (first, second) = (IncidentId::fresh(), IncidentId::fresh());
    let (store, presses, report, mut events) = open(dir.path());
    assert_eq!((presses.len(), report.len()), (0, 0));
    for incident in [first, second] {
        store.keep(press(incident));
        assert_eq!(event(&mut events).await, Event::Kept { incident });
    }

    // Kept means kept: killed now, it is there.
    let cut = snapshot(dir.path());
    assert_eq!(open(cut.path()).1, [press(first), press(second)]);

    store.keep(KeptPress { presses: 2, ..press(second) });
    store.keep_acknowledged(second);
    store.keep_closed(first);
    assert_eq!(event(&mut events).await, Event::Kept { incident: second });
    drop(store);
    let (_store, presses, report, _events) = open(dir.path());
    assert_eq!(presses, [KeptPress { presses: 2, acknowledged: true, ..press(second) }]);
    assert_eq!(report, Vec::<String>::new());
}

#[tokio::test]
async fn stopped_after_every_step_a_fragment_is_whole_or_not_there() {
    for step in Step::ALL {
        let dir = TempDir::new().unwrap();
        let incident = IncidentId::fresh();
        let (store, _, _, mut events) = open(dir.path());
        store.keep(press(incident));
        event(&mut events).await;
        for index in 0..3 {
            store.write(fragment(incident, index)).unwrap();
        }
        store.stop_after(Some(step));
        let stopped = store.write(fragment(incident, 3)).expect_err("it stops");
        assert_eq!((stopped.index, stopped.step), (3, step.name()));
        let cut = snapshot(dir.path());
        if step <= Step::SyncFile {
            assert_eq!(temporaries(cut.path(), incident), 1, "{step:?}");
        }
        if step == Step::Write {
            // Not synced yet: any part of the bytes may be there.
            let temporary = layout::temporary(&layout::fragment(cut.path(), incident, 3));
            fs::File::options().write(true).open(temporary).unwrap().set_len(100).unwrap();
        }

        let (store, presses, report, _events) = open(cut.path());
        assert_eq!(report, Vec::<String>::new(), "{step:?}");
        assert_eq!(presses.len(), 1);
        assert_eq!(temporaries(cut.path(), incident), 0, "{step:?}");
        let there = if step >= Step::Rename { 4 } else { 3 };
        assert_eq!(store.next_index(incident), there, "{step:?}");
        assert_eq!(store.undelivered(), there, "{step:?}");
        for (entry, state) in store.ask(move |index| index.fragments(incident)).await.unwrap() {
            let wanted = fragment(incident, entry.index);
            assert_eq!(state, State::Waiting);
            assert_eq!(entry.sha256, <[u8; 32]>::from(Sha256::digest(&wanted.bytes)));
            assert_eq!(fs::read(store.fragment_path(incident, entry.index)).unwrap(), wanted.bytes);
            assert_eq!(
                (entry.start_wall_us, entry.duration_us),
                (wanted.start_wall_us, wanted.duration_us),
                "{step:?}"
            );
        }
        // It goes on where it was: the same fragment again, and the next.
        store.write(fragment(incident, 3)).unwrap();
        store.write(fragment(incident, 4)).unwrap();
        assert_eq!(store.next_index(incident), 5);
    }
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_and_can_be_done_again() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let (store, ..) = open(dir.path());
    // The place of the directory is taken by a file.
    fs::write(layout::recording(dir.path(), incident), "in the way").unwrap();
    let failed = store.write(fragment(incident, 0)).expect_err("no directory");
    assert_eq!(failed.step, Step::Create.name());
    fs::remove_file(layout::recording(dir.path(), incident)).unwrap();
    store.write(fragment(incident, 0)).unwrap();

    let other = NewFragment { bytes: Bytes::from_static(b"other"), ..fragment(incident, 0) };
    let failed = store.write(other).expect_err("the place is taken");
    assert!(failed.why.contains("other bytes"), "{failed}");
    assert_eq!(fs::read(store.fragment_path(incident, 0)).unwrap(), fragment(incident, 0).bytes);
}

/// The fault for whoever looks after the card.
async fn replaced(events: &mut Events, says: &str) {
    let told = event(events).await;
    let fits = |fault: &Fault| fault.kind == FaultKind::StoreReplaced && fault.detail.contains(says);
    assert!(matches!(&told, Event::FaultRaised(fault) if fits(fault)), "{told:?}");
}

type Damage = (&'static str, fn(&Path), bool);

#[tokio::test]
async fn a_database_that_does_not_serve_is_set_aside_and_the_index_rebuilt() {
    let damages: [Damage; 5] = [
        ("garbage", |path| fs::write(path, [0x5a; 9000]).unwrap(), false),
        ("empty, which is a fresh one", |path| fs::write(path, "").unwrap(), false),
        (
            "half",
            |path| {
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            },
            false,
        ),
        (
            "a page overwritten",
            |path| {
                let mut bytes = fs::read(path).unwrap();
                let end = bytes.len();
                bytes[4096 * 5..end].fill(0xff);
                fs::write(path, bytes).unwrap();
            },
            false,
        ),
        (
            "of a newer version",
            |path| {
                let db = rusqlite::Connection::open(path).unwrap();
                db.pragma_update(None, "user_version", 99).unwrap();
            },
            true,
        ),
    ];
    for (what, damage, press_saved) in damages {
        let dir = TempDir::new().unwrap();
        let incident = IncidentId::fresh();
        let (store, _, _, mut events) = open(dir.path());
        store.keep(press(incident));
        event(&mut events).await;
        for index in 0..5 {
            store.write(fragment(incident, index)).unwrap();
        }
        store.seal(incident, 4).unwrap();
        drop(store);
        damage(&layout::database(dir.path()));

        let (store, presses, report, mut events) = open(dir.path());
        let aside = fs::read_dir(dir.path()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
            name.starts_with("store.sqlite.corrupt-") && !name.ends_with("-wal") && !name.ends_with("-shm")
        });
        let expected = usize::from(!what.starts_with("empty"));
        assert_eq!((report.len(), aside.count()), (expected, expected), "{what}: {report:?}");
        assert_eq!(indexed(&store, incident).await.len(), 5, "{what}");
        assert_eq!(store.ask(move |index| index.sealed(incident)).await.unwrap(), Some(4), "{what}");
        for (entry, _) in store.ask(move |index| index.fragments(incident)).await.unwrap() {
            let wanted = fragment(incident, entry.index);
            assert_eq!(entry.sha256, <[u8; 32]>::from(Sha256::digest(&wanted.bytes)), "{what}");
            assert_eq!((entry.start_wall_us, entry.duration_us), (wanted.start_wall_us, wanted.duration_us), "{what}");
        }
        if press_saved {
            assert_eq!(presses, [press(incident)], "{what}");
        }
        if expected == 1 {
            replaced(&mut events, "store.sqlite.corrupt-").await;
        }
        // And it works on.
        let next = IncidentId::fresh();
        store.keep(press(next));
        assert_eq!(event(&mut events).await, Event::Kept { incident: next }, "{what}");
        store.write(fragment(next, 0)).unwrap();
    }
}

#[tokio::test]
async fn a_log_torn_anywhere_never_stops_the_start_nor_loses_what_came_before() {
    let dir = TempDir::new().unwrap();
    let (store, _, _, mut events) = open(dir.path());
    let first = IncidentId::fresh();
    store.keep(press(first));
    event(&mut events).await;
    let wal = |dir: &Path| layout::database(dir).with_extension("sqlite-wal");
    let before = fs::metadata(wal(dir.path())).unwrap().len();
    store.keep(press(IncidentId::fresh()));
    event(&mut events).await;
    let after = fs::metadata(wal(dir.path())).unwrap().len();
    assert!(after > before);
    for cut in (before..=after).step_by(1000) {
        let copy = snapshot(dir.path());
        fs::File::options().write(true).open(wal(copy.path())).unwrap().set_len(cut).unwrap();
        let (_store, presses, report, _events) = open(copy.path());
        assert_eq!(presses.first(), Some(&press(first)), "cut at {cut}");
        assert_eq!(report, Vec::<String>::new(), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_database_that_breaks_while_in_use_is_replaced() {
    let dir = TempDir::new().unwrap();
    let (store, _, _, mut events) = open(dir.path());
    let recorded = IncidentId::fresh();
    store.keep(press(recorded));
    event(&mut events).await;
    store.write(fragment(recorded, 0)).unwrap();
    // Behind the daemon's back: the file and its log become garbage. SQLite finds out when it next reads
    // from the disk, which its cache may put off: here it is told.
    for path in [layout::database(dir.path()), layout::database(dir.path()).with_extension("sqlite-wal")] {
        fs::write(&path, vec![0x5a; 20_000]).unwrap();
    }
    let mut told = false;
    let broke = store.ask(move |_| {
        if std::mem::replace(&mut told, true) {
            return Ok(());
        }
        Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), None))
    });
    broke.await.unwrap();
    replaced(&mut events, "store.sqlite.corrupt-").await;
    store.recovered(Duration::from_secs(10)).expect("in time");
    assert_eq!(indexed(&store, recorded).await.len(), 1, "found again from the files");
    assert_eq!(store.take_found(), [recorded].into(), "the centre may have it");

    let after = IncidentId::fresh();
    store.keep(press(after));
    assert_eq!(event(&mut events).await, Event::Kept { incident: after });
    store.write(fragment(recorded, 1)).unwrap();
    drop(store);
    let (store, presses, report, _events) = open(dir.path());
    assert_eq!((presses, report), (vec![press(after)], vec![]));
    assert_eq!(indexed(&store, recorded).await.len(), 2);
}

#[tokio::test]
async fn files_that_are_gone_or_torn_are_reported_once_and_never_overwritten() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let (store, _, _, mut events) = open(dir.path());
    store.keep(press(incident));
    event(&mut events).await;
    for index in 0..5 {
        store.write(fragment(incident, index)).unwrap();
    }
    drop(store);
    fs::remove_file(layout::fragment(dir.path(), incident, 4)).unwrap();
    fs::write(layout::fragment(dir.path(), incident, 2), "torn").unwrap();
    fs::write(layout::recording(dir.path(), incident).join("notes.txt"), "somebody's").unwrap();

    let (store, _, report, _events) = open(dir.path());
    assert_eq!(report.len(), 3, "{report:?}");
    assert!(report.iter().any(|line| line.contains("000004.m4s") && line.contains("no file")), "{report:?}");
    assert!(report.iter().any(|line| line.contains("000002.m4s") && line.contains("found 4 bytes")), "{report:?}");
    assert!(report.iter().any(|line| line.contains("notes.txt") && line.contains("left alone")), "{report:?}");
    assert_eq!(store.undelivered(), 3);
    // The centre may have number 4 already: its place is not taken again.
    assert_eq!(store.next_index(incident), 5);
    drop(store);
    let (_store, _, report, _events) = open(dir.path());
    assert_eq!(report.len(), 1, "reported once: {report:?}");
}

#[tokio::test]
async fn a_recording_cut_off_is_sealed_at_the_start_unless_its_incident_is_open() {
    let dir = TempDir::new().unwrap();
    let (over, running) = (IncidentId::fresh(), IncidentId::fresh());
    let (store, _, _, mut events) = open(dir.path());
    store.keep(press(running));
    event(&mut events).await;
    for index in 0..3 {
        store.write(fragment(over, index)).unwrap();
        store.write(fragment(running, index)).unwrap();
    }
    drop(store);
    let (store, ..) = open(dir.path());
    let sealed = |incident| store.ask(move |index| index.sealed(incident));
    assert_eq!((sealed(over).await.unwrap(), sealed(running).await.unwrap()), (Some(2), None));
    // The first word stands.
    store.seal(over, 7).unwrap();
    assert_eq!(sealed(over).await.unwrap(), Some(2));
}

#[tokio::test]
async fn undelivered_counts_what_has_no_receipt() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let (store, _, _, mut events) = open(dir.path());
    store.keep(press(incident));
    event(&mut events).await;
    for index in 0..4 {
        store.write(fragment(incident, index)).unwrap();
    }
    for (index, state, left) in [(0, State::Delivered, 3), (1, State::Refused, 3), (2, State::Lost, 2)] {
        store.ask(move |db| db.set_state(incident, index, state)).await.unwrap();
        // The count follows each job; the next answer comes after it.
        store.ask(|db| db.count(State::Waiting)).await.unwrap();
        assert_eq!(store.undelivered(), left, "{state:?}");
    }
    drop(store);
    let (store, ..) = open(dir.path());
    // What was refused waits again after a start.
    assert_eq!(indexed(&store, incident).await[1], (1, State::Waiting));
    assert_eq!(store.undelivered(), 2);
}

#[test]
fn two_daemons_never_share_a_directory() {
    let dir = TempDir::new().unwrap();
    let (inbox, _events) = mpsc::channel(INBOX_SIZE);
    let first = StoreAdapter::open(dir.path(), &kiosk(), inbox.clone()).unwrap();
    assert!(matches!(StoreAdapter::open(dir.path(), &kiosk(), inbox.clone()), Err(StoreError::InUse { .. })));
    drop(first);
    StoreAdapter::open(dir.path(), &kiosk(), inbox).expect("free again");
}

#[test]
fn where_nothing_can_be_kept_the_error_names_the_place() {
    let dir = TempDir::new().unwrap();
    let taken = dir.path().join("a-file");
    fs::write(&taken, "").unwrap();
    let (inbox, _events) = mpsc::channel(INBOX_SIZE);
    let failed = StoreAdapter::open(&taken, &kiosk(), inbox).err().expect("no directory").to_string();
    assert!(failed.contains("a-file"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_cannot_be_kept_is_told_and_no_question_heals_the_fault() {
    let dir = TempDir::new().unwrap();
    let (store, _, _, mut events) = open(dir.path());
    let incident = IncidentId::fresh();
    store.keep(press(incident));
    assert_eq!(event(&mut events).await, Event::Kept { incident });

    // Somebody else writes, and does not end.
    let other = rusqlite::Connection::open(layout::database(dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.keep_closed(incident);
    let Event::FaultRaised(fault) = event(&mut events).await else { panic!("a fault comes first") };
    assert_eq!(fault.kind, FaultKind::StoreFailed);
    assert!(matches!(event(&mut events).await, Event::CloseNotKept { incident: id, .. } if id == incident));
    store.ask(move |index| index.next_index(incident)).await.expect("it can be read");
    assert!(events.try_recv().is_err(), "what can be read need not be written");

    other.execute_batch("ROLLBACK").unwrap();
    store.keep_closed(incident);
    assert_eq!(event(&mut events).await, Event::FaultCleared(FaultKind::StoreFailed));
    drop(store);
    assert!(open(dir.path()).1.is_empty(), "closed");
}

#[tokio::test]
async fn a_start_waits_for_no_recording_and_keeps_presses_meanwhile() {
    let dir = TempDir::new().unwrap();
    let (open_one, old) = (IncidentId::fresh(), IncidentId::fresh());
    let (store, _, _, mut events) = open(dir.path());
    store.keep(press(open_one));
    event(&mut events).await;
    store.write(fragment(old, 0)).unwrap();
    drop(store);
    let hangs = layout::fragment(dir.path(), old, 1);
    hang(&hangs);

    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    let (opened, store) = mpsc::channel(1);
    let at = dir.path().to_owned();
    std::thread::spawn(move || opened.blocking_send(StoreAdapter::open(&at, &kiosk(), inbox)));
    let mut store = store;
    let opened = tokio::time::timeout(Duration::from_secs(5), store.recv()).await.expect("it opens in time").unwrap();
    let (store, presses, _) = opened.expect("it opens");
    assert_eq!(presses, [press(open_one)]);
    let next = IncidentId::fresh();
    store.keep(press(next));
    assert_eq!(event(&mut events).await, Event::Kept { incident: next });
    assert_eq!(store.recovered(Duration::ZERO), None, "it hangs");
    // Whoever waits for it is let go.
    drop(fs::File::options().write(true).open(&hangs).unwrap());
    store.recovered(Duration::from_secs(10)).expect("it goes on");
}

/// A file that the card does not give: whoever opens it hangs.
fn hang(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap();
}

fn is_store_fault(event: &Event, says: &str) -> bool {
    matches!(event, Event::FaultRaised(fault) if fault.kind == FaultKind::StoreFailed && fault.detail.contains(says))
}

#[tokio::test]
async fn a_recording_goes_on_where_its_files_end_before_they_are_indexed_again() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let (store, ..) = open(dir.path());
    for index in 0..4 {
        store.write(fragment(incident, index)).unwrap();
    }
    let whole = store.recorded_wall_us(incident);
    assert_eq!(whole, Some((fragment(incident, 1).start_wall_us, fragment(incident, 4).start_wall_us)));
    drop(store);
    fs::remove_file(layout::database(dir.path())).unwrap();
    // Newest first: the one that hangs is indexed before.
    let newer = IncidentId::fresh();
    fs::create_dir(layout::recording(dir.path(), newer)).unwrap();
    let hangs = layout::fragment(dir.path(), newer, 0);
    hang(&hangs);
    let (inbox, _events) = mpsc::channel(INBOX_SIZE);
    let (store, ..) = StoreAdapter::open(dir.path(), &kiosk(), inbox).unwrap();
    assert_eq!(indexed(&store, incident).await, [], "not yet");
    assert_eq!((store.next_index(incident), store.recorded_wall_us(incident)), (4, whole));
    // What is written meanwhile is indexed as it is, and is not newer than the rest.
    store.write(fragment(incident, 4)).unwrap();
    drop(fs::File::options().write(true).open(&hangs).unwrap());
    store.recovered(Duration::from_secs(10)).expect("it goes on");
    assert_eq!(indexed(&store, incident).await.len(), 5);
    let order: Vec<IncidentId> =
        store.ask(|index| index.recordings()).await.unwrap().into_iter().map(|(incident, _)| incident).collect();
    assert_eq!(order, [incident, newer]);
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_tried_again_and_keeps_what_was_pressed_meanwhile() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("store");
    fs::write(&at, "in the way").unwrap();
    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    let (store, mut presses) = LateStore::start(&at, &kiosk(), inbox).unwrap();
    let failed = event(&mut events).await;
    assert!(is_store_fault(&failed, "store"), "{failed:?}");
    assert_eq!(presses.recv().await, Some(vec![]), "the start need not wait");
    let incident = IncidentId::fresh();
    store.keep(press(incident));
    assert!(matches!(event(&mut events).await, Event::KeepFailed { .. }));
    let refused = store.write(fragment(incident, 0)).expect_err("no store");
    assert!(refused.step.contains("open the store"), "{refused}");

    fs::remove_file(&at).unwrap();
    let both = [event(&mut events).await, event(&mut events).await];
    assert!(both.contains(&Event::Kept { incident }), "{both:?}");
    assert!(both.contains(&Event::FaultCleared(FaultKind::StoreFailed)), "{both:?}");
    store.write(fragment(incident, 0)).unwrap();
    assert_eq!(presses.recv().await, Some(vec![]));
    store.keep_closed(incident);
    store.shut_down().await;
    drop(store);
    assert_eq!(open(&at).1, []);
}

#[tokio::test]
async fn a_card_that_hangs_at_the_start_is_a_fault_and_what_was_pressed_is_kept_when_it_answers() {
    let dir = TempDir::new().unwrap();
    let (before, pressed, over) = (IncidentId::fresh(), IncidentId::fresh(), IncidentId::fresh());
    let (store, _, _, mut events) = open(dir.path());
    store.keep(press(before));
    event(&mut events).await;
    drop(store);
    fs::remove_file(layout::lock(dir.path())).unwrap();
    hang(&layout::lock(dir.path()));

    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    let (store, mut presses) = LateStore::start(dir.path(), &kiosk(), inbox).unwrap();
    store.keep(press(pressed));
    store.keep(press(over));
    store.keep_closed(over);
    let silent = event(&mut events).await;
    assert!(is_store_fault(&silent, "has not answered"), "{silent:?}");
    assert!(presses.try_recv().is_err());

    let _lets_go = fs::File::open(layout::lock(dir.path())).unwrap();
    assert_eq!(presses.recv().await, Some(vec![press(before)]));
    let both = [event(&mut events).await, event(&mut events).await];
    assert!(both.contains(&Event::Kept { incident: pressed }), "{both:?}");
    assert!(both.contains(&Event::FaultCleared(FaultKind::StoreFailed)), "{both:?}");
    store.shut_down().await;
    drop(store);
    fs::remove_file(layout::lock(dir.path())).unwrap();
    assert_eq!(open(dir.path()).1, [press(before), press(pressed)]);
}

#[tokio::test]
async fn a_disk_that_hangs_while_something_is_kept_is_a_fault() {
    let dir = TempDir::new().unwrap();
    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    let (store, _presses) = LateStore::start(dir.path(), &kiosk(), inbox).unwrap();
    let there = Arc::clone(&store).here().await;
    let (let_go, hangs) = std::sync::mpsc::channel::<()>();
    let asked = tokio::spawn(async move {
        let answer = there.ask(move |_| {
            // Until its sender is gone.
            let _ = hangs.recv();
            Ok(())
        });
        answer.await
    });
    let fault = event(&mut events).await;
    assert!(is_store_fault(&fault, "has not answered"), "{fault:?}");
    drop(let_go);
    assert_eq!(event(&mut events).await, Event::FaultCleared(FaultKind::StoreFailed));
    asked.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_proof_of_a_store_that_nobody_asks_is_a_write() {
    let dir = TempDir::new().unwrap();
    let (store, _, _, mut events) = open(dir.path());
    let log = || fs::metadata(layout::database(dir.path()).with_extension("sqlite-wal")).unwrap().len();
    let before = log();
    store.ask(|index| index.prove()).await.unwrap();
    let page = log() - before;
    assert!((4096..=2 * 4120).contains(&page), "{page} bytes: one page, as seldom as it is");

    let other = rusqlite::Connection::open(layout::database(dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.ask(|index| index.prove()).await.expect_err("nothing can be written");
    let fault = event(&mut events).await;
    assert!(is_store_fault(&fault, "locked"), "{fault:?}");
}

/// What `sos-ctl verify` would find.
fn proven(dir: &Path, incident: IncidentId) -> (Outcome, Vec<u64>, Vec<String>) {
    let (key, made) = SigningKey::load_or_make(&layout::evidence_key(dir)).unwrap();
    assert!(!made, "the store has made it");
    let report = verify(&layout::recording(dir, incident), &key.public()).unwrap();
    (report.outcome, report.proven, report.findings.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn the_chain_is_whole_wherever_the_power_went() {
    // What else is lost: nothing; the end of the chain's file, which is never synced; the index; both.
    for (step, chain_lost, index_lost) in Step::ALL
        .into_iter()
        .flat_map(|step| [(step, 0, false), (step, 1, false), (step, 500, false), (step, 0, true), (step, 700, true)])
    {
        let case = format!("{step:?}, {chain_lost} bytes of the chain lost, index lost: {index_lost}");
        let dir = TempDir::new().unwrap();
        let incident = IncidentId::fresh();
        let (store, _, _, mut events) = open(dir.path());
        store.keep(press(incident));
        event(&mut events).await;
        (0..4).for_each(|index| store.write(fragment(incident, index)).unwrap());
        let before = fs::read(layout::chain(dir.path(), incident)).unwrap();
        store.stop_after(Some(step));
        store.write(fragment(incident, 4)).expect_err("it stops");
        let cut = snapshot(dir.path());
        let chain = layout::chain(cut.path(), incident);
        let length = fs::metadata(&chain).unwrap().len();
        fs::File::options().write(true).open(&chain).unwrap().set_len(length - chain_lost).unwrap();
        if index_lost {
            for file in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(cut.path().join(format!("store.sqlite{file}")));
            }
        }
        let (store, ..) = open(cut.path());
        // The very same bytes: what was said to the centre of it stays true.
        assert!(fs::read(&chain).unwrap().starts_with(&before), "{case}");
        if !index_lost {
            (store.next_index(incident)..7).for_each(|index| store.write(fragment(incident, index)).unwrap());
            store.seal(incident, 6).unwrap();
        }
        let indexed = store.ask(move |index| index.fragments(incident)).await.unwrap();
        assert!(indexed.iter().all(|(entry, _)| entry.signed.is_some()), "{case}: what is delivered has its link");
        let (outcome, fragments, findings) = proven(cut.path(), incident);
        assert_eq!((outcome, findings), (Outcome::Verified, vec![]), "{case}");
        assert_eq!(fragments.len(), indexed.len(), "{case}");
    }
}

#[tokio::test]
async fn what_was_recorded_before_there_were_links_stays_unsigned() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let (store, _, _, mut events) = open(dir.path());
    store.keep(press(incident));
    event(&mut events).await;
    (0..3).for_each(|index| store.write(fragment(incident, index)).unwrap());
    drop(store);
    fs::remove_file(layout::chain(dir.path(), incident)).unwrap();
    for file in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(dir.path().join(format!("store.sqlite{file}")));
    }
    let (store, ..) = open(dir.path());
    store.write(fragment(incident, 3)).unwrap();
    store.seal(incident, 3).unwrap();
    let indexed = store.ask(move |index| index.fragments(incident)).await.unwrap();
    assert_eq!(indexed.len(), 4);
    assert!(indexed.iter().all(|(entry, _)| entry.signed.is_none()), "nobody signs afterwards");
    assert_eq!(proven(dir.path(), incident).0, Outcome::Unsigned);
}

#[tokio::test]
async fn the_head_of_the_chain_is_there_to_be_said() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let (store, ..) = open(dir.path());
    let next = async |store: &StoreAdapter| {
        let heads = tokio::time::timeout(Duration::from_secs(10), store.chains().heads.next()).await.expect("in time");
        heads.into_iter().map(|head| (head.fragment, head.sealed, head.digest)).collect::<Vec<_>>()
    };
    (0..3).for_each(|index| store.write(fragment(incident, index)).unwrap());
    let subject = Subject { kiosk: kiosk(), incident };
    let digest = |at: usize| {
        let chain = Chain::read(&fs::read(layout::chain(dir.path(), incident)).unwrap());
        chain.links[at].digest(&subject).to_string()
    };
    assert_eq!(next(&store).await, [(2, false, digest(2))], "the newest alone");
    store.seal(incident, 2).unwrap();
    assert_eq!(next(&store).await, [(2, true, digest(3))]);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_set_aside_and_the_store_opens() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    fs::write(layout::evidence_key(dir.path()), "torn").unwrap();
    let (store, _, report, _events) = open(dir.path());
    assert!(report.iter().any(|line| line.contains("another key was made")), "{report:?}");
    store.write(fragment(IncidentId::fresh(), 0)).unwrap();
}
