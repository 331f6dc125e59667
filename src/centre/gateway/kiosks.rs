//! One kiosk's side of the gateway: its gate, its counters, the pictures since its last key frame.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::LegCounters;
use crate::rtc::{Medium, Packet, Rebase, starts_key_frame};
use crate::wire::selftest::CallSeen;
use crate::wire::{KioskId, SessionId};

/// Media may come this much before the word of the alarm (they travel different ways) and run on this
/// long after the word of the close.
const GRACE: Duration = Duration::from_secs(2);
/// A page that joins is served from the last key frame if no more frames than this have followed;
/// after that a new key frame is quicker than decoding the past.
const REPLAY_FRAMES: usize = 10;
/// Packets kept since the last key frame.
const REPLAY_PACKETS: usize = 400;
/// A leg that stands in an alarm and says nothing for this long is not standing.
const SILENT: Duration = Duration::from_secs(3);

/// A test call is judged from so many frames and sound packets (three seconds of 20 ms) on.
const TEST_FRAMES: u32 = 10;
const TEST_SOUND: u32 = 150;

/// A kiosk, with or without a leg.
pub(super) struct Kiosk {
    pub session: Option<SessionId>,
    pub peer: Option<u64>,
    pub voice: Rebase,
    pub counters: LegCounters,
    alarm: Alarm,
    early: Early,
    /// Time stamp of the test call's newest key frame.
    test_key: Option<u32>,
    since_key: VecDeque<Packet>,
    /// When media last came, or the leg came up.
    heard: Option<Instant>,
    /// A leg was ended because it said nothing, and no media has come since: ending another would be of no use.
    ended_silent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alarm {
    Open {
        since: Instant,
    },
    /// A test call: nothing reaches a page.
    Test {
        seen: CallSeen,
    },
    Closed {
        since: Option<Instant>,
    },
}

/// Media that came before the alarm's word.
#[derive(Default)]
struct Early {
    since: Option<Instant>,
    packets: u64,
    bytes: u64,
}

impl Kiosk {
    pub fn new(kiosk: KioskId) -> Self {
        Self {
            session: None,
            peer: None,
            voice: Rebase::new(Medium::Sound, 1),
            counters: LegCounters {
                kiosk,
                up: false,
                transport: "",
                media_packets_in_alarm: 0,
                media_bytes_in_alarm: 0,
                media_packets_in_test: 0,
                media_packets_standby: 0,
                media_bytes_standby: 0,
            },
            alarm: Alarm::Closed { since: None },
            early: Early::default(),
            test_key: None,
            since_key: VecDeque::new(),
            heard: None,
            ended_silent: false,
        }
    }

    /// The leg is up: what it has to say may come from now on.
    pub fn connected(&mut self, now: Instant) {
        self.counters.up = true;
        self.heard = Some(now);
    }

    /// A packet came. True if pages may have it.
    pub fn take(&mut self, packet: &Packet, now: Instant) -> bool {
        self.heard = Some(now);
        self.ended_silent = false;
        let bytes = packet.payload.len() as u64;
        match self.alarm {
            Alarm::Open { .. } => {
                self.count(1, bytes);
                self.remember(packet);
                true
            }
            Alarm::Test { ref mut seen } => {
                self.counters.media_packets_in_test += 1;
                match packet.medium {
                    Medium::Sound => seen.sound_packets += 1,
                    Medium::Picture => {
                        seen.frames += u32::from(packet.marker);
                        // Its parameter sets and slices are more than one packet of one time.
                        let key = starts_key_frame(&packet.payload);
                        if key && self.test_key.replace(packet.timestamp) != Some(packet.timestamp) {
                            seen.key_frames += 1;
                        }
                    }
                }
                false
            }
            Alarm::Closed { since: Some(since) } if now.saturating_duration_since(since) < GRACE => {
                self.count(1, bytes);
                false
            }
            Alarm::Closed { .. } => {
                self.early.since.get_or_insert(now);
                self.early.packets += 1;
                self.early.bytes += bytes;
                self.remember(packet);
                false
            }
        }
    }

