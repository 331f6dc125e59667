//! Real kernel devices: a button and lamps on GPIO lines, taken away and given back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Rig;
use super::call::{ENTER, close, over};
use crate::board::Board;
use crate::figures::quantile;
use crate::kiosk;
use crate::support::until;

/// Buttons and lamps by the lines' names; a button to ground.
pub const BY_NAME: &str = "\
[panel]
driver = \"gpiocdev\"
chip = \"pinctrl-bcm2711\"
[panel.button]
line = \"BUTTON\"
[panel.lamp_sent]
line = \"LAMP_SENT\"
[panel.lamp_answered]
line = \"LAMP_ANSWERED\"
[panel.lamp_fault]
line = \"LAMP_FAULT\"
";
/// The same lines by their numbers, which is what rppal knows.
const BY_NUMBER: &str = "\
[panel]
driver = \"rppal\"
[panel.button]
line = 17
[panel.lamp_sent]
line = 5
[panel.lamp_answered]
line = 6
[panel.lamp_fault]
line = 13
";
const BUTTON: u32 = 17;
const SENT: u32 = 5;
const ANSWERED: u32 = 6;
/// Longest from the edge to the lamp, 95 of 100, milliseconds.
const PRESS_TO_LAMP_MS: f64 = 20.0;
const PRESSES: usize = 20;
/// A device that is gone is known within this.
const NOTICED: Duration = Duration::from_secs(60);

/// Configures the kiosk with the board's devices; the street is heard on the other end of the sound card's loop.
pub async fn fit(rig: &mut Rig, devices: &[&str]) -> Result<()> {
    rig.works().await?;
    rig.board
        .ssh(
            "for f in /sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio17/pull; do echo pull-up > $f; done
             systemctl is-active -q street || systemd-run -q --collect --unit=street \
               speaker-test -D plughw:CARD=Loopback,DEV=1 -c 1 -t sine -f 440",
        )
        .await?;
    kiosk::configure(&rig.board, &rig.side, &devices.concat()).await?;
    rig.board.ssh("sos-ctl config check && systemctl restart sos-kiosk").await?;
    rig.works().await
}

/// This program, on the board.
async fn bring_program(rig: &Rig) -> Result<()> {
    let stripped = rig.dir.join("inside");
    let program = std::env::current_exe()?;
    crate::support::centre_side::run(tokio::process::Command::new("strip").arg("-o").arg(&stripped).arg(program))
        .await?;
    rig.board.put(&stripped, "/root/inside", "755").await
}

/// Reads an output line of the simulated chip.
async fn lit(rig: &Rig, line: u32) -> Result<bool> {
    let value = rig.board.ssh(&format!("cat /sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio{line}/value")).await?;
    Ok(value.trim() == "1")
}

async fn incident(rig: &Rig) -> Result<String> {
    let bound = Duration::from_secs(5);
    let status = kiosk::status_when(&rig.board, "an incident", bound, |status| status["incident"].is_object()).await?;
    Ok(status["incident"]["id"].as_str().context("an id")?.to_owned())
}

pub async fn a_press_on_a_gpio_line_lights_the_lamp_within_20_ms(rig: &mut Rig) -> Result<()> {
    fit(rig, &[BY_NAME]).await?;
    bring_program(rig).await?;
    rig.officer().await?;
    for _ in 0..PRESSES {
        let took = rig.board.ssh(&format!("/root/inside press --button {BUTTON} --lamp {SENT}")).await?;
        rig.figures.add("press_to_lamp_ms", took.trim().parse()?);
        let incident = incident(rig).await?;
        let officer = rig.officer().await?;
        officer.sees(&incident, "waiting").await?;
        officer.key(ENTER).await?;
        officer.sees(&incident, "answered").await?;
        until("the green lamp", Duration::from_secs(5), || async { lit(rig, ANSWERED).await.ok()?.then_some(()) })
            .await?;
        close(rig.officer().await?).await?;
        let bound = Duration::from_secs(10);
        kiosk::status_when(&rig.board, "the incident over", bound, |status| status["incident"].is_null()).await?;
        until("dark lamps", Duration::from_secs(5), || async {
            (!lit(rig, SENT).await.ok()? && !lit(rig, ANSWERED).await.ok()?).then_some(())
        })
        .await?;
    }
    let p95 = quantile(&rig.figures.samples()["press_to_lamp_ms"], 0.95);
    ensure!(p95 <= PRESS_TO_LAMP_MS, "{p95:.1} ms from the press to the lamp, expected at most {PRESS_TO_LAMP_MS}");
    Ok(())
}

