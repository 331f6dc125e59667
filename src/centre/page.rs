//! What the officers' page and the centre say to each other over the WebSocket (JSON, one message a frame).
//!
//! The page sends its session cookie with the upgrade; the centre speaks first with [`ToPage::Hello`].
//! `src/centre/console/src/wire.ts` holds the same types for the page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::down::{Standing, Verdict};
use crate::wire::ids::KioskId;
use crate::wire::selftest::LastTest;
use crate::wire::up::{Fault, Mark, Place, PressOrigin, Vitals};
use crate::wire::{IncidentId, Output, OutputState};

/// Centre to page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPage {
    /// First message of every connection.
    Hello {
        /// The officer's login name.
        officer: String,
        /// Changes when the centre restarts.
        instance: String,
        /// Centre's wall clock, microseconds.
        wall_us: i64,
        /// Every incident that is not closed, and the newest closed ones.
        incidents: Vec<IncidentView>,
        /// Every kiosk known.
        kiosks: Vec<KioskView>,
        /// Officers on duty, by login name.
        on_duty: Vec<String>,
        /// Whether recordings are refused for want of room.
        #[serde(default)]
        archive_full: bool,
    },
    /// An incident is new or has changed.
    Incident {
        /// As it is now.
        incident: Box<IncidentView>,
    },
    /// A kiosk is new or has changed.
    Kiosk {
        /// As it is now.
        kiosk: Box<KioskView>,
    },
    /// Who is on duty.
    OnDuty {
        /// Login names.
        officers: Vec<String>,
    },
    /// Whether recordings are refused for want of room; said when that changes.
    Archive {
        /// They stay on the kiosks, which go on trying.
        full: bool,
    },
    /// The gateway's answer to the page's offer.
    Answer {
        /// SDP.
        sdp: String,
    },
    /// Which incident's picture the page's connection carries now.
    Watching {
        /// None: nothing is carried.
        incident: Option<IncidentId>,
    },
    /// The media connection is gone at the gateway: offer anew.
    Reoffer,
    /// Answer to [`FromPage::Ping`].
    Pong {
        /// The ping's.
        page_us: i64,
        /// Centre's wall clock, microseconds.
        wall_us: i64,
    },
    /// A request could not be carried out.
    Refused {
        /// The request's type.
        request: String,
        /// For people: why.
        why: String,
    },
}

/// Page to centre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPage {
    /// Goes on or off duty.
    Duty {
        /// On.
        on: bool,
    },
    /// Offer for the shift's media connection: one video recvonly, one audio sendrecv.
    Offer {
        /// SDP.
        sdp: String,
    },
    /// Show this incident's picture (a waiting or held one before answering, or another's to listen in).
    Watch {
        /// None: nothing.
        incident: Option<IncidentId>,
    },
    /// Takes a waiting or held incident.
    Answer {
        /// Which.
        incident: IncidentId,
    },
    /// Puts one's own on hold.
    Hold {
        /// Which.
        incident: IncidentId,
    },
    /// Switches an output of the kiosk of one's own incident. What comes of it shows in the kiosk's view.
    Switch {
        /// In which incident.
        incident: IncidentId,
        /// Which.
        output: Output,
        /// On or off.
        on: bool,
    },
    /// Closes one's own (or a waiting one).
    Close {
        /// Which.
        incident: IncidentId,
        /// What it was.
        verdict: Verdict,
        /// Free text.
        #[serde(default)]
        note: String,
    },
    /// The page has seen an instant of the call.
    Mark {
        /// Which incident.
        incident: IncidentId,
        /// Which instant: AlarmPainted, FirstFrame or FirstSoundUp.
        mark: Mark,
        /// The page's wall clock, microseconds.
        at_us: i64,
    },
    /// The picture is broken: a key frame, please.
    KeyFrame,
    /// Every two seconds; a page silent for longer than [`PAGE_SILENT_AFTER`] is gone.
    Ping {
        /// Page's wall clock, microseconds.
        page_us: i64,
        /// Page's last estimate of centre minus page clock, microseconds.
        #[serde(default)]
        offset_us: Option<i64>,
        /// Round trip it measured, microseconds.
        #[serde(default)]
        round_trip_us: Option<i64>,
    },
}

