//! What to look at first, for each thing that keeps a press from bringing an officer or soon will.

use crate::control::Status;
use crate::wire::up::{ButtonLine, FaultKind};

/// The first thing to look at for each trouble, worst first; each once.
#[must_use]
pub fn advice(status: &Status) -> Vec<&'static str> {
    let mut advice = Vec::new();
    if !status.link_up {
        advice.push("the cable or the modem; sos-ctl config get centre.broker; sos-ctl logs");
        let trouble = status.link_trouble.as_deref().unwrap_or_default().to_lowercase();
        if status.board.certificate_days.is_some_and(|days| days < 0) {
            advice.push("the certificate has expired, no broker lets it in: sos-ctl enrol");
        } else if trouble.contains("expired") || trouble.contains("notvalidyet") || trouble.contains("not valid yet") {
            advice.push("the clock, by which no certificate is valid: timedatectl");
        }
    } else if !status.centre_present {
        advice.push("nothing here: call the centre, its desk is not connected to the broker");
    } else if status.standby && !status.leg_up {
        advice.push("the firewall: rtc.udp and rtc.tcp; sos-ctl selftest link");
    }
    if status.button == ButtonLine::Stuck || status.second_button == Some(ButtonLine::Stuck) {
        advice.push("the button: it is down, jammed or short-circuited; sos-ctl panel");
    }
    for fault in &status.faults {
        if let Some(what) = of(fault.kind)
            && !advice.contains(&what)
        {
            advice.push(what);
        }
    }
    advice
}

/// Of faults that [`advice`] does not see by other signs.
fn of(kind: FaultKind) -> Option<&'static str> {
    Some(match kind {
        FaultKind::CameraLost => "the camera's cable and power; sos-ctl config list media.camera; sos-ctl logs",
        FaultKind::CameraFrozen | FaultKind::CameraCovered | FaultKind::CameraBlurred => {
            "the lens: dirt, paint, frost, a shifted focus; sos-ctl selftest camera"
        }
        FaultKind::MicrophoneLost | FaultKind::SpeakerLost => {
            "the sound card's cable; is media.sound.card among aplay -L? sos-ctl logs"
        }
        FaultKind::MicrophoneDeaf | FaultKind::SoundPathBroken => {
            "microphone, loudspeaker and their openings; media.sound.volume; sos-ctl selftest sound"
        }
        FaultKind::RecordingSilent => "the daemon's sound track: sos-ctl logs; restart it",
        FaultKind::StoreFailed | FaultKind::RecordingFailed => "the card: full, worn out or read-only? df -h; dmesg",
        FaultKind::StoreReplaced => "the card, which broke the store's database: dmesg; sos-ctl support; a new card",
        FaultKind::DiskFull => "what fills the disk: df -h; sos-ctl recordings list",
        FaultKind::PanelLost => "the lines of button and lamps: sos-ctl panel; sos-ctl config list panel",
        FaultKind::DeliveryFailed => "centre.delivery, and what the centre says of it: sos-ctl logs",
        FaultKind::CaseOpen => "the case: close it",
        FaultKind::Temperature => "sun, frost, the heater, the fan",
        FaultKind::ClockWrong => "the time service: timedatectl",
        FaultKind::CertificateExpiring => "a new certificate: sos-ctl enrol",
        FaultKind::ConfigBroken => "sos-ctl config check; sos-ctl config diff",
        FaultKind::NotProved => "sos-ctl selftest, which says what fails",
        FaultKind::ButtonStuck | FaultKind::LegDown | FaultKind::Unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_advice_is_longer_than_a_line_of_a_terminal() {
        let kinds = [
            FaultKind::CameraLost,
            FaultKind::CameraFrozen,
            FaultKind::MicrophoneLost,
            FaultKind::MicrophoneDeaf,
            FaultKind::StoreFailed,
            FaultKind::DiskFull,
            FaultKind::PanelLost,
            FaultKind::DeliveryFailed,
            FaultKind::CaseOpen,
            FaultKind::ConfigBroken,
            FaultKind::NotProved,
        ];
        for kind in kinds {
            let text = of(kind).unwrap_or_default();
            assert!(!text.is_empty() && text.len() <= 100, "{kind:?}: {text}");
        }
    }
}
