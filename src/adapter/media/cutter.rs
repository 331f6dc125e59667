//! Where one fragment ends and the next begins, and where each sample lies on the incident's time line.
//! Pure: units in, cuts out.
//!
//! A fragment ends before the first key frame that comes [`LEAST`] or more after its start, once the
//! sound has come as far (or has plainly stopped). Where no picture comes, the sound alone is cut each second.

use std::collections::VecDeque;

use super::clock::{MS, Running, SECOND, ticks};
use super::fmp4::{PICTURE_RATE, Run, SOUND_RATE, Sample};
use super::ring::Unit;
use crate::kiosk::ports::Medium;

/// Key frames closer together than this (one was forced) share a fragment.
const LEAST: Running = 700 * MS;
/// A medium that is this far behind the other has stopped.
const STOPPED: Running = 1500 * MS;
/// Sound positions this close to the end of the last sample are that end: rounding, not a gap.
const ROUNDING: u64 = 4;

/// One fragment's worth.
#[derive(Debug)]
pub struct Cut {
    /// When its first sample was captured.
    pub start: Running,
    /// When it ends.
    pub end: Running,
    /// Begins with a key frame, or is empty.
    pub picture: Run,
    /// Stereo.
    pub sound: Run,
}

/// Cuts one incident's units into fragments.
#[derive(Debug)]
pub struct Cutter {
    /// Running time of tick 0; before the zero of the clock when the incident began in an earlier run.
    origin: Option<i64>,
    picture: VecDeque<Unit>,
    sound: VecDeque<Unit>,
    newest_picture: Running,
    newest_sound: Running,
    picture_tick: u64,
    sound_tick: u64,
}

impl Cutter {
    /// A cutter whose time line begins at `origin`, or with the first unit if that is `None`.
    #[must_use]
    pub fn new(origin: Option<i64>) -> Self {
        Self {
            origin,
            picture: VecDeque::new(),
            sound: VecDeque::new(),
            newest_picture: 0,
            newest_sound: 0,
            picture_tick: 0,
            sound_tick: 0,
        }
    }

    /// Takes a unit in; units of one medium come in order.
    pub fn push(&mut self, unit: Unit) {
        let origin = *self.origin.get_or_insert_with(|| signed(unit.at));
        if signed(unit.at) < origin {
            return;
        }
        match unit.medium {
            Medium::Picture => {
                self.newest_picture = self.newest_picture.max(unit.at);
                // A fragment must be decodable by itself.
                if unit.key || !self.picture.is_empty() {
                    self.picture.push_back(unit);
                }
            }
            Medium::Sound => {
                self.newest_sound = self.newest_sound.max(unit.end());
                self.sound.push_back(unit);
            }
        }
    }

    /// How far the sound has come.
    #[must_use]
    pub fn sound_until(&self) -> Running {
        self.newest_sound
    }

    /// The next fragment, if it is complete.
    pub fn next_cut(&mut self) -> Option<Cut> {
        let start = self.start()?;
        let boundary = match self.next_key(start) {
            Some(key) => {
                let boundary = self.before_hole(start, key);
                let sound_came = self.newest_sound >= boundary || self.newest_picture >= boundary + STOPPED;
                sound_came.then_some(boundary)
            }
            None => self.sound_boundary(start),
        }?;
        Some(self.cut(start, boundary))
    }

    /// Whatever is left before `end`, as a last fragment.
    pub fn rest(&mut self, end: Running) -> Option<Cut> {
        let start = self.start().filter(|start| *start < end)?;
        Some(self.cut(start, end))
    }

    fn start(&self) -> Option<Running> {
        let (picture, sound) = (self.picture.front().map(|u| u.at), self.sound.front().map(|u| u.at));
        picture.into_iter().chain(sound).min()
    }

    /// The first key frame at which the fragment that began at `start` may end.
    fn next_key(&self, start: Running) -> Option<Running> {
        // A picture that comes back begins a fragment of its own.
        let long_enough = |unit: &&Unit| unit.key && unit.at >= start + LEAST;
        self.picture.iter().find(long_enough).map(|unit| unit.at)
    }

