//! What the daemon finds out about its own clock and certificate. Pure: what is found, and when, comes from outside.
//!
//! Both are judged by the centre's clock where it is known: a board without a battery starts in 1970, and a
//! certificate would look unborn to it.

use std::time::Duration;

use crate::control::Vitals;
use crate::machine::Event;
use crate::wire::up::{Fault, FaultKind};

/// What the configuration says is too little, too cold, too hot, too late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// A certificate is renewed before it has fewer days than this.
    pub renew_days: i64,
    /// Less room than this is none, MB: some minutes of recording.
    pub disk_low_mb: u64,
    /// Colder than this a board is not within what it is made for, degrees Celsius.
    pub cold_c: f64,
    /// The same for hotter.
    pub hot_c: f64,
}

impl Default for Limits {
    /// The Raspberry Pi slows itself down from 85 degrees on.
    fn default() -> Self {
        Self { renew_days: 14, disk_low_mb: 100, cold_c: -30.0, hot_c: 85.0 }
    }
}

/// Further from the centre's clock than this is wrong: orders expire by it, and recordings are dated by it.
pub const CLOCK_OFF: Duration = Duration::from_secs(5);
/// Back within this it is right again.
pub const CLOCK_ON: Duration = Duration::from_secs(3);
/// Nobody vouches for the clock, neither the centre nor a time service, for this long: it is not to be trusted.
pub const CLOCK_ALONE: Duration = Duration::from_secs(60 * 60);

/// There is room again when there is so much more of it, MB.
const ROOM_AGAIN_MB: u64 = 50;
/// A board is well again when it is this far inside.
const WELL_INSIDE_C: f64 = 5.0;

const DAY_S: i64 = 86_400;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The board's clock, seconds since 1970 UTC.
    pub wall_s: i64,
    /// Centre's clock minus the board's, microseconds, where an echo told it.
    pub offset_us: Option<i64>,
    /// Whether a time service says that the clock is set; none where there is no such service.
    pub synced: Option<bool>,
    /// The certificate's first and last second, since 1970 UTC; or why it cannot be read.
    pub certificate: Result<(i64, i64), String>,
    /// Room for recordings, MB, where it can be read.
    pub disk_free_mb: Option<u64>,
    /// Whether the store's directory can be written to, and why not; none while it is not there.
    pub store: Option<Result<(), String>>,
    /// The warmest sensor, degrees Celsius, where there is one.
    pub temperature_c: Option<f64>,
}

impl Findings {
    /// The time of day by the best clock there is, seconds since 1970 UTC.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        self.wall_s.saturating_add(self.offset_us.unwrap_or(0) / 1_000_000)
    }

    /// Whole days until the certificate expires; negative once it has.
    #[must_use]
    pub fn days_left(&self) -> Option<i64> {
        let (_, until) = self.certificate.as_ref().ok()?;
        Some((until - self.now_s()).div_euclid(DAY_S))
    }

    /// Into what people see.
    pub fn tell(&self, vitals: &mut Vitals) {
        vitals.certificate_days = self.days_left();
        vitals.clock_synced = self.synced;
        vitals.store_writable = self.store.as_ref().map(Result::is_ok);
    }
}

/// What was said so far.
#[derive(Debug, Clone, Default)]
pub struct Checkup {
    limits: Limits,
    said: [Option<String>; 5],
    /// Since when nobody vouches for the clock.
    alone: Option<Duration>,
}

impl Checkup {
    /// Nothing was said so far.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Judges what was found at `now`, the time since the daemon's start. Returns what is new.
    #[must_use]
    pub fn look(&mut self, now: Duration, found: &Findings) -> Vec<Event> {
        let clock = self.clock(now, found);
        let mut events = Vec::new();
        let (disk, heat) = (self.disk(found), self.heat(found));
        let store = found.store.clone().and_then(Result::err);
        for (slot, kind, why) in [
            (0, FaultKind::ClockWrong, clock),
            (1, FaultKind::CertificateExpiring, certificate(self.limits.renew_days, found)),
            (2, FaultKind::DiskFull, disk),
            (3, FaultKind::Temperature, heat),
            (4, FaultKind::StoreFailed, store.map(|why| format!("expected a store to write to: {why}"))),
        ] {
            match (&self.said[slot], &why) {
                (before, Some(detail)) if before.as_ref() != Some(detail) => {
                    events.push(Event::FaultRaised(Fault { kind, detail: detail.clone() }));
                }
                (Some(_), None) => events.push(Event::FaultCleared(kind)),
                (Some(_) | None, Some(_)) | (None, None) => {}
            }
            self.said[slot] = why;
        }
        events
    }

