//! How soon the centre knows of a broken device, and how soon of its mending. Every device is broken for real: the film
//! that the camera shows is exchanged, the sound card's server is killed, the disk is filled to its last byte.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::process::Command;

use crate::figures::Figures;
use crate::kiosk::pass;
use crate::sound_world::{self, Playing, noise};
use crate::support::centre_side::{Api, run as run_command};
use crate::support::until;
use crate::support::world::{Options, Speaker, World};

/// A broken device is to be known within this, and healed as fast.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
/// What the microphone hears while all is well: a quiet street, dB of full scale, for longer than all this takes.
const STREET: (f64, f64) = (-50.0, 600.0);
/// Of the small disk, MB: more than the room a kiosk wants (`kiosk/checkup.rs`), and little enough to be filled.
const DISK_MB: u32 = 220;

/// `fault_noticed_s` and `fault_healed_s` of every device.
pub async fn run(films: &Path, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let film = films.join("carphone_pristine.mp4");
    let camera = dir.path().join("camera.mp4");
    exchange(&film, &camera)?;
    let disk = Disk::mount(&dir.path().join("store")).await?;
    let sound = dir.path().join("sound");
    std::fs::create_dir(&sound)?;
    let mut card = sound_world::World::in_dir(&sound);
    card.plug();
    let street = Some(card.play(&noise(STREET.0, STREET.1)));
    let sees_the_card = card.environment().map(|(name, value)| format!("{name}={value}"));
    let options = Options {
        camera: Some(camera.clone()),
        speaker: Speaker::Card("kiosk".to_owned()),
        hears_by_card: true,
        kiosk_prefix: [vec!["env".to_owned()], sees_the_card.to_vec()].concat(),
        store: Some(disk.dir.clone()),
        ..Options::default()
    };
    let world = World::temporary(options).await?;
    let mut watch = Watch { api: world.api("daulet").await?, figures };
    // So long the picture is watched before it is known what it should look like.
    pass(5).await;
    cameras(&film, &camera, dir.path(), &mut watch).await.context("camera")?;
    microphone_and_card(&mut card, street, &mut watch).await.context("sound card")?;
    disk_full(&disk, &mut watch).await.context("disk")?;
    button_stuck(&world, &mut watch).await.context("button")?;
    world.stop().await
}

async fn cameras(film: &Path, camera: &Path, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let frozen = "select=gte(n\\,60),loop=loop=100:size=1:start=0,trim=end_frame=100,setpts=N/25/TB";
    for (kind, filter) in [
        ("camera_frozen", frozen),
        ("camera_covered", "eq=brightness=-0.9,noise=alls=4:allf=t"),
        ("camera_blurred", "gblur=sigma=2"),
    ] {
        let broken = make(film, dir, filter).await?;
        let since = Instant::now();
        exchange(&broken, camera)?;
        watch.noticed(kind, &[kind], since).await?;
        let since = Instant::now();
        exchange(film, camera)?;
        watch.healed(kind, &[kind], since).await?;
    }
    let since = Instant::now();
    std::fs::remove_file(camera)?;
    watch.noticed("camera_unplugged", &["camera_lost"], since).await?;
    let since = Instant::now();
    exchange(film, camera)?;
    watch.healed("camera_unplugged", &["camera_lost"], since).await
}

/// The microphone falls silent to the last bit; then the whole card goes.
async fn microphone_and_card(
    card: &mut sound_world::World,
    street: Option<Playing>,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let since = Instant::now();
    drop(street);
    watch.noticed("microphone_deaf", &["microphone_deaf"], since).await?;
    let since = Instant::now();
    let street = card.play(&noise(STREET.0, STREET.1));
    watch.healed("microphone_deaf", &["microphone_deaf"], since).await?;

    let both = ["microphone_lost", "speaker_lost"];
    let since = Instant::now();
    card.unplug();
    watch.noticed("sound_card_gone", &both, since).await?;
    drop(street);
    let since = Instant::now();
    card.plug();
    let _street = card.play(&noise(STREET.0, STREET.1));
    watch.healed("sound_card_gone", &both, since).await
}

async fn disk_full(disk: &Disk, watch: &mut Watch<'_>) -> Result<()> {
    let since = Instant::now();
    let filling = disk.fill()?;
    watch.noticed("disk_full", &["disk_full"], since).await?;
    let since = Instant::now();
    std::fs::remove_file(filling)?;
    watch.healed("disk_full", &["disk_full"], since).await
}

async fn button_stuck(world: &World, watch: &mut Watch<'_>) -> Result<()> {
    let since = Instant::now();
    world.control(json!({"do": "press", "hold": true})).await?;
    watch.noticed("button_stuck", &["button_stuck"], since).await?;
    let since = Instant::now();
    world.control(json!({"do": "release"})).await?;
    watch.healed("button_stuck", &["button_stuck"], since).await
}

/// The centre's view of the kiosk.
struct Watch<'a> {
    api: Api,
    figures: &'a mut Figures,
}

impl Watch<'_> {
    /// Waits until the centre knows all of these faults.
    async fn noticed(&mut self, device: &str, kinds: &[&str], since: Instant) -> Result<()> {
        self.turned(device, kinds, true, since).await
    }

    /// Waits until the centre knows of none of these faults any more.
    async fn healed(&mut self, device: &str, kinds: &[&str], since: Instant) -> Result<()> {
        self.turned(device, kinds, false, since).await
    }

    async fn turned(&mut self, device: &str, kinds: &[&str], stand: bool, since: Instant) -> Result<()> {
        let what = if stand { "noticed" } else { "healed" };
        until(&format!("{device} {what}"), KNOWN_WITHIN, || async {
            let kiosks = self.api.get("/api/kiosks").await.ok()?;
            let faults = kiosks[0]["faults"].as_array()?.clone();
            let stands = |kind: &&str| faults.iter().any(|fault| fault["kind"] == json!(kind));
            kinds.iter().all(|kind| stands(kind) == stand).then_some(())
        })
        .await?;
        let seconds = since.elapsed().as_secs_f64();
        // All devices together, so that the largest is the worst; and each by itself.
        self.figures.add(&format!("fault_{what}_s"), seconds);
        self.figures.set(&format!("fault_{what}_{device}_s"), seconds);
        Ok(())
    }
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

/// A small file system of its own; unmounted when dropped.
struct Disk {
    dir: PathBuf,
}

impl Disk {
    async fn mount(dir: &Path) -> Result<Self> {
        std::fs::create_dir(dir)?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={DISK_MB}m"), "tmpfs"]).arg(dir);
        run_command(&mut command).await.context("a disk that can be filled needs root")?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Not a byte is free any more; what fills it.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.dir.join("filling");
        let mut file = File::create(&path)?;
        let block = [0x55; 1 << 16];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(path),
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever was killed on the way here may not be gone yet.
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.dir).status();
    }
}
