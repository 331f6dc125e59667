//! The loudspeaker: the officer's voice and the prompts, laid over a floor of silence that never stops, so that the
//! first word of a call meets a running sink. GStreamer's mixer was not taken: waiting for a voice that mostly is not
//! there, it cost a kiosk at rest as much as both its encoders of sound.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use tracing::warn;

use super::card::Way;
use super::clock::Running;
use super::hub::{Hub, Part};
use super::pipeline::{element, fill_ticks, on_block, on_sample, pad, parse, running_time, ticker};
use super::playout::Playout;
use super::stereo::Side;
use super::supervise::Built;
use super::voice::{Arrived, PAYLOAD_TYPE};
use super::wav::Recorder;
use super::{MediaError, MediaSettings, Speaker, lock, pcm};
use crate::kiosk::Stamped;
use crate::machine::Event;

/// How long the jitter buffer holds a packet, milliseconds.
const JITTER_MS: u32 = 20;

/// Where packets of the officer's voice go in; the pipeline behind it may be rebuilt at any time.
#[derive(Debug, Default)]
pub struct VoiceInput(Mutex<Option<gst_app::AppSrc>>);

impl VoiceInput {
    /// Hands a packet over. Never waits: the source's queue is bounded and loses the oldest.
    pub fn push(&self, arrived: Arrived) {
        let Some(source) = lock(&self.0).clone() else { return };
        let mut buffer = gst::Buffer::from_mut_slice(arrived.rtp);
        let fresh = buffer.get_mut().expect("a buffer that was just made has one owner");
        fresh.set_pts(gst::ClockTime::from_nseconds(arrived.at));
        fresh.set_dts(gst::ClockTime::from_nseconds(arrived.at));
        // It refuses only while it is being stopped.
        let _ = source.push_buffer(buffer);
    }
}

/// Builds the part; it does not play yet.
///
/// # Errors
/// [`MediaError`] if an element is missing or the loudspeaker's file cannot be written.
pub fn build(settings: &MediaSettings, hub: &Arc<Hub>, input: &VoiceInput) -> Result<Built, MediaError> {
    let mut file = match &settings.speaker {
        Speaker::Null => None,
        Speaker::File(path) => Some(Recorder::open(path)?),
        Speaker::Card => {
            to_card(hub)?;
            None
        }
    };
    let to_card = settings.speaker == Speaker::Card;
    let pipeline = parse(&format!(
        "{floor} ! appsink name=sink sync=false async=false enable-last-sample=false \
         appsrc name=voice is-live=true format=time max-bytes=65536 leaky-type=downstream \
           caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload={PAYLOAD_TYPE} ! \
           rtpjitterbuffer name=jitter latency={JITTER_MS} do-lost=true ! \
           rtpopusdepay ! opusdec plc=true ! audioconvert ! audioresample ! \
           capsfilter name=decoded caps=audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved ! \
           fakesink sync=false async=false enable-last-sample=false",
        floor = ticker(&hub.timeline, "floor", 480, 1),
    ))?;
    hub.probe.on_the_way_back(&pad(&pipeline, "decoded", "src"));
    let voice = tap_voice(&pipeline, hub);
    let delayed = Arc::clone(&voice);
    let mix = Arc::clone(hub);
    fill_ticks(&pipeline, "floor", move |at, block| {
        mix.prompts.fill(block, mix.voice.speaks(at));
        mix.sound_path.speak(block);
        let count = block.len();
        let put = |index: usize, sample: i16| block[index] = block[index].saturating_add(sample);
        lock(&voice).read(at, count, put);
    });
    measure_jitter_buffer(&pipeline, hub);
    let hub = Arc::clone(hub);
    on_sample(&element::<gst_app::AppSink>(&pipeline, "sink"), move |sample| {
        let delay = lock(&delayed).delay();
        leave(&hub, sample, delay, file.as_mut(), to_card);
    });
    *lock(&input.0) = Some(element(&pipeline, "voice"));
    Ok(Built::new(pipeline))
}

