//! What happens because time has passed.

use crate::wire::down::Standing;
use crate::wire::limits;

use super::Desk;
use super::effect::{Effect, Turn};
use super::incident::Kept;
use super::pages::SILENT_US;
use super::reports::SHOW_RECORDING_EVERY_US;

const DEAD_US: u64 = limits::DEAD_AFTER.as_micros() as u64;

impl Desk {
    /// When `Tick` is due, on the monotonic clock, microseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let pages = self.pages.values().map(|page| page.heard_at + SILENT_US);
        let kiosks = self.kiosks.values().filter_map(|kiosk| kiosk.beat_at.map(|at| at + DEAD_US));
        let proofs = self.kiosks.values().filter_map(|kiosk| kiosk.proved_until);
        let incidents = self.incidents.values().flat_map(|incident| {
            let retry = match incident.kept {
                Kept::No { retry_at } => Some(retry_at),
                Kept::Asked | Kept::Yes => None,
            };
            let unsaved = incident.unsaved.filter(|at| *at < u64::MAX);
            let show = incident.recording_unshown.then_some(incident.recording_shown_at + SHOW_RECORDING_EVERY_US);
            [incident.return_at, retry, unsaved, show].into_iter().flatten()
        });
        let tests = self.tests.values().map(|testing| testing.until);
        pages.chain(kiosks).chain(proofs).chain(incidents).chain(tests).min()
    }

    pub(super) fn tick(&mut self, turn: &mut Turn) {
        self.drop_silent_pages(turn);
        self.give_back_vanished(turn);
        self.bury_dead_kiosks(turn);
        self.age_proofs(turn);
        self.try_store_again(turn);
        self.end_late_tests(turn);
        let due = |shown_at: u64| turn.now.mono_us >= shown_at + SHOW_RECORDING_EVERY_US;
        let grown: Vec<_> = self
            .incidents
            .iter()
            .filter(|(_, i)| i.recording_unshown && due(i.recording_shown_at))
            .map(|(id, _)| *id)
            .collect();
        for id in grown {
            self.show(id, turn);
        }
    }

    fn drop_silent_pages(&mut self, turn: &mut Turn) {
        let silent: Vec<_> = self
            .pages
            .iter()
            .filter(|(_, page)| turn.now.mono_us >= page.heard_at + SILENT_US)
            .map(|(id, _)| *id)
            .collect();
        for page in silent {
            turn.push(Effect::DropPage { page, why: "silent for too long" });
            self.vanish(page, turn);
        }
    }

    fn give_back_vanished(&mut self, turn: &mut Turn) {
        let due: Vec<_> = self
            .incidents
            .iter()
            .filter(|(_, i)| i.return_at.is_some_and(|at| turn.now.mono_us >= at))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(incident) = self.incidents.get_mut(&id) else { continue };
            incident.return_at = None;
            incident.page = None;
            incident.record.view.standing = Standing::Waiting;
            let owner = incident.record.view.owner.take().unwrap_or_default();
            turn.audit("centre", format!("waiting again: the page of {owner} has vanished"), Some(id));
            self.changed(id, turn);
            self.offer_to_idle_pages(id, turn);
        }
    }

    fn bury_dead_kiosks(&mut self, turn: &mut Turn) {
        let dead: Vec<_> = self
            .kiosks
            .iter()
            .filter(|(_, kiosk)| kiosk.beat_at.is_some_and(|at| turn.now.mono_us >= at + DEAD_US))
            .map(|(id, _)| id.clone())
            .collect();
        for id in dead {
            if let Some(kiosk) = self.kiosks.get_mut(&id) {
                kiosk.beat_at = None;
                kiosk.view.alive = false;
                turn.push(Effect::SaveKiosk(Box::new(kiosk.view.clone())));
            }
            self.show_kiosk(&id, turn);
        }
    }

    /// A full test that is a day old proves nothing any more, whether or not its kiosk says another word.
    fn age_proofs(&mut self, turn: &mut Turn) {
        let now = turn.now.mono_us;
        let old: Vec<_> = self
            .kiosks
            .iter()
            .filter(|(_, kiosk)| kiosk.proved_until.is_some_and(|until| now >= until))
            .map(|(id, _)| id.clone())
            .collect();
        for id in old {
            if let Some(kiosk) = self.kiosks.get_mut(&id) {
                kiosk.proved_until = None;
                kiosk.view.proved = false;
                turn.push(Effect::SaveKiosk(Box::new(kiosk.view.clone())));
            }
            self.show_kiosk(&id, turn);
        }
    }

    fn try_store_again(&mut self, turn: &mut Turn) {
        let now = turn.now.mono_us;
        for incident in self.incidents.values_mut() {
            match incident.kept {
                Kept::No { retry_at } if now >= retry_at => {
                    incident.kept = Kept::Asked;
                    turn.push(Effect::SaveNew(Box::new(incident.record.clone())));
                }
                Kept::No { .. } | Kept::Asked => {}
                Kept::Yes => {
                    if incident.unsaved.is_some_and(|at| now >= at) {
                        // A failure comes back and sets the next retry.
                        incident.unsaved = None;
                        turn.push(Effect::Save(Box::new(incident.record.clone())));
                    }
                }
            }
        }
    }
}
