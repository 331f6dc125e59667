//! An officer switches an output of a kiosk: asked for here, done and told by the kiosk.

use crate::centre::gateway::PageId;
use crate::wire::down::{OrderKind, Standing};
use crate::wire::{IncidentId, Output};

use super::Desk;
use super::effect::{Effect, Turn};
use super::page_side::Refusal;

impl Desk {
    pub(super) fn switch(
        &mut self,
        page: PageId,
        id: IncidentId,
        output: Output,
        on: bool,
        turn: &mut Turn,
    ) -> Result<(), Refusal> {
        let officer = self.officer(page);
        let Some(incident) = self.incidents.get(&id) else { return Err("there is no such open incident".to_owned()) };
        let view = &incident.record.view;
        match (view.standing, view.owner.as_deref()) {
            (Standing::Answered | Standing::OnHold, Some(owner)) if owner == officer => {}
            (Standing::Answered | Standing::OnHold, owner) => {
                return Err(format!("it is {}'s", owner.unwrap_or_default()));
            }
            (Standing::Waiting | Standing::Closed, _) => return Err("it is not answered".to_owned()),
        }
        let kiosk = view.kiosk.clone();
        let known = self.kiosks.get(&kiosk).is_some_and(|k| k.view.outputs.iter().any(|is| is.output == output));
        if !known {
            return Err(format!("{kiosk} has no {}", output.name()));
        }
        let what = format!("asks for {} {}", output.name(), if on { "on" } else { "off" });
        turn.audit(officer, what, Some(id));
        turn.push(Effect::Order { kiosk, what: OrderKind::Switch { incident: id, output, on } });
        Ok(())
    }
}
