//! The self-tests of this kiosk: which parts, and when.

use std::path::Path;
use std::sync::Arc;

use sos::adapter::link::LinkAdapter;
use sos::adapter::store::check::StoreTest;
use sos::config::KioskConfig;
use sos::kiosk::selftest::parts::{ButtonTest, CameraTest, LampTest, LinkTest};
use sos::kiosk::selftest::{PartTest, Suite};
use sos::kiosk::{Ask, Inbox};
use sos::machine::selftest::Plan;
use sos::wire::up::TestPart;
use tokio::sync::mpsc;

/// The full self-test: what needs nobody; the test call follows by itself.
pub fn plan(config: &KioskConfig) -> Plan {
    Plan {
        nightly: config.selftest.nightly,
        at_s: config.selftest.at_of(config.id.as_str()),
        parts: vec![TestPart::Store, TestPart::Camera, TestPart::Link],
        ..Plan::default()
    }
}

/// The tests of the parts.
pub fn suite(store: &Path, link: &Arc<LinkAdapter>, inbox: &Inbox, asks: &mpsc::Sender<Ask>) -> Arc<Suite> {
    let tests: Vec<Box<dyn PartTest>> = vec![
        Box::new(StoreTest { dir: store.to_owned() }),
        Box::new(CameraTest { asks: asks.clone() }),
        Box::new(LinkTest { asks: asks.clone() }),
        Box::new(LampTest { asks: asks.clone() }),
        Box::new(ButtonTest { asks: asks.clone(), inbox: inbox.clone() }),
    ];
    Arc::new(Suite::new(tests, link.clone()))
}
