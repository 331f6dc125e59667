//! How the kiosk is, for whoever asks over the control socket.

use std::time::Duration;

use super::Shell;
use crate::control::{ConfigState, OpenIncident, Status};
use crate::kiosk::names::{lamp_state, phase_name};

pub(super) fn ms(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

impl Shell {
    pub(super) fn status(&self) -> Status {
        let beat = self.heartbeat();
        let ways = self.machine.ways();
        let media = self.parts.media.inventory();
        Status {
            id: self.setup.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: beat.uptime_s,
            phase: phase_name(self.machine.phase()),
            incident: self.machine.open().map(|open| OpenIncident {
                id: open.incident,
                presses: open.presses,
                acknowledged: open.acknowledged,
                standing: open.standing,
            }),
            link_up: ways.link,
            centre_present: ways.centre,
            leg_up: ways.leg,
            standby: self.setup.machine.standby,
            button: beat.button,
            second_button: beat.second_button,
            outputs: beat.outputs,
            panel: self.parts.panel.look(),
            lamps: self.lamps.iter().filter_map(|(lamp, light)| lamp_state(*lamp, *light)).collect(),
            frame_age_ms: beat.frame_age_ms,
            sound_age_ms: beat.sound_age_ms,
            mic_dbfs: beat.mic_dbfs,
            echo_age_ms: beat.echo_age_ms,
            clock_offset_us: beat.clock_offset_us,
            faults: beat.faults,
            undelivered: beat.undelivered,
            link_trouble: self.parts.link.trouble(),
            last_test: beat.last_test,
            testing: self.machine.testing(),
            board: beat.board,
            config: ConfigState::default(),
            camera: media.camera,
            encoder: media.encoder,
            prompts_missing: media.prompts_missing,
        }
    }
}
