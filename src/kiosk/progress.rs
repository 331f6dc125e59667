//! What the watchdog is fed from: progress, not life (invariant 5).
//!
//! The core reports at every heartbeat whether the panel's threads, the link's loop, the camera's frames and the
//! microphone's periods move on. A camera that its adapter has declared lost does not stop the feeding: the adapter works, the hardware
//! does not, and a restart would only take the alarm away.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ports::MediaHealth;
use crate::wire::limits::HEARTBEAT_EVERY;
use crate::wire::up::{Fault, FaultKind};

/// A part that has not moved for this long has stalled. It is looked at with each heartbeat, so it is known at the
/// latest 6 s after it stopped; the service manager acts when its watchdog (4 s, `systemd/kiosk/sos-kiosk.service`)
/// was last fed before that; half a second for the new start: a frozen task brings the service back within 12 s.
/// Everything that is watched turns at least once a second.
const STALLED_AFTER: Duration = Duration::from_secs(4);
/// The core reports with each heartbeat: three of them missed is the same 6 s.
const SILENT_AFTER: Duration = HEARTBEAT_EVERY.saturating_mul(3);
/// Whoever rebuilds broken parts of the media may be this long in a driver that opens slowly; longer is a hang, and
/// nothing that breaks from then on would ever come back.
const SUPERVISOR_STALLED_AFTER: Duration = Duration::from_secs(30);
/// The pipeline has this long for its first frame.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(30);

/// The core's last word about progress.
#[derive(Debug)]
pub struct Progress {
    last: Mutex<(Instant, Option<String>)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { last: Mutex::new((Instant::now(), None)) }
    }
}

impl Progress {
    /// The core's word: alive, and what stalls.
    pub fn report(&self, stalled: Option<String>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), stalled);
    }

    /// Whether everything moves.
    ///
    /// # Errors
    /// What does not, for the log.
    pub fn check(&self) -> Result<(), String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let age = last.0.elapsed();
        if age > SILENT_AFTER {
            return Err(format!("the core has not turned for {:.1} s", age.as_secs_f64()));
        }
        last.1.clone().map_or(Ok(()), Err)
    }
}

/// How long ago the loops that turn by themselves last turned; none: not measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turns {
    /// The panel's threads, the slower of them.
    pub panel: Option<Duration>,
    /// The link's.
    pub link: Option<Duration>,
    /// That of whoever watches the media.
    pub media: Option<Duration>,
}

/// What stalls, if anything does.
#[must_use]
pub fn stalled(uptime: Duration, health: MediaHealth, turns: Turns, faults: &[Fault]) -> Option<String> {
    let lost = |kind| faults.iter().any(|fault| fault.kind == kind);
    let parts = [
        ("camera frames", health.frame_age, FaultKind::CameraLost),
        ("microphone periods", health.sound_age, FaultKind::MicrophoneLost),
    ];
    for (what, age, fault) in parts {
        let still = age.map_or(uptime > FIRST_FRAME_WITHIN, |age| age > STALLED_AFTER);
        if still && !lost(fault) {
            let age = age.map_or_else(|| "ever".to_owned(), |age| format!("{:.1} s", age.as_secs_f64()));
            return Some(format!("no {what} for {age}, and no fault raised for it"));
        }
    }
    let loops = [
        ("the panel's thread", turns.panel, STALLED_AFTER),
        ("the link's loop", turns.link, STALLED_AFTER),
        ("the media's supervisor", turns.media, SUPERVISOR_STALLED_AFTER),
    ];
    loops.into_iter().find_map(|(what, age, most)| {
        let age = age.filter(|age| *age > most)?;
        Some(format!("{what} has not turned for {:.1} s", age.as_secs_f64()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(100);
    const FRESH: MediaHealth =
        MediaHealth { frame_age: Some(Duration::ZERO), sound_age: Some(Duration::ZERO), mic_dbfs: None };

    #[test]
    fn progress_feeds_and_a_stall_does_not() {
        let second = Some(Duration::from_secs(1));
        let turning = Turns { panel: second, link: second, media: Some(Duration::from_secs(20)) };
        assert_eq!(stalled(LONG, FRESH, turning, &[]), None);
        let frozen = MediaHealth { frame_age: Some(LONG), ..FRESH };
        assert!(stalled(LONG, frozen, turning, &[]).is_some_and(|why| why.contains("camera frames for 100.0 s")));
        let lost = Fault { kind: FaultKind::CameraLost, detail: String::new() };
        assert_eq!(stalled(LONG, frozen, turning, &[lost]), None);
        for (turns, what) in [
            (Turns { link: Some(LONG), ..turning }, "link"),
            (Turns { panel: Some(LONG), ..turning }, "panel"),
            (Turns { media: Some(LONG), ..turning }, "media"),
        ] {
            assert!(stalled(LONG, FRESH, turns, &[]).is_some_and(|why| why.contains(what)), "{what}");
        }
    }

    #[test]
    fn a_frozen_task_is_back_within_12_s() {
        let unit = include_str!("../../systemd/kiosk/sos-kiosk.service");
        let watchdog = unit.lines().find_map(|line| line.strip_prefix("WatchdogSec=")?.strip_suffix('s')?.parse().ok());
        let watchdog = Duration::from_secs(watchdog.expect("the unit has a watchdog in whole seconds"));
        let start = Duration::from_secs(1);
        assert!(STALLED_AFTER + HEARTBEAT_EVERY + watchdog + start <= Duration::from_secs(12));
        assert!(SILENT_AFTER + watchdog + start <= Duration::from_secs(12));
    }

    #[test]
    fn before_the_first_frame_there_is_some_patience() {
        assert_eq!(stalled(Duration::from_secs(5), MediaHealth::default(), Turns::default(), &[]), None);
        assert!(stalled(LONG, MediaHealth::default(), Turns::default(), &[]).is_some());
    }

    #[test]
    fn the_cores_own_silence_is_a_stall() {
        let progress = Progress::default();
        assert_eq!(progress.check(), Ok(()));
        progress.report(Some("x".to_owned()));
        assert_eq!(progress.check(), Err("x".to_owned()));
    }
}
