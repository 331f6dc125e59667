//! Button and lamps: `[panel]`.

use super::super::load::Reader;

/// Button and lamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelDriver {
    /// Simulated.
    Sim,
}

pub(super) fn read(r: &mut Reader) -> Option<PanelDriver> {
    r.choice("panel.driver", &[("sim", PanelDriver::Sim)])
}
