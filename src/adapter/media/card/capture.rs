//! The card's microphone: periods in, bent to our time line and told when they sounded.

use std::sync::atomic::{AtomicU64, Ordering};

use super::bend::{Bend, Follow};
use super::pcm::{Done, Failed, Pcm};
use super::{Heard, PERIOD, SPAN};
use crate::adapter::media::clock::{Running, SECOND};
use crate::adapter::media::stereo::RATE;

/// Room of the device's buffer, samples (200 ms): a thread that is late loses nothing.
const ROOM: usize = 9600;
/// Further apart than this (seconds), sound was lost: it is laid down anew instead of being bent.
const LOST: f64 = 0.06;

pub struct Capture {
    pcm: Pcm,
    bend: Bend<2>,
    follow: Follow,
    /// Time of the next sample given out.
    next: Option<Running>,
}

impl Capture {
    pub fn open(card: &str) -> Result<Self, Failed> {
        let mut pcm = Pcm::capture(card, ROOM)?;
        pcm.start()?;
        Ok(Self { pcm, bend: Bend::default(), follow: Follow::default(), next: None })
    }

    pub fn wait(&self, at_most_ms: u32) -> Result<(), Failed> {
        self.pcm.wait(at_most_ms)
    }

    /// Reads a period; false if there is none yet.
    pub fn read(&mut self, block: &mut [i16; PERIOD], breaks: &AtomicU64) -> Result<bool, Failed> {
        match self.pcm.read(block)? {
            Done::Whole => Ok(true),
            Done::Later => Ok(false),
            Done::Broken => {
                breaks.fetch_add(1, Ordering::Relaxed);
                self.pcm.start()?;
                Ok(false)
            }
        }
    }

    /// Samples that wait in the device.
    pub fn waits(&self) -> Result<usize, Failed> {
        Ok(self.pcm.available()?.unwrap_or(0))
    }

    /// Gives out what can be given, in blocks that follow one another on the time line.
    pub fn give(
        &mut self,
        now: Running,
        raw: &[i16; PERIOD],
        clean: &[i16; PERIOD],
        mut to: impl FnMut(&Heard<'_>),
    ) -> Result<(), Failed> {
        self.bend.push([raw, clean]);
        // The newest sample taken sounded before those that the device still holds.
        let behind = self.pcm.available()?.unwrap_or(0) as f64 + self.bend.waiting();
        let read_at = now.saturating_sub((behind * SECOND as f64 / f64::from(RATE)) as Running);
        let mut next = *self.next.get_or_insert(read_at);
        let mut apart = (read_at as f64 - next as f64) / SECOND as f64;
        if apart.abs() > LOST {
            (next, apart) = (read_at, 0.0);
            self.follow.rejoin();
        }
        // Read more slowly when what is read is newer than the time it would be given.
        let step = 2.0 - self.follow.pace(apart, PERIOD as f64 / f64::from(RATE));
        while self.bend.has(PERIOD, step) {
            let (mut out_raw, mut out_clean) = ([0; PERIOD], [0; PERIOD]);
            self.bend.pull(step, [&mut out_raw, &mut out_clean]);
            to(&Heard { at: next, raw: &out_raw, clean: &out_clean });
            next += SPAN;
        }
        self.next = Some(next);
        Ok(())
    }
}
