//! The machine's times. Each has one value for the street; tests may change them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::selftest::Plan;
use crate::wire::Output;

/// What the machine goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A button held for this long is stuck: a fault, not a longer press.
    pub stuck_after: Duration,
    /// A hand makes at most this many edges a second: some ten presses.
    pub chatter_edges: u32,
    /// A line that makes more in each of this many seconds chatters.
    pub chatter_seconds: u32,
    /// A line that chattered is believed again after it was quiet for this long.
    pub chatter_quiet: Duration,
    /// Whether there is a second button.
    pub second_button: bool,
    /// The outputs that are fitted.
    pub outputs: BTreeSet<Output>,
    /// The strobe shines by itself while an incident is open.
    pub strobe_in_alarm: bool,
    /// The first resend of an alarm comes after this.
    pub resend_first: Duration,
    /// The gap between resends doubles up to this, give or take a fifth.
    pub resend_most: Duration,
    /// The person is told so after this long without a connection.
    pub no_connection_after: Duration,
    /// And told again this often while it lasts.
    pub no_connection_every: Duration,
    /// A further press is reported at most this often; the report carries the count.
    pub report_press_every: Duration,
    /// A further press is answered by a sentence at most this often.
    pub speak_press_every: Duration,
    /// A press that could not be kept is tried again after this.
    pub keep_again_after: Duration,
    /// A close that could not be kept is tried again after this.
    pub close_again_after: Duration,
    /// An incident in which nothing has changed for this long is ended by the kiosk.
    pub max_incident: Duration,
    /// A standby leg missing for this long is a fault.
    pub leg_missing_after: Duration,
    /// A test of the button waits for its press for this long.
    pub button_test_for: Duration,
    /// Whether a media leg is kept between calls; without it the leg is offered inside the alarm.
    pub standby: bool,
    /// When and what the full self-test tests.
    pub selftest: Plan,
    /// Seed of the jitter: kiosks that lost the centre together must not come back in step.
    pub seed: u64,
}

/// What may change while the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Whether the full self-test comes every night.
    pub nightly: bool,
    /// At which second of the local day.
    pub at_s: u32,
    /// The strobe shines by itself, from the next incident on.
    pub strobe_in_alarm: bool,
}

impl Settings {
    /// Takes it over.
    pub fn change(&mut self, live: Live) {
        let Live { nightly, at_s, strobe_in_alarm } = live;
        (self.selftest.nightly, self.selftest.at_s, self.strobe_in_alarm) = (nightly, at_s, strobe_in_alarm);
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stuck_after: Duration::from_secs(15),
            chatter_edges: 20,
            chatter_seconds: 3,
            chatter_quiet: Duration::from_secs(2),
            second_button: false,
            outputs: BTreeSet::new(),
            strobe_in_alarm: false,
            resend_first: Duration::from_millis(500),
            resend_most: Duration::from_secs(2),
            no_connection_after: Duration::from_secs(5),
            no_connection_every: Duration::from_secs(30),
            report_press_every: Duration::from_secs(1),
            speak_press_every: Duration::from_secs(10),
            keep_again_after: Duration::from_secs(2),
            close_again_after: Duration::from_secs(10),
            max_incident: Duration::from_secs(2 * 60 * 60),
            leg_missing_after: Duration::from_secs(20),
            button_test_for: Duration::from_secs(30),
            standby: true,
            selftest: Plan::default(),
            seed: 0,
        }
    }
}