    fn disk(&self, found: &Findings) -> Option<String> {
        let low = self.limits.disk_low_mb;
        let bound = if self.said[2].is_some() { low + ROOM_AGAIN_MB } else { low };
        let full = found.disk_free_mb? < bound;
        full.then(|| format!("expected {low} MB of room for recordings, found less"))
    }

    fn heat(&self, found: &Findings) -> Option<String> {
        let degrees = found.temperature_c?;
        let margin = if self.said[3].is_some() { WELL_INSIDE_C } else { 0.0 };
        let Limits { cold_c, hot_c, .. } = self.limits;
        let well = cold_c + margin..=hot_c - margin;
        let side = if degrees < *well.start() { "less" } else { "more" };
        (!well.contains(&degrees)).then(|| format!("expected {cold_c:.0} to {hot_c:.0} degrees Celsius, found {side}"))
    }

    fn clock(&mut self, now: Duration, found: &Findings) -> Option<String> {
        if let Some(offset) = found.offset_us {
            self.alone = None;
            let bound = if self.said[0].is_some() { CLOCK_ON } else { CLOCK_OFF };
            let off = Duration::from_micros(offset.unsigned_abs());
            // Whole seconds: a detail that changes at every look would be said at every look.
            let (seconds, side) = (off.as_secs(), if offset > 0 { "behind" } else { "ahead of" });
            return (off > bound).then(|| {
                format!(
                    "expected at most {} s from the centre's clock, found {seconds} s {side} it",
                    CLOCK_OFF.as_secs()
                )
            });
        }
        if found.synced == Some(true) {
            self.alone = None;
            return None;
        }
        let since = *self.alone.get_or_insert(now);
        (now.saturating_sub(since) >= CLOCK_ALONE).then(|| {
            let minutes = CLOCK_ALONE.as_secs() / 60;
            format!("expected a time service or the centre to vouch for the clock, found neither for {minutes} minutes")
        })
    }
}

