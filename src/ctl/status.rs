//! `sos-ctl status` for a tired technician: the first line says whether a press would bring an officer now, and if
//! not, why.

use std::fmt::Write;

use crate::control::{PhaseName, Status, fault_name};
use crate::wire::up::ButtonLine;

/// The status as text, the verdict first.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut text = verdict(status);
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {name:<10} {value}");
    };
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
    line("to deliver", format!("{} fragments", status.undelivered));
    for fault in &status.faults {
        line("fault", format!("{}: {}", fault_name(fault.kind), fault.detail));
    }
    line("daemon", format!("{}, up {}", status.version, uptime(status.uptime_s)));
    text
}

fn verdict(status: &Status) -> String {
    let reasons = status.reasons();
    if reasons.is_empty() {
        format!("{}: works, a press now would bring an officer", status.id)
    } else {
        format!("{}: DOES NOT WORK: {}", status.id, reasons.join("; "))
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
