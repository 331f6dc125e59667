//! The board's devices, each taken away and given back while the kiosk watches.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::voices::DEVICES;
use super::{DAULET, Rig};
use crate::kiosk;
use crate::support::until;
use crate::support::world::KIOSK;

/// A device that is gone is known at the centre within this, and healed as fast.
const NOTICED: Duration = Duration::from_secs(60);

/// The faults of the kiosk as the centre tells them to officers.
async fn at_the_centre(rig: &Rig) -> Result<String> {
    let kiosks = rig.side.api(DAULET).await?.get("/api/kiosks").await?;
    let kiosk = kiosks.as_array().and_then(|all| all.iter().find(|one| one["id"] == *KIOSK));
    Ok(kiosk.map(|kiosk| kiosk["faults"].to_string()).unwrap_or_default())
}

/// Takes a device away (`away`, a script) and gives it back; the faults are known at the centre, and heal there.
pub async fn lost_and_back(rig: &mut Rig, faults: &[&str], away: &str, back: &str) -> Result<()> {
    let all = |known: &str| faults.iter().all(|fault| known.contains(fault));
    let none = |known: &str| !faults.iter().any(|fault| known.contains(fault));
    let name = faults[0];
    let gone = Instant::now();
    rig.board.ssh(away).await?;
    until(&format!("{faults:?} at the centre"), NOTICED, || async {
        at_the_centre(rig).await.ok().filter(|known| all(known))
    })
    .await?;
    rig.figures.add(&format!("noticed_{name}_s"), gone.elapsed().as_secs_f64());
    let given = Instant::now();
    rig.board.ssh(back).await?;
    until(&format!("no {faults:?} at the centre"), NOTICED, || async {
        at_the_centre(rig).await.ok().filter(|known| none(known))
    })
    .await?;
    rig.figures.add(&format!("healed_{name}_s"), given.elapsed().as_secs_f64());
    kiosk::works(&rig.board).await.map(drop)
}

/// The kiosk on the board's own camera and sound card.
async fn fitted(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    kiosk::configure(&rig.board, &rig.side, DEVICES).await?;
    rig.board.ssh("sos-ctl config check && systemctl restart sos-kiosk").await?;
    rig.works().await
}

/// Scripts that unplug and plug a device by its driver.
fn plug(driver: &str, device: &str) -> [String; 2] {
    ["unbind", "bind"].map(|what| format!("echo {device} > /sys/bus/platform/drivers/{driver}/{what}"))
}

pub async fn a_camera_that_is_pulled_out_is_known_and_comes_back(rig: &mut Rig) -> Result<()> {
    fitted(rig).await?;
    let [away, back] = plug("vivid", "vivid.0");
    lost_and_back(rig, &["camera_lost"], &away, &back).await
}

pub async fn a_sound_card_that_is_pulled_out_is_known_and_comes_back(rig: &mut Rig) -> Result<()> {
    fitted(rig).await?;
    let [away, back] = plug("snd_aloop", "snd_aloop.0");
    lost_and_back(rig, &["microphone_lost", "speaker_lost"], &away, &back).await
}
