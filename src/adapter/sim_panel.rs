//! The simulated panel: lamps that can be read and waited for. Its button is the control socket (`sos-ctl press`).

use std::collections::BTreeMap;

use tokio::sync::watch;
use tracing::info;

use crate::kiosk::ports::Panel;
use crate::machine::words::{Lamp, Light};

/// The lamps as they shine now.
pub type Lamps = BTreeMap<Lamp, Light>;

/// The panel.
#[derive(Debug)]
pub struct SimPanel {
    lamps: watch::Sender<Lamps>,
}

impl SimPanel {
    /// A dark panel, and a view of its lamps.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Lamps>) {
        let (lamps, view) = watch::channel(Lamps::new());
        (Self { lamps }, view)
    }
}

impl Panel for SimPanel {
    fn lamp(&mut self, lamp: Lamp, light: Light) {
        info!(?lamp, ?light, "lamp");
        self.lamps.send_modify(|lamps| _ = lamps.insert(lamp, light));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_that_was_set_can_be_read() {
        let (mut panel, view) = SimPanel::new();
        panel.lamp(Lamp::Sent, Light::Blinking);
        panel.lamp(Lamp::Sent, Light::On);
        assert_eq!(view.borrow().get(&Lamp::Sent), Some(&Light::On));
        assert_eq!(view.borrow().get(&Lamp::Answered), None);
    }
}
