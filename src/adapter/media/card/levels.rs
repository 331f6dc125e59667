//! The card's own mixer: set from the configuration when the card is opened, read back, and said where it does not
//! hold. A card without a mixer is left as it is.

use alsa::mixer::{Mixer, Selem, SelemChannelId};
use tracing::{info, warn};

use super::CardSettings;

/// Sets and checks the levels.
pub fn set(settings: &CardSettings) {
    if settings.volume.is_none() && settings.capture_volume.is_none() {
        return;
    }
    let name = mixer_of(&settings.name);
    match try_set(&name, settings) {
        Ok(0) => info!(card = name, "the card's mixer has no volume to set"),
        Ok(count) => info!(card = name, count, "the card's levels are set"),
        Err(error) => warn!(card = name, %error, "the card's levels cannot be set"),
    }
}

fn try_set(name: &str, settings: &CardSettings) -> alsa::Result<usize> {
    let mixer = Mixer::new(name, true)?;
    let mut count = 0;
    for control in mixer.iter().filter_map(Selem::new) {
        let called = control.get_id().get_name().unwrap_or("?").to_owned();
        if control.has_playback_volume()
            && let Some(percent) = settings.volume
        {
            count += 1;
            // The microphone's way straight to the loudspeaker would be an echo that nothing can cancel.
            let percent = if is_sidetone(&called) { 0 } else { percent };
            let wanted = share(control.get_playback_volume_range(), percent);
            control.set_playback_volume_all(wanted)?;
            if control.has_playback_switch() {
                control.set_playback_switch_all(i32::from(percent > 0))?;
            }
            check(&called, wanted, control.get_playback_volume(SelemChannelId::mono())?);
        }
        if control.has_capture_volume()
            && let Some(percent) = settings.capture_volume
        {
            count += 1;
            let wanted = share(control.get_capture_volume_range(), percent);
            control.set_capture_volume_all(wanted)?;
            if control.has_capture_switch() {
                control.set_capture_switch_all(1)?;
            }
            check(&called, wanted, control.get_capture_volume(SelemChannelId::mono())?);
        }
        // A card that turns its own gain up and down moves the echo away from under the canceller.
        if called.contains("Auto Gain") && control.has_playback_switch() {
            control.set_playback_switch_all(0)?;
        }
    }
    Ok(count)
}

fn check(control: &str, expected: i64, found: i64) {
    if expected != found {
        warn!(control, expected, found, "the card does not hold its level");
    }
}

fn is_sidetone(control: &str) -> bool {
    control.contains("Mic") || control.contains("Line") || control.contains("Sidetone")
}

fn share((low, high): (i64, i64), percent: u32) -> i64 {
    low + (high - low) * i64::from(percent) / 100
}

/// The mixer that belongs to a device's name: `plughw:CARD=Box,DEV=0` has `hw:Box`; a name of asound.conf has its own.
fn mixer_of(device: &str) -> String {
    let card = device.split_once("CARD=").map(|(_, rest)| rest.split(',').next().unwrap_or(rest));
    card.map_or_else(|| device.to_owned(), |card| format!("hw:{card}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_devices_mixer() {
        assert_eq!(mixer_of("plughw:CARD=Box,DEV=0"), "hw:Box");
        assert_eq!(mixer_of("kiosk"), "kiosk");
        assert_eq!(share((0, 65_536), 50), 32_768);
    }
}
