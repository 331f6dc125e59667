//! Faults that stand. Raised once, cleared once; the lamp shines while there is any.

use std::collections::BTreeMap;

use super::effect::Effect;
use super::words::{Lamp, Light};
use crate::wire::up::{Fault, FaultKind};

/// What stands.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    standing: BTreeMap<FaultKind, String>,
}

impl Faults {
    /// A part has failed. The same again does nothing.
    pub fn raise(&mut self, kind: FaultKind, detail: String, out: &mut Vec<Effect>) {
        if self.standing.get(&kind) == Some(&detail) {
            return;
        }
        let first = self.standing.is_empty();
        self.standing.insert(kind, detail.clone());
        out.push(Effect::RaiseFault(Fault { kind, detail }));
        if first {
            out.push(Effect::Lamp(Lamp::Fault, Light::On));
        }
    }

    /// A part has healed.
    pub fn clear(&mut self, kind: FaultKind, out: &mut Vec<Effect>) {
        if self.standing.remove(&kind).is_none() {
            return;
        }
        out.push(Effect::ClearFault(kind));
        if self.standing.is_empty() {
            out.push(Effect::Lamp(Lamp::Fault, Light::Off));
        }
    }

    /// Whether one stands.
    #[must_use]
    pub fn has(&self, kind: FaultKind) -> bool {
        self.standing.contains_key(&kind)
    }

    /// All that stand, by kind.
    #[must_use]
    pub fn standing(&self) -> Vec<Fault> {
        self.standing.iter().map(|(kind, detail)| Fault { kind: *kind, detail: detail.clone() }).collect()
    }
}
