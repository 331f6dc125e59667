//! The microphone: mono Opus for the call, and the person's side of the recording; and the recording's
//! stereo track, which runs always, whoever is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::card::Way;
use super::clock::{MS, Running, SECOND, Timeline};
use super::hub::{Hub, Part};
use super::pcm::{self, Loop};
use super::pipeline::{element, fill_ticks, on_block, on_sample, pad, parse, running_time, ticker};
use super::ring::Unit;
use super::stereo::RATE;
use super::supervise::Built;
use super::synth::VoiceLike;
use super::{MediaError, MediaSettings, MicrophoneSource, lock};
use crate::kiosk::ports::{LivePacket, Medium};

/// The microphone's period.
const PERIOD: u32 = 480;
/// Length of an Opus frame, in samples: 20 ms.
const FRAME: u32 = 960;
/// The stereo track is nobody's to wait for: three frames at each wake-up.
const AT_ONCE: u32 = 3 * FRAME;
/// How hard the call's encoder tries (0 to 10): 1.0 % and 0.35 % of an x86-64 core.
const CAREFUL: i32 = 6;
const LEAST: i32 = 0;
/// How long the stereo track waits for either side: covers the loudspeaker's delay and a late thread.
const TRACK_DELAY: Running = 150 * MS;

/// Builds the microphone; it does not play yet.
///
/// # Errors
/// [`MediaError`] if an element is missing or the microphone's file cannot be read.
pub fn microphone(settings: &MediaSettings, hub: &Arc<Hub>) -> Result<Built, MediaError> {
    // A file is read first: the source's time begins when its description is made.
    let mut looped = match &settings.microphone {
        MicrophoneSource::Test => None,
        MicrophoneSource::File(path) => Some(Loop::new(pcm::load(path)?)),
        MicrophoneSource::Card => return from_card(hub),
    };
    let pipeline = encoder(&ticker(&hub.timeline, "microphone", PERIOD, 1), hub)?;
    let around = Arc::clone(hub);
    fill_ticks(&pipeline, "microphone", move |at, block| {
        match &mut looped {
            Some(looped) => looped.fill(block),
            None => VoiceLike.fill(at, block),
        }
        if let Some(air) = &around.air {
            air.arrive(at, block);
        }
    });
    let tap = Arc::clone(hub);
    on_block(&pad(&pipeline, "tap", "src"), move |at, block| {
        tap.sound_path.heard(at, block);
        tap.heard(at, block);
    });
    Ok(Built::new(pipeline))
}

/// The card's microphone. The recording keeps what it heard, untouched: it is evidence, and a canceller takes some
/// of the person away while both speak. The officer hears it with the echo and the noise taken out.
fn from_card(hub: &Arc<Hub>) -> Result<Built, MediaError> {
    let card = hub.card.get().ok_or_else(|| MediaError::Pipeline { why: "no sound card is configured".into() })?;
    if let Some(why) = card.trouble(Way::In) {
        return Err(MediaError::Card { why });
    }
    let source = "appsrc name=microphone is-live=true format=time max-bytes=48000 leaky-type=downstream \
                  caps=audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved";
    let pipeline = encoder(source, hub)?;
    let (input, tap) = (element::<gst_app::AppSrc>(&pipeline, "microphone"), Arc::downgrade(hub));
    card.listen(move |heard| {
        let Some(hub) = tap.upgrade() else { return };
        hub.heard(heard.at, heard.raw);
        let bytes: Vec<u8> = heard.clean.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let fresh = buffer.get_mut().expect("a buffer that was just made has one owner");
        fresh.set_pts(gst::ClockTime::from_nseconds(heard.at));
        fresh.set_duration(gst::ClockTime::from_mseconds(10));
        // It refuses only while it is being stopped.
        let _ = input.push_buffer(buffer);
    });
    Ok(Built::new(pipeline))
}

/// From a source of blocks to the call.
fn encoder(source: &str, hub: &Arc<Hub>) -> Result<gst::Pipeline, MediaError> {
    let pipeline = parse(&format!(
        "{source} ! capsfilter name=tap ! \
         opusenc name=voice audio-type=voice frame-size=20 bitrate=32000 bitrate-type=constrained-vbr \
                 inband-fec=true packet-loss-percentage=10 dtx=false ! \
         appsink name=live sync=false async=false enable-last-sample=false",
    ))?;
    hub.probe.on_the_way_out(&pad(&pipeline, "voice", "sink"));
    let gate = Arc::clone(hub);
    spare(&element(&pipeline, "voice"), move || gate.gate.is_open());
    let hub = Arc::clone(hub);
    on_sample(&element::<gst_app::AppSink>(&pipeline, "live"), move |sample| {
        if let (Some(at), Some(payload)) = (running_time(sample), bytes_of(sample)) {
            let timestamp = Timeline::rtp(at, RATE);
            hub.live(LivePacket { medium: Medium::Sound, payload, timestamp, marker: false });
        }
    });
    Ok(pipeline)
}