    /// `key`, unless the picture was away before it: then the sound in the hole is cut each second.
    fn before_hole(&self, start: Running, key: Running) -> Running {
        let shown = self.picture.iter().take_while(|unit| unit.at < key).last().map_or(0, Unit::end);
        if key > start + STOPPED + SECOND { (start + SECOND).max(shown).min(key) } else { key }
    }

    /// Where the sound is cut when no picture comes.
    fn sound_boundary(&self, start: Running) -> Option<Running> {
        let picture_stopped = self.newest_sound >= self.newest_picture + STOPPED;
        if !picture_stopped || self.newest_sound < start + STOPPED {
            return None;
        }
        let picture_end = self.picture.back().map_or(0, Unit::end);
        let boundary = (start + SECOND).max(picture_end);
        (self.newest_sound >= boundary).then_some(boundary)
    }

    fn cut(&mut self, start: Running, end: Running) -> Cut {
        let origin = self.origin.unwrap_or_default();
        let picture = take_before(&mut self.picture, end);
        let sound = take_before(&mut self.sound, end);
        let followed = self.picture.front().is_some_and(|unit| unit.at == end);
        let picture = run(&picture, origin, PICTURE_RATE, &mut self.picture_tick, followed.then_some(end));
        let sound = run(&sound, origin, SOUND_RATE, &mut self.sound_tick, None);
        Cut { start, end, picture, sound }
    }
}

fn take_before(units: &mut VecDeque<Unit>, end: Running) -> Vec<Unit> {
    let count = units.iter().take_while(|unit| unit.at < end).count();
    units.drain(..count).collect()
}

/// Lays units on the track's time line. `floor` is the end of the track so far; `next` is where the
/// unit after the last one begins, if that is known.
fn run(units: &[Unit], origin: i64, rate: u32, floor: &mut u64, next: Option<Running>) -> Run {
    let position = |at: Running| ticks(u64::try_from(signed(at) - origin).unwrap_or(0), rate);
    let mut run = Run::default();
    let mut cursor = *floor;
    for (index, unit) in units.iter().enumerate() {
        let begins = position(unit.at);
        // Time never runs backwards in a track, and rounding is no gap.
        let begins = if begins < cursor || begins - cursor <= ROUNDING { cursor } else { begins };
        if index == 0 {
            run.start = begins;
        } else if let Some(last) = run.samples.last_mut() {
            last.duration = last.duration.saturating_add(u32::try_from(begins - cursor).unwrap_or(u32::MAX));
        }
        let nominal = ticks(unit.duration, rate).max(1);
        let until = units.get(index + 1).map(|unit| unit.at).or(next).map(position);
        // What is shorter than nominal is shortened; what is longer grows when the next sample is laid.
        let ends = until.map_or(begins + nominal, |until| until.clamp(begins + 1, begins + nominal));
        let ends = if unit.medium == Medium::Sound { begins + nominal } else { ends };
        run.samples.push(Sample {
            duration: u32::try_from(ends - begins).unwrap_or(u32::MAX),
            key: unit.key,
            data: unit.data.clone(),
        });
        cursor = ends;
    }
    if let (Some(next), Some(last)) = (next.map(position), run.samples.last_mut())
        && next > cursor
    {
        last.duration = last.duration.saturating_add(u32::try_from(next - cursor).unwrap_or(u32::MAX));
        cursor = next;
    }
    *floor = cursor;
    run
}

