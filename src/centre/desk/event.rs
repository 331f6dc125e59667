//! Everything that can happen to the desk. A closed set.

use crate::centre::gateway::{GatewayEvent, PageId};
use crate::centre::page::{FromPage, RecordingView};
use crate::wire::evidence::ChainHead;
use crate::wire::selftest::TestCall;
use crate::wire::up::{Alarm, Heartbeat, IncidentEvent, KioskState, SignalUp, TestReport};
use crate::wire::{IncidentId, KioskId};

use super::incident::IncidentRecord;

/// The centre's two clocks at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Microseconds since the centre's start; every waiting time is counted on it.
    pub mono_us: u64,
    /// Microseconds since 1970 UTC; what people read.
    pub wall_us: i64,
}

/// One thing that happened. The kiosk of a kiosk's event is that of its topic or certificate, so it is proved.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A kiosk's alarm, the first or a resend.
    Alarm {
        /// Which kiosk.
        kiosk: KioskId,
        /// What it said.
        alarm: Box<Alarm>,
        /// Time from the press to the sending on the kiosk's monotonic clock, microseconds.
        age_us: Option<u64>,
        /// Whether the kiosk's wall clock is synchronised.
        synced: bool,
    },
    /// What a kiosk reports of an incident.
    Report {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        report: Box<IncidentEvent>,
    },
    /// A kiosk's retained state or last will.
    State {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        state: KioskState,
    },
    /// A kiosk's proof of life.
    Heartbeat {
        /// Which kiosk.
        kiosk: KioskId,
        /// What it proves.
        beat: Box<Heartbeat>,
        /// The kiosk's wall clock at sending, microseconds.
        sent_wall_us: i64,
    },
    /// Recordings are refused for want of room, or taken again.
    Archive {
        /// Refused.
        full: bool,
    },
    /// A test of a part of a kiosk, to be logged.
    Test {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        report: TestReport,
    },
    /// A kiosk's test call, the first or a resend.
    TestCall {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        call: TestCall,
    },
    /// A test call is in the journal.
    TestKept {
        /// Which kiosk.
        kiosk: KioskId,
        /// Which test.
        test: IncidentId,
    },
    /// The newest signed statement about a recording.
    Head {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        head: ChainHead,
    },
    /// A kiosk's media session.
    Signal {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        signal: SignalUp,
    },
    /// A new incident is durable.
    Stored {
        /// Which.
        incident: IncidentId,
        /// What the store already had under this id, if it did.
        already: Option<Box<IncidentRecord>>,
        /// Fragments that came before the alarm.
        recording: RecordingView,
    },
    /// An incident could not be made durable as it is now.
    StoreFailed {
        /// Which.
        incident: IncidentId,
        /// Why.
        why: String,
    },
    /// The recording of an incident has grown (start on the kiosk's clock).
    Recording {
        /// Which incident.
        incident: IncidentId,
        /// What the centre has.
        recording: RecordingView,
    },
    /// The gateway reports.
    Gateway(GatewayEvent),
    /// An officer's page has connected.
    PageOpened {
        /// Which page.
        page: PageId,
        /// The officer's login name.
        officer: String,
    },
    /// A page has said something.
    PageSaid {
        /// Which page.
        page: PageId,
        /// What.
        said: FromPage,
    },
    /// A page's connection has ended.
    PageClosed {
        /// Which page.
        page: PageId,
    },
    /// Time has passed: the deadline was reached. Harmless at any other time.
    Tick,
}