/// A page silent for this long has vanished.
pub const PAGE_SILENT_AFTER: std::time::Duration = std::time::Duration::from_secs(4);

/// An incident as officers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentView {
    /// Which.
    pub id: IncidentId,
    /// At which kiosk.
    pub kiosk: KioskId,
    /// Where.
    pub place: Place,
    /// Which button.
    pub origin: PressOrigin,
    /// How it stands.
    pub standing: Standing,
    /// Who has it.
    pub owner: Option<String>,
    /// Wall clock of the press on the centre's clock, microseconds.
    pub pressed_wall_us: i64,
    /// Wall clock of the close.
    pub closed_wall_us: Option<i64>,
    /// Presses so far.
    pub presses: u32,
    /// What it was.
    pub verdict: Option<Verdict>,
    /// The officer's note.
    pub note: String,
    /// Whether it is over at the kiosk: closed there as the officer said, or ended by itself while still open here.
    #[serde(default)]
    pub kiosk_closed: bool,
    /// Instants of the call on the centre's clock, microseconds.
    pub timing: BTreeMap<Mark, i64>,
    /// Fragments of the recording at the centre.
    pub recording: RecordingView,
}

/// What the centre has of an incident's recording. Fragments are read from
/// `/api/incidents/{id}/fragments/{n}`, the whole from `/api/incidents/{id}/recording.mp4`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordingView {
    /// Whether the header (fragment 0) is here.
    pub header: bool,
    /// Media fragments here.
    pub fragments: u64,
    /// Wall clock of the first sample, microseconds.
    pub start_wall_us: Option<i64>,
    /// Length of what is here, milliseconds.
    pub duration_ms: u64,
    /// Whether the kiosk has sealed it and all of it is here.
    pub complete: bool,
    /// What the kiosk's signatures prove of it.
    #[serde(default)]
    pub evidence: EvidenceView,
}

/// What the signed links of a recording prove. The whole is exported from `/api/incidents/{id}/export.zip`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceView {
    /// How it stands.
    pub standing: EvidenceStanding,
    /// The first fragment of which something is wrong; absent where it is the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<u64>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<EvidenceWrong>,
}

/// How the evidence of a recording stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceStanding {
    /// No link of it is here: it was made before there were any, or nothing has come yet.
    #[default]
    Unsigned,
    /// All that is here is proven; more is to come.
    Receiving,
    /// All of it is here and proven.
    Verified,
    /// Something is wrong.
    Broken,
}

/// What is wrong with a fragment or with the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceWrong {
    /// It came without a link, and others have one.
    Unsigned,
    /// The signature does not hold for what was received.
    Signature,
    /// Signed by a key that the owner has not accepted for this kiosk.
    Key,
    /// It does not follow the fragment before it.
    Link,
    /// Not what the kiosk said while it was recorded.
    Witness,
    /// The end is not signed, or not as it was said.
    Seal,
}

/// A kiosk as officers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KioskView {
    /// Which.
    pub id: KioskId,
    /// Where.
    pub place: Place,
    /// Whether its heartbeat is fresh.
    pub alive: bool,
    /// Whether its media leg stands.
    pub leg_up: bool,
    /// Faults.
    pub faults: Vec<Fault>,
    /// The outputs it has, as it says they are.
    #[serde(default)]
    pub outputs: Vec<OutputState>,
    /// Whether a test call of it is under way.
    #[serde(default)]
    pub testing: bool,
    /// What its last full self-test found.
    #[serde(default)]
    pub last_test: Option<LastTest>,
    /// Whether that proves now that it would work.
    #[serde(default)]
    pub proved: bool,
    /// Its board, as it last said.
    #[serde(default)]
    pub board: Vitals,
    /// Wall clock of the last heartbeat, microseconds.
    pub seen_wall_us: Option<i64>,
    /// Version of its daemon.
    pub version: String,
}
