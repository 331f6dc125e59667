//! The ring in RAM: the encoded units of the last half minute, so that a recording can begin before
//! the press. Bounded in time and in bytes; nothing of it touches a disk (invariant 9).

use std::collections::VecDeque;

use bytes::Bytes;

use super::clock::Running;
use crate::kiosk::ports::Medium;

/// One encoded unit: an H.264 access unit (length-prefixed NAL units) or a stereo Opus packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Picture or sound.
    pub medium: Medium,
    /// Whether decoding can begin here; every sound unit is one.
    pub key: bool,
    /// When its first sample was captured.
    pub at: Running,
    /// How long it lasts, nanoseconds.
    pub duration: Running,
    /// The bytes.
    pub data: Bytes,
}

impl Unit {
    /// When it ends.
    #[must_use]
    pub fn end(&self) -> Running {
        self.at.saturating_add(self.duration)
    }
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    span: Running,
    max_bytes: usize,
    bytes: usize,
    newest: Running,
    picture: VecDeque<Unit>,
    sound: VecDeque<Unit>,
}

impl Ring {
    /// A ring of `span` nanoseconds (and the group of pictures that reaches into it) within `max_bytes`.
    #[must_use]
    pub fn new(span: Running, max_bytes: usize) -> Self {
        Self { span, max_bytes, bytes: 0, newest: 0, picture: VecDeque::new(), sound: VecDeque::new() }
    }

    /// Takes a unit in; units of one medium come in order.
    pub fn push(&mut self, unit: Unit) {
        self.newest = self.newest.max(unit.end());
        self.bytes += unit.data.len();
        match unit.medium {
            Medium::Picture => self.picture.push_back(unit),
            Medium::Sound => self.sound.push_back(unit),
        }
        self.trim(self.newest.saturating_sub(self.span));
        while self.bytes > self.max_bytes && !(self.picture.is_empty() && self.sound.is_empty()) {
            self.drop_oldest_group();
        }
    }

    /// Everything from the key frame at or before `from` on, in order of time. Where the ring does not
    /// reach back so far, everything from its first key frame.
    #[must_use]
    pub fn since(&self, from: Running) -> Vec<Unit> {
        let keys = || self.picture.iter().enumerate().filter(|(_, unit)| unit.key);
        let first = keys().take_while(|(_, unit)| unit.at <= from).last().or_else(|| keys().next());
        let start = first.map_or(from, |(_, unit)| unit.at.min(from));
        let skip = first.map_or(self.picture.len(), |(index, _)| index);
        let sound = self.sound.iter().filter(|unit| unit.end() > start);
        let mut units: Vec<Unit> = self.picture.iter().skip(skip).chain(sound).cloned().collect();
        units.sort_by_key(|unit| unit.at);
        units
    }

    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops what no recording from `horizon` on would need.
    fn trim(&mut self, horizon: Running) {
        loop {
            let next_key = self.picture.iter().skip(1).find(|unit| unit.key).map(|unit| unit.at);
            let whole_group_is_old = next_key.is_some_and(|at| at <= horizon);
            // A lost camera leaves a last group that no key frame follows.
            let all_is_old = next_key.is_none() && self.picture.back().is_some_and(|unit| unit.end() < horizon);
            if !(whole_group_is_old || all_is_old) {
                break;
            }
            self.drop_picture_group();
        }
        let keep = self.picture.front().map_or(horizon, |unit| unit.at.min(horizon));
        while self.sound.front().is_some_and(|unit| unit.end() <= keep) {
            self.drop_front_sound();
        }
    }

    fn drop_oldest_group(&mut self) {
        self.drop_picture_group();
        let keep = self.picture.front().map_or(self.newest, |unit| unit.at);
        while self.sound.front().is_some_and(|unit| unit.end() <= keep) {
            self.drop_front_sound();
        }
    }

    /// Drops the first unit of the picture and what depends on it.
    fn drop_picture_group(&mut self) {
        while let Some(unit) = self.picture.pop_front() {
            self.bytes -= unit.data.len();
            if self.picture.front().is_none_or(|next| next.key) {
                break;
            }
        }
    }

    fn drop_front_sound(&mut self) {
        if let Some(unit) = self.sound.pop_front() {
            self.bytes -= unit.data.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::media::clock::{MS, SECOND};

    fn picture(at_ms: u64, key: bool) -> Unit {
        Unit { medium: Medium::Picture, key, at: at_ms * MS, duration: 40 * MS, data: Bytes::from_static(&[0; 100]) }
    }

    fn sound(at_ms: u64) -> Unit {
        Unit { medium: Medium::Sound, key: true, at: at_ms * MS, duration: 20 * MS, data: Bytes::from_static(&[0; 10]) }
    }

    fn filled(span_s: u64, until_ms: u64, max_bytes: usize) -> Ring {
        let mut ring = Ring::new(span_s * SECOND, max_bytes);
        for at in (0..until_ms).step_by(20) {
            if at % 40 == 0 {
                ring.push(picture(at, at % 1000 == 0));
            }
            ring.push(sound(at));
        }
        ring
    }

    #[test]
    fn holds_the_span_and_the_group_that_reaches_into_it() {
        let ring = filled(2, 10_000, 1 << 20);
        let units = ring.since(8_300 * MS);
        assert_eq!((units[0].medium, units[0].key, units[0].at), (Medium::Picture, true, 8000 * MS));
        assert_eq!(units.iter().filter(|u| u.medium == Medium::Picture).count(), 50);
        assert!(ring.since(0)[0].at >= 7000 * MS, "older groups are gone");
        assert!(units.iter().filter(|u| u.medium == Medium::Sound).all(|u| u.end() > 8000 * MS));
    }

    #[test]
    fn keeps_within_its_bytes() {
        let ring = filled(1000, 60_000, 20_000);
        assert!(ring.bytes() <= 20_000, "{}", ring.bytes());
        assert!(ring.since(0)[0].key);
    }

    #[test]
    fn a_lost_camera_leaves_no_old_picture_behind() {
        let mut ring = filled(2, 1000, 1 << 20);
        for at in (1000..10_000).step_by(20) {
            ring.push(sound(at));
        }
        let units = ring.since(9_000 * MS);
        assert!(units.iter().all(|u| u.medium == Medium::Sound));
        assert_eq!(units[0].at, 9_000 * MS);
    }

    #[test]
    fn a_lost_microphone_leaves_the_picture() {
        let mut ring = Ring::new(SECOND, 1 << 20);
        (0..5000).step_by(40).for_each(|at| ring.push(picture(at, at % 1000 == 0)));
        assert!(ring.since(4_500 * MS)[0].key);
    }
}