fn signed(at: Running) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const FRAME: Running = SECOND / 25;

    fn picture(index: u64, key: bool) -> Unit {
        let data = Bytes::from_static(b"picture");
        Unit { medium: Medium::Picture, key, at: 5 * SECOND + index * FRAME, duration: FRAME, data }
    }

    fn sound(index: u64) -> Unit {
        let data = Bytes::from_static(b"sound");
        Unit { medium: Medium::Sound, key: true, at: 5 * SECOND + index * 20 * MS, duration: 20 * MS, data }
    }

    fn ticks_of(run: &Run) -> u64 {
        run.samples.iter().map(|s| u64::from(s.duration)).sum()
    }

    fn all(cutter: &mut Cutter) -> Vec<Cut> {
        std::iter::from_fn(|| cutter.next_cut()).collect()
    }

    #[test]
    fn cuts_at_key_frames_once_the_sound_has_come() {
        let mut cutter = Cutter::new(None);
        (0..=50).for_each(|n| cutter.push(picture(n, n % 25 == 0)));
        assert!(cutter.next_cut().is_none(), "waits for the sound");
        (51..=75).for_each(|n| cutter.push(picture(n, n % 25 == 0)));
        (0..150).for_each(|n| cutter.push(sound(n)));
        let cuts = all(&mut cutter);
        let last = cuts.last().unwrap();
        assert_eq!(last.end, 8 * SECOND);
        assert!(cuts.iter().all(|cut| cut.picture.samples[0].key));
        assert!(cuts.iter().all(|cut| ticks_of(&cut.picture) == 90_000));
        assert_eq!(last.picture.start, 180_000);
    }

    #[test]
    fn tracks_are_seamless_over_the_cuts() {
        let mut cutter = Cutter::new(None);
        for n in 0..500 {
            if n % 2 == 0 {
                cutter.push(picture(n / 2, n % 50 == 0));
            }
            cutter.push(sound(n));
        }
        let cuts = all(&mut cutter);
        assert_eq!(cuts.len(), 9);
        for pair in cuts.windows(2) {
            assert_eq!(pair[0].picture.start + ticks_of(&pair[0].picture), pair[1].picture.start);
            assert_eq!(pair[0].sound.start + ticks_of(&pair[0].sound), pair[1].sound.start);
        }
    }

    #[test]
    fn forced_key_frames_do_not_make_crumbs() {
        let mut cutter = Cutter::new(None);
        for n in 0..500 {
            if n % 2 == 0 {
                cutter.push(picture(n / 2, n % 50 == 0 || n % 14 == 0));
            }
            cutter.push(sound(n));
        }
        assert!(all(&mut cutter).iter().all(|cut| cut.end - cut.start >= LEAST && cut.picture.samples[0].key));
    }

    #[test]
    fn a_lost_camera_leaves_fragments_of_sound_and_a_gap_in_the_picture() {
        let mut cutter = Cutter::new(None);
        for n in 0..750 {
            let lost = (200..450).contains(&n);
            if n % 2 == 0 && !lost {
                cutter.push(picture(n / 2, n % 50 == 0));
            }
            cutter.push(sound(n));
        }
        let cuts = all(&mut cutter);
        assert!(cuts.iter().filter(|cut| cut.picture.samples.is_empty()).count() >= 3);
        let back = cuts.iter().find(|cut| cut.start >= 9 * SECOND && !cut.picture.samples.is_empty()).unwrap();
        assert_eq!(back.picture.start, 9 * 90_000, "the picture comes back at its own time");
        assert!(back.picture.samples[0].key);
        let total: u64 = cuts.iter().map(|cut| ticks_of(&cut.sound)).sum();
        assert_eq!(total, cuts.last().unwrap().sound.start + ticks_of(&cuts.last().unwrap().sound));
    }

    #[test]
    fn a_lost_microphone_does_not_hold_the_picture() {
        let mut cutter = Cutter::new(None);
        (0..250).for_each(|n| cutter.push(picture(n, n % 25 == 0)));
        assert!(all(&mut cutter).len() >= 7);
    }

    #[test]
    fn an_incident_of_an_earlier_run_goes_on_in_wall_time() {
        let mut cutter = Cutter::new(Some(-signed(20 * SECOND)));
        for n in 0..100 {
            if n % 2 == 0 {
                cutter.push(picture(n / 2, n % 50 == 0));
            }
            cutter.push(sound(n));
        }
        assert_eq!(all(&mut cutter)[0].picture.start, 25 * 90_000);
    }
}
