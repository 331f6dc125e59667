//! Every topic string of the project.
//!
//! A kiosk writes below `sos/v1/kiosk/ID/` and reads below `sos/v1/to/ID/`; the broker's ACL
//! (`systemd/mosquitto/acl`) confines it there by its certificate. The centre reads and writes the rest.

use super::ids::KioskId;

/// The root of version 1 of the contract.
pub const ROOT: &str = "sos/v1";
/// Retained state of the centre, with a last will: "the broker is up" is not "somebody is there".
pub const CENTRE_STATE: &str = "sos/v1/centre/state";
/// What the centre subscribes to: every kind of every kiosk.
pub const ALL_KIOSKS: &str = "sos/v1/kiosk/+/+";

/// What a kiosk says, the last level of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Up {
    /// Retained, with a last will: [`super::up::KioskState`].
    State,
    /// Every few seconds: [`super::up::Heartbeat`].
    Heartbeat,
    /// Until acknowledged: [`super::up::Alarm`].
    Alarm,
    /// What happened in an incident: [`super::up::IncidentEvent`].
    Event,
    /// Media sessions: [`super::up::SignalUp`].
    Signal,
    /// Tests, logged: [`super::up::TestReport`].
    Test,
    /// The full self-test's call: [`super::selftest::TestCall`].
    TestCall,
    /// The newest statement about a recording: [`super::evidence::ChainHead`].
    Evidence,
}

/// What a kiosk is told, the last level of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Down {
    /// The centre has the alarm: [`super::down::AlarmAck`].
    Ack,
    /// The heartbeat's nonce comes back: [`super::down::Echo`].
    Echo,
    /// Media sessions: [`super::down::SignalDown`].
    Signal,
    /// What the desk decided: [`super::down::Order`].
    Order,
}

impl Up {
    /// Every kind.
    pub const ALL: [Up; 8] =
        [Up::State, Up::Heartbeat, Up::Alarm, Up::Event, Up::Signal, Up::Test, Up::TestCall, Up::Evidence];

    /// The topic's last level.
    #[must_use]
    pub const fn level(self) -> &'static str {
        match self {
            Up::State => "state",
            Up::Heartbeat => "heartbeat",
            Up::Alarm => "alarm",
            Up::Event => "event",
            Up::Signal => "signal",
            Up::Test => "test",
            Up::TestCall => "test_call",
            Up::Evidence => "evidence",
        }
    }

    /// The topic on which `kiosk` says this.
    #[must_use]
    pub fn of(self, kiosk: &KioskId) -> String {
        format!("{ROOT}/kiosk/{kiosk}/{}", self.level())
    }

    /// Reads a topic back; `None` if it is not a kiosk's.
    #[must_use]
    pub fn parse(topic: &str) -> Option<(KioskId, Up)> {
        let (kiosk, level) = split(topic, "kiosk")?;
        let kind = Up::ALL.into_iter().find(|kind| kind.level() == level)?;
        Some((kiosk, kind))
    }
}

impl Down {
    /// Every kind.
    pub const ALL: [Down; 4] = [Down::Ack, Down::Echo, Down::Signal, Down::Order];

    /// The topic's last level.
    #[must_use]
    pub const fn level(self) -> &'static str {
        match self {
            Down::Ack => "ack",
            Down::Echo => "echo",
            Down::Signal => "signal",
            Down::Order => "order",
        }
    }

    /// The topic on which `kiosk` is told this.
    #[must_use]
    pub fn of(self, kiosk: &KioskId) -> String {
        format!("{ROOT}/to/{kiosk}/{}", self.level())
    }

    /// What a kiosk subscribes to for itself.
    #[must_use]
    pub fn all_of(kiosk: &KioskId) -> String {
        format!("{ROOT}/to/{kiosk}/+")
    }

    /// Reads a topic back; `None` if it is not addressed to a kiosk.
    #[must_use]
    pub fn parse(topic: &str) -> Option<(KioskId, Down)> {
        let (kiosk, level) = split(topic, "to")?;
        let kind = Down::ALL.into_iter().find(|kind| kind.level() == level)?;
        Some((kiosk, kind))
    }
}

fn split<'a>(topic: &'a str, branch: &str) -> Option<(KioskId, &'a str)> {
    let rest = topic.strip_prefix(ROOT)?.strip_prefix('/')?.strip_prefix(branch)?.strip_prefix('/')?;
    let (kiosk, level) = rest.split_once('/')?;
    Some((kiosk.parse().ok()?, level))
}
