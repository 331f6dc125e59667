//! The figures of the call, on loopback and over a wire with 60 ms round trip.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::check::speaker_start_us;
use crate::figures::Figures;
use crate::page::{HEAR_BURSTS, READ_STAMPS, TONES_AS_MICROPHONE};
use crate::relay::Wire;
use crate::support::centre_side::{Api, run as run_command};
use crate::support::officer::{Browser, Officer};
use crate::support::wav::Sound;
use crate::support::world::{Options, World};
use crate::usage::{held, rss_mb};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Calls measured in each setting, after one warm-up.
    #[arg(long, default_value_t = 20)]
    calls: u32,
    /// Calls of the leak test; 0 leaves it out.
    #[arg(long, default_value_t = 200)]
    leak_calls: u32,
    /// Which settings: base, rtt60, cold, first, leak.
    #[arg(long, value_delimiter = ',', default_value = "base,rtt60,cold,first,leak")]
    only: Vec<String>,
    /// A JSON object of peers' figures to print beside ours.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Set by this program itself: the kiosk's network namespace.
    #[arg(long, hide = true)]
    kiosk_namespace: Option<String>,
    /// Set by this program itself: the centre's address.
    #[arg(long, hide = true)]
    centre_address: Option<String>,
}

/// The bursts are this far apart (both ways); a latency beyond it could not be told from a shorter one.
const BURST_EVERY_MS: f64 = 500.0;
/// The call's sound is listened to until so many bursts were heard.
const LISTEN: u32 = 4;
const ROUND_TRIP: Duration = Duration::from_millis(60);
const MEMORY_FROM_CALL: u32 = 20;
/// How long the processes are watched at rest: longer than the centre leaves a silent connection open (60 s).
const REST: Duration = Duration::from_secs(70);

pub async fn run(arguments: &Arguments) -> Result<()> {
    let mut figures = Figures::default();
    let wanted = |name: &str| arguments.only.iter().any(|only| only == name);
    if wanted("base") {
        base(arguments, &mut figures).await.context("base")?;
    }
    if wanted("cold") {
        let options = Options { standby: false, ..options()? };
        frames(options, "cold", arguments.calls, &mut figures).await.context("cold")?;
    }
    if wanted("rtt60") {
        rtt60(arguments.calls, &mut figures).await.context("rtt60")?;
    }
    if wanted("first") {
        first(&mut figures).await.context("first")?;
    }
    if wanted("leak") && arguments.leak_calls > 0 {
        leak(arguments.leak_calls, &mut figures).await.context("leak")?;
    }
    if wanted("inside") {
        rtt60_inside(arguments, &mut figures).await?;
        println!("{}", json!({"samples": figures.samples()}));
        let _ = std::fs::remove_dir_all(own_dir());
        return Ok(());
    }
    let peers: Value = match &arguments.peers {
        None => json!({}),
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
    };
    println!("{}", json!({"figures": figures.json(), "peers": peers}));
    // Absent where only the inner run made one.
    let _ = std::fs::remove_dir_all(own_dir());
    Ok(())
}

/// The kiosk's microphone: a burst (20 ms, 1 kHz, -6 dBFS) every half second over a quiet tone.
fn burst_file(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("bursts.wav");
    let rate = 48_000u32;
    let samples = (0..rate * 10)
        .map(|n| {
            let t = n as f32 / rate as f32;
            let burst = (t % (BURST_EVERY_MS as f32 / 1000.0)) < 0.02;
            let tone = |hertz: f32| (std::f32::consts::TAU * hertz * t).sin();
            if burst { 0.5 * tone(1000.0) } else { 0.01 * tone(500.0) }
        })
        .collect();
    Sound { rate, samples }.write(&path)?;
    Ok(path)
}

fn options() -> Result<Options> {
    // Outlives the worlds of this run; a file of a megabyte in the system's temporary directory.
    let dir = own_dir();
    std::fs::create_dir_all(&dir)?;
    Ok(Options { microphone: Some(burst_file(&dir)?), ..Options::default() })
}

fn own_dir() -> PathBuf {
    std::env::temp_dir().join(format!("sos-bench-{}", std::process::id()))
}

