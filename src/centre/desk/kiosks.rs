//! A kiosk as the desk knows it.

use crate::centre::page::KioskView;
use crate::wire::selftest::LastTest;
use crate::wire::up::{Fault, Place, Vitals};
use crate::wire::{IncidentId, KioskId, Output, OutputState, SessionId};

/// Longest name of a place kept, characters.
const PLACE_CHARS: usize = 200;
/// Faults of one kiosk kept.
const FAULTS: usize = 32;

/// A kiosk in the desk's memory.
#[derive(Debug, Clone)]
pub(super) struct Kiosk {
    pub view: KioskView,
    /// Centre's wall clock minus the kiosk's, from its newest heartbeat or alarm, microseconds.
    pub offset_us: Option<i64>,
    /// When its last heartbeat came.
    pub beat_at: Option<u64>,
    /// When pages were last shown it.
    pub shown_at: u64,
    /// The session of the offer that came inside an alarm, so that a resend does not offer it again.
    pub offered: Option<SessionId>,
    /// The kiosk's newest incident that had no room of its own, and the one here that it joined.
    pub joined: Option<(IncidentId, IncidentId)>,
    /// When its last full test becomes too old to prove anything; none: it proves nothing now.
    pub proved_until: Option<u64>,
    /// The last test call that is over.
    pub tested: Option<IncidentId>,
}

impl Kiosk {
    pub fn new(id: KioskId) -> Self {
        Self::restored(KioskView {
            id,
            place: Place::default(),
            alive: false,
            leg_up: false,
            faults: Vec::new(),
            outputs: Vec::new(),
            testing: false,
            last_test: None,
            proved: false,
            board: Vitals::default(),
            seen_wall_us: None,
            version: String::new(),
        })
    }

    /// From the store: nothing is known of its life now.
    pub fn restored(view: KioskView) -> Self {
        let view = KioskView { alive: false, leg_up: false, faults: Vec::new(), outputs: Vec::new(), ..view };
        let view = KioskView { testing: false, last_test: None, proved: false, board: Vitals::default(), ..view };
        Self {
            view,
            offset_us: None,
            beat_at: None,
            shown_at: 0,
            offered: None,
            joined: None,
            proved_until: None,
            tested: None,
        }
    }
}

/// A place within bounds.
pub(super) fn bounded_place(mut place: Place) -> Place {
    shorten(&mut place.name, PLACE_CHARS);
    place
}

/// Faults within bounds.
pub(super) fn bounded_faults(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.truncate(FAULTS);
    for fault in &mut faults {
        shorten(&mut fault.detail, PLACE_CHARS);
    }
    faults
}

/// A test's result within bounds.
pub(super) fn bounded_test(mut last: LastTest) -> LastTest {
    last.failed.truncate(FAULTS);
    if let Some(why) = &mut last.why {
        shorten(why, 200);
    }
    last
}

/// Outputs this version knows, each once.
pub(super) fn known_outputs(outputs: &[OutputState]) -> Vec<OutputState> {
    let of = |output| outputs.iter().find(|state| state.output == output).copied();
    Output::ALL.into_iter().filter_map(of).collect()
}

/// Cuts `text` to `chars` characters.
pub(super) fn shorten(text: &mut String, chars: usize) {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
    }
}
