//! `sos-ctl status` for a tired technician: the first line says whether a press would bring an officer now, and if
//! not, why; then what to look at, then every part with the newest proof that it works.

use std::fmt::Write;

use super::advice::advice;
use crate::control::{ConfigStage, ConfigState, PhaseName, Status, Vitals};
use crate::wire::up::ButtonLine;

/// The status as text, the verdict first.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut text = verdict(status);
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {name:<11} {value}");
    };
    status.warnings().into_iter().for_each(|warning| line("WARNING", warning));
    advice(status).into_iter().for_each(|advice| line("look at", advice.to_owned()));
    line("doing", doing(status));
    let centre = if status.centre_present { "present" } else { "absent" };
    let echo = status.echo_age_ms.map_or_else(|| "no echo yet".to_owned(), |age| format!("last echo {}", ago(age)));
    line("centre", format!("link {}, desk {centre}, {echo}", up_down(status.link_up)));
    let standby = if status.standby { "" } else { " (dialled at the press only)" };
    line("media leg", format!("{}{standby}", up_down(status.leg_up)));
    line(
        "camera",
        status.frame_age_ms.map_or_else(|| "no frame yet".to_owned(), |age| format!("newest frame {}", ago(age))),
    );
    // What it gives, and what makes H.264 of it: absent before the first frame, and from an older daemon.
    status.camera.iter().for_each(|camera| line("", camera.clone()));
    status.encoder.iter().for_each(|encoder| line("encoder", encoder.clone()));
    let level = status.mic_dbfs.map_or_else(String::new, |level| format!(", level {level:.0} dB"));
    let sound =
        status.sound_age_ms.map_or_else(|| "no sound yet".to_owned(), |age| format!("newest sound {}", ago(age)));
    line("microphone", format!("{sound}{level}"));
    let second = status.second_button.map_or_else(String::new, |line| format!(", second {}", button(line)));
    line("button", format!("{}{second}", button(status.button)));
    let lamps: Vec<String> = status.lamps.iter().map(|lamp| format!("{} {}", lamp.lamp, lamp.light)).collect();
    line("lamps", if lamps.is_empty() { "all dark".to_owned() } else { lamps.join(", ") });
    if !status.outputs.is_empty() {
        let on_off = |on| if on { "ON" } else { "off" };
        let states = status.outputs.iter().map(|is| format!("{} {}", is.output.name(), on_off(is.on)));
        line("outputs", states.collect::<Vec<_>>().join(", "));
    }
    if let Some(lamp) = &status.panel.press_to_lamp_ms {
        line("lamp after", format!("{:.1} ms median, {:.1} ms p95 of {} presses", lamp.median, lamp.p95, lamp.count));
    }
    let left = match status.undelivered {
        0 => "nothing: the centre has everything".to_owned(),
        left => format!("{left} fragments"),
    };
    line("to deliver", left);
    board(&status.board, status.clock_offset_us).into_iter().for_each(|(name, value)| line(name, value));
    line("self-test", proof(status, now_us()));
    line("config", configuration(&status.config));
    if let Some(undone) = &status.config.undone {
        line("", format!("the last change was undone: {undone}"));
    }
    line("daemon", format!("{}, up {}", status.version, uptime(status.uptime_s)));
    text
}

/// The first line: would it work now, and if not why.
#[must_use]
pub fn verdict(status: &Status) -> String {
    let reasons = status.reasons();
    if reasons.is_empty() {
        let but = match status.warnings().len() {
            0 => String::new(),
            1 => "; 1 warning".to_owned(),
            count => format!("; {count} warnings"),
        };
        format!("{}: works, a press now would bring an officer{but}", status.id)
    } else {
        format!("{}: DOES NOT WORK: {}", status.id, reasons.join("; "))
    }
}

