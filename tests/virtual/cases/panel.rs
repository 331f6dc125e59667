//! The panel on lines of a real kernel: a press is an edge of a GPIO line, a lamp is what its line says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::call::{ENTER, close, over};
use super::{Rig, call};
use crate::kiosk;
use crate::support::until;

/// Longest from the edge to the lit lamp, milliseconds, 95th percentile.
const LAMP_MS: f64 = 20.0;
const ROUNDS: usize = 20;
const BOUND: Duration = Duration::from_secs(10);

/// As tests/virtual/root/board names them.
const BUTTON: u32 = 17;
const SECOND_BUTTON: u32 = 27;
const TAMPER: u32 = 22;
const LAMP_SENT: u32 = 5;
const LAMP_FAULT: u32 = 13;
const STROBE: u32 = 19;

/// Lines by name, chip by label: what a board's owner writes.
const GPIOCDEV: &str = r#"
[panel]
driver = "gpiocdev"
chip = "pinctrl-bcm2711"
button.line = "BUTTON"
second_button.line = "BUTTON2"
tamper.line = "TAMPER"
lamp_sent.line = "LAMP_SENT"
lamp_answered.line = "LAMP_ANSWERED"
lamp_fault.line = "LAMP_FAULT"
strobe.line = "STROBE"
"#;

/// rppal takes BCM numbers.
const RPPAL: &str = r#"
[panel]
driver = "rppal"
button.line = 17
lamp_sent.line = 5
"#;

/// Where the simulator shows a line.
fn line(number: u32) -> String {
    format!("/sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio{number}")
}

async fn pull(rig: &Rig, number: u32, up: bool) -> Result<()> {
    let to = if up { "pull-up" } else { "pull-down" };
    rig.board.ssh(&format!("for l in {}; do echo {to} > $l/pull; done", line(number))).await.map(drop)
}

async fn is_high(rig: &Rig, number: u32) -> Result<bool> {
    Ok(rig.board.ssh(&format!("cat {}/value", line(number))).await?.trim() == "1")
}

async fn goes(rig: &Rig, number: u32, high: bool) -> Result<()> {
    let what = format!("line {number} {}", if high { "high" } else { "low" });
    until(&what, BOUND, || async { (is_high(rig, number).await.ok()? == high).then_some(()) }).await
}

/// The kiosk with this panel, at rest: buttons up, case closed.
async fn fitted(rig: &mut Rig, panel: &str) -> Result<()> {
    rig.works().await?;
    kiosk::configure(&rig.board, &rig.side, panel).await?;
    for (number, up) in [(BUTTON, true), (SECOND_BUTTON, true), (TAMPER, false)] {
        pull(rig, number, up).await?;
    }
    rig.board.ssh("sos-ctl config check && systemctl restart sos-kiosk").await?;
    rig.works().await
}

fn has_fault(status: &Value, kind: &str) -> bool {
    status["faults"].as_array().is_some_and(|faults| faults.iter().any(|fault| fault["kind"] == kind))
}

async fn fault(rig: &Rig, kind: &str, stands: bool) -> Result<Value> {
    let what = format!("fault {kind}: {stands}");
    kiosk::status_when(&rig.board, &what, BOUND, |status| has_fault(status, kind) == stands).await
}

/// Presses by an edge of the line (what looks at the lamp runs only when nobody else wants to), and lets go when the lamp shines; milliseconds between, as the lines show them.
async fn press(rig: &Rig) -> Result<f64> {
    let (button, lamp) = (line(BUTTON), line(LAMP_SENT));
    let script = format!(
        "chrt -i 0 bash -c 'button=$(echo {button}/pull) lamp=$(echo {lamp}/value) v=0\n\
         a=$EPOCHREALTIME; echo pull-down > $button\n\
         while [ $v != 1 ]; do read -r v < $lamp; done; b=$EPOCHREALTIME\n\
         echo pull-up > $button; echo $(( ${{b/./}} - ${{a/./}} ))'"
    );
    let said = rig.board.ssh(&script).await?;
    let us: f64 = said.trim().parse().with_context(|| said.clone())?;
    Ok(us / 1e3)
}

/// The open incident, once it shows.
async fn incident(rig: &Rig) -> Result<String> {
    let status = kiosk::status_when(&rig.board, "an incident", BOUND, |s| s["incident"]["id"].is_string()).await?;
    Ok(status["incident"]["id"].as_str().unwrap_or_default().to_owned())
}

