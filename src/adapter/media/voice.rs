//! The officer's voice before the loudspeaker. Between calls the sender's numbers start anew; the jitter
//! buffer would stall or wait on that, so it is shown one stream that never ends: sequence numbers go on
//! without a hole, and time stamps jump as far as the clock on the wall did.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::{MS, Running, SECOND, Timeline};
use super::lock;
use super::stereo::RATE;

/// Louder than this, about -60 dB below full scale, is sound.
const HEARD: i16 = 33;
/// Louder than this, about -40 dB below full scale, is speech: sentences make room for it.
const SPOKEN: i16 = 328;
/// A pause this long is still the same speech.
const BREATH: Running = 700 * MS;
/// A sender whose numbers jump further than this has begun anew.
const JUMP: i16 = 500;
/// A sender whose time stamps stray this far from the clock has begun anew (samples: 1 s).
const STRAY: i64 = 48_000;
/// Longest pause that the time stamps follow.
const PAUSE: Running = 2 * SECOND;
/// Packets whose arrival is remembered.
const REMEMBERED: usize = 256;

/// The state of the officer's voice.
#[derive(Debug)]
pub struct Voice {
    timeline: Timeline,
    state: Mutex<State>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    open: bool,
    heard: Heard,
    /// When the officer last said something; 0 before the first time.
    spoke: Running,
    stream: Stream,
    arrivals: [Running; REMEMBERED],
}

/// Whether the first sound of an opening has been heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Told already, or closed.
    Done,
    /// Nothing loud has come.
    Waiting,
    /// The first loud sample is on its way to the loudspeaker.
    Coming(Running),
}

/// One RTP packet for the jitter buffer, and when it arrived.
#[derive(Debug)]
pub struct Arrived {
    /// The packet with its new numbers.
    pub rtp: Vec<u8>,
    /// When.
    pub at: Running,
}

impl Voice {
    /// Closed.
    #[must_use]
    pub fn new(timeline: Timeline) -> Self {
        let stream = Stream::default();
        let state = State { open: false, heard: Heard::Done, spoke: 0, stream, arrivals: [0; REMEMBERED] };
        Self { timeline, state: Mutex::new(state), dropped: AtomicU64::new(0) }
    }

    /// Opens or closes the way to the loudspeaker.
    pub fn open(&self, open: bool) {
        let mut state = lock(&self.state);
        if open && !state.open {
            state.stream.begin_anew();
            state.heard = Heard::Waiting;
        } else if !open {
            state.heard = Heard::Done;
        }
        state.open = open;
    }

    /// A packet from the centre, made fit for the jitter buffer; `None` if it is dropped.
    pub fn arrive(&self, rtp: &[u8]) -> Option<Arrived> {
        let at = self.timeline.now();
        let mut state = lock(&self.state);
        let renumbered = if state.open { state.stream.renumber(rtp, at) } else { None };
        let Some((rtp, sequence)) = renumbered else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        state.arrivals[usize::from(sequence) % REMEMBERED] = at;
        Some(Arrived { rtp, at })
    }

    /// When the packet with this (new) sequence number arrived.
    #[must_use]
    pub fn arrival(&self, sequence: u16) -> Running {
        lock(&self.state).arrivals[usize::from(sequence) % REMEMBERED]
    }

    /// Decoded voice on its way to the loudspeaker.
    pub fn listen(&self, at: Running, block: &[i16]) {
        let mut state = lock(&self.state);
        if block.iter().any(|sample| sample.unsigned_abs() > SPOKEN.unsigned_abs()) {
            state.spoke = at;
        }
        if state.heard != Heard::Waiting {
            return;
        }
        if let Some(index) = block.iter().position(|sample| sample.unsigned_abs() > HEARD.unsigned_abs()) {
            state.heard = Heard::Coming(at + index as u64 * 1_000_000_000 / u64::from(RATE));
        }
    }

    /// Whether the officer speaks now, or has just taken breath.
    #[must_use]
    pub fn speaks(&self, now: Running) -> bool {
        let spoke = lock(&self.state).spoke;
        spoke != 0 && now < spoke + BREATH
    }

    /// The loudspeaker has played up to `until`: whether the first sound of this opening was in it.
    #[must_use]
    pub fn played(&self, until: Running) -> bool {
        let mut state = lock(&self.state);
        match state.heard {
            Heard::Coming(at) if at < until => {
                state.heard = Heard::Done;
                true
            }
            Heard::Coming(_) | Heard::Waiting | Heard::Done => false,
        }
    }

    /// The loudspeaker is lost: the first sound is still to be heard.
    pub fn unheard(&self) {
        let mut state = lock(&self.state);
        if let Heard::Coming(_) = state.heard {
            state.heard = Heard::Waiting;
        }
    }

    /// Packets dropped: the way was closed, or they were no RTP.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// One never-ending stream made of many.
#[derive(Debug, Default)]
struct Stream {
    /// Sender's identity, and what is added to its numbers.
    source: Option<Source>,
    last_sequence: u16,
    last_stamp: u32,
    last_at: Running,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    sequence: u16,
    stamp: u32,
    /// Of the newest packet, as sent.
    newest: u16,
}

/// Identity of the stream the jitter buffer sees.
const SSRC: u32 = 0x0050_5359;
/// Fixed part of an RTP header.
const HEADER: usize = 12;

impl Stream {
    fn begin_anew(&mut self) {
        self.source = None;
    }