fn browser() -> Browser {
    Browser { before_page: Some(TONES_AS_MICROPHONE.to_owned()), ..Browser::default() }
}

/// A world, an officer on duty, and the API.
struct Scene {
    world: World,
    officer: Officer,
    api: Api,
}

/// One finished call.
struct Call {
    id: String,
    /// When the page's Answer was pressed, wall clock, microseconds.
    answer_us: f64,
    incident: Value,
}

impl Scene {
    async fn set(options: Options, browser: &Browser) -> Result<Self> {
        let world = World::temporary(options).await?;
        let officer = Officer::open(browser, &world.dir).await?;
        officer.on_duty(&world, "aigerim").await?;
        let api = world.api("daulet").await?;
        Ok(Self { world, officer, api })
    }

    /// Press, picture, answer, sound both ways, listen, close.
    async fn call(&self, listen: u32) -> Result<Call> {
        let id = self.world.press().await?;
        self.marked(&id, "first_frame").await?;
        let answer = "const at = (performance.timeOrigin + performance.now()) * 1000; \
                      document.querySelector(\"[data-testid='answer']\").click(); return at;";
        self.officer.find("answer").await?;
        let answer_us = self.officer.js(answer, vec![]).await?.as_f64().context("no time of the answer")?;
        self.marked(&id, "first_sound_down").await?;
        self.marked(&id, "first_sound_up").await?;
        let heard = format!("return {listen} === 0 || (window.__heard || []).length >= {listen}");
        self.officer.js_until("bursts heard", Duration::from_secs(20), &heard).await?;
        self.officer.close_as("test").await?;
        self.world.kiosk_idle().await?;
        let incident = self.api.incident_when(&id, "closed", |i| i["standing"] == json!("closed")).await?;
        Ok(Call { id, answer_us, incident })
    }

    async fn marked(&self, id: &str, mark: &str) -> Result<()> {
        self.api.incident_when(id, mark, |i| i["timing"][mark].is_i64()).await.map(|_| ())
    }

    async fn end(self) -> Result<()> {
        self.officer.close().await?;
        self.world.stop().await
    }
}

impl Call {
    /// Milliseconds from the edge to a mark.
    fn after_edge(&self, mark: &str) -> Result<f64> {
        let at = |mark: &str| self.incident["timing"][mark].as_f64().with_context(|| format!("{mark} of {}", self.id));
        Ok((at(mark)? - at("edge")?) / 1000.0)
    }
}

async fn base(arguments: &Arguments, figures: &mut Figures) -> Result<()> {
    let scene = Scene::set(options()?, &browser()).await?;
    scene.officer.js(HEAR_BURSTS, vec![]).await?;
    scene.officer.js(READ_STAMPS, vec![]).await?;
    scene.call(0).await?;
    for _ in 0..arguments.calls {
        let clear = "window.__heard = []; window.__ages = []; window.__sent = [];";
        scene.officer.js(clear, vec![]).await?;
        let call = scene.call(LISTEN).await?;
        figures.add("press_to_alarm_ms", call.after_edge("alarm_painted")?);
        figures.add("press_to_frame_ms", call.after_edge("first_frame")?);
        figures.add("press_to_ack_ms", call.after_edge("acknowledged")?);
        let voice = call.incident["timing"]["first_sound_down"].as_f64().context("first_sound_down")?;
        figures.add("answer_to_voice_ms", (voice - call.answer_us) / 1000.0);
        let numbers =
            |value: Value| value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect::<Vec<_>>();
        for age in numbers(scene.officer.js("return window.__ages", vec![]).await?) {
            figures.add("picture_latency_ms", age);
        }
        let heard = numbers(scene.officer.js("return window.__heard", vec![]).await?);
        for latency in latencies(&person_bursts(&scene, &call).await?, &heard) {
            figures.add("mouth_to_ear_up_ms", latency);
        }
        let sent = numbers(scene.officer.js("return window.__sent", vec![]).await?);
        for latency in latencies(&sent, &speaker_bursts(&scene.world, &call)?) {
            figures.add("mouth_to_ear_down_ms", latency);
        }
    }
    scene.end().await
}

