//! What the machine says of itself, in the words of the control socket.

use crate::control::{LampState, PhaseName};
use crate::machine::Phase;
use crate::machine::words::{Lamp, Light};

pub(super) fn phase_name(phase: Phase) -> PhaseName {
    match phase {
        Phase::Idle => PhaseName::Idle,
        Phase::Sending => PhaseName::Sending,
        Phase::Waiting => PhaseName::Waiting,
        Phase::Talking => PhaseName::Talking,
        Phase::OnHold => PhaseName::OnHold,
        Phase::Reconnecting => PhaseName::Reconnecting,
    }
}

pub(super) fn lamp_state(lamp: Lamp, light: Light) -> Option<LampState> {
    let lamp = match lamp {
        Lamp::Sent => "sent",
        Lamp::Answered => "answered",
        Lamp::Fault => "fault",
    };
    let light = match light {
        Light::Off => return None,
        Light::On => "on",
        Light::Blinking => "blinking",
    };
    Some(LampState { lamp: lamp.to_owned(), light: light.to_owned() })
}
