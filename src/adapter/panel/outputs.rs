//! The thread that sets lamps and outputs: it brings each line to what is wanted, and blinks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::state::{Half, Shared};
use super::wiring::Role;
use super::{Outputs, PanelError};
use crate::machine::words::Light;

/// Light and dark of a blinking lamp last this long each.
const HALF_BLINK: Duration = Duration::from_millis(250);
/// All lines are set again this often: it shows a chip that died, and heals one that lost its power for a moment.
const REFRESH: Duration = Duration::from_secs(5);

/// The thread turns at least this often, so that its standstill can be told from rest.
const TURN: Duration = Duration::from_secs(1);

/// Sets until the end; then all is off.
pub fn run(shared: &Shared) {
    let mut tries = 0;
    while !shared.stopped() {
        let end = shared.driver.open_outputs(&shared.wiring).and_then(|mut outputs| {
            shared.found(Half::Outputs);
            serve(shared, &mut *outputs, &mut tries)
        });
        if let Err(why) = end {
            let gap = shared.lost(Half::Outputs, &why, tries);
            tries += 1;
            shared.pause(gap);
        }
    }
}

fn serve(shared: &Shared, outputs: &mut dyn Outputs, tries: &mut u32) -> Result<(), PanelError> {
    let mut is: BTreeMap<Role, bool> = BTreeMap::new();
    let mut blink = Blink::default();
    let mut refresh = Instant::now() + REFRESH;
    let mut seen = 0;
    while !shared.stopped() {
        shared.turned(Half::Outputs);
        let now = Instant::now();
        if refresh <= now {
            refresh = now + REFRESH;
            is.clear();
            *tries = 0;
        }
        let blinks = shared.wiring.outputs.iter().any(|line| shared.wanted(line.role).light == Light::Blinking);
        let light = blink.turn(blinks, now);
        for line in &shared.wiring.outputs {
            let on = match shared.wanted(line.role).light {
                Light::Off => false,
                Light::On => true,
                Light::Blinking => light,
            };
            if is.get(&line.role) != Some(&on) {
                outputs.set(line.role, on)?;
                is.insert(line.role, on);
                shared.was_set(line.role, on, Instant::now());
            }
        }
        let until = refresh.min(now + TURN);
        seen = shared.wait(seen, blink.next.map_or(until, |next| next.min(until)));
    }
    for line in &shared.wiring.outputs {
        outputs.set(line.role, false)?;
    }
    Ok(())
}

/// The beat of the lamps that blink: all together, and light first.
#[derive(Debug, Default)]
struct Blink {
    light: bool,
    /// When it turns; none while nothing blinks.
    next: Option<Instant>,
}

impl Blink {
    /// Whether a blinking lamp shines at `now`.
    fn turn(&mut self, blinks: bool, now: Instant) -> bool {
        match self.next {
            _ if !blinks => *self = Self::default(),
            None => *self = Self { light: true, next: Some(now + HALF_BLINK) },
            Some(next) if next <= now => *self = Self { light: !self.light, next: Some(now + HALF_BLINK) },
            Some(_) => {}
        }
        self.light
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_that_begins_to_blink_shines_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut blink = Blink::default();
        assert!(!blink.turn(false, start) && blink.next.is_none());
        let seen: Vec<bool> = [0, 100, 250, 300, 500, 750].map(|ms| blink.turn(true, at(ms))).to_vec();
        assert_eq!(seen, [true, true, false, false, true, false]);
        assert!(!blink.turn(false, at(800)));
        assert!(blink.turn(true, at(810)), "light first, each time");
    }
}