/// The voice is encoded always, so that a call's first packet is of the call; but while nobody gets it, at the least
/// cost. That is switched on the thread that encodes, between two blocks.
fn spare(encoder: &gst::Element, wanted: impl Fn() -> bool + Send + Sync + 'static) {
    let of = encoder.downgrade();
    encoder.set_property("complexity", LEAST);
    let now = AtomicI32::new(LEAST);
    let sink = encoder.static_pad("sink").expect("an encoder has one");
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let complexity = if wanted() { CAREFUL } else { LEAST };
        if now.swap(complexity, Ordering::Relaxed) != complexity
            && let Some(encoder) = of.upgrade()
        {
            encoder.set_property("complexity", complexity);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Builds the recording's stereo track; it does not play yet.
///
/// # Errors
/// [`MediaError`] if an element is missing.
pub fn track(hub: &Arc<Hub>) -> Result<Built, MediaError> {
    let pipeline = parse(&format!(
        "{source} ! opusenc name=encoder audio-type=generic frame-size=20 bitrate=96000 \
                    bitrate-type=constrained-vbr complexity=6 dtx=false ! \
         appsink name=units sync=false async=false enable-last-sample=false",
        source = ticker(&hub.timeline, "pace", AT_ONCE, 2),
    ))?;
    let mix = Arc::clone(hub);
    fill_ticks(&pipeline, "pace", move |at, block| {
        lock(&mix.stereo).read(at.saturating_sub(TRACK_DELAY), block);
    });
    let hub = Arc::clone(hub);
    let frame = Running::from(FRAME) * SECOND / Running::from(RATE);
    let mut look_ahead = None;
    on_sample(&element::<gst_app::AppSink>(&pipeline, "units"), move |sample| {
        let (Some(at), Some(data)) = (running_time(sample), bytes_of(sample)) else { return };
        // What sounds at the start of a packet went into the encoder a few milliseconds earlier.
        let look_ahead = *look_ahead.get_or_insert_with(|| pre_skip(sample));
        hub.progressed(Part::Track);
        hub.unit(Unit {
            medium: Medium::Sound,
            key: true,
            at: at.saturating_sub(TRACK_DELAY + look_ahead),
            duration: frame,
            data,
        });
    });
    Ok(Built::new(pipeline))
}

/// The encoder's look-ahead, from the identification header (RFC 7845, 5.1) in the caps.
fn pre_skip(sample: &gst::Sample) -> Running {
    let samples = || {
        let headers = sample.caps()?.structure(0)?.get::<gst::Array>("streamheader").ok()?;
        let header = headers.first()?.get::<gst::Buffer>().ok()?;
        let map = header.map_readable().ok()?;
        Some(u16::from_le_bytes([*map.get(10)?, *map.get(11)?]))
    };
    let samples = samples().unwrap_or(0);
    Running::from(samples) * SECOND / Running::from(RATE)
}

fn bytes_of(sample: &gst::Sample) -> Option<Bytes> {
    let map = sample.buffer()?.map_readable().ok()?;
    Some(Bytes::copy_from_slice(&map))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_voice_is_encoded_with_care_while_somebody_gets_it_and_only_then() {
        gst::init().unwrap();
        let pipeline = parse("audiotestsrc is-live=true samplesperbuffer=480 ! opusenc name=voice ! fakesink").unwrap();
        let voice: gst::Element = element(&pipeline, "voice");
        let open = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&open);
        spare(&voice, move || gate.load(Ordering::Relaxed));
        pipeline.set_state(gst::State::Playing).unwrap();
        assert_eq!(voice.property::<i32>("complexity"), LEAST);
        for (wanted, complexity) in [(true, CAREFUL), (false, LEAST), (true, CAREFUL)] {
            open.store(wanted, Ordering::Relaxed);
            let end = Instant::now() + Duration::from_secs(20);
            while voice.property::<i32>("complexity") != complexity {
                assert!(Instant::now() < end, "{wanted}");
                std::thread::park_timeout(Duration::from_millis(3));
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
