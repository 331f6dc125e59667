//! Officers' pages: who is connected, on duty, and what each page's media connection carries.

use std::collections::BTreeSet;

use crate::centre::gateway::{GatewayCommand, PageId};
use crate::centre::page::{PAGE_SILENT_AFTER, ToPage};
use crate::wire::down::Standing;
use crate::wire::{IncidentId, KioskId};

use super::effect::Turn;
use super::{Desk, RECONNECT_GRACE_US, VANISHED_US};

/// A page silent for this long has vanished.
pub(super) const SILENT_US: u64 = PAGE_SILENT_AFTER.as_micros() as u64;
/// A page has missed a ping: its officer, connecting anew, is not a second page but this one come back.
const MISSED_PING_US: u64 = 2_500_000;

/// A page in the desk's memory.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub officer: String,
    pub on_duty: bool,
    pub watching: Option<IncidentId>,
    /// What the gateway was told to carry.
    pub carried: (Option<KioskId>, bool),
    /// Centre's clock minus the page's, microseconds.
    pub offset_us: Option<i64>,
    pub opened_at: u64,
    pub heard_at: u64,
}

impl Desk {
    pub(super) fn page_opened(&mut self, page: PageId, officer: String, turn: &mut Turn) {
        let now = turn.now.mono_us;
        let hello = ToPage::Hello {
            officer: officer.clone(),
            instance: self.instance.clone(),
            wall_us: turn.now.wall_us,
            incidents: self.incident_views(),
            kiosks: self.kiosk_views(),
            on_duty: self.duty.clone(),
            archive_full: self.archive_full,
        };
        turn.page(page, hello);
        let opened = Page {
            officer: officer.clone(),
            on_duty: false,
            watching: None,
            carried: (None, false),
            offset_us: None,
            opened_at: now,
            heard_at: now,
        };
        self.pages.insert(page, opened);
    }