/// The card takes what leaves. One that is lost stops nothing here: what the officer says is recorded all the same.
fn to_card(hub: &Arc<Hub>) -> Result<(), MediaError> {
    let card = hub.card.get().ok_or_else(|| MediaError::Pipeline { why: "no sound card is configured".into() })?;
    let played = Arc::downgrade(hub);
    card.on_played(move || {
        if let Some(hub) = played.upgrade() {
            hub.card_played();
        }
    });
    Ok(())
}

/// A block leaves at its time; the officer's voice in it is `delay` behind its own. It is heard at once, or when the card plays it.
fn leave(hub: &Hub, sample: &gst::Sample, delay: Running, file: Option<&mut Recorder>, to_card: bool) {
    let (Some(leaves), Some(buffer)) = (running_time(sample), sample.buffer()) else { return };
    let now = hub.timeline.now();
    // The voice's own time.
    let at = leaves.saturating_sub(delay);
    let Ok(map) = buffer.map_readable() else { return };
    let samples: Vec<i16> = pcm::from_bytes(&map).collect();
    let (mut waits, mut sounds) = (0, true);
    hub.progressed(Part::Speaker);
    if let Some(card) = hub.card.get().filter(|_| to_card) {
        card.play(&samples);
        (waits, sounds) = (card.delay(), card.trouble(Way::Out).is_none());
    } else {
        // A simulated loudspeaker plays by the time line, not when a late thread gets to it: by that its blocks would lie
        // apart and upon each other.
        hub.sound_path.played(leaves, &samples);
        if let Some(air) = &hub.air {
            air.played(leaves, &samples);
        }
    }
    hub.speaker_delay.store(now.saturating_sub(at) + waits, Ordering::Relaxed);
    let length = buffer.duration().map_or(0, gst::ClockTime::nseconds);
    if !sounds {
        hub.voice.unheard();
    } else if hub.voice.played((at + length).saturating_sub(waits)) {
        let heard = Stamped { at: hub.timeline.instant(now), event: Event::VoiceHeard };
        if hub.inbox.try_send(heard).is_err() {
            warn!("the inbox is full: the officer's first sound is not timed");
        }
    }
    if let Some(file) = file {
        file.take(now, hub.timeline.wall_us(now), samples);
    }
}

/// The officer's voice on its way to the loudspeaker, and the officer's side of the recording at the time it is played.
fn tap_voice(pipeline: &gst::Pipeline, hub: &Arc<Hub>) -> Arc<Mutex<Playout>> {
    let (hub, voice) = (Arc::clone(hub), Arc::new(Mutex::new(Playout::default())));
    let comes = Arc::clone(&voice);
    on_block(&pad(pipeline, "decoded", "src"), move |at, block| {
        lock(&comes).write(at, hub.timeline.now(), block);
        hub.voice.listen(at, block);
        let plays = at + hub.speaker_delay.load(Ordering::Relaxed);
        lock(&hub.stereo).write(Side::Officer, plays, block);
    });
    voice
}

/// A packet's way from its arrival to the loudspeaker: what the jitter buffer made of its time, and
/// the delay with which the sink plays that time.
fn measure_jitter_buffer(pipeline: &gst::Pipeline, hub: &Arc<Hub>) {
    let hub = Arc::clone(hub);
    pad(pipeline, "jitter", "src").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let measured = info.buffer().and_then(|buffer| {
            let map = buffer.map_readable().ok()?;
            let sequence = u16::from_be_bytes([*map.get(2)?, *map.get(3)?]);
            let plays = buffer.pts()?.nseconds() + hub.speaker_delay.load(Ordering::Relaxed);
            plays.checked_sub(hub.voice.arrival(sequence))
        });
        if let Some(nanos) = measured {
            hub.voice_latency.add(Duration::from_nanos(nanos));
        }
        gst::PadProbeReturn::Ok
    });
}
