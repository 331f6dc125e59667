//! One direction of a sound card, through ALSA: opened, set up, read or written, never waited for beyond a bound.
//!
//! Whoever uses it counts in samples of 48 kHz. A card that has no such rate is converted here, block by block.

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};
use tracing::info;

use super::PERIOD;
use super::bend::Bend;
use crate::adapter::media::stereo::RATE;

/// Errors as ALSA words them, with what was tried.
pub type Failed = String;

/// One direction, open.
pub struct Pcm {
    pcm: PCM,
    channels: usize,
    /// The device's samples per second.
    rate: u32,
    /// Between its rate and ours, where they differ.
    converter: Option<Bend<1>>,
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
        let Taken { channels, rate } = set_up(&pcm, buffer).map_err(|why| format!("{card}: {why}"))?;
        let (buffer, _period) = pcm.get_params().map_err(failed)?;
        let buffer = scaled(usize::try_from(buffer).unwrap_or(0), rate, RATE);
        if buffer < 2 * PERIOD {
            return Err(format!("{card}: expected room for {} samples, found {buffer}", 2 * PERIOD));
        }
        {
            let software = pcm.sw_params_current().map_err(failed)?;
            software.set_avail_min(frames(scaled(PERIOD, RATE, rate))).map_err(failed)?;
            // Started by hand, when enough is in it.
            software.set_start_threshold(software.get_boundary().map_err(failed)?).map_err(failed)?;
            pcm.sw_params(&software).map_err(failed)?;
        }
        let converter = (rate != RATE).then(|| {
            info!(card, ?direction, rate, "the sound card has no 48 kHz: converted");
            match direction {
                Direction::Capture => Bend::between(rate, RATE),
                Direction::Playback => Bend::between(RATE, rate),
            }
        });
        Ok(Self { pcm, channels, rate, converter, buffer, running: false, interleaved: Vec::new() })
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
            Ok(count) => Ok(usize::try_from(count).ok().map(|count| scaled(count, self.rate, RATE))),
            Err(error) if recovers(error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Delay of a sample written now until it is heard, samples.
    pub fn delay(&self) -> usize {
        let delay = self.pcm.delay().ok().and_then(|delay| usize::try_from(delay).ok());
        delay.map_or(0, |delay| scaled(delay, self.rate, RATE))
    }

    /// Reads one period into `block`; several channels are averaged.
    ///
    /// # Errors
    /// What ALSA says: the device is gone.
    pub fn read(&mut self, block: &mut [i16; PERIOD]) -> Result<Done, Failed> {
        let step = f64::from(self.rate) / f64::from(RATE);
        let count = self.converter.as_ref().map_or(PERIOD, |converter| converter.lacks(PERIOD, step));
        match self.available()? {
            None => return self.set_right(),
            Some(available) if available < scaled(count, self.rate, RATE) => return Ok(Done::Later),
            Some(_) => {}
        }
        self.interleaved.resize(count * self.channels, 0);
        let io = self.pcm.io_i16().map_err(|error| error.to_string())?;
        let read = io.readi(&mut self.interleaved);
        drop(io);
        match read {
            Ok(read) if read == count => {}
            Ok(read) => return Err(format!("expected {count} samples, found {read}")),
            Err(error) if error.errno() == libc::EAGAIN => return Ok(Done::Later),
            Err(error) if recovers(error) => return self.set_right(),
            Err(error) => return Err(error.to_string()),
        }
        let channels = i32::try_from(self.channels).unwrap_or(1);
        // The mean of 16-bit values fits 16 bits.
        let mean = |frame: &[i16]| (frame.iter().map(|sample| i32::from(*sample)).sum::<i32>() / channels) as i16;
        let heard = self.interleaved.chunks_exact(self.channels).map(mean);
        if let Some(converter) = &mut self.converter {
            converter.push([&heard.collect::<Vec<i16>>()]);
            converter.pull(step, [block]);
        } else {
            block.iter_mut().zip(heard).for_each(|(sample, heard)| *sample = heard);
        }
        Ok(Done::Whole)
    }

    /// Writes one period, the same to every channel. The device must have room.
    ///
    /// # Errors
    /// What ALSA says: the device is gone.
    pub fn write(&mut self, block: &[i16; PERIOD]) -> Result<Done, Failed> {
        let converted: Vec<i16>;
        let samples = if let Some(converter) = &mut self.converter {
            let step = f64::from(RATE) / f64::from(self.rate);
            converter.push([block]);
            let mut out = vec![0; converter.ready(step)];
            converter.pull(step, [&mut out]);
            converted = out;
            &converted[..]
        } else {
            block
        };
        self.interleaved.clear();
        self.interleaved.extend(samples.iter().flat_map(|sample| std::iter::repeat_n(*sample, self.channels)));
        let io = self.pcm.io_i16().map_err(|error| error.to_string())?;
        let written = io.writei(&self.interleaved);
        drop(io);
        match written {
            Ok(count) if count == samples.len() => Ok(Done::Whole),
            Ok(count) => Err(format!("expected to write {} samples, wrote {count}", samples.len())),
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

/// Slower would be no speech; faster costs more than it brings.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// What the device is like.
struct Taken {
    /// One where the device has that.
    channels: usize,
    /// 48 kHz where the device has that, else the nearest.
    rate: u32,
}

/// 16 bits, periods of 10 ms, a buffer of so many of our samples.
fn set_up(pcm: &PCM, buffer: usize) -> Result<Taken, Failed> {
    let hardware = HwParams::any(pcm).map_err(refused("anything"))?;
    // ALSA's own converter, without plug-ins of it, joins samples by straight lines; ours is at hand.
    hardware.set_rate_resample(false).map_err(refused("its own rate"))?;
    hardware.set_access(Access::RWInterleaved).map_err(refused("interleaved samples; plughw: converts"))?;
    hardware.set_format(Format::s16()).map_err(refused("16 bits; plughw: converts"))?;
    let rate = hardware.set_rate_near(RATE, ValueOr::Nearest).map_err(refused("any rate"))?;
    if !RATES.contains(&rate) {
        return Err(format!("expected a card of {} to {} Hz, found {rate}", RATES.start(), RATES.end()));
    }
    let channels = hardware.set_channels_near(1).map_err(refused("any number of channels"))?;
    let period = frames(scaled(PERIOD, RATE, rate));
    hardware.set_period_size_near(period, ValueOr::Nearest).map_err(refused("periods of 10 ms"))?;
    hardware.set_buffer_size_near(frames(scaled(buffer, RATE, rate))).map_err(refused("a buffer of that size"))?;
    pcm.hw_params(&hardware).map_err(refused("all of this at once"))?;
    Ok(Taken { channels: usize::try_from(channels).unwrap_or(1), rate })
}

/// As many samples of another rate, rounded up.
fn scaled(count: usize, from: u32, to: u32) -> usize {
    if from == to {
        return count;
    }
    let scaled = (count as u64).saturating_mul(to.into()).div_ceil(from.max(1).into());
    usize::try_from(scaled).unwrap_or(usize::MAX)
}

fn refused(what: &'static str) -> impl Fn(alsa::Error) -> Failed {
    move |error| format!("the card does not do {what} ({error})")
}

fn frames(samples: usize) -> alsa::pcm::Frames {
    alsa::pcm::Frames::try_from(samples).unwrap_or(alsa::pcm::Frames::MAX)
}
