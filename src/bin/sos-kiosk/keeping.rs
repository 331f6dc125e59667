//! What the configuration's keeper asks of the daemon, put together from the daemon's parts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sos::config::KioskConfig;
use sos::config::change::keeper::{self, Keeper, Restart, View};
use sos::config::change::trial::Incident;
use sos::control::ConfigState;
use sos::kiosk::control::{ask, status};
use sos::kiosk::ports::{Configured, Link};
use sos::kiosk::{Ask, Inbox, Stamped};
use sos::machine::{Event, Live};
use sos::wire::up::{Fault, FaultKind};
use tokio::sync::mpsc;
use tracing::warn;

/// The daemon, as its keeper sees it.
pub struct Daemon {
    /// The way to the centre.
    pub link: Arc<dyn Link>,
    /// The core.
    pub asks: mpsc::Sender<Ask>,
    /// Where faults go.
    pub inbox: Inbox,
}

impl keeper::Daemon for Daemon {
    fn echo_age(&self) -> Option<Duration> {
        self.link.echo_age()
    }

    async fn incident(&self) -> Incident {
        match status(&self.asks).await {
            Ok(status) => match status.incident {
                None => Incident::None,
                Some(open) if open.acknowledged => Incident::Acknowledged,
                Some(_) => Incident::Unacknowledged,
            },
            // A core that does not answer is in the middle of something: wait.
            Err(why) => {
                warn!(why, "the core did not say whether an alarm is open");
                Incident::Acknowledged
            }
        }
    }

    fn apply(&self, config: &KioskConfig) -> impl Future<Output = ()> + Send {
        let (place, live) = (config.place.clone(), live(config));
        async move {
            if let Err(why) = ask(&self.asks, |to| Ask::Live(place, live, to)).await {
                warn!(why, "the core did not take the change over");
            }
        }
    }

    fn broken(&self, why: Option<&str>) {
        let event = match why {
            Some(why) => Event::FaultRaised(Fault { kind: FaultKind::ConfigBroken, detail: why.to_owned() }),
            None => Event::FaultCleared(FaultKind::ConfigBroken),
        };
        if self.inbox.try_send(Stamped::now(event)).is_err() {
            warn!("configuration: the shell does not keep up");
        }
    }
}

/// What of the machine's settings changes without a restart; the table of keys says `live` of the same.
fn live(config: &KioskConfig) -> Live {
    let plan = super::testing::plan(config);
    Live { nightly: plan.nightly, at_s: plan.at_s, strobe_in_alarm: config.panel.strobe_in_alarm }
}

/// The keeper's view as the control socket asks it.
#[derive(Debug, Clone, Default)]
pub struct Watched(pub View);

impl Configured for Watched {
    fn state(&self) -> ConfigState {
        self.0.state()
    }

    fn look(&self) {
        self.0.look();
    }
}

/// Runs the keeper, if there is one.
pub async fn run(keeper: Option<Keeper<Daemon>>) -> Restart {
    match keeper {
        Some(keeper) => keeper.run().await,
        None => std::future::pending().await,
    }
}
