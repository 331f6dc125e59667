//! The H.264 encoder: which one, and how each is told the same thing: low delay, no frames out of order, key frames
//! when asked for, parameter sets ahead of each. `docs/decisions/0008` says why in this order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;
use tracing::warn;

use super::pipeline::{describe, element, pad, parse};
use super::{MediaError, MediaSettings, lock};

/// An encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// The board's own, through V4L2 (Raspberry Pi 4 and older).
    V4l2,
    /// x264: GPL.
    X264,
    /// OpenH264: BSD.
    OpenH264,
}

/// What "auto" tries, in this order.
pub const ORDER: [Codec; 3] = [Codec::V4l2, Codec::X264, Codec::OpenH264];

impl Codec {
    /// Its name in the configuration and in the status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V4l2 => "v4l2h264",
            Self::X264 => "x264",
            Self::OpenH264 => "openh264",
        }
    }

    fn factory(self) -> &'static str {
        match self {
            Self::V4l2 => "v4l2h264enc",
            Self::X264 => "x264enc",
            Self::OpenH264 => "openh264enc",
        }
    }
}

/// Description of the encoder from raw pictures to H.264 in access units; its element is named `encoder`.
#[must_use]
pub fn description(codec: Codec, settings: &MediaSettings) -> String {
    let frames = (settings.key_frame_interval.as_secs_f64() * f64::from(settings.fps)).round().max(1.0);
    let (kbit, bits) = (settings.bitrate_kbit, u64::from(settings.bitrate_kbit) * 1000);
    let encoder = match codec {
        // One thread and whole frames (no slices): a frame is out a few milliseconds after it went in.
        Codec::X264 => format!(
            "x264enc name=encoder tune=zerolatency speed-preset=ultrafast threads=1 option-string=sliced-threads=0 \
             bframes=0 aud=false key-int-max={frames} bitrate={kbit} vbv-buf-capacity=400 ! \
             video/x-h264,profile=constrained-baseline"
        ),
        // A frame left out to keep the rate would be a hole in the recording.
        Codec::OpenH264 => format!(
            "openh264enc name=encoder usage-type=camera complexity=low rate-control=bitrate bitrate={bits} \
             max-bitrate={most} gop-size={frames} multi-thread=1 enable-frame-skip=false \
             scene-change-detection=false background-detection=false adaptive-quantization=false ! \
             video/x-h264,profile=constrained-baseline",
            most = bits * 3 / 2
        ),
        // Below level 4 the Pi's encoder hangs at some sizes, and without a level it refuses its caps.
        Codec::V4l2 => format!(
            "v4l2h264enc name=encoder extra-controls=\"controls,video_bitrate={bits},video_bitrate_mode=1,\
             h264_i_frame_period={frames},repeat_sequence_header=1\" ! \
             video/x-h264,profile=constrained-baseline,level=(string)4"
        ),
    };
    format!(
        "{encoder} ! h264parse config-interval=-1 ! \
         capsfilter name=shape caps=video/x-h264,stream-format=avc,alignment=au"
    )
}

/// Encodes a frame of nothing: loads the plug-ins before anyone presses, and gives the parameter sets (the body of
/// `avcC`), so that a recording can begin before the camera has given its first frame.
///
/// # Errors
/// [`MediaError`] if an element is missing or the encoder gives nothing.
fn try_out(codec: Codec, settings: &MediaSettings, raw_caps: &str) -> Result<Vec<u8>, MediaError> {
    let pipeline = parse(&format!(
        "videotestsrc num-buffers=1 pattern=black ! {raw_caps} ! {} ! fakesink sync=false",
        description(codec, settings)
    ))?;
    let failed = |why: String| MediaError::Pipeline { why };
    let bus = pipeline.bus().expect("every pipeline has a bus");
    let started = pipeline.set_state(gst::State::Playing);
    let kinds = [gst::MessageType::Error, gst::MessageType::Eos];
    let longest = if started.is_ok() { 10 } else { 0 };
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(longest), &kinds);
    let caps = pad(&pipeline, "shape", "src").current_caps();
    let _ = pipeline.set_state(gst::State::Null);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => {
            caps.and_then(|caps| codec_data(&caps)).ok_or_else(|| failed("it names no parameter sets".into()))
        }
        Some(_) => Err(failed(message.as_ref().map_or_else(String::new, describe))),
        None => Err(failed("it gave nothing".into())),
    }
}

/// The parameter sets that caps of H.264 carry.
#[must_use]
pub fn codec_data(caps: &gst::CapsRef) -> Option<Vec<u8>> {
    let data = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let map = data.map_readable().ok()?;
    Some(map.to_vec())
}

