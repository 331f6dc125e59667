//! The one time line: every pipeline of the kiosk runs on the same clock from the same zero, so that
//! picture, both voices and the recording can be laid side by side, and a rebuilt part falls into place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Running time: nanoseconds since the adapter's start on the shared monotonic clock.
pub type Running = u64;

/// One second of [`Running`].
pub const SECOND: Running = 1_000_000_000;
/// One millisecond of [`Running`].
pub const MS: Running = 1_000_000;

/// The shared clock and its zero.
#[derive(Debug, Clone)]
pub struct Timeline {
    clock: gst::Clock,
    base: gst::ClockTime,
}

impl Timeline {
    /// A time line that begins now. GStreamer must have been initialised.
    #[must_use]
    pub fn begin() -> Self {
        let clock = gst::SystemClock::obtain();
        let base = clock.time();
        Self { clock, base }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Running {
        self.clock.time().nseconds().saturating_sub(self.base.nseconds())
    }

    /// Puts a pipeline on this time line; to be called before it plays.
    pub fn carry(&self, pipeline: &gst::Pipeline) {
        pipeline.use_clock(Some(&self.clock));
        // Without this the pipeline would choose a zero of its own when it starts to play.
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(self.base);
    }

    /// The process's monotonic clock at `at`.
    #[must_use]
    pub fn instant(&self, at: Running) -> Instant {
        let (now, here) = (self.now(), Instant::now());
        if at >= now {
            here + Duration::from_nanos(at - now)
        } else {
            here.checked_sub(Duration::from_nanos(now - at)).unwrap_or(here)
        }
    }

    /// The wall clock at `at`, microseconds since 1970 UTC, by the wall clock as it stands now: a
    /// correction of the wall clock applies to what was captured before it as well.
    #[must_use]
    pub fn wall_us(&self, at: Running) -> i64 {
        let now = self.now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
        let wall = i64::try_from(wall).unwrap_or(i64::MAX);
        let distance = i64::try_from(at.abs_diff(now) / 1000).unwrap_or(i64::MAX);
        if at >= now { wall.saturating_add(distance) } else { wall.saturating_sub(distance) }
    }

    /// Ticks of a medium's clock (90 or 48 kHz) at `at`, as an RTP timestamp: it wraps.
    #[must_use]
    pub fn rtp(at: Running, rate: u32) -> u32 {
        let ticks = ticks(at, rate);
        (ticks & u64::from(u32::MAX)) as u32
    }
}

/// `span` in ticks of `rate` per second, rounded to the nearest.
#[must_use]
pub fn ticks(span: Running, rate: u32) -> u64 {
    let ticks = (u128::from(span) * u128::from(rate) + u128::from(SECOND / 2)) / u128::from(SECOND);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Nanoseconds of a duration.
#[must_use]
pub fn nanos(span: Duration) -> Running {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// When something last happened; 0: never yet.
#[derive(Debug, Default)]
pub struct Last(AtomicU64);

impl Last {
    /// It happens now.
    pub fn set(&self, timeline: &Timeline) {
        self.0.store(timeline.now().max(1), Ordering::Relaxed);
    }

    /// When it did; `None`: never yet.
    #[must_use]
    pub fn at(&self) -> Option<Running> {
        let at = self.0.load(Ordering::Relaxed);
        (at > 0).then_some(at)
    }

    /// How long ago.
    #[must_use]
    pub fn age(&self, timeline: &Timeline) -> Option<Duration> {
        self.at().map(|at| Duration::from_nanos(timeline.now().saturating_sub(at)))
    }
}
