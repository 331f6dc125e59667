//! The board and what is on it (port [`Board`]): certificate, disk, sensors, clock; read every few seconds.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use super::link::wall_us;
use crate::kiosk::checkup::{Checkup, Findings, Limits};
use crate::kiosk::ports::{Board, Link, Vitals};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::tls::{self, ClientFiles};
use crate::wire::up::{Fault, FaultKind};

/// How often it looks. Nothing of it changes faster than a person can act.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// One look takes milliseconds.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// systemd-timesyncd and its configuration: where there is none, nobody says whether the clock is set.
const TIMESYNC: &str = "/run/systemd/timesync";

/// The board.
#[derive(Debug, Clone, Default)]
pub struct BoardAdapter {
    vitals: Arc<Mutex<Vitals>>,
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct BoardSettings {
    /// The kiosk's certificate, its key and whom it trusts.
    pub tls: ClientFiles,
    /// Where recordings are kept.
    pub store: PathBuf,
    /// What is too little, too cold, too hot, too late.
    pub limits: Limits,
}

impl BoardAdapter {
    /// Looks once, and then every few seconds on a task of its own.
    #[must_use]
    pub fn start(settings: BoardSettings, link: Arc<dyn Link>, inbox: Inbox) -> Arc<Self> {
        let board = Arc::new(Self::default());
        let shared = Arc::clone(&board);
        let began = Instant::now();
        tokio::spawn(async move {
            let (mut checkup, mut look) = (Checkup::new(settings.limits), interval(LOOK_EVERY));
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (mut reading, mut hung) = (None, false);
            loop {
                look.tick().await;
                let (settings, offset) = (settings.clone(), link.clock_offset_us());
                // A disk that hangs must not hang whoever asks, and costs one thread, not one at each look.
                let under_way =
                    reading.get_or_insert_with(|| tokio::task::spawn_blocking(move || read(&settings, offset)));
                let Ok(read) = timeout(LOOK_WITHIN, under_way).await else {
                    if !std::mem::replace(&mut hung, true) {
                        tell(&inbox, Event::FaultRaised(hangs()));
                    }
                    continue;
                };
                reading = None;
                if std::mem::take(&mut hung) {
                    tell(&inbox, Event::FaultCleared(hangs().kind));
                }
                let Ok((found, vitals)) = read else { continue };
                *shared.vitals.lock().unwrap_or_else(PoisonError::into_inner) = vitals;
                checkup.look(began.elapsed(), &found).into_iter().for_each(|event| tell(&inbox, event));
            }
        });
        board
    }
}

fn tell(inbox: &Inbox, event: Event) {
    if inbox.try_send(Stamped::now(event)).is_err() {
        warn!("board: the shell does not keep up");
    }
}

/// Certificate, store and sensors are files: what hangs is their disk.
fn hangs() -> Fault {
    let detail = format!("expected the disk to answer within {} s, it hangs", LOOK_WITHIN.as_secs());
    Fault { kind: FaultKind::StoreFailed, detail }
}

impl Board for BoardAdapter {
    fn vitals(&self) -> Vitals {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(settings: &BoardSettings, offset_us: Option<i64>) -> (Findings, Vitals) {
    // Without any one of the files there is no link.
    let certificate = settings.tls.read().and_then(|_| tls::validity(&settings.tls.identity.cert));
    let certificate = certificate.map(|v| (v.from_s, v.until_s)).map_err(|e| e.to_string());
    let temperature_c = warmest(&sensors(Path::new("/sys/class")));
    let (disk_free_mb, disk_total_mb) = disk(&settings.store).unzip();
    let wall_s = wall_us() / 1_000_000;
    let store = writable(&settings.store);
    let found = Findings { wall_s, offset_us, synced: synced(), certificate, disk_free_mb, store, temperature_c };
    let mut vitals = Vitals { temperature_c, disk_free_mb, disk_total_mb, ..Vitals::default() };
    found.tell(&mut vitals);
    (found, vitals)
}

fn synced() -> Option<bool> {
    let dir = Path::new(TIMESYNC);
    dir.exists().then(|| dir.join("synchronized").exists())
}

/// Free for us, and in all, MB.
fn disk(store: &Path) -> Option<(u64, u64)> {
    // It may not be there yet; the disk it will be on is.
    let there = store.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    let mb = |blocks: u64| blocks.saturating_mul(found.f_frsize) / 1_000_000;
    Some((mb(found.f_bavail), mb(found.f_blocks)))
}

/// Whether the store's directory can be written to, as far as can be known without writing: flash wears. A card that
/// fails is mounted read-only by the kernel.
fn writable(store: &Path) -> Option<Result<(), String>> {
    use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
    let disk = statvfs(store).ok()?;
    let found = if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        Err(rustix::io::Errno::ROFS)
    } else {
        access(store, Access::WRITE_OK | Access::EXEC_OK)
    };
    Some(found.map_err(|why| format!("{}: {why}", store.display())))
}

/// Every sensor's file: the kernel's thermal zones, and the chips that only watch.
fn sensors(class: &Path) -> Vec<PathBuf> {
    let of = |kind: &str, is: &dyn Fn(&str) -> bool| -> Vec<PathBuf> {
        let chips = std::fs::read_dir(class.join(kind)).into_iter().flatten().flatten();
        let files = chips.flat_map(|chip| std::fs::read_dir(chip.path()).into_iter().flatten().flatten());
        files.filter(|file| file.file_name().to_str().is_some_and(is)).map(|file| file.path()).collect()
    };
    let mut found = of("thermal", &|name| name == "temp");
    found.extend(of("hwmon", &|name| name.starts_with("temp") && name.ends_with("_input")));
    found
}

/// Degrees Celsius. What no board can be is a sensor that is not connected.
fn warmest(sensors: &[PathBuf]) -> Option<f64> {
    const POSSIBLE: std::ops::RangeInclusive<i32> = -60_000..=150_000;
    let read = |sensor: &PathBuf| std::fs::read_to_string(sensor).ok()?.trim().parse::<i32>().ok();
    let millidegrees = sensors.iter().filter_map(read).filter(|found| POSSIBLE.contains(found));
    millidegrees.max().map(|warmest| f64::from(warmest) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_store_that_is_not_there_yet_is_known() {
        let (free, total) = disk(Path::new("/no/such/store")).expect("the root");
        assert!(total > 0 && free <= total);
    }

    struct NoLink;
    impl Link for NoLink {
        fn say(&self, _: crate::kiosk::ports::Saying) {}
        fn echo_age(&self) -> Option<Duration> {
            None
        }
        fn clock_offset_us(&self) -> Option<i64> {
            None
        }
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_told_until_it_answers() {
        let dir = tempfile::TempDir::new().expect("a directory");
        // Whoever opens it hangs.
        let ca = dir.path().join("ca.pem");
        rustix::fs::mkfifoat(rustix::fs::CWD, &ca, 0o600.into()).expect("a pipe");
        let identity = tls::Identity { cert: dir.path().join("kiosk.pem"), key: dir.path().join("kiosk.key") };
        let tls = ClientFiles { ca: ca.clone(), identity };
        let (inbox, mut events) = tokio::sync::mpsc::channel(16);
        let settings = BoardSettings { tls, store: dir.path().to_owned(), limits: Limits::default() };
        let _board = BoardAdapter::start(settings, Arc::new(NoLink), inbox);
        let mut next = async || {
            let told = timeout(Duration::from_secs(20), events.recv()).await.expect("in time");
            told.expect("the board lives").event
        };
        assert_eq!(next().await, Event::FaultRaised(hangs()));
        drop(std::fs::File::options().write(true).open(&ca).expect("it is being read"));
        assert_eq!(next().await, Event::FaultCleared(FaultKind::StoreFailed));
        let unread = next().await;
        let kind = FaultKind::CertificateExpiring;
        assert!(
            matches!(&unread, Event::FaultRaised(f) if f.kind == kind && f.detail.contains("ca.pem")),
            "{unread:?}"
        );
    }

    #[test]
    fn the_warmest_sensor_counts_and_nonsense_does_not() {
        let dir = tempfile::TempDir::new().expect("a directory");
        assert_eq!(warmest(&sensors(dir.path())), None);
        for (file, text) in [
            ("thermal/a/temp", "41500\n"),
            ("thermal/b/temp", "nonsense"),
            ("thermal/b/temp_crit", "105000"),
            ("hwmon/hwmon0/temp1_input", "47250"),
            ("hwmon/hwmon0/temp2_input", "255000"),
            ("hwmon/hwmon0/temp1_max", "95000"),
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a chip");
            std::fs::write(path, text).expect("a sensor");
        }
        assert_eq!(warmest(&sensors(dir.path())), Some(47.25));
    }

    #[test]
    fn a_store_is_writable_or_says_why_not() {
        let dir = tempfile::TempDir::new().expect("a directory");
        assert_eq!(writable(dir.path()), Some(Ok(())));
        assert_eq!(writable(&dir.path().join("gone")), None);
        // What even root cannot write to.
        let why = writable(Path::new("/proc/sys")).expect("it is there").err();
        assert!(why.is_none_or(|why| why.starts_with("/proc/sys: ")), "it names the place");
    }
}
