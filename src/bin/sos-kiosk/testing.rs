//! The self-tests of this kiosk: which parts, and when.

use std::sync::Arc;

use sos::adapter::link::LinkAdapter;
use sos::adapter::media::late::LateMedia;
use sos::adapter::media::scene::Reference;
use sos::adapter::proof::TrendFile;
use sos::adapter::store::check::StoreTest;
use sos::config::KioskConfig;
use sos::kiosk::selftest::camera::CameraTest;
use sos::kiosk::selftest::parts::{ButtonTest, LampTest, LinkTest};
use sos::kiosk::selftest::sound::SoundTest;
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
        parts: vec![TestPart::Store, TestPart::Camera, TestPart::Sound, TestPart::Link],
        ..Plan::default()
    }
}

/// The tests of the parts.
pub fn suite(
    config: &KioskConfig,
    link: &Arc<LinkAdapter>,
    media: &Arc<LateMedia>,
    trends: Arc<TrendFile>,
    inbox: &Inbox,
    asks: &mpsc::Sender<Ask>,
) -> Arc<Suite> {
    let scenes = Arc::new(Reference::new(&config.store_dir, media.clone()));
    let tests: Vec<Box<dyn PartTest>> = vec![
        Box::new(StoreTest { dir: config.store_dir.clone() }),
        Box::new(CameraTest { asks: asks.clone(), scenes }),
        Box::new(SoundTest {
            media: media.clone(),
            trends,
            inbox: inbox.clone(),
            seeds: config.media.sound.card.echo_delay_ms.is_none(),
        }),
        Box::new(LinkTest { asks: asks.clone() }),
        Box::new(LampTest { asks: asks.clone() }),
        Box::new(ButtonTest { asks: asks.clone(), inbox: inbox.clone() }),
    ];
    Arc::new(Suite::new(tests, link.clone()))
}