pub async fn a_gpio_edge_lights_the_lamp_in_time(rig: &mut Rig) -> Result<()> {
    fitted(rig, GPIOCDEV).await?;
    rig.officer().await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let took = press(rig).await?;
        rig.figures.add("press_to_lamp_ms", took);
        times.push(took);
        let incident = incident(rig).await?;
        let officer = rig.officer().await?;
        officer.sees(&incident, "waiting").await?;
        close(officer).await?;
        over(rig, &incident).await?;
        goes(rig, LAMP_SENT, false).await?;
    }
    times.sort_by(f64::total_cmp);
    let p95 = times[(ROUNDS * 95).div_ceil(100) - 1];
    ensure!(p95 <= LAMP_MS, "{p95:.1} ms p95 from the edge to the lamp, expected at most {LAMP_MS}: {times:?}");
    let own = kiosk::status(&rig.board).await?["panel"]["press_to_lamp_ms"].clone();
    ensure!(own["count"] == ROUNDS, "the kiosk has measured as many: {own}");
    ensure!(own["p95"].as_f64().is_some_and(|ms| ms <= LAMP_MS), "{own}");
    Ok(())
}

pub async fn second_button_case_and_a_button_held_at_the_start(rig: &mut Rig) -> Result<()> {
    fitted(rig, GPIOCDEV).await?;
    pull(rig, TAMPER, true).await?;
    fault(rig, "case_open", true).await?;
    goes(rig, LAMP_FAULT, true).await?;
    pull(rig, TAMPER, false).await?;
    fault(rig, "case_open", false).await?;
    rig.officer().await?;
    pull(rig, SECOND_BUTTON, false).await?;
    let opened = incident(rig).await?;
    pull(rig, SECOND_BUTTON, true).await?;
    let officer = rig.officer().await?;
    officer.sees(&opened, "waiting").await?;
    close(officer).await?;
    over(rig, &opened).await?;
    // Down since before the start: no alarm, and a fault when nobody lets go.
    pull(rig, BUTTON, false).await?;
    rig.board.ssh("systemctl restart sos-kiosk").await?;
    let stuck =
        kiosk::status_when(&rig.board, "stuck", Duration::from_secs(30), |s| has_fault(s, "button_stuck")).await?;
    ensure!(stuck["incident"].is_null(), "{stuck}");
    pull(rig, BUTTON, true).await?;
    fault(rig, "button_stuck", false).await.map(drop)
}

pub async fn an_officer_switches_the_strobe(rig: &mut Rig) -> Result<()> {
    fitted(rig, GPIOCDEV).await?;
    rig.officer().await?;
    press(rig).await?;
    let incident = incident(rig).await?;
    let officer = rig.officer().await?;
    officer.sees(&incident, "waiting").await?;
    officer.key(ENTER).await?;
    officer.sees(&incident, "answered").await?;
    officer.key("s").await?;
    goes(rig, STROBE, true).await?;
    close(rig.officer().await?).await?;
    call::over(rig, &incident).await?;
    goes(rig, STROBE, false).await
}

pub async fn a_chip_that_goes_is_a_fault_and_heals(rig: &mut Rig) -> Result<()> {
    fitted(rig, GPIOCDEV).await?;
    let live = "/sys/kernel/config/gpio-sim/board/live";
    rig.board.ssh(&format!("echo 0 > {live}")).await?;
    fault(rig, "panel_lost", true).await?;
    rig.board.ssh(&format!("echo 1 > {live}")).await?;
    for (number, up) in [(BUTTON, true), (SECOND_BUTTON, true), (TAMPER, false)] {
        pull(rig, number, up).await?;
    }
    // Back-off is at its longest 10 s.
    kiosk::status_when(&rig.board, "healed", Duration::from_secs(20), |s| !has_fault(s, "panel_lost")).await.map(drop)
}

/// A Raspberry Pi as far as rppal looks: its `/proc/cpuinfo`, its registers (a file: levels are what is written there)
/// and its chip by label. The edges are the kernel's.
pub async fn a_gpio_edge_through_rppal_is_a_press(rig: &mut Rig) -> Result<()> {
    let made = "mkdir -p /run/pi /run/systemd/system/sos-kiosk.service.d
        printf 'Hardware\\t: BCM2835\\nRevision\\t: c03114\\n' > /run/pi/cpuinfo
        head -c 4096 /dev/zero > /dev/gpiomem; chgrp gpio /dev/gpiomem; chmod 660 /dev/gpiomem
        printf '\\000\\000\\002\\010' | dd of=/dev/gpiomem bs=1 seek=52 conv=notrunc status=none
        printf '[Service]\\nBindReadOnlyPaths=/run/pi/cpuinfo:/proc/cpuinfo\\n' \
          > /run/systemd/system/sos-kiosk.service.d/pi.conf
        systemctl daemon-reload";
    rig.board.ssh(made).await?;
    fitted(rig, RPPAL).await?;
    let panel = kiosk::status(&rig.board).await?["panel"].clone();
    ensure!(panel["driver"] == "rppal" && panel["lost"].is_null(), "{panel}");
    pull(rig, BUTTON, false).await?;
    let opened = incident(rig).await?;
    pull(rig, BUTTON, true).await?;
    let officer = rig.officer().await?;
    officer.sees(&opened, "waiting").await?;
    close(officer).await?;
    over(rig, &opened).await?;
    // Back to the board as it was.
    rig.board.ssh("rm -r /run/systemd/system/sos-kiosk.service.d /dev/gpiomem; systemctl daemon-reload").await?;
    fitted(rig, "").await
}
