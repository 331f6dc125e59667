//! A bare encoder in a process of its own: what the daemon's costs are compared with, and how two encoders are.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use serde_json::json;
use sos::adapter::media::MediaSettings;
use sos::adapter::media::encoder::{ORDER, description};

use crate::figures::quantile;
use crate::usage::Cpu;

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// x264, openh264, v4l2h264; none: the source alone.
    #[arg(long)]
    codec: Option<String>,
    /// A film as the source, once; without, the daemon's test pattern until the program is ended.
    #[arg(long)]
    film: Option<PathBuf>,
    /// Where the encoded film goes.
    #[arg(long)]
    out: Option<PathBuf>,
    #[arg(long, default_value_t = 2000)]
    bitrate_kbit: u32,
    /// A key frame is asked for this often, ms; 0: never.
    #[arg(long, default_value_t = 0)]
    key_frame_every: u64,
}

type Waiting = Arc<Mutex<VecDeque<Instant>>>;
type Taken = Arc<Mutex<Vec<f64>>>;

pub fn run(arguments: &Arguments) -> Result<()> {
    gst::init()?;
    let settings = MediaSettings { bitrate_kbit: arguments.bitrate_kbit, fps: 25, ..MediaSettings::default() };
    let (width, height) = (settings.width, settings.height);
    let raw = format!("video/x-raw,format=I420,width={width},height={height},framerate=25/1,pixel-aspect-ratio=1/1");
    let source = match &arguments.film {
        None => format!("videotestsrc is-live=true pattern=smpte75 horizontal-speed=6 ! {raw}"),
        Some(_) => format!(
            "filesrc name=film ! decodebin ! videoconvert ! videoscale ! videorate ! {raw} ! queue ! identity sync=true"
        ),
    };
    let encoder = match &arguments.codec {
        None => String::new(),
        Some(name) => {
            let codec =
                ORDER.into_iter().find(|codec| codec.name() == name).with_context(|| format!("no codec {name}"))?;
            format!("! {}", description(codec, &settings))
        }
    };
    let sink = match &arguments.out {
        None => "fakesink sync=false",
        Some(_) => "h264parse ! video/x-h264,stream-format=byte-stream ! filesink name=out sync=false",
    };
    let pipeline = gst::parse::launch(&format!("{source} {encoder} ! {sink}"))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| anyhow::anyhow!("not a pipeline"))?;
    for (name, path) in [("film", &arguments.film), ("out", &arguments.out)] {
        if let (Some(element), Some(path)) = (pipeline.by_name(name), path) {
            element.set_property("location", path);
        }
    }
    let (latency, keys) = (Taken::default(), Taken::default());
    if let Some(encoder) = pipeline.by_name("encoder") {
        measure(&encoder, arguments.key_frame_every, &latency, &keys);
    }
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let before = Cpu::of(std::process::id())?;
    let since = Instant::now();
    let message = bus.timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]);
    let cpu = Cpu::of(std::process::id())?.since(before);
    let seconds = since.elapsed().as_secs_f64();
    let _ = pipeline.set_state(gst::State::Null);
    if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|message| message.view()) {
        bail!("{}", error.error());
    }
    let summary = |taken: &Taken| {
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        json!({"median": quantile(&taken, 0.5), "p95": quantile(&taken, 0.95), "n": taken.len()})
    };
    let kbit = arguments.out.as_ref().and_then(|out| std::fs::metadata(out).ok());
    let kbit = kbit.map(|found| found.len() as f64 * 8.0 / 1000.0 / seconds);
    println!(
        "{}",
        json!({"cpu_ratio": cpu / seconds, "seconds": seconds, "kbit": kbit,
               "encode_ms": summary(&latency), "key_frame_ms": summary(&keys)})
    );
    Ok(())
}

/// Frames come out in the order they go in: neither of the encoders reorders here.
fn measure(encoder: &gst::Element, every_ms: u64, latency: &Taken, keys: &Taken) {
    let (waiting, latency, keys) = (Waiting::default(), Arc::clone(latency), Arc::clone(keys));
    let asked: Arc<Mutex<Option<Instant>>> = Arc::default();
    let (noted, asking) = (Arc::clone(&waiting), Arc::clone(&asked));
    let sink = encoder.static_pad("sink").expect("an encoder has one");
    let source = encoder.static_pad("src").expect("an encoder has one");
    let target = source.downgrade();
    let last = Mutex::new(Instant::now());
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        noted.lock().unwrap_or_else(PoisonError::into_inner).push_back(Instant::now());
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if every_ms > 0 && last.elapsed() >= Duration::from_millis(every_ms) {
            *last = Instant::now();
            *asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            if let Some(source) = target.upgrade() {
                source.send_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
            }
        }
        gst::PadProbeReturn::Ok
    });
    source.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(since) = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            latency.lock().unwrap_or_else(PoisonError::into_inner).push(since.elapsed().as_secs_f64() * 1000.0);
        }
        let key = info.buffer().is_some_and(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if key && let Some(since) = asked.lock().unwrap_or_else(PoisonError::into_inner).take() {
            keys.lock().unwrap_or_else(PoisonError::into_inner).push(since.elapsed().as_secs_f64() * 1000.0);
        }
        gst::PadProbeReturn::Ok
    });
}