/// For each burst that was heard, the time since the last one that was sent.
fn latencies(sent: &[f64], heard: &[f64]) -> Vec<f64> {
    heard
        .iter()
        .filter_map(|at| {
            sent.iter().map(|s| at - s).filter(|late| (0.0..BURST_EVERY_MS).contains(late)).reduce(f64::min)
        })
        .collect()
}

/// Wall clock, ms, of the bursts at the kiosk's microphone, from the recording's left channel.
async fn person_bursts(scene: &Scene, call: &Call) -> Result<Vec<f64>> {
    let id = &call.id;
    scene.api.incident_when(id, "recording complete", |i| i["recording"]["complete"] == json!(true)).await?;
    let start = scene.api.incident(id).await?["recording"]["start_wall_us"].as_f64().context("start_wall_us")?;
    let mp4 = scene.world.dir.join("bench.mp4");
    std::fs::write(&mp4, scene.api.bytes(&format!("/api/incidents/{id}/recording.mp4")).await?)?;
    let wav = scene.world.dir.join("bench.wav");
    run_command(
        Command::new("ffmpeg")
            .args(["-y", "-v", "error", "-i"])
            .arg(&mp4)
            .args(["-vn", "-ac", "2", "-ar", "48000"])
            .arg(&wav),
    )
    .await?;
    let left = Sound::read(&wav, 0)?;
    Ok(left.onsets(0.15, 0.2).into_iter().map(|t| start / 1000.0 + t * 1000.0).collect())
}

/// Wall clock, ms, of the bursts that left the loudspeaker between the answer and the close: the sentence at the
/// close is no burst of the officer's.
fn speaker_bursts(world: &World, call: &Call) -> Result<Vec<f64>> {
    let start = speaker_start_us(world)? as f64 / 1000.0;
    let closed_us = call.incident["timing"]["closed"].as_f64().context("no time of the close")?;
    let sound = Sound::read(&world.speaker_wav(), 0)?;
    let all = sound.onsets(0.15, 0.2).into_iter().map(|t| start + t * 1000.0);
    Ok(all.filter(|at| (call.answer_us / 1000.0..closed_us / 1000.0).contains(at)).collect())
}

/// Press to first frame in another setting.
async fn frames(options: Options, setting: &str, calls: u32, figures: &mut Figures) -> Result<()> {
    let scene = Scene::set(options, &browser()).await?;
    scene.call(0).await?;
    for _ in 0..calls {
        let call = scene.call(0).await?;
        figures.add(&format!("press_to_frame_{setting}_ms"), call.after_edge("first_frame")?);
        figures.add(&format!("press_to_alarm_{setting}_ms"), call.after_edge("alarm_painted")?);
    }
    scene.end().await
}

/// Centre and page on one side of a wire, the kiosk on the other. This program starts itself again inside
/// the centre's namespace, since the page and the API are on that loopback.
async fn rtt60(calls: u32, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let wire = Wire::lay(ROUND_TRIP, dir.path()).await?;
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &wire.far]).arg(std::env::current_exe()?);
    inside.args(["call", "--only", "inside", "--calls", &calls.to_string()]);
    inside.args(["--kiosk-namespace", &wire.near, "--centre-address", &wire.address]);
    let done = run_command(&mut inside).await;
    wire.lift().await?;
    let output: Value = serde_json::from_slice(&done?)?;
    for (name, samples) in output["samples"].as_object().into_iter().flatten() {
        for sample in samples.as_array().into_iter().flatten().filter_map(Value::as_f64) {
            figures.add(name, sample);
        }
    }
    Ok(())
}

async fn rtt60_inside(arguments: &Arguments, figures: &mut Figures) -> Result<()> {
    let near = arguments.kiosk_namespace.as_deref().context("--kiosk-namespace")?;
    let address = arguments.centre_address.clone().context("--centre-address")?;
    let options = Options { kiosk_prefix: Wire::prefix(near), centre_address: address, ..options()? };
    frames(options, "rtt60", arguments.calls, figures).await
}

