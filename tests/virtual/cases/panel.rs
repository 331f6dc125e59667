//! The panel on lines of a real kernel: a press is an edge of a GPIO line, a lamp is what its line says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Rig;
use super::call::over;
use super::devices::lost_and_back;
use crate::kiosk;
use crate::support::until;

/// Longest from the edge to the lit lamp, milliseconds, 95th percentile.
const LAMP_MS: f64 = 20.0;
const ROUNDS: usize = 20;
const BOUND: Duration = Duration::from_secs(10);

/// As tests/virtual/root/board names them.
pub const BUTTON: u32 = 17;
const SECOND_BUTTON: u32 = 27;
const TAMPER: u32 = 22;
pub const LAMP_SENT: u32 = 5;
const LAMP_FAULT: u32 = 13;
const STROBE: u32 = 19;

/// Lines by name, chip by label: what a board's owner writes. The pull is the simulator's hand, so it is left alone.
pub const GPIOCDEV: &str = r#"
[panel]
driver = "gpiocdev"
chip = "pinctrl-bcm2711"
button = { line = "BUTTON", bias = "as-is" }
second_button = { line = "BUTTON2", bias = "as-is" }
tamper = { line = "TAMPER", bias = "as-is" }
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
pub fn line(number: u32) -> String {
    format!("/sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio{number}")
}

pub async fn pull(rig: &Rig, number: u32, up: bool) -> Result<()> {
    let to = if up { "pull-up" } else { "pull-down" };
    rig.board.ssh(&format!("for l in {}; do echo {to} > $l/pull; done", line(number))).await.map(drop)
}

async fn is_high(rig: &Rig, number: u32) -> Result<bool> {
    Ok(rig.board.ssh(&format!("cat {}/value", line(number))).await?.trim() == "1")
}

pub async fn goes(rig: &Rig, number: u32, high: bool) -> Result<()> {
    let what = format!("line {number} {}", if high { "high" } else { "low" });
    until(&what, BOUND, || async { (is_high(rig, number).await.ok()? == high).then_some(()) }).await
}

/// The kiosk with this panel, at rest: buttons up, case closed.
pub async fn fitted(rig: &mut Rig, panel: &str) -> Result<()> {
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

pub async fn fault(rig: &Rig, kind: &str, stands: bool) -> Result<Value> {
    let what = format!("fault {kind}: {stands}");
    kiosk::status_when(&rig.board, &what, BOUND, |status| has_fault(status, kind) == stands).await
}

/// Presses by an edge of the line, and lets go when the lamp shines; milliseconds from before the edge to the lamp's
/// line being set, as the kernel's own trace has them: nobody looks on who could be in the way.
async fn press(rig: &Rig) -> Result<f64> {
    let (button, lamp) = (line(BUTTON), line(LAMP_SENT));
    let script = format!(
        "cd /sys/kernel/tracing; echo mono > trace_clock; echo 1 > events/gpio/gpio_value/enable; echo > trace
         button=$(echo {button}/pull) lamp=$(echo {lamp}/value)
         base=$(cat /sys/devices/platform/gpio-sim.*/gpio/gpiochip*/base)
         echo press > trace_marker; echo pull-down > $button
         for n in $(seq 100); do [ $(cat $lamp) = 1 ] && break; sleep 0.05; done
         echo pull-up > $button; echo 0 > events/gpio/gpio_value/enable; cat trace
         echo line $((base + {LAMP_SENT}))"
    );
    let said = rig.board.ssh(&script).await?;
    press_to_lamp_ms(&said).with_context(|| said.clone())
}

/// Reads `... 12.345678: tracing_mark_write: press`, `... 12.353210: gpio_value: 517 set 1` and, at the end, `line 517`.
fn press_to_lamp_ms(trace: &str) -> Option<f64> {
    let lamp = trace.trim_end().lines().last()?.strip_prefix("line ")?;
    let at = |what: &str| -> Option<f64> {
        let line = trace.lines().find(|line| line.ends_with(what))?;
        line.strip_suffix(what)?.split_ascii_whitespace().last()?.strip_suffix(':')?.parse().ok()
    };
    let pressed = at("tracing_mark_write: press")?;
    Some((at(&format!("gpio_value: {lamp} set 1"))? - pressed) * 1e3)
}

/// The open incident, once it shows.
pub async fn incident(rig: &Rig) -> Result<String> {
    let status = kiosk::status_when(&rig.board, "an incident", BOUND, |s| s["incident"]["id"].is_string()).await?;
    Ok(status["incident"]["id"].as_str().unwrap_or_default().to_owned())
}

/// An officer sees the open incident and closes it.
pub async fn closed(rig: &mut Rig) -> Result<()> {
    let incident = incident(rig).await?;
    let officer = rig.officer().await?;
    officer.sees(&incident, "waiting").await?;
    officer.close_as("test").await?;
    over(rig, &incident).await
}

pub async fn a_gpio_edge_lights_the_lamp_in_time(rig: &mut Rig) -> Result<()> {
    fitted(rig, GPIOCDEV).await?;
    rig.officer().await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let took = press(rig).await?;
        rig.figures.add("press_to_lamp_ms", took);
        times.push(took);
        closed(rig).await?;
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
    incident(rig).await?;
    pull(rig, SECOND_BUTTON, true).await?;
    closed(rig).await?;
    // Down since before the start: no alarm, and a fault when nobody lets go.
    rig.board.ssh("systemctl stop sos-kiosk").await?;
    pull(rig, BUTTON, false).await?;
    rig.board.ssh("systemctl start sos-kiosk").await?;
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
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    officer.key("s").await?;
    goes(rig, STROBE, true).await?;
    rig.officer().await?.close_as("test").await?;
    over(rig, &incident).await?;
    goes(rig, STROBE, false).await
}

pub async fn a_chip_that_goes_is_known_and_comes_back(rig: &mut Rig) -> Result<()> {
    fitted(rig, GPIOCDEV).await?;
    let live = "/sys/kernel/config/gpio-sim/board/live";
    // A chip that comes back has its inputs low; the button rests high.
    let (first, second) = (line(BUTTON), line(SECOND_BUTTON));
    let back = format!("echo 1 > {live}; for l in {first} {second}; do echo pull-up > $l/pull; done");
    lost_and_back(rig, &["panel_lost"], &format!("echo 0 > {live}"), &back).await?;
    // The button that came back is armed.
    rig.officer().await?;
    press(rig).await?;
    closed(rig).await
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
    incident(rig).await?;
    pull(rig, BUTTON, true).await?;
    closed(rig).await?;
    // Back to the board as it was.
    rig.board.ssh("rm -r /run/systemd/system/sos-kiosk.service.d /dev/gpiomem; systemctl daemon-reload").await?;
    fitted(rig, "").await
}
