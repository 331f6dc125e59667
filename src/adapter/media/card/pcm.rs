//! One direction of a sound card, through ALSA: opened, set up, read or written, never waited for beyond a bound.

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};

use super::PERIOD;
use crate::adapter::media::stereo::RATE;

/// Errors as ALSA words them, with what was tried.
pub type Failed = String;

/// One direction, open.
pub struct Pcm {
    pcm: PCM,
    channels: usize,
    buffer: usize,
    /// Whether the device runs; only a running one delivers.
    running: bool,
    interleaved: Vec<i16>,
}

/// What a period's reading or writing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Done {
    /// All of it.
    Whole,
    /// Not yet possible.
    Later,
    /// The device ran over or dry, and was set right: what follows does not join what was before.
    Broken,
}

impl Pcm {
    /// Opens the device for recording.
    ///
    /// # Errors
    /// What ALSA says.
    pub fn capture(card: &str, buffer: usize) -> Result<Self, Failed> {
        Self::open(card, Direction::Capture, buffer)
    }

    /// Opens the device for playing.
    ///
    /// # Errors
    /// What ALSA says.
    pub fn playback(card: &str, buffer: usize) -> Result<Self, Failed> {
        Self::open(card, Direction::Playback, buffer)
    }

    fn open(card: &str, direction: Direction, buffer: usize) -> Result<Self, Failed> {
        let failed = |error: alsa::Error| format!("{card}: {error}");
        let pcm = PCM::new(card, direction, true).map_err(failed)?;
        let channels = set_up(&pcm, buffer).map_err(|why| format!("{card}: {why}"))?;
        let (buffer, _period) = pcm.get_params().map_err(failed)?;
        let (buffer, channels) = (usize::try_from(buffer).unwrap_or(0), usize::try_from(channels).unwrap_or(1));
        if buffer < 2 * PERIOD {
            return Err(format!("{card}: expected room for {} samples, found {buffer}", 2 * PERIOD));
        }
        {
            let software = pcm.sw_params_current().map_err(failed)?;
            software.set_avail_min(frames(PERIOD)).map_err(failed)?;
            // Started by hand, when enough is in it.
            software.set_start_threshold(software.get_boundary().map_err(failed)?).map_err(failed)?;
            pcm.sw_params(&software).map_err(failed)?;
        }
        Ok(Self { pcm, channels, buffer, running: false, interleaved: vec![0; PERIOD * channels] })
    }

    /// Room of the device's buffer, samples.
    pub fn buffer(&self) -> usize {
        self.buffer
    }

    /// Starts the device.
    ///
    /// # Errors
    /// What ALSA says.
    pub fn start(&mut self) -> Result<(), Failed> {
        self.pcm.start().map_err(|error| error.to_string())?;
        self.running = true;
        Ok(())
    }

