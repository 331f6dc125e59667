//! A call from the board to the centre on the host.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{DAULET, Rig};
use crate::kiosk;
use crate::support::until;

/// Presses, is answered, and both are heard; the incident.
pub async fn answered(rig: &mut Rig) -> Result<String> {
    rig.works().await?;
    rig.officer().await?;
    let incident = kiosk::press(&rig.board).await?;
    let officer = rig.officer().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    let api = rig.side.api(DAULET).await?;
    api.incident_when(&incident, "sound both ways", |i| {
        i["timing"]["first_sound_up"].is_i64() && i["timing"]["first_sound_down"].is_i64()
    })
    .await?;
    Ok(incident)
}

/// Waits until the kiosk has no incident any more and the centre has the whole recording.
pub async fn over(rig: &Rig, incident: &str) -> Result<()> {
    let bound = std::time::Duration::from_secs(20);
    kiosk::status_when(&rig.board, "the incident over", bound, |status| status["incident"].is_null()).await?;
    let api = rig.side.api(DAULET).await?;
    api.incident_when(incident, "recording complete", |i| i["recording"]["complete"] == json!(true)).await.map(drop)
}

pub async fn a_press_brings_an_officer_and_both_are_heard(rig: &mut Rig) -> Result<()> {
    let incident = answered(rig).await?;
    let lamps = until("lamps", std::time::Duration::from_secs(2), || async {
        let status = kiosk::status(&rig.board).await.ok()?;
        (status["lamps"].as_array()?.len() == 2).then(|| status["lamps"].clone())
    })
    .await?;
    ensure!(lamps == json!([{"lamp": "sent", "light": "on"}, {"lamp": "answered", "light": "on"}]), "{lamps}");
    rig.officer().await?.close_as("test").await?;
    over(rig, &incident).await
}