    /// The desk's word on the alarm.
    pub fn set_alarm(&mut self, open: bool, now: Instant) {
        match (self.alarm, open) {
            (Alarm::Open { .. }, true) | (Alarm::Closed { .. } | Alarm::Test { .. }, false) => {}
            (Alarm::Test { .. }, true) => {
                self.alarm = Alarm::Open { since: now };
                self.ended_silent = false;
            }
            (Alarm::Closed { .. }, true) => {
                self.settle_early(now);
                self.alarm = Alarm::Open { since: now };
                self.ended_silent = false;
                let early = std::mem::take(&mut self.early);
                self.count(early.packets, early.bytes);
            }
            (Alarm::Open { .. }, false) => {
                self.alarm = Alarm::Closed { since: Some(now) };
                self.since_key.clear();
            }
        }
    }

    /// A test call begins or ends; never in an alarm. What came, at its end.
    pub fn set_test(&mut self, open: bool, now: Instant) -> Option<CallSeen> {
        match (self.alarm, open) {
            (Alarm::Closed { .. }, true) => {
                self.settle_early(now);
                (self.early, self.test_key) = (Early::default(), None);
                self.alarm = Alarm::Test { seen: CallSeen::default() };
                None
            }
            (Alarm::Test { seen }, false) => {
                self.alarm = Alarm::Closed { since: Some(now) };
                Some(seen)
            }
            (Alarm::Open { .. } | Alarm::Test { .. }, true) | (Alarm::Open { .. } | Alarm::Closed { .. }, false) => {
                None
            }
        }
    }

    /// Whether its sound goes back to it.
    pub fn loops(&self) -> bool {
        matches!(self.alarm, Alarm::Test { .. })
    }

    /// Whether a test call has carried enough both ways to be judged.
    pub fn tested_enough(&self) -> bool {
        matches!(self.alarm, Alarm::Test { seen } if seen.frames >= TEST_FRAMES && seen.sound_packets >= TEST_SOUND)
    }

    /// Early media without an alarm in time was media outside an alarm.
    pub fn settle_early(&mut self, now: Instant) {
        if self.early.since.is_some_and(|since| now.saturating_duration_since(since) > GRACE) {
            self.counters.media_packets_standby += self.early.packets;
            self.counters.media_bytes_standby += self.early.bytes;
            tracing::error!(
                kiosk = %self.counters.kiosk,
                packets = self.early.packets,
                "gateway: media outside an alarm, dropped"
            );
            self.early = Early::default();
            self.since_key.clear();
        }
    }

    /// Whether the leg claims to stand in an alarm but nothing comes, and another may mend it. Says so once until
    /// media comes again: a kiosk without camera and microphone has nothing to send, and its leg carries the voice.
    pub fn silent(&mut self, now: Instant) -> bool {
        let Alarm::Open { since } = self.alarm else { return false };
        let last = self.heard.map_or(since, |heard| heard.max(since));
        let silent = self.counters.up && !self.ended_silent && now.saturating_duration_since(last) > SILENT;
        self.ended_silent |= silent;
        silent
    }

    /// What a page that joins now gets at once; `None`: a key frame must be asked for.
    pub fn replay(&self) -> Option<&VecDeque<Packet>> {
        let frames = self.since_key.iter().filter(|packet| packet.marker).count();
        (!self.since_key.is_empty() && frames <= REPLAY_FRAMES).then_some(&self.since_key)
    }

    /// The leg is new or gone: the past cannot be joined to what comes.
    pub fn forget_media(&mut self) {
        self.since_key.clear();
        self.heard = None;
        self.voice = Rebase::new(Medium::Sound, 1);
    }

    fn count(&mut self, packets: u64, bytes: u64) {
        self.counters.media_packets_in_alarm += packets;
        self.counters.media_bytes_in_alarm += bytes;
    }

