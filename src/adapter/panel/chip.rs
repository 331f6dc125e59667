//! Finds a GPIO chip and its lines, whatever number the kernel gave it today; and the kernel's time stamps.

use std::time::{Duration, Instant};

use gpiocdev::chip::{Chip, chips};
use gpiocdev::line::Offset;
use rustix::time::{ClockId, clock_gettime};

use super::PanelError;
use super::wiring::{Line, Wiring};

/// The chip of a wiring.
pub fn find(wiring: &Wiring) -> Result<Chip, PanelError> {
    match &wiring.chip {
        Some(path) if path.starts_with('/') => {
            Chip::from_path(path).map_err(|error| PanelError(format!("expected a GPIO chip at {path}, found: {error}")))
        }
        Some(wanted) => among(&format!("labelled or named {wanted}"), |chip| {
            chip.name() == *wanted || chip.info().is_ok_and(|info| info.label == *wanted)
        }),
        None => {
            let lines = wiring.inputs.iter().map(|line| &line.line).chain(wiring.outputs.iter().map(|line| &line.line));
            let names: Vec<&str> = lines.filter_map(name).collect();
            among(&format!("with lines named {}", names.join(", ")), |chip| {
                !names.is_empty() && names.iter().all(|name| chip.find_line_info(name).is_some())
            })
        }
    }
}

fn name(line: &Line) -> Option<&str> {
    match line {
        Line::Name(name) => Some(name),
        Line::Offset(_) => None,
    }
}

/// The first chip that fits; if none does, what there is.
fn among(wanted: &str, fits: impl Fn(&Chip) -> bool) -> Result<Chip, PanelError> {
    let mut found = Vec::new();
    // No chip at all is told like no chip that fits.
    for path in chips().unwrap_or_default() {
        match Chip::from_path(&path) {
            Ok(chip) if fits(&chip) => return Ok(chip),
            Ok(chip) => found.push(describe(&chip)),
            Err(error) => found.push(format!("{}: {error}", path.display())),
        }
    }
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    Err(PanelError(format!("expected a GPIO chip {wanted}, found {found}")))
}

/// The chip in words.
pub fn describe(chip: &Chip) -> String {
    let label = chip.info().map_or_else(|error| error.to_string(), |info| info.label);
    format!("{} [{label}]", chip.name())
}

/// The offset of a line on a chip.
pub fn offset(chip: &Chip, line: &Line) -> Result<Offset, PanelError> {
    match line {
        Line::Offset(offset) => Ok(*offset),
        Line::Name(name) => chip
            .find_line_info(name)
            .map(|info| info.offset)
            .ok_or_else(|| PanelError(format!("expected a line named {name} on {}, found none", describe(chip)))),
    }
}

/// The instant of a time stamp of the kernel's monotonic clock, less `before`; never in the future.
pub fn instant(stamp: Duration, before: Duration) -> Instant {
    let now = Instant::now();
    let clock = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(clock.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(clock.tv_nsec).unwrap_or(0);
    let age = Duration::new(seconds, nanos).saturating_sub(stamp) + before;
    now.checked_sub(age).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stamp_of_the_kernel_is_an_instant() {
        let clock = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(clock.tv_sec).expect("after the boot");
        let stamp = Duration::new(seconds, u32::try_from(clock.tv_nsec).expect("below a second"));
        let at = instant(stamp - Duration::from_millis(70), Duration::from_millis(10));
        let age = at.elapsed();
        assert!(age >= Duration::from_millis(80) && age < Duration::from_millis(1080), "{age:?}");
        assert!(instant(stamp + Duration::from_secs(9), Duration::ZERO) <= Instant::now());
    }

    #[test]
    fn a_chip_that_is_not_there_is_told_with_what_is() {
        let wiring = Wiring { chip: Some("no-such-chip".to_owned()), ..Wiring::default() };
        let why = find(&wiring).map(|_| ()).expect_err("there is no such chip").0;
        assert!(why.starts_with("expected a GPIO chip labelled or named no-such-chip, found "), "{why}");
    }
}
