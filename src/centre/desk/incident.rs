//! One incident at the desk, and what of it survives a restart.

use crate::centre::gateway::PageId;
use crate::centre::page::{IncidentView, RecordingView};
use crate::wire::down::{OrderKind, Standing};
use crate::wire::up::{Alarm, Mark};
use crate::wire::{IncidentId, KioskId};

use super::event::Now;

/// What of an incident is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRecord {
    /// As officers see it, the recording's start on the kiosk's clock.
    pub view: IncidentView,
    /// Centre's wall clock minus the kiosk's, as far as it is known, microseconds.
    pub clock_offset_us: Option<i64>,
}

/// How far an incident is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It could not be; tried again at this instant.
    No { retry_at: u64 },
    /// Asked for.
    Asked,
    /// It is.
    Yes,
}

/// An incident in the desk's memory.
#[derive(Debug, Clone)]
pub(super) struct Incident {
    pub record: IncidentRecord,
    /// The page that has it; none while it waits, or while its owner's page may still come back.
    pub page: Option<PageId>,
    /// When it goes back to waiting unless its owner's page comes back.
    pub return_at: Option<u64>,
    pub kept: Kept,
    /// Changed since it was last made durable; tried again at this instant.
    pub unsaved: Option<u64>,
    /// When the kiosk was last told how it stands.
    pub ordered_at: u64,
    /// How often since the last change.
    pub orders: u32,
    /// When pages were last shown the recording's growth.
    pub recording_shown_at: u64,
    /// The recording has grown since.
    pub recording_unshown: bool,
}

impl Incident {
    pub fn new(record: IncidentRecord, kept: Kept) -> Self {
        Self {
            record,
            page: None,
            return_at: None,
            kept,
            unsaved: None,
            ordered_at: 0,
            orders: 0,
            recording_shown_at: 0,
            recording_unshown: false,
        }
    }

    /// What an alarm opens.
    pub fn opened(kiosk: KioskId, alarm: &Alarm, offset_us: Option<i64>, now: Now) -> Self {
        let mut timing = std::collections::BTreeMap::new();
        let pressed = on_centre_clock(alarm.pressed_wall_us, offset_us);
        timing.insert(Mark::Edge, pressed);
        timing.insert(Mark::Received, now.wall_us);
        let view = IncidentView {
            id: alarm.incident,
            kiosk,
            place: alarm.place.clone(),
            origin: alarm.origin,
            standing: Standing::Waiting,
            owner: None,
            pressed_wall_us: pressed,
            closed_wall_us: None,
            presses: alarm.presses.max(1),
            verdict: None,
            note: String::new(),
            kiosk_closed: false,
            timing,
            recording: RecordingView::default(),
        };
        let record = IncidentRecord { view, clock_offset_us: offset_us };
        Self::new(record, Kept::Asked)
    }

    pub fn is_open(&self) -> bool {
        self.record.view.standing != Standing::Closed
    }

    /// Whether the call is on: open here and not over at the kiosk.
    pub fn is_on(&self) -> bool {
        self.is_open() && !self.record.view.kiosk_closed
    }

    /// As officers see it: every instant on the centre's clock.
    pub fn view(&self) -> IncidentView {
        self.record.shown()
    }

    /// How it stands, for the kiosk, which may know it by another id.
    pub fn stands(&self, incident: IncidentId) -> OrderKind {
        let view = &self.record.view;
        OrderKind::Stands { incident, standing: view.standing, verdict: view.verdict }
    }

    /// Notes an instant of the call; the first value stands. Tells whether it was the first.
    pub fn note(&mut self, mark: Mark, at_us: i64) -> bool {
        match self.record.view.timing.entry(mark) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(at_us);
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }
}

impl IncidentRecord {
    /// As officers see it: every instant on the centre's clock.
    #[must_use]
    pub fn shown(&self) -> IncidentView {
        let mut view = self.view.clone();
        view.recording.start_wall_us =
            view.recording.start_wall_us.map(|start| on_centre_clock(start, self.clock_offset_us));
        view
    }
}

/// A kiosk's wall clock on the centre's.
#[must_use]
pub fn on_centre_clock(kiosk_wall_us: i64, offset_us: Option<i64>) -> i64 {
    kiosk_wall_us.saturating_add(offset_us.unwrap_or(0))
}
