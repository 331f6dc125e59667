//! What officers do: duty, watch, answer, hold, close.

use crate::centre::gateway::{GatewayCommand, PageId};
use crate::centre::page::{FromPage, ToPage};
use crate::wire::down::{Standing, Verdict};
use crate::wire::up::Mark;
use crate::wire::{IncidentId, limits};

use super::Desk;
use super::effect::Turn;

/// Instants only a page can see.
const PAGE_MARKS: [Mark; 3] = [Mark::AlarmPainted, Mark::FirstFrame, Mark::FirstSoundUp];
/// A page's clock that is not known yet is believed when it is this near to the centre's.
const NEAR_US: u64 = 2_000_000;

/// Why a request is refused, for people.
pub(super) type Refusal = String;

impl Desk {
    pub(super) fn page_said(&mut self, page: PageId, said: FromPage, turn: &mut Turn) {
        let Some(known) = self.pages.get_mut(&page) else { return };
        known.heard_at = turn.now.mono_us;
        let request = name_of(&said);
        let outcome = match said {
            FromPage::Duty { on } => self.duty(page, on, turn),
            FromPage::Offer { sdp } => self.page_offer(page, sdp, turn),
            FromPage::Watch { incident } => self.watch(page, incident, turn),
            FromPage::Answer { incident } => self.answer(page, incident, turn),
            FromPage::Hold { incident } => self.hold(page, incident, turn),
            FromPage::Switch { incident, output, on } => self.switch(page, incident, output, on, turn),
            FromPage::Close { incident, verdict, note } => self.close(page, incident, verdict, note, turn),
            FromPage::Mark { incident, mark, at_us } => self.page_mark(page, incident, mark, at_us, turn),
            FromPage::KeyFrame => {
                turn.gateway(GatewayCommand::KeyFrame { page });
                Ok(())
            }
            FromPage::Ping { page_us, offset_us, round_trip_us: _ } => {
                known.offset_us = offset_us.or(known.offset_us);
                turn.page(page, ToPage::Pong { page_us, wall_us: turn.now.wall_us });
                Ok(())
            }
        };
        if let Err(why) = outcome {
            turn.page(page, ToPage::Refused { request: request.to_owned(), why });
        }
    }

    pub(super) fn officer(&self, page: PageId) -> String {
        self.pages.get(&page).map(|p| p.officer.clone()).unwrap_or_default()
    }

    fn duty(&mut self, page: PageId, on: bool, turn: &mut Turn) -> Result<(), Refusal> {
        if !on && self.incidents.values().any(|i| i.is_open() && i.page == Some(page)) {
            return Err("you have an open call: close it first, or let another officer take it from hold".to_owned());
        }
        let Some(known) = self.pages.get_mut(&page) else { return Ok(()) };
        if known.on_duty == on {
            return Ok(());
        }
        known.on_duty = on;
        turn.audit(known.officer.clone(), if on { "on duty" } else { "off duty" }, None);
        self.tell_duty(turn);
        if on {
            self.take_back(page, turn);
            self.show_longest_waiting(page, turn);
        } else {
            self.set_watching(page, None, turn);
        }
        Ok(())
    }

    fn page_offer(&mut self, page: PageId, sdp: String, turn: &mut Turn) -> Result<(), Refusal> {
        if sdp.len() > limits::MAX_SDP {
            return Err(format!("an offer of {} bytes, at most {} are read", sdp.len(), limits::MAX_SDP));
        }
        turn.gateway(GatewayCommand::PageOffer { page, sdp });
        // A new connection carries nothing until it is told again.
        if let Some(known) = self.pages.get_mut(&page) {
            known.carried = (None, false);
        }
        self.carry(page, turn);
        Ok(())
    }

    fn watch(&mut self, page: PageId, incident: Option<IncidentId>, turn: &mut Turn) -> Result<(), Refusal> {
        if let Some(own) = self.talks_in(page).filter(|own| Some(*own) != incident) {
            return Err(format!("you are talking in {own}: hold or close it first"));
        }
        let Some(known) = self.pages.get(&page) else { return Ok(()) };
        if let Some(id) = incident {
            if !known.on_duty {
                return Err("go on duty first".to_owned());
            }
            if !self.incidents.get(&id).is_some_and(super::Incident::is_open) {
                return Err("there is no such open incident".to_owned());
            }
        }
        self.set_watching(page, incident, turn);
        Ok(())
    }

    /// First answer wins: the owner lock is taken here and nowhere else.
    fn answer(&mut self, page: PageId, id: IncidentId, turn: &mut Turn) -> Result<(), Refusal> {
        let officer = self.officer(page);
        if !self.pages.get(&page).is_some_and(|p| p.on_duty) {
            return Err("go on duty first".to_owned());
        }
        let Some(incident) = self.incidents.get(&id) else { return Err("there is no such open incident".to_owned()) };
        let view = &incident.record.view;
        let owner = view.owner.clone().unwrap_or_default();
        match view.standing {
            Standing::Closed => return Err(format!("already closed by {owner}")),
            Standing::Answered if owner != officer => return Err(format!("already answered by {owner}")),
            Standing::Answered if incident.page == Some(page) => return Ok(()),
            Standing::Answered => {
                self.hold_others(page, &officer, id, turn);
                self.rebind(id, page, turn);
                return Ok(());
            }
            Standing::Waiting | Standing::OnHold => {}
        }
        self.hold_others(page, &officer, id, turn);
        let Some(incident) = self.incidents.get_mut(&id) else { return Ok(()) };
        let taken_from = (incident.record.view.standing == Standing::OnHold && owner != officer).then_some(owner);
        incident.record.view.standing = Standing::Answered;
        incident.record.view.owner = Some(officer.clone());
        incident.page = Some(page);
        incident.return_at = None;
        incident.note(Mark::Answered, turn.now.wall_us);
        self.set_watching(page, Some(id), turn);
        self.changed(id, turn);
        let what = taken_from.map_or("answered".to_owned(), |before| format!("took over from {before}"));
        turn.audit(officer, what, Some(id));
        Ok(())
    }