/// The first call after the daemon's start against the later ones, over several starts.
async fn first(figures: &mut Figures) -> Result<()> {
    const STARTS: u32 = 5;
    let mut scene = Scene::set(options()?, &browser()).await?;
    let mut later = Figures::default();
    let mut firsts = Figures::default();
    for start in 0..STARTS {
        if start > 0 {
            scene.world.kiosk.terminate().await?;
            scene.world.restart_kiosk().await?;
        }
        firsts.add("frame", scene.call(0).await?.after_edge("first_frame")?);
        for _ in 0..3 {
            later.add("frame", scene.call(0).await?.after_edge("first_frame")?);
        }
    }
    let (first, later) = (firsts.median("frame").context("first")?, later.median("frame").context("later")?);
    figures.set("first_call_ms", first);
    figures.set("first_call_ratio", first / later);
    scene.end().await
}

async fn leak(calls: u32, figures: &mut Figures) -> Result<()> {
    let scene = Scene::set(options()?, &browser()).await?;
    let parts = [("kiosk", scene.world.kiosk.pid()), ("centre", scene.world.centre.pid())];
    let from = MEMORY_FROM_CALL.min(calls / 2).max(1);
    let mut before = vec![];
    for call in 1..=calls {
        let done = scene.call(0).await?;
        if call == from || call == calls {
            let whole = |i: &Value| i["recording"]["complete"] == json!(true);
            scene.api.incident_when(&done.id, "recording complete", whole).await?;
        }
        if call % 20 == 0 {
            let resident: Vec<_> =
                parts.iter().map(|(name, pid)| Ok((*name, usage(*pid)?.counts[2]))).collect::<Result<_>>()?;
            eprintln!("after call {call}: {resident:.1?} MB resident");
        }
        if call == from {
            before = at_rest(&parts).await?;
        }
    }
    let mut gained = [0.0f64; 3];
    for (((name, _), before), after) in parts.into_iter().zip(before).zip(at_rest(&parts).await?) {
        for n in 0..3 {
            let gain = after.counts[n] - before.counts[n];
            figures.set(&format!("leak_{}_{name}", ["fds", "threads", "rss_mb"][n]), gain);
            gained[n] = gained[n].max(gain);
        }
        let new: Vec<_> = after.files.iter().filter(|file| !before.files.contains(file)).collect();
        let gone: Vec<_> = before.files.iter().filter(|file| !after.files.contains(file)).collect();
        eprintln!("{name}: open now and not after call {from}: {new:?}, the other way round: {gone:?}");
        eprintln!("{name}: threads after call {from}: {:?}, now: {:?}", before.threads, after.threads);
    }
    for (n, name) in ["leak_fds", "leak_threads", "leak_rss_mb"].into_iter().enumerate() {
        figures.set(name, gained[n]);
    }
    figures.set("leak_calls", f64::from(calls));
    scene.end().await
}

/// What a process holds.
struct Usage {
    /// Descriptors, threads, resident memory in MB.
    counts: [f64; 3],
    /// What the descriptors are open on, when they were fewest.
    files: Vec<String>,
    /// The threads' names, when they were fewest.
    threads: Vec<String>,
}

/// What each process holds when it rests: the least of that time. What a call leaves for a moment (a delivery's
/// connection, a thread of a pool that waits for more work) goes within it; what leaks stays.
async fn at_rest(parts: &[(&str, u32)]) -> Result<Vec<Usage>> {
    let mut least: Vec<Usage> = parts.iter().map(|&(_, pid)| usage(pid)).collect::<Result<_>>()?;
    let mut look = tokio::time::interval(Duration::from_millis(250));
    let until = Instant::now() + REST;
    while Instant::now() < until {
        look.tick().await;
        for (least, &(_, pid)) in least.iter_mut().zip(parts) {
            let now = usage(pid)?;
            if now.counts[0] < least.counts[0] {
                least.files = now.files;
            }
            if now.counts[1] < least.counts[1] {
                least.threads = now.threads;
            }
            for n in 0..3 {
                least.counts[n] = least.counts[n].min(now.counts[n]);
            }
        }
    }
    Ok(least)
}

fn usage(pid: u32) -> Result<Usage> {
    let (files, threads) = held(pid)?;
    Ok(Usage { counts: [files.len() as f64, threads.len() as f64, rss_mb(pid)?], files, threads })
}
