//! The board's camera, taken away and given back while the kiosk watches.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{DAULET, Rig};
use crate::board::Board;
use crate::kiosk;
use crate::support::until;
use crate::support::world::KIOSK;

const CAMERA: &str = r#"
[media.camera]
driver = "v4l2"
device = "/dev/video0"
"#;
/// A device that is gone is known at the centre within this, and healed as fast.
const NOTICED: Duration = Duration::from_secs(60);

/// Whether a fault stands at the kiosk.
async fn stands(board: &Board, fault: &str) -> Option<bool> {
    let status = kiosk::status(board).await.ok()?;
    Some(status["faults"].as_array()?.iter().any(|one| one["kind"] == *fault))
}

/// Takes a device away and gives it back; the fault is known at the centre, and heals.
async fn lost_and_back(rig: &mut Rig, devices: &str, fault: &str, away: &str, back: &str) -> Result<()> {
    rig.works().await?;
    kiosk::configure(&rig.board, &rig.side, devices).await?;
    rig.board.ssh("sos-ctl config check && systemctl restart sos-kiosk").await?;
    rig.works().await?;
    let api = rig.side.api(DAULET).await?;
    let gone = Instant::now();
    rig.board.ssh(away).await?;
    until("the fault at the centre", NOTICED, || async {
        let kiosks = api.get("/api/kiosks").await.ok()?;
        let kiosk = kiosks.as_array()?.iter().find(|one| one["id"] == *KIOSK)?["faults"].to_string();
        kiosk.contains(fault).then_some(())
    })
    .await?;
    rig.figures.add(&format!("noticed_{fault}_s"), gone.elapsed().as_secs_f64());
    let given = Instant::now();
    rig.board.ssh(back).await?;
    until("the fault gone", NOTICED, || async { (!stands(&rig.board, fault).await?).then_some(()) }).await?;
    rig.figures.add(&format!("healed_{fault}_s"), given.elapsed().as_secs_f64());
    kiosk::works(&rig.board).await.map(drop)
}

pub async fn a_camera_that_is_pulled_out_is_known_and_comes_back(rig: &mut Rig) -> Result<()> {
    let driver = "/sys/bus/platform/drivers/vivid";
    let away = format!("echo vivid.0 > {driver}/unbind");
    let back = format!("echo vivid.0 > {driver}/bind");
    lost_and_back(rig, CAMERA, "camera_lost", &away, &back).await
}
