//! Clocks of the shell, and the instants of the incident under way.
//!
//! The machine counts since boot; people and the centre read wall time. An instant's wall time is taken from the
//! event's own instant, not from when it was handled, and a press keeps the wall time it had even if the wall clock
//! is set later.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use crate::wire::IncidentId;
use crate::wire::up::{Mark, PressOrigin};

/// Marks wait this long for company before they are reported.
pub const BATCH: Duration = Duration::from_millis(100);

/// Both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    boot: Instant,
    latest: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { boot: Instant::now(), latest: Duration::ZERO }
    }

    /// Time since boot for the machine: never runs back, though events of different parts may come out of order.
    pub fn machine_time(&mut self, at: Instant) -> Duration {
        self.latest = self.latest.max(self.since_boot(at));
        self.latest
    }

    /// Time since boot.
    #[must_use]
    pub fn since_boot(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.boot)
    }

    /// The instant of a time since boot.
    #[must_use]
    pub fn instant(&self, since_boot: Duration) -> Instant {
        // Beyond what the clock can hold lies no deadline of ours: a year will do.
        let far = || Instant::now() + Duration::from_secs(365 * 24 * 60 * 60);
        self.boot.checked_add(since_boot).unwrap_or_else(far)
    }
}

/// Wall clock at `at`, microseconds since 1970 UTC.
#[must_use]
pub fn wall_us(at: Instant) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let then = now.saturating_sub(at.elapsed());
    i64::try_from(then.as_micros()).unwrap_or(i64::MAX)
}

/// Second of the local day.
#[must_use]
pub fn second_of_day() -> u32 {
    let time = jiff::Zoned::now().time();
    let whole = i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60 + i32::from(time.second());
    u32::try_from(whole).unwrap_or(0)
}

/// What the shell knows of an incident beside the machine.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which.
    pub incident: IncidentId,
    /// Which button.
    pub origin: PressOrigin,
    /// Wall clock of the edge, microseconds.
    pub pressed_wall_us: i64,
    /// Microseconds since boot at the edge; none for a press of an earlier run.
    pub pressed_mono_us: Option<u64>,
    /// Centre minus kiosk at the press, microseconds.
    pub clock_offset_us: Option<i64>,
    marks: BTreeMap<Mark, i64>,
    due: Option<Instant>,
}

impl Record {
    /// A press in this run.
    #[must_use]
    pub fn pressed(
        incident: IncidentId,
        origin: PressOrigin,
        at: Instant,
        clock: &Clock,
        offset_us: Option<i64>,
    ) -> Self {
        let mono_us = u64::try_from(clock.since_boot(at).as_micros()).unwrap_or(u64::MAX);
        let mut record = Self::kept(incident, origin, wall_us(at));
        record.pressed_mono_us = Some(mono_us);
        record.clock_offset_us = offset_us;
        record
    }

    /// A press of an earlier run.
    #[must_use]
    pub fn kept(incident: IncidentId, origin: PressOrigin, pressed_wall_us: i64) -> Self {
        Self {
            incident,
            origin,
            pressed_wall_us,
            pressed_mono_us: None,
            clock_offset_us: None,
            marks: BTreeMap::new(),
            due: None,
        }
    }

    /// Notes an instant. True if the marks should leave now: nothing more is to come.
    pub fn note(&mut self, mark: Mark, at: Instant) -> bool {
        self.marks.insert(mark, if mark == Mark::Edge { self.pressed_wall_us } else { wall_us(at) });
        self.due.get_or_insert_with(|| Instant::now() + BATCH);
        mark == Mark::FirstSoundDown
    }

    /// When the marks are to leave.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The marks not yet reported; empty if there are none.
    pub fn take(&mut self) -> BTreeMap<Mark, i64> {
        self.due = None;
        std::mem::take(&mut self.marks)
    }
}