    /// A page on duty has an officer at it and a media connection coming: what its officer held on a page that is
    /// gone, or has missed a ping, goes on here. A page that has only been opened would leave the person with nobody.
    pub(super) fn take_back(&mut self, page: PageId, turn: &mut Turn) {
        let now = turn.now.mono_us;
        let officer = self.officer(page);
        let back: Vec<_> = self
            .incidents
            .iter()
            .filter(|(_, i)| i.is_open() && i.record.view.owner.as_ref() == Some(&officer))
            .filter(|(_, i)| {
                let holder = i.page.and_then(|p| self.pages.get(&p));
                i.page != Some(page) && holder.is_none_or(|h| now.saturating_sub(h.heard_at) >= MISSED_PING_US)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in back {
            self.rebind(id, page, turn);
        }
    }

    /// The page is gone. Its calls wait a moment for it to come back.
    pub(super) fn vanish(&mut self, page: PageId, turn: &mut Turn) {
        let Some(gone) = self.pages.remove(&page) else { return };
        turn.gateway(GatewayCommand::PageGone { page });
        if gone.on_duty {
            turn.audit(gone.officer.clone(), "off duty: the page is gone", None);
        }
        self.tell_duty(turn);
        // The same officer's page that connected after this one fell silent is this one come back.
        let successor = self
            .pages
            .iter()
            .filter(|(_, p)| p.officer == gone.officer && p.on_duty && p.opened_at >= gone.heard_at)
            .map(|(id, _)| *id)
            .next_back();
        let held: Vec<_> = self.incidents.iter().filter(|(_, i)| i.page == Some(page)).map(|(id, _)| *id).collect();
        let now = turn.now.mono_us;
        for id in held {
            if let Some(successor) = successor {
                self.rebind(id, successor, turn);
            } else if let Some(incident) = self.incidents.get_mut(&id) {
                incident.page = None;
                let latest = (gone.heard_at + VANISHED_US).max(now);
                incident.return_at = incident.is_open().then_some(latest.min(now + RECONNECT_GRACE_US));
            }
        }
    }

    /// Gives an incident to another page of its owner.
    pub(super) fn rebind(&mut self, id: IncidentId, page: PageId, turn: &mut Turn) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let before = incident.page.replace(page);
        incident.return_at = None;
        let owner = incident.record.view.owner.clone().unwrap_or_default();
        let talks = incident.record.view.standing == Standing::Answered;
        turn.audit(owner, "kept it on another page", Some(id));
        if let Some(before) = before.filter(|before| *before != page) {
            // It must not go on showing a call that it does not have.
            if talks {
                self.set_watching(before, None, turn);
                self.show_longest_waiting(before, turn);
            }
            self.carry(before, turn);
        }
        if talks {
            self.set_watching(page, Some(id), turn);
        }
        self.carry(page, turn);
    }

    /// What `page` shows from now on.
    pub(super) fn set_watching(&mut self, page: PageId, incident: Option<IncidentId>, turn: &mut Turn) {
        let Some(known) = self.pages.get_mut(&page) else { return };
        if known.watching != incident {
            known.watching = incident;
            if incident.is_some() {
                turn.audit(known.officer.clone(), "watches", incident);
            }
            turn.page(page, ToPage::Watching { incident });
        }
        self.carry(page, turn);
    }

    /// Tells the gateway what a page's connection carries, if that has changed.
    pub(super) fn carry(&mut self, page: PageId, turn: &mut Turn) {
        let Some(known) = self.pages.get(&page) else { return };
        let watched = known.watching.and_then(|id| self.incidents.get(&id)).filter(|i| i.is_on());
        let kiosk = watched.map(|i| i.record.view.kiosk.clone());
        let sound = watched.is_some_and(|i| i.page == Some(page) && i.record.view.standing == Standing::Answered);
        let wanted = (kiosk, sound);
        if let Some(known) = self.pages.get_mut(&page)
            && known.carried != wanted
        {
            known.carried = wanted.clone();
            turn.gateway(GatewayCommand::Carry { page, kiosk: wanted.0, sound: wanted.1 });
        }
    }

    /// Every page on duty that shows nothing shows this incident.
    pub(super) fn offer_to_idle_pages(&mut self, id: IncidentId, turn: &mut Turn) {
        let idle: Vec<_> =
            self.pages.iter().filter(|(_, p)| p.on_duty && p.watching.is_none()).map(|(id, _)| *id).collect();
        for page in idle {
            self.set_watching(page, Some(id), turn);
        }
    }

    /// A page on duty that shows nothing shows what has waited longest.
    pub(super) fn show_longest_waiting(&mut self, page: PageId, turn: &mut Turn) {
        let idle = self.pages.get(&page).is_some_and(|p| p.on_duty && p.watching.is_none());
        let waiting = self.incidents.values().filter(|i| i.record.view.standing == Standing::Waiting);
        let oldest = waiting.min_by_key(|i| (i.record.view.pressed_wall_us, i.record.view.id));
        if let (true, Some(id)) = (idle, oldest.map(|i| i.record.view.id)) {
            self.set_watching(page, Some(id), turn);
        }
    }

    /// The incident `page` talks in.
    pub(super) fn talks_in(&self, page: PageId) -> Option<IncidentId> {
        self.incidents
            .iter()
            .find(|(_, i)| i.page == Some(page) && i.record.view.standing == Standing::Answered)
            .map(|(id, _)| *id)
    }

    /// Tells every page who is on duty, if that has changed.
    pub(super) fn tell_duty(&mut self, turn: &mut Turn) {
        let duty: BTreeSet<_> = self.pages.values().filter(|p| p.on_duty).map(|p| p.officer.clone()).collect();
        let duty: Vec<_> = duty.into_iter().collect();
        if duty != self.duty {
            self.duty.clone_from(&duty);
            turn.push(super::Effect::ToAllPages(ToPage::OnDuty { officers: duty }));
        }
    }

    /// Tells every page whether recordings are refused, if that has changed.
    pub(super) fn archive(&mut self, full: bool, turn: &mut Turn) {
        if std::mem::replace(&mut self.archive_full, full) != full {
            turn.push(super::Effect::ToAllPages(ToPage::Archive { full }));
        }
    }
}