/// The encoders of this kiosk in order of preference; one that fails gives way to the next.
#[derive(Debug)]
pub struct Encoders {
    order: Vec<Codec>,
    at: AtomicUsize,
    gone: Mutex<Vec<String>>,
}

impl Encoders {
    /// `wanted` first, the others after it: a kiosk with another encoder than the wanted one is better than none.
    #[must_use]
    pub fn new(wanted: Option<Codec>) -> Self {
        let order = wanted.into_iter().chain(ORDER.into_iter().filter(|codec| Some(*codec) != wanted)).collect();
        Self { order, at: AtomicUsize::new(0), gone: Mutex::default() }
    }

    /// The one that is used.
    #[must_use]
    pub fn current(&self) -> Codec {
        self.order[self.at.load(Ordering::Relaxed).min(self.order.len() - 1)]
    }

    /// Tries them until one works; gives its parameter sets.
    ///
    /// # Errors
    /// [`MediaError`] of the last one if none works.
    pub fn warm_up(&self, settings: &MediaSettings, raw_caps: &str) -> Result<Vec<u8>, MediaError> {
        loop {
            let codec = self.current();
            // "auto" looks no further than whether it is there: that a board has none is no news.
            let there = gst::ElementFactory::find(codec.factory()).is_some();
            let tried = if there {
                try_out(codec, settings, raw_caps)
            } else {
                Err(MediaError::Pipeline { why: "not on this board, or its plug-in is not installed".into() })
            };
            match tried {
                Ok(avcc) => return Ok(avcc),
                Err(error) if !self.give_way(&error.to_string(), !there && settings.encoder != Some(codec)) => {
                    let last = self.inventory();
                    return Err(MediaError::Pipeline { why: format!("no H.264 encoder works: {last}: {error}") });
                }
                Err(_) => {}
            }
        }
    }

    /// The picture broke. If that was the fault of a hardware encoder, the next one takes over from the next start
    /// of the picture on; software that fails is built anew.
    pub fn broke(&self, why: &str, stuck: bool) {
        if self.current() == Codec::V4l2 && (stuck || why.starts_with("encoder")) {
            self.give_way(why, false);
        }
    }

    /// False if it was the last.
    fn give_way(&self, why: &str, expected: bool) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        if at + 1 >= self.order.len() {
            return false;
        }
        let codec = self.order[at];
        if !expected {
            warn!(encoder = codec.name(), why, "the H.264 encoder does not work: the next one takes over");
            lock(&self.gone).push(format!("{} failed: {why}", codec.name()));
        }
        self.at.store(at + 1, Ordering::Relaxed);
        true
    }

    /// Which one is used, and which were wanted and failed.
    #[must_use]
    pub fn inventory(&self) -> String {
        let gone = lock(&self.gone);
        let name = self.current().name();
        if gone.is_empty() { name.to_owned() } else { format!("{name} ({})", gone.join("; ")) }
    }
}

/// Element name of the encoder, for whoever asks it for a key frame.
#[must_use]
pub fn source_pad(pipeline: &gst::Pipeline) -> gst::Pad {
    element::<gst::Element>(pipeline, "encoder").static_pad("src").expect("an encoder has one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_encoder_that_fails_gives_way_and_software_does_not() {
        let encoders = Encoders::new(None);
        assert_eq!(encoders.current(), Codec::V4l2);
        encoders.broke("v4l2src0: no such device", false);
        assert_eq!(encoders.current(), Codec::V4l2, "the camera's fault is not the encoder's");
        encoders.broke("encoder: failed to process frame", false);
        assert_eq!(encoders.current(), Codec::X264);
        assert_eq!(encoders.inventory(), "x264 (v4l2h264 failed: encoder: failed to process frame)");
        encoders.broke("encoder: out of memory", true);
        assert_eq!(encoders.current(), Codec::X264);
        let stuck = Encoders::new(Some(Codec::V4l2));
        stuck.broke("nothing for 2000 ms", true);
        assert_eq!(stuck.current(), Codec::X264);
    }

    #[test]
    fn a_board_without_the_wanted_encoder_says_so_and_takes_another() {
        gst::init().unwrap();
        if gst::ElementFactory::find("v4l2h264enc").is_some() {
            return;
        }
        let settings = MediaSettings { encoder: Some(Codec::V4l2), ..MediaSettings::default() };
        let raw = "video/x-raw,format=I420,width=320,height=240,framerate=25/1";
        let wanted = Encoders::new(settings.encoder);
        assert!(!wanted.warm_up(&settings, raw).unwrap().is_empty());
        assert!(wanted.inventory().starts_with("x264 (v4l2h264 failed: "), "{}", wanted.inventory());
        // Nobody wanted it: no notice.
        let auto = Encoders::new(None);
        auto.warm_up(&MediaSettings::default(), raw).unwrap();
        assert_eq!(auto.inventory(), "x264");
    }
}