    fn remember(&mut self, packet: &Packet) {
        if packet.medium != Medium::Picture {
            return;
        }
        // A key frame is many packets, of which more than one can look like a start: the parameter
        // sets and the slices carry one timestamp.
        let new_key = starts_key_frame(&packet.payload)
            && self.since_key.front().is_none_or(|first| first.timestamp != packet.timestamp);
        if new_key {
            self.since_key.clear();
        } else if self.since_key.is_empty() {
            return;
        }
        if self.since_key.len() >= REPLAY_PACKETS {
            self.since_key.clear();
            return;
        }
        self.since_key.push_back(packet.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kiosk() -> Kiosk {
        Kiosk::new("k1".parse().unwrap())
    }

    fn picture(sequence: u64, key: bool) -> Packet {
        let payload: &[u8] = if key { &[0x65, 0, 0] } else { &[0x61, 0, 0] };
        let timestamp = u32::try_from(sequence).unwrap() * 3_000;
        Packet { medium: Medium::Picture, sequence, timestamp, marker: true, payload: payload.into() }
    }

    #[test]
    fn media_just_before_the_alarms_word_is_the_alarms() {
        let (mut kiosk, start) = (kiosk(), Instant::now());
        assert!(!kiosk.take(&picture(1, true), start), "nothing passes before the word");
        kiosk.set_alarm(true, start + Duration::from_millis(20));
        assert_eq!(kiosk.counters.media_packets_in_alarm, 1);
        assert_eq!(kiosk.replay().map(VecDeque::len), Some(1), "and its key frame serves the page");
        kiosk.settle_early(start + Duration::from_secs(60));
        assert_eq!(kiosk.counters.media_packets_standby, 0);
    }

    #[test]
    fn media_without_an_alarm_is_a_breach() {
        let (mut kiosk, start) = (kiosk(), Instant::now());
        kiosk.take(&picture(1, true), start);
        kiosk.settle_early(start + Duration::from_secs(1));
        assert_eq!(kiosk.counters.media_packets_standby, 0, "the word may still come");
        kiosk.settle_early(start + Duration::from_secs(3));
        assert_eq!(kiosk.counters.media_packets_standby, 1);
        assert!(kiosk.replay().is_none(), "and no page ever gets it");
    }

    #[test]
    fn a_late_page_gets_the_pictures_since_the_key_frame_while_they_are_few() {
        let (mut kiosk, now) = (kiosk(), Instant::now());
        kiosk.set_alarm(true, now);
        kiosk.take(&picture(1, false), now);
        assert!(kiosk.replay().is_none(), "nothing to start from");
        kiosk.take(&picture(2, true), now);
        for sequence in 3..=11 {
            kiosk.take(&picture(sequence, false), now);
        }
        assert_eq!(kiosk.replay().map(VecDeque::len), Some(10));
        kiosk.take(&picture(12, false), now);
        assert!(kiosk.replay().is_none(), "a new key frame is quicker");
        kiosk.take(&picture(13, true), now);
        assert_eq!(kiosk.replay().map(VecDeque::len), Some(1));
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_leg_that_stands_and_says_nothing_is_found_once_until_media_comes_again() {
        let (mut kiosk, start) = (kiosk(), Instant::now());
        kiosk.connected(start);
        assert!(!kiosk.silent(after(start, 9)), "outside an alarm silence is right");
        kiosk.set_alarm(true, after(start, 10));
        assert!(!kiosk.silent(after(start, 12)));
        assert!(kiosk.silent(after(start, 14)));
        // Neither camera nor microphone: the next leg is as silent, and must stand for the officer's voice.
        kiosk.forget_media();
        kiosk.connected(after(start, 15));
        for second in 15..60 {
            assert!(!kiosk.silent(after(start, second)));
        }
        kiosk.take(&picture(1, true), after(start, 60));
        assert!(!kiosk.silent(after(start, 62)));
        assert!(kiosk.silent(after(start, 64)), "it could speak, and has ceased to");
    }

    #[test]
    fn a_leg_that_comes_up_in_an_alarm_has_its_time_to_speak() {
        let (mut kiosk, start) = (kiosk(), Instant::now());
        kiosk.set_alarm(true, start);
        kiosk.forget_media();
        kiosk.connected(after(start, 60));
        assert!(!kiosk.silent(after(start, 61)), "the silence before it is not its own");
        assert!(kiosk.silent(after(start, 64)));
    }
}
