//! A full disk on the kiosk, for real: the store on a small file system of its own (which needs root to mount).
#![cfg(all(feature = "kiosk", feature = "centre"))]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::until;
use support::world::{Options, World};
use tokio::process::Command;

/// Bytes; above what the kiosk calls room, below what a test machine misses.
const SIZE: &str = "size=200m";
/// A full disk is known at the centre within this, and healed as fast.
const NOTICED: Duration = Duration::from_secs(60);

/// A small file system, gone with it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    async fn at(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "none"]).arg(dir).status().await?;
        ensure!(mounted.success(), "{}: cannot be mounted; as root?", dir.display());
        Ok(Self(dir.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Until not a byte more goes in.
    fn fill(&self) -> Result<()> {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler())?;
        let block = vec![0; 1 << 20];
        for size in [1 << 20, 4096, 1] {
            while file.write(&block[..size]).is_ok_and(|written| written > 0) {}
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the daemon of a test that failed may still have a file open.
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The kiosk's faults as the officers see them.
async fn faults(world: &World) -> Option<String> {
    let kiosks: Value = world.api("daulet").await.ok()?.get("/api/kiosks").await.ok()?;
    Some(kiosks.as_array()?.first()?["faults"].to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_the_alarm_goes_out_everyone_is_told_and_the_recording_follows_when_there_is_room() -> Result<()>
{
    let dir = tempfile::tempdir()?;
    let disk = SmallDisk::at(&dir.path().join("kiosk")).await?;
    let world = World::start(Options::quick(), dir.path()).await?;
    ensure!(world.status().await?["faults"] == json!([]), "nothing is wrong yet");
    disk.fill()?;
    let full = Instant::now();
    until("the fault at the centre", NOTICED, || async { faults(&world).await?.contains("disk_full").then_some(()) })
        .await?;
    eprintln!("a full disk was known at the centre after {:.1} s", full.elapsed().as_secs_f64());

    let incident = world.press().await?;
    let api = world.api("daulet").await?;
    api.incident_when(&incident, "waiting", |i| i["standing"] == json!("waiting")).await?;
    until("acknowledged", Duration::from_secs(5), || async { (world.lamp("sent").await.ok()? == "on").then_some(()) })
        .await?;
    let ctl = Command::new(env!("CARGO_BIN_EXE_sos-ctl"))
        .arg("--socket")
        .arg(world.dir.join("control.sock"))
        .arg("status")
        .output()
        .await?;
    let said = String::from_utf8(ctl.stdout)?;
    ensure!(ctl.status.code() == Some(6) && said.contains("disk full: expected 100 MB of room"), "{said}");

    disk.free()?;
    let free = Instant::now();
    until("healed", NOTICED, || async { (faults(&world).await? == "[]").then_some(()) })
        .await
        .with_context(|| "a fault stays")?;
    eprintln!("room again was known at the centre after {:.1} s", free.elapsed().as_secs_f64());
    api.incident_when(&incident, "a recording", |i| i["recording"]["duration_ms"].as_u64() > Some(3_000)).await?;
    world.stop().await
}