    /// The packet with its new numbers, and its new sequence number.
    fn renumber(&mut self, rtp: &[u8], at: Running) -> Option<(Vec<u8>, u16)> {
        if rtp.len() <= HEADER || rtp[0] >> 6 != 2 {
            return None;
        }
        let sequence = u16::from_be_bytes([rtp[2], rtp[3]]);
        let stamp = u32::from_be_bytes([rtp[4], rtp[5], rtp[6], rtp[7]]);
        let ssrc = u32::from_be_bytes([rtp[8], rtp[9], rtp[10], rtp[11]]);
        let expected = self.last_stamp.wrapping_add(elapsed(self.last_at, at));
        let known = self.source.filter(|source| {
            let step = sequence.wrapping_sub(source.newest).cast_signed();
            let stray = stamp.wrapping_add(source.stamp).wrapping_sub(expected).cast_signed();
            source.ssrc == ssrc && step.unsigned_abs() < JUMP.unsigned_abs() && i64::from(stray).abs() < STRAY
        });
        let source = known.unwrap_or_else(|| Source {
            ssrc,
            sequence: self.last_sequence.wrapping_add(1).wrapping_sub(sequence),
            stamp: expected.wrapping_sub(stamp),
            newest: sequence,
        });
        let new_sequence = sequence.wrapping_add(source.sequence);
        let new_stamp = stamp.wrapping_add(source.stamp);
        let is_newest = known.is_none() || sequence.wrapping_sub(source.newest).cast_signed() > 0;
        if is_newest {
            self.source = Some(Source { newest: sequence, ..source });
            (self.last_sequence, self.last_stamp, self.last_at) = (new_sequence, new_stamp, at);
        }
        let mut rtp = rtp.to_vec();
        rtp[1] = (rtp[1] & 0x80) | PAYLOAD_TYPE;
        rtp[2..4].copy_from_slice(&new_sequence.to_be_bytes());
        rtp[4..8].copy_from_slice(&new_stamp.to_be_bytes());
        rtp[8..12].copy_from_slice(&SSRC.to_be_bytes());
        Some((rtp, new_sequence))
    }
}

/// Payload type the jitter buffer knows as Opus.
pub const PAYLOAD_TYPE: u8 = 111;

/// Samples between two instants; at least one packet's worth, so that time stamps grow, and at most
/// [`PAUSE`]: after any longer pause, be it seconds or the years between two calls, the jitter buffer
/// takes its time anew from the packet's arrival.
fn elapsed(from: Running, to: Running) -> u32 {
    let span = to.saturating_sub(from).clamp(10 * MS, PAUSE);
    (super::clock::ticks(span, RATE) & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u32, sequence: u16, stamp: u32) -> Vec<u8> {
        let mut rtp = vec![0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
        rtp[2..4].copy_from_slice(&sequence.to_be_bytes());
        rtp[4..8].copy_from_slice(&stamp.to_be_bytes());
        rtp[8..12].copy_from_slice(&ssrc.to_be_bytes());
        rtp
    }

    fn numbers(rtp: &[u8]) -> (u16, u32) {
        (u16::from_be_bytes([rtp[2], rtp[3]]), u32::from_be_bytes([rtp[4], rtp[5], rtp[6], rtp[7]]))
    }

    #[test]
    fn two_senders_are_one_stream() {
        let mut stream = Stream::default();
        let mut at = 100 * MS;
        let mut seen = Vec::new();
        for n in 0..5u16 {
            let (rtp, _) = stream.renumber(&packet(7, 65_533u16.wrapping_add(n), u32::from(n) * 960), at).unwrap();
            seen.push(numbers(&rtp));
            at += 20 * MS;
        }
        at += 3000 * MS;
        let (rtp, _) = stream.renumber(&packet(9, 20, 3_000_000_000), at).unwrap();
        seen.push(numbers(&rtp));
        for pair in seen.windows(2) {
            assert_eq!(pair[1].0, pair[0].0.wrapping_add(1));
        }
        assert_eq!(seen[4].1.wrapping_sub(seen[3].1), 960);
        assert_eq!(seen[5].1.wrapping_sub(seen[4].1), 2000 * 48, "the pause, but not all of it");
    }

    #[test]
    fn disorder_and_loss_within_a_stream_are_left_to_the_jitter_buffer() {
        let mut stream = Stream::default();
        let mut renumber = |sequence: u16| {
            let packet = packet(7, sequence, u32::from(sequence) * 960);
            numbers(&stream.renumber(&packet, u64::from(sequence) * 20 * MS).unwrap().0)
        };
        let first = renumber(100);
        assert_eq!(renumber(102).0, first.0 + 2);
        assert_eq!(renumber(101).0, first.0 + 1);
        assert_eq!(renumber(110), (first.0 + 10, first.1 + 9600));
    }

    #[test]
    fn what_a_lost_loudspeaker_swallows_was_not_heard() {
        gstreamer::init().unwrap();
        let voice = Voice::new(Timeline::begin());
        voice.open(true);
        voice.listen(10 * MS, &[1000; 480]);
        voice.unheard();
        assert!(!voice.played(1000 * MS));
        voice.listen(2000 * MS, &[1000; 480]);
        assert!(voice.played(2020 * MS) && !voice.played(2040 * MS), "once, when it is back");
        voice.unheard();
        voice.listen(3000 * MS, &[1000; 480]);
        assert!(!voice.played(3020 * MS), "told already");
    }

    #[test]
    fn what_is_no_rtp_is_dropped() {
        let mut stream = Stream::default();
        assert!(stream.renumber(&[], 0).is_none());
        assert!(stream.renumber(&[0x80; 12], 0).is_none());
        assert!(stream.renumber(&[0x00; 40], 0).is_none());
    }
}