/// rppal, unmodified: its board is made of a /proc/cpuinfo, a page of registers, and the simulated chip.
pub async fn a_press_through_rppal_lights_the_lamp(rig: &mut Rig) -> Result<()> {
    fit(rig, &[BY_NAME]).await?;
    bring_program(rig).await?;
    rig.board
        .ssh(&format!(
            "mkdir -p /run/pi /run/systemd/system/sos-kiosk.service.d
             printf 'Hardware\\t: BCM2835\\nRevision\\t: c03114\\n' > /run/pi/cpuinfo
             [ -e /dev/gpiomem ] || {{ truncate -s 4096 /dev/gpiomem; chgrp gpio /dev/gpiomem; chmod 660 /dev/gpiomem; }}
             printf '\\000\\000\\002\\000' | dd of=/dev/gpiomem bs=1 seek={level} conv=notrunc status=none
             cat > /run/systemd/system/sos-kiosk.service.d/pi.conf <<END
[Service]
ProtectProc=default
BindReadOnlyPaths=/run/pi/cpuinfo:/proc/cpuinfo
END
             systemctl daemon-reload",
            level = 0x34
        ))
        .await?;
    kiosk::configure(&rig.board, &rig.side, BY_NUMBER).await?;
    rig.board.ssh("sos-ctl config check && systemctl restart sos-kiosk").await?;
    rig.works().await?;
    let press = format!("/root/inside press --button {BUTTON} --lamp {SENT} --registers /dev/gpiomem");
    rig.figures.add("press_to_lamp_rppal_ms", rig.board.ssh(&press).await?.trim().parse()?);
    let incident = incident(rig).await?;
    rig.officer().await?.sees(&incident, "waiting").await?;
    rig.officer().await?.key(ENTER).await?;
    rig.officer().await?.sees(&incident, "answered").await?;
    close(rig.officer().await?).await?;
    over(rig, &incident).await?;
    rig.board.ssh("rm -r /run/systemd/system/sos-kiosk.service.d /dev/gpiomem; systemctl daemon-reload").await?;
    Ok(())
}

/// Whether a fault stands at the kiosk.
async fn stands(board: &Board, fault: &str) -> Option<bool> {
    let status = kiosk::status(board).await.ok()?;
    Some(status["faults"].as_array()?.iter().any(|one| one["kind"] == json!(fault)))
}

/// Takes a device away and gives it back; the fault is known to the centre, and heals.
pub async fn lost_and_back(rig: &mut Rig, devices: &[&str], fault: &str, away: &str, back: &str) -> Result<()> {
    fit(rig, devices).await?;
    let api = rig.side.api(super::DAULET).await?;
    let name = crate::support::world::KIOSK;
    let gone = Instant::now();
    rig.board.ssh(away).await?;
    until(&format!("{fault} after {away}"), NOTICED, || async { stands(&rig.board, fault).await?.then_some(()) })
        .await?;
    rig.figures.add(&format!("noticed_{fault}_s"), gone.elapsed().as_secs_f64());
    until("the centre knows it", NOTICED, || async {
        let kiosks = api.get("/api/kiosks").await.ok()?;
        let kiosk = kiosks.as_array()?.iter().find(|one| one["id"] == json!(name))?.to_string();
        kiosk.contains(fault).then_some(())
    })
    .await?;
    let given = Instant::now();
    rig.board.ssh(back).await?;
    until(&format!("no {fault} after {back}"), NOTICED, || async { (!stands(&rig.board, fault).await?).then_some(()) })
        .await?;
    rig.figures.add(&format!("healed_{fault}_s"), given.elapsed().as_secs_f64());
    kiosk::works(&rig.board).await.map(drop)
}

pub async fn a_panel_that_is_pulled_out_is_known_and_comes_back(rig: &mut Rig) -> Result<()> {
    let chip = "/sys/kernel/config/gpio-sim/board";
    lost_and_back(rig, &[BY_NAME], "panel_lost", &format!("echo 0 > {chip}/live"), &format!("echo 1 > {chip}/live"))
        .await?;
    // The button that came back is armed.
    bring_program(rig).await?;
    rig.officer().await?;
    let took = rig.board.ssh(&format!("/root/inside press --button {BUTTON} --lamp {SENT}")).await?;
    ensure!(took.trim().parse::<f64>().is_ok(), "{took}");
    let incident = incident(rig).await?;
    rig.officer().await?.sees(&incident, "waiting").await?;
    rig.officer().await?.key(ENTER).await?;
    rig.officer().await?.sees(&incident, "answered").await?;
    close(rig.officer().await?).await?;
    over(rig, &incident).await
}
