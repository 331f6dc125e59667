//! What the kiosk costs at rest and in a call, and how soon the centre knows of a broken device.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::figures::Figures;
use crate::support::centre_side::{Api, run as run_command};
use crate::support::officer::{Browser, Officer};
use crate::support::process::Process;
use crate::support::until;
use crate::support::world::{Options, Speaker, World};
use crate::usage::{Cpu, rss_mb};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Which parts: idle, call, faults, encoders.
    #[arg(long, value_delimiter = ',', default_value = "idle,call,faults,encoders")]
    only: Vec<String>,
    /// Seconds over which costs are measured.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// A directory with real films (`scripts/films`).
    #[arg(long)]
    films: PathBuf,
    /// A JSON object of figures measured elsewhere (the virtual kiosk), printed with ours.
    #[arg(long)]
    also: Option<PathBuf>,
}

/// A broken device is to be known within this, and healed as fast.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

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
        faults(&arguments.films, &mut figures).await.context("faults")?;
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
async fn pass(seconds: u64) {
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
    pass(5).await;
    let pids = [world.kiosk.pid(), bare.pid()];
    let before = [Cpu::of(pids[0])?, Cpu::of(pids[1])?];
    let since = Instant::now();
    pass(seconds).await;
    let used = [Cpu::of(pids[0])?.since(before[0]), Cpu::of(pids[1])?.since(before[1])];
    let took = since.elapsed().as_secs_f64();
    ensure!(bare.running(), "the bare encoder has ended; its log:\n{}", bare.tail());
    figures.set("idle_cpu_ratio", used[0] / used[1]);
    figures.set("idle_cpu_percent", used[0] / took * 100.0);
    figures.set("bare_encoder_cpu_percent", used[1] / took * 100.0);
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
    officer.click("answer").await?;
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

/// From breaking a device to the fault in the centre's view of the kiosk, and from mending it to the fault's end.
async fn faults(films: &Path, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let whole = films.join("carphone_pristine.mp4");
    let camera = dir.path().join("camera.mp4");
    exchange(&whole, &camera)?;
    let world = World::temporary(Options { camera: Some(camera.clone()), ..Options::default() }).await?;
    let api = world.api("daulet").await?;
    pass(5).await;
    let frozen = "select=gte(n\\,60),loop=loop=100:size=1:start=0,trim=end_frame=100,setpts=N/25/TB";
    for (name, kind, filter) in [
        ("camera_frozen", "camera_frozen", Some(frozen)),
        ("camera_covered", "camera_covered", Some("eq=brightness=-0.9,noise=alls=4:allf=t")),
        ("camera_blurred", "camera_blurred", Some("gblur=sigma=2")),
        ("camera_unplugged", "camera_lost", None),
    ] {
        let broken = match filter {
            None => None,
            Some(filter) => Some(make(&whole, dir.path(), filter).await?),
        };
        let since = Instant::now();
        match &broken {
            None => std::fs::remove_file(&camera)?,
            Some(film) => exchange(film, &camera)?,
        }
        noticed(&api, kind, true).await?;
        note(figures, name, "noticed", since);
        let since = Instant::now();
        exchange(&whole, &camera)?;
        noticed(&api, kind, false).await?;
        note(figures, name, "healed", since);
    }
    let since = Instant::now();
    world.control(json!({"do": "press", "hold": true})).await?;
    noticed(&api, "button_stuck", true).await?;
    note(figures, "button_stuck", "noticed", since);
    let since = Instant::now();
    world.control(json!({"do": "release"})).await?;
    noticed(&api, "button_stuck", false).await?;
    note(figures, "button_stuck", "healed", since);
    world.stop().await
}

/// `fault_noticed_s` and `fault_healed_s` take all devices together, so that their largest is the worst.
fn note(figures: &mut Figures, device: &str, what: &str, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    figures.add(&format!("fault_{what}_s"), seconds);
    figures.set(&format!("fault_{what}_{device}_s"), seconds);
}

/// Puts a film in the camera's place, whole.
fn exchange(film: &Path, camera: &Path) -> Result<()> {
    let half = camera.with_extension("half");
    std::fs::copy(film, &half).with_context(|| film.display().to_string())?;
    Ok(std::fs::rename(half, camera)?)
}

async fn make(film: &Path, dir: &Path, filter: &str) -> Result<PathBuf> {
    let path = dir.join("broken.mp4");
    let mut command = Command::new("ffmpeg");
    command.args(["-y", "-v", "error", "-i"]).arg(film).args(["-vf", filter, "-an", "-c:v", "libx264"]);
    command.args(["-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p"]).arg(&path);
    run_command(&mut command).await?;
    Ok(path)
}

/// Waits until the centre's view of the kiosk has a fault, or has it no more.
async fn noticed(api: &Api, kind: &str, stands: bool) -> Result<()> {
    let what = format!("{kind} {}", if stands { "known" } else { "healed" });
    until(&what, KNOWN_WITHIN, || async {
        let kiosks = api.get("/api/kiosks").await.ok()?;
        let faults = kiosks[0]["faults"].as_array()?.clone();
        (faults.iter().any(|fault| fault["kind"] == json!(kind)) == stands).then_some(())
    })
    .await
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
