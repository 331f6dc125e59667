//! The gate: outside an alarm or a logged test no live packet leaves the pipeline (invariant 9). When
//! it opens, the picture begins with a key frame, so that the far decoder shows the very first frame.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::lock;
use crate::kiosk::ports::{LivePacket, Medium};

/// What has passed, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GateCounts {
    /// Packets let out.
    pub passed: u64,
    /// Packets held back because the gate was closed; a frame of which none were made counts as one.
    pub held: u64,
    /// Packets lost because the receiver was full.
    pub lost: u64,
}

/// What the pipeline must do after a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum After {
    /// Go on.
    Nothing,
    /// The picture is torn: a key frame is needed.
    KeyFrame,
}

/// The gate.
#[derive(Debug, Default)]
pub struct Gate {
    way: Mutex<Option<Way>>,
    passed: AtomicU64,
    held: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug)]
struct Way {
    to: mpsc::Sender<LivePacket>,
    /// Nothing of the picture goes out before a key frame.
    awaits_key: bool,
    asked: Instant,
}

/// A torn picture asks for a key frame at most this often: more would only feed the congestion.
const ASK_EVERY: Duration = Duration::from_millis(500);

impl Gate {
    /// Opens it. The caller forces a key frame.
    pub fn open(&self, to: mpsc::Sender<LivePacket>) {
        *lock(&self.way) = Some(Way { to, awaits_key: true, asked: Instant::now() });
    }

    /// Closes it: when this returns, no further packet goes out.
    pub fn close(&self) {
        *lock(&self.way) = None;
    }

    /// Whether anything is let out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        lock(&self.way).is_some()
    }

    /// Whether packets are to be made of a frame: while the gate is closed, nobody would get them.
    #[must_use]
    pub fn wants(&self) -> bool {
        let open = self.is_open();
        if !open {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        open
    }

    /// Lets a packet out, or not. Never waits.
    pub fn offer(&self, packet: LivePacket) -> After {
        let mut way = lock(&self.way);
        let Some(open) = way.as_mut() else {
            self.held.fetch_add(1, Ordering::Relaxed);
            return After::Nothing;
        };
        let is_picture = packet.medium == Medium::Picture;
        if is_picture && open.awaits_key {
            if !begins_key_frame(&packet.payload) {
                self.held.fetch_add(1, Ordering::Relaxed);
                return After::Nothing;
            }
            open.awaits_key = false;
        }
        match open.to.try_send(packet) {
            Ok(()) => {
                self.passed.fetch_add(1, Ordering::Relaxed);
                After::Nothing
            }
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                open.awaits_key |= is_picture;
                if is_picture && open.asked.elapsed() > ASK_EVERY {
                    open.asked = Instant::now();
                    return After::KeyFrame;
                }
                After::Nothing
            }
            Err(TrySendError::Closed(_)) => {
                // Whoever listened is gone; the machine opens again for the next one.
                *way = None;
                After::Nothing
            }
        }
    }

    /// What has passed so far.
    #[must_use]
    pub fn counts(&self) -> GateCounts {
        GateCounts {
            passed: self.passed.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }
}

const NAL_SPS: u8 = 7;
const NAL_STAP_A: u8 = 24;

/// Whether an H.264 RTP payload (RFC 6184) is the first packet of a key frame: the parameter sets go
/// ahead of every key frame, alone or in an aggregate.
#[must_use]
pub fn begins_key_frame(payload: &[u8]) -> bool {
    match payload.first().map(|byte| byte & 0x1f) {
        Some(NAL_SPS) => true,
        Some(NAL_STAP_A) => payload.get(3).is_some_and(|byte| byte & 0x1f == NAL_SPS),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn picture(first: &[u8]) -> LivePacket {
        LivePacket { medium: Medium::Picture, payload: Bytes::copy_from_slice(first), timestamp: 0, marker: false }
    }

    #[test]
    fn a_full_receiver_loses_packets_and_starts_again_with_a_key_frame() {
        let gate = Gate::default();
        let (to, mut from) = mpsc::channel(1);
        gate.open(to);
        assert_eq!(gate.offer(picture(&[0x41])), After::Nothing);
        assert!(from.try_recv().is_err(), "a delta frame before the key frame stays inside");
        let _ = gate.offer(picture(&[0x78, 0, 20, 0x67]));
        let _ = gate.offer(picture(&[0x41]));
        assert_eq!(gate.counts(), GateCounts { passed: 1, held: 1, lost: 1 });
        assert!(from.try_recv().is_ok());
        let _ = gate.offer(picture(&[0x41]));
        assert!(from.try_recv().is_err(), "torn: wait for a key frame");
        let _ = gate.offer(picture(&[0x67]));
        assert!(from.try_recv().is_ok());
        gate.close();
        let _ = gate.offer(picture(&[0x67]));
        assert!(from.try_recv().is_err());
    }
}
