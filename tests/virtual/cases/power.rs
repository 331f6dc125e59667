//! Power cuts and resets: what is on the disk, and that the board comes back by itself.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::call::{answered, over};
use super::{DAULET, Rig};
use crate::kiosk;
use crate::support::centre_side::run;
use crate::support::{until, wall_us};

/// Most that a recording may lose at a power cut, seconds.
const LOST_S: f64 = 2.0;
/// Longest from the start of the kernel to an armed button (READY), seconds, after a power cut.
const ARMED_S: f64 = 8.0;
/// How much of the call is recorded before the cut.
const FRAGMENTS: u64 = 8;
/// The latest instant of a call at which a cut is drawn, seconds.
const LATEST_S: i64 = 12;

async fn recording(rig: &Rig, incident: &str) -> Result<Value> {
    let list: Value = serde_json::from_str(&rig.board.ssh("sos-ctl recordings list --json").await?)?;
    let found = list.as_array().into_iter().flatten().find(|one| one["incident"] == *incident);
    found.cloned().with_context(|| format!("no {incident} in {list}"))
}

/// A file plays: every frame of it is decoded, and nothing is said of it. Its length, seconds.
async fn plays(file: &Path) -> Result<f64> {
    let said =
        run(Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(file).args(["-f", "null", "-"])).await?;
    ensure!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    let length = run(Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(file))
    .await?;
    Ok(String::from_utf8(length)?.trim().parse()?)
}

/// Cuts the power and looks at what is on the disk, before the daemon goes on with it. The instant of the cut,
/// microseconds of the wall clock.
async fn cut(rig: &mut Rig, incident: &str) -> Result<i64> {
    let cut = wall_us();
    rig.board.cut_power().await?;
    rig.board.boot(&["systemd.mask=sos-kiosk.service"]).await?;
    let start = recording(rig, incident).await?["start_wall_us"].as_i64().context("no start")?;
    rig.board.ssh(&format!("rm -f /root/cut.mp4; sos-ctl recordings export {incident} /root/cut.mp4")).await?;
    let file = rig.dir.join("cut.mp4");
    std::fs::write(&file, rig.board.get("/root/cut.mp4").await?)?;
    let length = plays(&file).await.context("what was on the disk")?;
    let lost = (cut - start) as f64 / 1e6 - length;
    rig.figures.add("lost_power_cut_s", lost);
    ensure!((-0.5..=LOST_S).contains(&lost), "{lost:.2} s before the cut are lost, expected at most {LOST_S}");
    Ok(cut)
}

/// Power is back as on the street: the kiosk is armed and in the incident it was in, an officer closes it, and the
/// centre has the whole of it.
async fn resumed(rig: &mut Rig, incident: &str, cut: i64) -> Result<()> {
    rig.board.cut_power().await?;
    let on = Instant::now();
    rig.board.boot(&[]).await?;
    kiosk::works(&rig.board).await?;
    rig.figures.add("power_to_working_s", on.elapsed().as_secs_f64());
    let armed = kiosk::service(&rig.board).await?.ready_us as f64 / 1e6;
    rig.figures.add("power_to_armed_s", armed);
    ensure!(armed <= ARMED_S, "{armed:.1} s from the kernel's start to an armed button, expected at most {ARMED_S}");
    let status = kiosk::status(&rig.board).await?;
    ensure!(status["incident"]["id"] == *incident, "the incident is resumed: {status}");
    rig.officer().await?.close_as("test").await?;
    over(rig, incident).await?;
    whole_at_the_centre(rig, incident, cut).await
}

/// The centre's copy plays, no fragment is missing, and what came before the cut reaches up to it.
async fn whole_at_the_centre(rig: &Rig, incident: &str, cut: i64) -> Result<()> {
    let api = rig.side.api(DAULET).await?;
    let whole = api.get(&format!("/api/incidents/{incident}")).await?;
    let mut before = None;
    for (place, fragment) in whole["fragments"].as_array().context("no fragments")?.iter().enumerate() {
        ensure!(fragment["index"] == place, "fragment {place} is missing: {}", whole["fragments"]);
        let number = |key: &str| fragment[key].as_i64().with_context(|| format!("no {key} in {fragment}"));
        let (start, length) = (number("start_wall_us")?, number("duration_us")?);
        if place > 0 && start < cut {
            before = Some(start + length);
        }
    }
    let lost = (cut - before.context("nothing from before the cut")?) as f64 / 1e6;
    ensure!(lost <= LOST_S, "at the centre {lost:.2} s before the cut are lost, expected at most {LOST_S}");
    let file = rig.dir.join("whole.mp4");
    std::fs::write(&file, api.bytes(&format!("/api/incidents/{incident}/recording.mp4")).await?)?;
    plays(&file).await.context("what is at the centre").map(drop)
}

pub async fn a_recording_cut_by_a_power_cut_plays_up_to_the_cut(rig: &mut Rig) -> Result<()> {
    let incident = answered(rig).await?;
    until("some of the call on the disk", Duration::from_secs(30), || async {
        (recording(rig, &incident).await.ok()?["fragments"].as_u64()? >= FRAGMENTS).then_some(())
    })
    .await?;
    let cut = cut(rig, &incident).await?;
    resumed(rig, &incident, cut).await
}

/// The same at an instant that is drawn, up to [`LATEST_S`] into the call.
pub async fn a_power_cut_at_any_instant_of_a_call(rig: &mut Rig) -> Result<()> {
    let incident = answered(rig).await?;
    let at = wall_us() + rand::random_range(0..LATEST_S * 1_000_000);
    until("the instant that was drawn", Duration::from_secs(60), || async { (wall_us() >= at).then_some(()) }).await?;
    let cut = cut(rig, &incident).await?;
    resumed(rig, &incident, cut).await
}

pub async fn a_frozen_system_resets_the_board(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    let dog = rig.board.ssh("systemctl show -p RuntimeWatchdogUSec --value").await?;
    ensure!(dog.trim() == "10s", "the package's watchdog is set since the last boot, found {dog:?}");
    // The first process catches it, says so, and freezes: it feeds nothing any more, while the rest runs on.
    rig.board.ssh("kill -ABRT 1").await?;
    let frozen = Instant::now();
    rig.board.resets(Duration::from_secs(25)).await?;
    rig.figures.add("reset_s", frozen.elapsed().as_secs_f64());
    rig.works().await
}
