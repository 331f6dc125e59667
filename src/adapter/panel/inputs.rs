//! The thread that waits for edges. It does nothing else, so that nothing holds up a press.

use std::time::{Duration, Instant};

use super::contact::{Change, Contacts};
use super::state::{Half, Shared};
use super::{Edge, Inputs, PanelError};
use crate::kiosk::Stamped;
use crate::kiosk::ports::Input;
use crate::machine::Event;
use crate::wire::IncidentId;
use crate::wire::up::PressOrigin;

/// How long one wait for an edge lasts: the end is seen within it, and lines that died silently too.
const WAIT: Duration = Duration::from_secs(1);

/// Reads until the end.
pub fn run(shared: &Shared) {
    let mut contacts = Contacts::default();
    let mut tries = 0;
    while !shared.stopped() {
        let end = shared
            .driver
            .open_inputs(&shared.wiring)
            .and_then(|mut inputs| read(shared, &mut *inputs, &mut contacts, &mut tries));
        if let Err(why) = end {
            let gap = shared.lost(Half::Inputs, &why, tries);
            tries += 1;
            shared.pause(gap);
        }
    }
}

fn read(shared: &Shared, inputs: &mut dyn Inputs, contacts: &mut Contacts, tries: &mut u32) -> Result<(), PanelError> {
    // The level first: a button held since before gives no edge.
    levels(shared, inputs, contacts, Contacts::opened)?;
    shared.found(Half::Inputs);
    while !shared.stopped() {
        shared.turned(Half::Inputs);
        let Some(Edge { input, active, at }) = inputs.next(WAIT)? else {
            // Lines that give nothing for a while prove that they are there. And an edge may have been lost, in a
            // buffer that ran over or while the chip was without power: after a release that nobody saw, the next
            // press would count as told.
            levels(shared, inputs, contacts, Contacts::looked_at)?;
            *tries = 0;
            continue;
        };
        let change = contacts.edge(input, active);
        tell(shared, contacts, input, change, at);
    }
    Ok(())
}

/// Looks at every line, and tells what no edge told.
fn levels(
    shared: &Shared,
    inputs: &mut dyn Inputs,
    contacts: &mut Contacts,
    take: fn(&mut Contacts, Input, bool) -> Option<Change>,
) -> Result<(), PanelError> {
    let now = Instant::now();
    for line in &shared.wiring.inputs {
        let active = inputs.active(line.input)?;
        let change = take(contacts, line.input, active);
        tell(shared, contacts, line.input, change, now);
    }
    Ok(())
}

fn tell(shared: &Shared, contacts: &Contacts, input: Input, change: Option<Change>, at: Instant) {
    shared.input_is(input, contacts.is_active(input));
    let origin = match input {
        Input::Button => PressOrigin::Button,
        Input::SecondButton => PressOrigin::SecondButton,
        Input::Tamper => {
            if let Some(change) = change {
                shared.tell(Stamped { at, event: Event::Case { open: change != Change::Rests } });
            }
            return;
        }
    };
    let event = match change {
        None => return,
        Some(Change::Active) => Event::Pressed { origin, incident: IncidentId::fresh() },
        Some(Change::Found) => Event::HeldAtStart { origin, incident: IncidentId::fresh() },
        Some(Change::Rests) => Event::Released { origin },
    };
    shared.tell(Stamped { at, event });
}