    /// Waits until a period can be read or written, or at most so long.
    ///
    /// # Errors
    /// What ALSA says, unless it can be set right by the next reading or writing.
    pub fn wait(&self, at_most_ms: u32) -> Result<(), Failed> {
        match self.pcm.wait(Some(at_most_ms)) {
            Ok(_) => Ok(()),
            Err(error) if recovers(error) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Samples that can be read or written now; `None` if the device must be set right first.
    ///
    /// # Errors
    /// What ALSA says.
    pub fn available(&self) -> Result<Option<usize>, Failed> {
        match self.pcm.avail() {
            Ok(count) => Ok(usize::try_from(count).ok()),
            Err(error) if recovers(error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Delay of a sample written now until it is heard, samples.
    pub fn delay(&self) -> usize {
        self.pcm.delay().ok().and_then(|delay| usize::try_from(delay).ok()).unwrap_or(0)
    }

    /// Reads one period into `block`; several channels are averaged.
    ///
    /// # Errors
    /// What ALSA says: the device is gone.
    pub fn read(&mut self, block: &mut [i16; PERIOD]) -> Result<Done, Failed> {
        match self.available()? {
            None => return self.set_right(),
            Some(count) if count < PERIOD => return Ok(Done::Later),
            Some(_) => {}
        }
        let io = self.pcm.io_i16().map_err(|error| error.to_string())?;
        let read = io.readi(&mut self.interleaved);
        drop(io);
        match read {
            Ok(PERIOD) => {}
            Ok(count) => return Err(format!("expected {PERIOD} samples, found {count}")),
            Err(error) if error.errno() == libc::EAGAIN => return Ok(Done::Later),
            Err(error) if recovers(error) => return self.set_right(),
            Err(error) => return Err(error.to_string()),
        }
        for (sample, frame) in block.iter_mut().zip(self.interleaved.chunks_exact(self.channels)) {
            let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
            // The mean of 16-bit values fits 16 bits.
            *sample = (sum / i32::try_from(self.channels).unwrap_or(1)) as i16;
        }
        Ok(Done::Whole)
    }

    /// Writes one period, the same to every channel. The device must have room.
    ///
    /// # Errors
    /// What ALSA says: the device is gone.
    pub fn write(&mut self, block: &[i16; PERIOD]) -> Result<Done, Failed> {
        for (frame, sample) in self.interleaved.chunks_exact_mut(self.channels).zip(block) {
            frame.fill(*sample);
        }
        let io = self.pcm.io_i16().map_err(|error| error.to_string())?;
        let written = io.writei(&self.interleaved);
        drop(io);
        match written {
            Ok(PERIOD) => Ok(Done::Whole),
            Ok(count) => Err(format!("expected to write {PERIOD} samples, wrote {count}")),
            Err(error) if error.errno() == libc::EAGAIN => Ok(Done::Later),
            Err(error) if recovers(error) => self.set_right(),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether it was started and has not run over or dry since.
    pub fn running(&self) -> bool {
        self.running
    }

    /// After an overrun, an underrun or a suspend.
    ///
    /// # Errors
    /// What ALSA says: the device is gone.
    pub fn set_right(&mut self) -> Result<Done, Failed> {
        self.running = false;
        // A suspended device resumes by preparing it as well; only the position is lost.
        self.pcm.prepare().map_err(|error| error.to_string())?;
        Ok(Done::Broken)
    }
}

/// Ran over, ran dry, was suspended: the device is still there.
fn recovers(error: alsa::Error) -> bool {
    matches!(error.errno(), libc::EPIPE | libc::ESTRPIPE)
}

/// 48 kHz, 16 bits, periods of 10 ms; gives the number of channels: one where the device has that.
fn set_up(pcm: &PCM, buffer: usize) -> Result<u32, Failed> {
    let hardware = HwParams::any(pcm).map_err(refused("anything"))?;
    // The canceller wants what the microphone heard, not what a converter made of it.
    hardware.set_rate_resample(false).map_err(refused("its own rate"))?;
    hardware.set_access(Access::RWInterleaved).map_err(refused("interleaved samples; plughw: converts"))?;
    hardware.set_format(Format::s16()).map_err(refused("16 bits; plughw: converts"))?;
    hardware.set_rate(RATE, ValueOr::Nearest).map_err(refused("48000 Hz"))?;
    let channels = hardware.set_channels_near(1).map_err(refused("any number of channels"))?;
    hardware.set_period_size_near(frames(PERIOD), ValueOr::Nearest).map_err(refused("periods of 10 ms"))?;
    hardware.set_buffer_size_near(frames(buffer)).map_err(refused("a buffer of that size"))?;
    pcm.hw_params(&hardware).map_err(refused("all of this at once"))?;
    Ok(channels)
}

fn refused(what: &'static str) -> impl Fn(alsa::Error) -> Failed {
    move |error| format!("the card does not do {what} ({error})")
}

fn frames(samples: usize) -> alsa::pcm::Frames {
    alsa::pcm::Frames::try_from(samples).unwrap_or(alsa::pcm::Frames::MAX)
}
