//! A board whose clock is wrong.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Rig;
use super::call::{answered, over};
use super::panel::fitted;
use crate::kiosk;

/// The board is looked at every 5 s.
const NOTICED: Duration = Duration::from_secs(20);

fn is_wrong(status: &Value) -> bool {
    status["faults"].as_array().is_some_and(|faults| faults.iter().any(|fault| fault["kind"] == "clock_wrong"))
}

pub async fn a_clock_that_is_an_hour_off_is_said_and_calls_go_on(rig: &mut Rig) -> Result<()> {
    // With the shipped devices: the simulated person speaks.
    fitted(rig, "").await?;
    rig.board.ssh("date -s '1 hour ago' > /dev/null").await?;
    let wrong = kiosk::status_when(&rig.board, "a wrong clock", NOTICED, is_wrong).await?;
    let off = wrong["clock_offset_us"].as_i64().unwrap_or(0);
    ensure!((3_590_000_000..3_610_000_000).contains(&off), "an hour behind the centre: {off} us");
    // An officer's orders expire by the centre's clock, and are not thought stale.
    let incident = answered(rig).await?;
    rig.officer().await?.close_as("test").await?;
    over(rig, &incident).await?;
    rig.board.ssh("date -s '1 hour' > /dev/null").await?;
    kiosk::status_when(&rig.board, "right again", NOTICED, |status| !is_wrong(status)).await.map(drop)
}
