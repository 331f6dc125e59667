//! The cancellers that were compared: the one that is shipped, with and without its gain control, and the others in
//! their own default tuning; GStreamer's also tuned as hard as its settings allow.

use aec3::api::config::EchoCanceller3Config as Tuning;
use anyhow::{Context, anyhow};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use sos::adapter::media::echo::{Canceller, EchoSettings, Noise, tuned};

/// Samples of a period: 10 ms.
pub const SAMPLES: usize = 480;
/// The name of the shipped one.
pub const SHIPPED: &str = "shipped";

pub trait Processor {
    /// One period: what the loudspeaker is given and what the microphone hears; gives what is left.
    fn period(&mut self, far: &[i16; SAMPLES], near: &[i16; SAMPLES]) -> anyhow::Result<[i16; SAMPLES]>;
}

pub type Make = Box<dyn Fn() -> anyhow::Result<Box<dyn Processor>>>;

fn shipped(settings: EchoSettings) -> Make {
    Box::new(move || Ok(Box::new(Shipped(Canceller::new(&settings))) as Box<dyn Processor>))
}

pub fn all() -> Vec<(&'static str, Make)> {
    vec![
        (SHIPPED, shipped(EchoSettings::default())),
        ("shipped_no_gain", shipped(EchoSettings { most_gain_db: 0.0, ..EchoSettings::default() })),
        ("aec3_default", plain(|_| {})),
        ("sonora", Box::new(|| Ok(Box::new(Sonora::new()) as Box<dyn Processor>))),
        ("webrtcdsp", webrtcdsp("")),
        ("webrtcdsp_no_gain", webrtcdsp("gain-control=false")),
        ("webrtcdsp_hard", webrtcdsp("gain-control=false delay-agnostic=true echo-suppression-level=high")),
    ]
}

/// The crate aec3 with each part of the shipped tuning by itself, and with what was not taken.
pub fn tunings() -> Vec<(&'static str, Make)> {
    let forgets = |config: &mut Tuning| config.filter.main = tuned().filter.main;
    let suppresses = |config: &mut Tuning| config.suppressor.normal_tuning = tuned().suppressor.normal_tuning;
    vec![
        ("default", plain(|_| {})),
        ("forgets", plain(forgets)),
        ("suppresses", plain(suppresses)),
        (
            "both",
            plain(move |config| {
                forgets(config);
                suppresses(config);
            }),
        ),
        ("taken", plain(|config| *config = tuned())),
        (
            "harder",
            plain(|config| {
                *config = tuned();
                let alone = &mut config.suppressor.normal_tuning;
                (alone.mask_lf.enr_transparent, alone.mask_lf.enr_suppress) = (0.04, 0.06);
                (alone.mask_hf.enr_transparent, alone.mask_hf.enr_suppress) = (0.01, 0.015);
            }),
        ),
        ("noise_high", shipped(EchoSettings { noise: Noise::High, ..EchoSettings::default() })),
        (
            "taken_no_filter",
            plain(|config| {
                *config = tuned();
                config.filter.use_linear_filter = false;
            }),
        ),
        ("clock_drift", plain(|config| config.echo_removal_control.has_clock_drift = true)),
        ("no_filter", plain(|config| config.filter.use_linear_filter = false)),
    ]
}

struct Shipped(Canceller);

impl Processor for Shipped {
    fn period(&mut self, far: &[i16; SAMPLES], near: &[i16; SAMPLES]) -> anyhow::Result<[i16; SAMPLES]> {
        let mut out = [0; SAMPLES];
        self.0.process(far, near, &mut out);
        Ok(out)
    }
}

fn to_float(samples: &[i16; SAMPLES]) -> [f32; SAMPLES] {
    samples.map(|sample| f32::from(sample) / 32768.0)
}

