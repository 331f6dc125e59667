//! What the kiosk costs at rest and in a call, and how soon the centre knows of a broken device.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::faults;
use crate::figures::{Figures, quantile};
use crate::support::centre_side::run as run_command;
use crate::support::officer::{Browser, Officer};
use crate::support::process::Process;
use crate::support::world::{Options, Speaker, World};
use crate::usage::{Cpu, rss_mb};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Which parts: idle, call, faults, encoders.
    #[arg(long, value_delimiter = ',', default_value = "idle,call,faults,encoders")]
    only: Vec<String>,
    /// Seconds over which costs are measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// A directory with real films (`scripts/films`).
    #[arg(long)]
    films: PathBuf,
    /// A JSON object of figures measured elsewhere (the virtual kiosk), printed with ours.
    #[arg(long)]
    also: Option<PathBuf>,
}

/// Costs at rest are measured over windows of so many seconds, and the median counts: what disturbs one does not matter.
const WINDOW: u64 = 10;

pub async fn run(arguments: &Arguments) -> Result<()> {
    let mut figures = Figures::default();
    let wanted = |name: &str| arguments.only.iter().any(|only| only == name);
    if wanted("idle") {
        idle(arguments.seconds, &mut figures).await.context("idle")?;
    }
    if wanted("call") {
        call(arguments.seconds, &mut figures).await.context("call")?;
    }
    if wanted("faults") {
        faults::run(&arguments.films, &mut figures).await.context("faults")?;
    }
    if wanted("encoders") {
        encoders(&arguments.films, &mut figures).await.context("encoders")?;
    }
    let mut all = figures.json();
    if let Some(path) = &arguments.also {
        let other: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        let other = other.as_object().with_context(|| format!("{}: expected an object", path.display()))?;
        for (name, figure) in other {
            all[name] = figure.clone();
        }
    }
    println!("{}", json!({"figures": all}));
    Ok(())
}

/// Lets time pass: the campaigns measure over a span, they do not wait for anything.
pub async fn pass(seconds: u64) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..=seconds {
        tick.tick().await;
    }
}

/// The daemon's processor time over that of its bare encoder, which runs beside it at the same time with the same
/// settings and the same pattern.
async fn idle(seconds: u64, figures: &mut Figures) -> Result<()> {
    // A file of what the loudspeaker plays is the tests', not the kiosk's.
    let world = World::temporary(Options { speaker: Speaker::Nobody, ..Options::default() }).await?;
    let encoder = world.status().await?["encoder"].as_str().context("which encoder?")?.to_owned();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["encoder", "--codec", encoder.split(' ').next().unwrap_or_default()]);
    let mut bare = Process::start("encoder", &mut command, &world.dir)?;
    pass(WINDOW).await;
    let pids = [world.kiosk.pid(), bare.pid()];
    let mut windows = Figures::default();
    for _ in 0..(seconds / WINDOW).max(1) {
        let before = [Cpu::of(pids[0])?, Cpu::of(pids[1])?];
        let since = Instant::now();
        pass(WINDOW).await;
        let used = [Cpu::of(pids[0])?.since(before[0]), Cpu::of(pids[1])?.since(before[1])];
        let took = since.elapsed().as_secs_f64();
        windows.add("idle_cpu_ratio", used[0] / used[1]);
        windows.add("idle_cpu_percent", used[0] / took * 100.0);
        windows.add("bare_encoder_cpu_percent", used[1] / took * 100.0);
    }
    ensure!(bare.running(), "the bare encoder has ended; its log:\n{}", bare.tail());
    for (name, samples) in windows.samples() {
        figures.set(name, quantile(samples, 0.5));
    }
    let ratios = windows.samples().get("idle_cpu_ratio").into_iter().flatten();
    figures.set("idle_cpu_ratio_worst", ratios.copied().fold(f64::MIN, f64::max));
    figures.set("rss_idle_mb", rss_mb(pids[0])?);
    bare.kill().await?;
    world.stop().await
}

/// Resident memory with an officer's page at the other end; the largest found.
async fn call(seconds: u64, figures: &mut Figures) -> Result<()> {
    let world = World::temporary(Options::default()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    let mut most = 0.0f64;
    for _ in 0..seconds {
        pass(1).await;
        most = most.max(rss_mb(world.kiosk.pid())?);
    }
    figures.set("rss_call_mb", most);
    officer.close().await?;
    world.stop().await
}

/// Both software encoders over a real film: processor time beyond the film's decoding, delay, a key frame on demand,
/// and the quality of what comes out.
async fn encoders(films: &Path, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let film = films.join("bikes.mp4");
    let alone = encode(&film, None).await?["cpu_ratio"].as_f64().context("cpu_ratio")?;
    for codec in ["x264", "openh264"] {
        let out = dir.path().join(format!("{codec}.h264"));
        let found = encode(&film, Some((codec, &out))).await?;
        let figure = |path: &str| found.pointer(path).and_then(Value::as_f64).with_context(|| path.to_owned());
        figures.set(&format!("encoder_{codec}_cpu_percent"), (figure("/cpu_ratio")? - alone) * 100.0);
        figures.set(&format!("encoder_{codec}_ms"), figure("/encode_ms/median")?);
        figures.set(&format!("encoder_{codec}_p95_ms"), figure("/encode_ms/p95")?);
        figures.set(&format!("encoder_{codec}_key_frame_ms"), figure("/key_frame_ms/median")?);
        figures.set(&format!("encoder_{codec}_kbit"), figure("/kbit")?);
        let (psnr, ssim) = quality(&out, &film).await?;
        figures.set(&format!("encoder_{codec}_psnr_db"), psnr);
        figures.set(&format!("encoder_{codec}_ssim"), ssim);
    }
    Ok(())
}

async fn encode(film: &Path, codec: Option<(&str, &Path)>) -> Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["encoder", "--key-frame-every", "1700", "--film"]).arg(film);
    if let Some((codec, out)) = codec {
        command.args(["--codec", codec, "--out"]).arg(out);
    }
    Ok(serde_json::from_slice(&run_command(&mut command).await?)?)
}

/// Luma, against the film as it went in.
async fn quality(encoded: &Path, film: &Path) -> Result<(f64, f64)> {
    let shape = "scale=1280:720:force_original_aspect_ratio=decrease:flags=bilinear,pad=1280:720:-1:-1,setsar=1";
    let graph = format!(
        "[1:v]{shape},split[a][b];[0:v]settb=1/25,setpts=N,split[c][d];[a]settb=1/25,setpts=N[e];\
         [b]settb=1/25,setpts=N[f];[c][e]psnr[p];[d][f]ssim[s]"
    );
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-i"]).arg(encoded).arg("-i").arg(film).args(["-filter_complex", &graph]);
    let output = command.args(["-map", "[p]", "-map", "[s]", "-f", "null", "-"]).output().await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let figure = |name: &str, key: &str| {
        let line = said.lines().find(|line| line.contains(name))?;
        line.split(key).nth(1)?.split_whitespace().next()?.parse::<f64>().ok()
    };
    let psnr = figure("PSNR", " y:").with_context(|| format!("ffmpeg says no PSNR:\n{said}"))?;
    Ok((psnr, figure("SSIM", " Y:").context("ffmpeg says no SSIM")?))
}