fn certificate(renew_days: i64, found: &Findings) -> Option<String> {
    let (from, until) = match &found.certificate {
        Ok(validity) => *validity,
        Err(why) => return Some(format!("cannot be read: {why}")),
    };
    let now = found.now_s();
    let days = found.days_left().unwrap_or(0);
    if now > until {
        // Days since, rounded up: the first second after is the first day.
        return Some(format!("has expired, {} days ago at most", -days));
    }
    if now < from {
        return Some(format!("is not valid yet, for {} days at most: is the clock right?", (from - now) / DAY_S + 1));
    }
    (days < renew_days).then(|| format!("expires in {days} days: expected a new one {renew_days} days before the end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const START: Duration = Duration::ZERO;

    fn found(days: i64) -> Findings {
        Findings {
            wall_s: NOW,
            offset_us: Some(0),
            synced: None,
            certificate: Ok((NOW - 100 * DAY_S, NOW + days * DAY_S + 1)),
            disk_free_mb: Some(5_000),
            store: Some(Ok(())),
            temperature_c: Some(40.0),
        }
    }

    fn details(events: &[Event]) -> Vec<String> {
        let detail = |event: &Event| match event {
            Event::FaultRaised(fault) => format!("{:?} {}", fault.kind, fault.detail),
            Event::FaultCleared(kind) => format!("{kind:?} gone"),
            other => panic!("{other:?}"),
        };
        events.iter().map(detail).collect()
    }

    #[test]
    fn a_certificate_is_missed_fourteen_days_before_its_end_once_a_day() {
        let mut checkup = Checkup::default();
        assert_eq!(checkup.look(START, &found(14)), []);
        let new = details(&checkup.look(START, &found(13)));
        assert!(new[0].starts_with("CertificateExpiring expires in 13 days"), "{new:?}");
        assert_eq!(checkup.look(START, &found(13)), [], "the same is not said again");
        assert!(details(&checkup.look(START, &found(0)))[0].contains("expires in 0 days"));
        assert!(details(&checkup.look(START, &found(-1)))[0].contains("has expired, 1 days ago"));
        assert_eq!(details(&checkup.look(START, &found(90))), ["CertificateExpiring gone"]);
        let unborn = Findings { certificate: Ok((NOW + DAY_S, NOW + 400 * DAY_S)), ..found(1) };
        assert!(details(&checkup.look(START, &unborn))[0].contains("is not valid yet"));
        let unread = Findings { certificate: Err("no such file".to_owned()), ..found(1) };
        assert!(details(&checkup.look(START, &unread))[0].contains("no such file"));
    }

    #[test]
    fn the_centres_clock_judges_a_certificate_of_a_board_that_woke_in_1970() {
        let board = Findings { wall_s: 0, offset_us: Some(NOW * 1_000_000), ..found(90) };
        assert_eq!(board.days_left(), Some(90));
        let events = details(&Checkup::default().look(START, &board));
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].starts_with("ClockWrong") && events[0].ends_with("s behind it"), "{events:?}");
    }

    #[test]
    fn a_clock_far_from_the_centres_is_wrong_until_it_is_well_back() {
        let mut checkup = Checkup::default();
        let off = |us| Findings { offset_us: Some(us), ..found(90) };
        assert_eq!(checkup.look(START, &off(5_000_000)), []);
        assert!(details(&checkup.look(START, &off(-5_000_001)))[0].contains("5 s ahead of it"));
        assert_eq!(checkup.look(START, &off(-5_100_000)), []);
        assert!(details(&checkup.look(START, &off(-4_000_000)))[0].contains("4 s ahead"), "not back yet");
        assert_eq!(details(&checkup.look(START, &off(2_900_000))), ["ClockWrong gone"]);
        assert_eq!(checkup.look(START, &off(4_000_000)), []);
    }

    #[test]
    fn a_full_disk_and_a_hot_board_are_said_once_and_heal_when_well_inside() {
        let mut checkup = Checkup::default();
        let disk = |mb| Findings { disk_free_mb: Some(mb), ..found(90) };
        assert_eq!(checkup.look(START, &disk(100)), []);
        assert!(details(&checkup.look(START, &disk(99)))[0].starts_with("DiskFull expected 100 MB"));
        assert_eq!(checkup.look(START, &disk(149)), []);
        assert_eq!(details(&checkup.look(START, &disk(150))), ["DiskFull gone"]);
        let heat = |degrees| Findings { temperature_c: Some(degrees), ..found(90) };
        assert_eq!(checkup.look(START, &heat(85.0)), []);
        assert!(details(&checkup.look(START, &heat(86.0)))[0].ends_with("found more"));
        assert_eq!(checkup.look(START, &heat(82.0)), []);
        assert_eq!(details(&checkup.look(START, &heat(79.0))), ["Temperature gone"]);
        assert!(details(&checkup.look(START, &heat(-31.0)))[0].ends_with("found less"));
        let unread = Findings { temperature_c: None, disk_free_mb: None, ..found(90) };
        assert_eq!(details(&checkup.look(START, &unread)), ["Temperature gone"]);
    }

    #[test]
    fn the_configuration_says_what_is_too_much() {
        let mut checkup = Checkup::new(Limits { renew_days: 30, disk_low_mb: 6_000, cold_c: 0.0, hot_c: 35.0 });
        let events = details(&checkup.look(START, &found(29)));
        let kinds: Vec<&str> = events.iter().filter_map(|event| event.split(' ').next()).collect();
        assert_eq!(kinds, ["CertificateExpiring", "DiskFull", "Temperature"], "{events:?}");
        assert!(events[2].contains("expected 0 to 35 degrees"), "{events:?}");
    }

    #[test]
    fn a_store_that_cannot_be_written_to_is_said_until_it_can() {
        let mut checkup = Checkup::default();
        let store = |store| Findings { store, ..found(90) };
        assert_eq!(checkup.look(START, &store(None)), [], "one that is not there yet is the store's own business");
        let new = details(&checkup.look(START, &store(Some(Err("read-only file system".to_owned())))));
        assert_eq!(new, ["StoreFailed expected a store to write to: read-only file system"]);
        assert_eq!(details(&checkup.look(START, &store(Some(Ok(()))))), ["StoreFailed gone"]);
    }

    #[test]
    fn a_clock_that_nobody_vouches_for_is_wrong_after_an_hour() {
        let mut checkup = Checkup::default();
        let at = |minutes: u64| Duration::from_secs(minutes * 60);
        let alone = Findings { offset_us: None, synced: Some(false), ..found(90) };
        assert_eq!(checkup.look(at(0), &alone), []);
        assert_eq!(checkup.look(at(59), &alone), []);
        assert!(details(&checkup.look(at(60), &alone))[0].contains("found neither for 60 minutes"));
        let synced = Findings { synced: Some(true), ..alone.clone() };
        assert_eq!(details(&checkup.look(at(61), &synced)), ["ClockWrong gone"]);
        assert_eq!(checkup.look(at(62), &alone), [], "the hour begins anew");
        assert_eq!(checkup.look(at(121), &alone), []);
        assert_eq!(checkup.look(at(122), &alone).len(), 1);
    }
}
