//! Everything the desk can ask for. Comparable values; the shell performs them, none waiting for another.

use crate::centre::gateway::{GatewayCommand, PageId};
use crate::centre::page::{KioskView, ToPage};
use crate::wire::down::{Echo, OrderKind, SignalDown, Standing};
use crate::wire::evidence::ChainHead;
use crate::wire::{IncidentId, KioskId};

use super::event::Now;
use super::incident::IncidentRecord;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Effect {
    /// Say it to one page.
    ToPage {
        /// Which.
        page: PageId,
        /// What.
        message: ToPage,
    },
    /// Say it to every page.
    ToAllPages(ToPage),
    /// End a page's connection.
    DropPage {
        /// Which.
        page: PageId,
        /// For the log.
        why: &'static str,
    },
    /// Tell the gateway.
    Gateway(GatewayCommand),
    /// Make a new incident durable; its outcome comes back as `Stored` or `StoreFailed`.
    SaveNew(Box<IncidentRecord>),
    /// Make durable how an incident is now; only a failure comes back.
    Save(Box<IncidentRecord>),
    /// Make durable what is known of a kiosk.
    SaveKiosk(Box<KioskView>),
    /// Enter a test call in the journal; `TestKept` comes back when it is there.
    KeepTest {
        /// Which kiosk.
        kiosk: KioskId,
        /// Which test.
        test: IncidentId,
    },
    /// Keep what a kiosk said of a recording's chain, with the time at which it came.
    KeepHead(ChainHead),
    /// Tell the kiosk that the centre has its alarm, or its test call.
    Ack {
        /// Which kiosk.
        kiosk: KioskId,
        /// Which incident.
        incident: IncidentId,
        /// How it stands.
        standing: Standing,
    },
    /// Answer a heartbeat.
    Echo {
        /// Which kiosk.
        kiosk: KioskId,
        /// With what.
        echo: Echo,
    },
    /// Tell the kiosk what the desk decided.
    Order {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        what: OrderKind,
    },
    /// A media session's message to the kiosk.
    Signal {
        /// Which kiosk.
        kiosk: KioskId,
        /// What.
        signal: SignalDown,
    },
    /// Enter it in the journal.
    Audit {
        /// An officer's login name, `kiosk:ID` or `centre`.
        who: String,
        /// What was done, for people.
        what: String,
        /// In which incident.
        incident: Option<IncidentId>,
    },
    /// A kiosk's message was refused: counted and logged at a bounded rate.
    Rejected {
        /// Which kiosk.
        kiosk: KioskId,
        /// Why.
        why: Rejection,
    },
}

/// Why the desk refuses a kiosk's well-formed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// It names another kiosk's incident.
    Foreign,
    /// It names an incident the desk does not know.
    Unknown,
    /// It is older than it may be.
    Stale,
    /// It asks for more than one kiosk may have.
    TooMany,
    /// It says what a kiosk cannot know.
    Implausible,
}

/// One call of the desk: the instant, and the effects so far.
pub(super) struct Turn {
    pub now: Now,
    pub out: Vec<Effect>,
}

impl Turn {
    pub fn push(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    pub fn page(&mut self, page: PageId, message: ToPage) {
        self.push(Effect::ToPage { page, message });
    }

    pub fn gateway(&mut self, command: GatewayCommand) {
        self.push(Effect::Gateway(command));
    }

    pub fn audit(&mut self, who: impl Into<String>, what: impl Into<String>, incident: Option<IncidentId>) {
        self.push(Effect::Audit { who: who.into(), what: what.into(), incident });
    }

    pub fn reject(&mut self, kiosk: &KioskId, why: Rejection) {
        self.push(Effect::Rejected { kiosk: kiosk.clone(), why });
    }
}
