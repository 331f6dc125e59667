//! When a camera's frame goes to the encoder: the configured rate out of whatever rate comes in. Pure.
//!
//! A frame goes on at the moment it arrives if it is due (half a period early counts), so that a camera which runs
//! at the configured rate is not delayed at all; one that comes sooner is left out; where none comes, the last one
//! goes again. On the long average exactly the configured rate comes out.

use super::clock::{MS, Running};

/// How long the last frame stands in for the next. Beyond, there is no picture, and that is a fault.
const BRIDGE: Running = 1000 * MS;
/// A camera's time stamp is not believed beyond this distance from now.
const OLDEST: Running = 100 * MS;

/// The pace of one camera.
#[derive(Debug)]
pub struct Pace {
    period: Running,
    /// When the next frame is due; `None` before the first.
    due: Option<Running>,
    /// Time stamp given out last, and when.
    last: (Running, Running),
    /// When the camera's newest frame came.
    newest: Running,
}

impl Pace {
    /// For `fps` frames a second.
    #[must_use]
    pub fn new(fps: u32) -> Self {
        Self { period: 1_000_000_000 / Running::from(fps.max(1)), due: None, last: (0, 0), newest: 0 }
    }

    /// A frame that was captured `at` arrives `now`: its time stamp, if it goes on.
    pub fn arrived(&mut self, now: Running, at: Running) -> Option<Running> {
        self.newest = now;
        let due = self.due.unwrap_or(now);
        // A little more than a repetition comes late, or the frame after one would be left out.
        if now + self.period * 5 / 8 < due {
            return None;
        }
        // After a pause the frames that were missed are not made up for.
        self.due = Some(due.max(now.saturating_sub(self.period / 2)) + self.period);
        Some(self.stamp(now, at.clamp(now.saturating_sub(OLDEST), now)))
    }

    /// When the last frame goes again if none has come; `None`: not while no frame comes.
    #[must_use]
    pub fn repeat_at(&self) -> Option<Running> {
        let at = self.due? + self.period / 2;
        (at < self.newest + BRIDGE).then_some(at)
    }

    /// The last frame goes again `now`, if it is time: its time stamp.
    pub fn repeat(&mut self, now: Running) -> Option<Running> {
        let at = self.repeat_at().filter(|at| *at <= now && now < self.newest + BRIDGE)?;
        // The grid is kept, but nothing is made up for: a thread that slept too long repeats once.
        let next = at + self.period / 2;
        self.due = Some(next.max(now.saturating_sub(self.period / 2)));
        let (stamp, when) = self.last;
        Some(self.stamp(now, stamp + (now - when)))
    }

    /// Time stamps only grow.
    fn stamp(&mut self, now: Running, at: Running) -> Running {
        let at = if self.last.0 > 0 { at.max(self.last.0 + MS) } else { at };
        self.last = (at, now);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a camera for ten seconds: arrivals (ms) against 25 frames a second. Gives the stamps (ms) and how many
    /// of the camera's frames were shown.
    fn play(arrivals: &[u64]) -> (Vec<u64>, usize) {
        let mut pace = Pace::new(25);
        let (mut stamps, mut shown, mut next) = (Vec::new(), 0, 0);
        for now in 0..10_000 {
            let now = now * MS;
            if arrivals.get(next).is_some_and(|at| at * MS <= now) {
                next += 1;
                // Captured 15 ms before it arrives.
                if let Some(stamp) = pace.arrived(now, now.saturating_sub(15 * MS)) {
                    stamps.push(stamp / MS);
                    shown += 1;
                }
            } else if let Some(stamp) = pace.repeat(now) {
                stamps.push(stamp / MS);
            }
        }
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
        (stamps, shown)
    }

    fn every(period_us: u64, jitter: u64) -> Vec<u64> {
        (0..10_000_000 / period_us).map(|n| 100 + n * period_us / 1000 + (n * 7 % 5) * jitter / 4).collect()
    }

    #[test]
    fn a_camera_at_the_configured_rate_is_shown_frame_by_frame_when_it_comes() {
        let arrivals = every(40_000, 10);
        let (stamps, shown) = play(&arrivals);
        let expected: Vec<u64> = arrivals.iter().map(|at| at - 15).filter(|at| *at < 9_985).collect();
        assert_eq!(stamps[..shown.min(200)], expected[..200], "neither delayed nor repeated");
    }

    #[test]
    fn slower_and_faster_cameras_give_the_configured_rate() {
        for (period_us, least) in
            [(100_000, 97), (66_667, 146), (41_000, 240), (39_000, 240), (33_333, 240), (16_667, 240)]
        {
            let (stamps, shown) = play(&every(period_us, 6));
            assert!((240..=252).contains(&stamps.len()), "{period_us} us: {} frames in 9.9 s", stamps.len());
            assert!(shown >= least, "{period_us} us: {shown} frames of the camera shown");
            let widest = stamps.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            assert!(widest <= 85, "{period_us} us: a gap of {widest} ms");
        }
    }

    #[test]
    fn a_camera_that_stops_is_bridged_for_a_second_and_no_longer() {
        let (stamps, _) = play(&every(40_000, 0)[..50]);
        let last = stamps.last().copied().unwrap_or(0);
        let stopped = 100 + 49 * 40;
        assert!((stopped + 900..=stopped + 1000).contains(&last), "stopped at {stopped}, last shown at {last}");
    }

    #[test]
    fn a_camera_with_a_clock_of_its_own_is_brought_near_to_now() {
        let mut pace = Pace::new(25);
        assert_eq!(pace.arrived(5000 * MS, 0), Some(4900 * MS));
        assert_eq!(pace.arrived(5040 * MS, 90_000 * MS), Some(5040 * MS));
    }
}