/// What is known of the board.
fn board(board: &Vitals, offset_us: Option<i64>) -> Vec<(&'static str, String)> {
    let unknown = || "not known yet".to_owned();
    let certificate = board.certificate_days.map_or_else(unknown, |days| match days {
        0.. => format!("valid for {days} more days"),
        _ => format!("EXPIRED {} days ago", -days),
    });
    let disk = board.disk_free_mb.zip(board.disk_total_mb);
    let writable = if board.store_writable == Some(false) { ", NOT writable" } else { "" };
    let disk = disk.map_or_else(unknown, |(free, total)| format!("{free} MB free of {total} MB{writable}"));
    let offset = offset_us.map_or_else(
        || "the centre's is not known".to_owned(),
        |us| format!("{:.3} s from the centre's", std::time::Duration::from_micros(us.unsigned_abs()).as_secs_f64()),
    );
    let synced = match board.clock_synced {
        Some(true) => ", set by the time service",
        Some(false) => ", NOT set by the time service",
        None => "",
    };
    let mut lines = vec![("certificate", certificate), ("disk", disk), ("clock", format!("{offset}{synced}"))];
    if let Some(degrees) = board.temperature_c {
        lines.push(("board", format!("{degrees:.0} degrees C")));
    }
    lines
}

/// What the last full self-test says, in a line.
fn proof(status: &Status, now_us: i64) -> String {
    if let Some(part) = status.testing {
        return format!("running: {}", super::selftest::name(part));
    }
    let Some(last) = &status.last_test else { return "NOT PROVED: there was no full self-test yet".to_owned() };
    let now_us = now_us.saturating_add(status.clock_offset_us.unwrap_or(0));
    let hours = last.age_us(now_us).map_or_else(
        || "in the future".to_owned(),
        |us| if us < HOUR_US { format!("{} min ago", us / MINUTE_US) } else { format!("{} h ago", us / HOUR_US) },
    );
    if last.proves(now_us) {
        return format!("proved, {hours}");
    }
    let failed: Vec<&str> = last.failed.iter().map(|part| super::selftest::name(*part)).collect();
    if last.good {
        format!("NOT PROVED: {hours}")
    } else {
        let why = last.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        format!("NOT PROVED: {hours}, {} failed{why}", failed.join(", "))
    }
}

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// How the configuration stands, in a line.
#[must_use]
pub fn configuration(state: &ConfigState) -> String {
    let changes: Vec<String> = state.changes.iter().map(super::config::line).collect();
    let changes = changes.join("; ");
    match (state.stage, state.undone_in_s) {
        (ConfigStage::Proved, _) => "proved by the centre's echo".to_owned(),
        (ConfigStage::Unproved, _) => "not proved yet: no echo of the centre came with it".to_owned(),
        (ConfigStage::OnTrial, Some(left)) => {
            format!("ON TRIAL, undone in {left} s unless the centre's echo comes: {changes}")
        }
        (ConfigStage::OnTrial, None) => format!("changed, the centre's echo has not come yet: {changes}"),
        (ConfigStage::Waiting, _) => format!("a change waits for the end of the alarm: {changes}"),
        (ConfigStage::Broken, _) => format!("BROKEN: {}", state.broken.as_deref().unwrap_or("no reason given")),
    }
}

fn doing(status: &Status) -> String {
    let phase = match status.phase {
        PhaseName::Idle => return "at rest".to_owned(),
        PhaseName::Sending => "sending the alarm, not yet acknowledged",
        PhaseName::Waiting => "the centre has the alarm, no officer yet",
        PhaseName::Talking => "in a call",
        PhaseName::OnHold => "on hold",
        PhaseName::Reconnecting => "in a call, the media leg is missing",
    };
    match &status.incident {
        Some(open) => format!("{phase}; incident {}, presses {}", open.id, open.presses),
        None => phase.to_owned(),
    }
}

fn up_down(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

fn button(line: ButtonLine) -> &'static str {
    match line {
        ButtonLine::Released => "released",
        ButtonLine::Pressed => "pressed",
        ButtonLine::Stuck => "STUCK",
    }
}

fn ago(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms ago") } else { format!("{} s ago", ms / 1_000) }
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    if days > 0 {
        format!("{days} d {hours} h")
    } else if hours > 0 {
        format!("{hours} h {minutes} min")
    } else {
        format!("{minutes} min {} s", seconds % 60)
    }
}
