//! The card's loudspeaker: its buffer kept at one level, no fuller and no emptier.

use super::PERIOD;
use super::pcm::{Done, Failed, Pcm};
use crate::adapter::media::clock::{Running, SECOND};
use crate::adapter::media::stereo::RATE;

pub struct Playback {
    pcm: Pcm,
    /// Samples that are to wait in the device.
    level: usize,
}

/// How the device's buffer stands.
pub struct Filled {
    /// One more period is wanted.
    pub wants: bool,
    /// It ran dry and was set right.
    pub broken: bool,
}

impl Playback {
    pub fn open(card: &str, buffer_ms: u32) -> Result<Self, Failed> {
        let wanted = usize::try_from(buffer_ms * RATE / 1000).unwrap_or(PERIOD);
        let level = wanted.div_ceil(PERIOD).max(2) * PERIOD;
        // Twice the level, so that the device never says no to what the level asks for.
        let pcm = Pcm::playback(card, level * 2)?;
        let level = level.min(pcm.buffer() - PERIOD);
        Ok(Self { pcm, level })
    }

    pub fn wait(&self, at_most_ms: u32) -> Result<(), Failed> {
        self.pcm.wait(at_most_ms)
    }

    /// Looks at the buffer, and starts the device once it is full enough.
    pub fn room(&mut self) -> Result<Filled, Failed> {
        let mut broken = false;
        let free = match self.pcm.available()? {
            Some(free) => free,
            None => {
                broken = true;
                let _ = self.pcm.set_right()?;
                self.pcm.buffer()
            }
        };
        let wants = self.pcm.buffer().saturating_sub(free) < self.level;
        if !wants && !self.pcm.running() {
            self.pcm.start()?;
        }
        Ok(Filled { wants, broken })
    }

    /// Writes a period; false if the device did not take it.
    pub fn write(&mut self, block: &[i16; PERIOD]) -> Result<bool, Failed> {
        Ok(self.pcm.write(block)? == Done::Whole)
    }

    /// Whether the device plays.
    pub fn running(&self) -> bool {
        self.pcm.running()
    }

    /// Samples that wait in the device.
    pub fn waits(&self) -> usize {
        let free = self.pcm.available().ok().flatten().unwrap_or(self.pcm.buffer());
        self.pcm.buffer().saturating_sub(free)
    }

    /// Until what was written last is heard.
    pub fn delay(&self) -> Running {
        self.pcm.delay() as Running * SECOND / Running::from(RATE)
    }
}