    /// One officer talks in one incident, and one page too.
    fn hold_others(&mut self, page: PageId, officer: &str, except: IncidentId, turn: &mut Turn) {
        let others: Vec<_> = self
            .incidents
            .iter()
            .filter(|(id, i)| **id != except && i.record.view.standing == Standing::Answered)
            .filter(|(_, i)| i.page == Some(page) || i.record.view.owner.as_deref() == Some(officer))
            .map(|(id, _)| *id)
            .collect();
        for id in others {
            self.put_on_hold(id, officer, "on hold: another call answered", turn);
        }
    }

    fn put_on_hold(&mut self, id: IncidentId, officer: &str, what: &str, turn: &mut Turn) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.record.view.standing = Standing::OnHold;
        let page = incident.page;
        turn.audit(officer, what, Some(id));
        if let Some(page) = page {
            self.carry(page, turn);
        }
        self.changed(id, turn);
    }

    fn hold(&mut self, page: PageId, id: IncidentId, turn: &mut Turn) -> Result<(), Refusal> {
        let officer = self.officer(page);
        let Some(incident) = self.incidents.get(&id) else { return Err("there is no such open incident".to_owned()) };
        let view = &incident.record.view;
        match (view.standing, view.owner.as_deref()) {
            (Standing::Answered, Some(owner)) if owner == officer => {}
            (Standing::OnHold, Some(owner)) if owner == officer => return Ok(()),
            (Standing::Answered | Standing::OnHold, owner) => {
                return Err(format!("it is {}'s", owner.unwrap_or_default()));
            }
            (Standing::Waiting | Standing::Closed, _) => return Err("it is not answered".to_owned()),
        }
        self.put_on_hold(id, &officer, "on hold", turn);
        Ok(())
    }

    fn close(
        &mut self,
        page: PageId,
        id: IncidentId,
        verdict: Verdict,
        note: String,
        turn: &mut Turn,
    ) -> Result<(), Refusal> {
        if note.len() > limits::MAX_TEXT {
            return Err(format!("a note of {} bytes, at most {} are kept", note.len(), limits::MAX_TEXT));
        }
        let officer = self.officer(page);
        let Some(incident) = self.incidents.get_mut(&id) else {
            return Err("there is no such open incident".to_owned());
        };
        let view = &mut incident.record.view;
        match (view.standing, view.owner.as_deref()) {
            (Standing::Closed, owner) => return Err(format!("already closed by {}", owner.unwrap_or("another"))),
            (Standing::Answered | Standing::OnHold, owner) if owner != Some(officer.as_str()) => {
                return Err(format!("it is {}'s", owner.unwrap_or_default()));
            }
            (Standing::Waiting | Standing::Answered | Standing::OnHold, _) => {}
        }
        view.owner = Some(officer.clone());
        view.verdict = Some(verdict);
        view.note = note;
        view.closed_wall_us = Some(turn.now.wall_us);
        incident.note(Mark::Closed, turn.now.wall_us);
        self.end(id, turn);
        self.changed(id, turn);
        turn.audit(officer, format!("closed: {verdict:?}"), Some(id));
        self.forget_old();
        Ok(())
    }

    /// Nothing of a closed incident is carried or watched any more; those who did see the next that waits.
    pub(super) fn end(&mut self, id: IncidentId, turn: &mut Turn) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.record.view.standing = Standing::Closed;
        incident.page = None;
        incident.return_at = None;
        let kiosk = incident.record.view.kiosk.clone();
        let watchers: Vec<_> =
            self.pages.iter().filter(|(_, p)| p.watching == Some(id)).map(|(page, _)| *page).collect();
        for page in watchers {
            self.set_watching(page, None, turn);
            self.show_longest_waiting(page, turn);
        }
        if !self.is_alarmed(&kiosk) {
            turn.gateway(GatewayCommand::Alarm { kiosk, open: false });
        }
    }

    fn page_mark(
        &mut self,
        page: PageId,
        id: IncidentId,
        mark: Mark,
        at_us: i64,
        turn: &mut Turn,
    ) -> Result<(), Refusal> {
        if !PAGE_MARKS.contains(&mark) {
            return Err(format!("{mark:?} is not an instant a page can see"));
        }
        let offset = self.pages.get(&page).and_then(|p| p.offset_us);
        let at = match offset {
            Some(offset) => at_us.saturating_add(offset),
            None if at_us.abs_diff(turn.now.wall_us) < NEAR_US => at_us,
            None => turn.now.wall_us,
        };
        let Some(incident) = self.incidents.get_mut(&id) else { return Err("there is no such incident".to_owned()) };
        if incident.note(mark, at) {
            self.show(id, turn);
            self.save(id, turn);
        }
        Ok(())
    }
}

/// The request's type as it is on the wire.
fn name_of(said: &FromPage) -> &'static str {
    match said {
        FromPage::Duty { .. } => "duty",
        FromPage::Offer { .. } => "offer",
        FromPage::Watch { .. } => "watch",
        FromPage::Answer { .. } => "answer",
        FromPage::Hold { .. } => "hold",
        FromPage::Switch { .. } => "switch",
        FromPage::Close { .. } => "close",
        FromPage::Mark { .. } => "mark",
        FromPage::KeyFrame => "key_frame",
        FromPage::Ping { .. } => "ping",
    }
}