fn to_whole(samples: &[f32; SAMPLES]) -> [i16; SAMPLES] {
    samples.map(|sample| (sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16)
}

/// The crate aec3 as its makers tuned it but for what is changed, with its noise suppressor.
struct Plain(aec3::pipelines::linear::LinearPipeline);

fn plain(change: impl Fn(&mut Tuning) + 'static) -> Make {
    Box::new(move || {
        let format = aec3::nodes::audio::AudioFormat::ten_ms(48_000, 1);
        let mut config = Tuning::default();
        change(&mut config);
        let builder =
            aec3::pipelines::linear::builder(format, format).aec3_config(config).enable_gain_controller2(false);
        Ok(Box::new(Plain(builder.build().map_err(|error| anyhow!("{error}"))?)) as Box<dyn Processor>)
    })
}

impl Processor for Plain {
    fn period(&mut self, far: &[i16; SAMPLES], near: &[i16; SAMPLES]) -> anyhow::Result<[i16; SAMPLES]> {
        let mut out = [0.0; SAMPLES];
        self.0.handle_render_frame(&to_float(far)).map_err(|error| anyhow!("{error}"))?;
        self.0.process_capture_frame(&to_float(near), &mut out).map_err(|error| anyhow!("{error}"))?;
        Ok(to_whole(&out))
    }
}

/// The crate sonora, another port, with its noise suppressor.
struct Sonora(sonora::AudioProcessing);

impl Sonora {
    fn new() -> Self {
        let config = sonora::Config {
            echo_canceller: Some(sonora::config::EchoCanceller::default()),
            noise_suppression: Some(sonora::config::NoiseSuppression::default()),
            ..sonora::Config::default()
        };
        let stream = || sonora::StreamConfig::new(48_000, 1);
        let builder = sonora::AudioProcessing::builder().config(config);
        Self(builder.capture_config(stream()).render_config(stream()).build())
    }
}

impl Processor for Sonora {
    fn period(&mut self, far: &[i16; SAMPLES], near: &[i16; SAMPLES]) -> anyhow::Result<[i16; SAMPLES]> {
        let (far, near, mut sink, mut out) = (to_float(far), to_float(near), [0.0; SAMPLES], [0.0; SAMPLES]);
        self.0.process_render_f32(&[&far], &mut [&mut sink]).map_err(|error| anyhow!("{error:?}"))?;
        self.0.process_capture_f32(&[&near], &mut [&mut out]).map_err(|error| anyhow!("{error:?}"))?;
        Ok(to_whole(&out))
    }
}

fn webrtcdsp(settings: &'static str) -> Make {
    Box::new(move || Ok(Box::new(WebRtcDsp::new(settings)?) as Box<dyn Processor>))
}

/// GStreamer's element around WebRTC's older library, with what is not to be as by default.
struct WebRtcDsp {
    pipeline: gst::Pipeline,
    far: [gst::Element; 2],
    near: [gst::Element; 2],
    at: u64,
}

impl WebRtcDsp {
    fn new(settings: &str) -> anyhow::Result<Self> {
        let caps = "caps=audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved";
        let source = |name: &str| format!("appsrc name={name} format=time {caps}");
        let sink = |name: &str| format!("appsink name={name} sync=false async=false enable-last-sample=false");
        let pipeline = gst::parse::launch(&format!(
            "{} ! webrtcechoprobe name=probe ! {}  {} ! webrtcdsp probe=probe {settings} ! {}",
            source("far"),
            sink("played"),
            source("near"),
            sink("clean"),
        ))?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| anyhow!("expected a pipeline"))?;
        let element = |name: &str| pipeline.by_name(name).with_context(|| name.to_owned());
        let (far, near) = ([element("far")?, element("played")?], [element("near")?, element("clean")?]);
        pipeline.set_state(gst::State::Playing)?;
        pipeline.state(gst::ClockTime::from_seconds(5)).0?;
        // The probe gives no reference before it was told the loudspeaker's delay, which is in the scene already.
        far[1].send_event(gst::event::Latency::new(gst::ClockTime::ZERO));
        Ok(Self { pipeline, far, near, at: 0 })
    }

    fn pass(&self, way: &[gst::Element; 2], samples: &[i16; SAMPLES]) -> anyhow::Result<[i16; SAMPLES]> {
        let (source, sink) = (way[0].downcast_ref::<gst_app::AppSrc>(), way[1].downcast_ref::<gst_app::AppSink>());
        let (source, sink) = (source.context("an appsrc")?, sink.context("an appsink")?);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let fresh = buffer.get_mut().context("one owner")?;
        fresh.set_pts(gst::ClockTime::from_mseconds(self.at));
        fresh.set_duration(gst::ClockTime::from_mseconds(10));
        source.push_buffer(buffer)?;
        let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(2)).context("nothing came out for 2 s")?;
        let map = sample.buffer().context("a buffer")?.map_readable()?;
        let mut out = [0; SAMPLES];
        for (out, pair) in out.iter_mut().zip(map.chunks_exact(2)) {
            *out = i16::from_le_bytes([pair[0], pair[1]]);
        }
        Ok(out)
    }
}

impl Processor for WebRtcDsp {
    fn period(&mut self, far: &[i16; SAMPLES], near: &[i16; SAMPLES]) -> anyhow::Result<[i16; SAMPLES]> {
        self.pass(&self.far, far)?;
        let out = self.pass(&self.near, near)?;
        self.at += 10;
        Ok(out)
    }
}

impl Drop for WebRtcDsp {
    fn drop(&mut self) {
        // Nothing to be done about a pipeline that does not stop.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
