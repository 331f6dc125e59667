//! What kiosks say: alarms, presence, heartbeats, media sessions. And what the store says of alarms.

use crate::centre::gateway::GatewayCommand;
use crate::centre::page::{RecordingView, ToPage};
use crate::wire::down::{Echo, Standing, Verdict};
use crate::wire::limits;
use crate::wire::up::{Alarm, Heartbeat, KioskState, SignalUp};
use crate::wire::{IncidentId, KioskId, Output, OutputState};

use super::effect::{Effect, Rejection, Turn};
use super::incident::{Incident, IncidentRecord, Kept};
use super::kiosks::{Kiosk, bounded_faults, bounded_place, bounded_test, known_outputs, shorten};
use super::{Desk, MAX_KIOSKS, OPEN_PER_KIOSK, RETRY_US};

/// A kiosk whose view changes only in its last heartbeat is shown again after this.
const SHOW_ALIVE_EVERY_US: u64 = 30_000_000;
/// An open incident's standing is said again at a heartbeat after this.
const SAY_OPEN_EVERY_US: u64 = 10_000_000;
/// A close the kiosk has not carried out is said again at a heartbeat after this.
const SAY_CLOSED_EVERY_US: u64 = 1_500_000;
/// Orders of one standing at heartbeats; after that only when the kiosk appears anew.
const SAY_AT_MOST: u32 = 60;

impl Desk {
    pub(super) fn alarm(&mut self, kiosk: KioskId, alarm: Alarm, age_us: Option<u64>, synced: bool, turn: &mut Turn) {
        let mut alarm = alarm;
        alarm.place = bounded_place(alarm.place);
        let offset = self.meet(&kiosk, turn).and_then(|known| {
            known.view.place = alarm.place.clone();
            if alarm.clock_offset_us.is_some() {
                known.offset_us = alarm.clock_offset_us;
            }
            known.offset_us
        });
        let offer = alarm.offer.take();
        match self.incidents.get(&self.known_as(&kiosk, alarm.incident)) {
            Some(known) if known.record.view.kiosk != kiosk => return turn.reject(&kiosk, Rejection::Foreign),
            Some(_) => self.alarm_again(&kiosk, &alarm, turn),
            None => {
                let offset = offset.or_else(|| guess_offset(&alarm, age_us, synced, turn.now.wall_us));
                if !self.open(&kiosk, &alarm, offset, turn) {
                    return;
                }
            }
        }
        let Some(offer) = offer else { return };
        let fresh =
            self.kiosks.get_mut(&kiosk).is_some_and(|k| k.offered.replace(offer.session) != Some(offer.session));
        if fresh && offer.sdp.len() <= limits::MAX_SDP {
            turn.gateway(GatewayCommand::KioskOffer { kiosk, session: offer.session, sdp: offer.sdp });
        }
    }

    /// The incident here that a kiosk means by `id`.
    pub(super) fn known_as(&self, kiosk: &KioskId, id: IncidentId) -> IncidentId {
        let joined = self.kiosks.get(kiosk).and_then(|known| known.joined).filter(|(theirs, _)| *theirs == id);
        joined.map_or(id, |(_, ours)| ours)
    }

    /// Opens an incident: shown at once, the store asked at the same time. Tells whether the alarm was taken.
    fn open(&mut self, kiosk: &KioskId, alarm: &Alarm, offset: Option<i64>, turn: &mut Turn) -> bool {
        let open = self.incidents.values().filter(|i| i.is_on() && i.record.view.kiosk == *kiosk).count();
        if !self.kiosks.contains_key(kiosk) {
            turn.reject(kiosk, Rejection::TooMany);
            return false;
        }
        if open >= OPEN_PER_KIOSK {
            turn.reject(kiosk, Rejection::TooMany);
            self.join_newest(kiosk, alarm, turn);
            return true;
        }
        let id = alarm.incident;
        let incident = Incident::opened(kiosk.clone(), alarm, offset, turn.now);
        let record = Box::new(incident.record.clone());
        self.incidents.insert(id, incident);
        self.show(id, turn);
        if open == 0 {
            turn.gateway(GatewayCommand::Alarm { kiosk: kiosk.clone(), open: true });
        }
        self.break_off_test(kiosk, turn);
        self.offer_to_idle_pages(id, turn);
        turn.push(Effect::SaveNew(record));
        turn.audit(format!("kiosk:{kiosk}"), "alarm", Some(id));
        true
    }

    /// Nobody who presses is refused: the press is one more of the newest incident that is on.
    fn join_newest(&mut self, kiosk: &KioskId, alarm: &Alarm, turn: &mut Turn) {
        let Some(newest) = self.open_at(kiosk) else { return };
        if let Some(known) = self.kiosks.get_mut(kiosk) {
            known.joined = Some((alarm.incident, newest));
        }
        let before = self.incidents.get(&newest).map_or(0, |i| i.record.view.presses);
        self.pressed(newest, before.saturating_add(alarm.presses.max(1)), turn);
        self.alarm_again(kiosk, alarm, turn);
    }

    /// A resend, or a further press of an incident that is known.
    fn alarm_again(&mut self, kiosk: &KioskId, alarm: &Alarm, turn: &mut Turn) {
        let id = self.known_as(kiosk, alarm.incident);
        self.pressed(id, alarm.presses, turn);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let (kiosk, standing) = (kiosk.clone(), incident.record.view.standing);
        match incident.kept {
            Kept::Yes => {
                turn.push(Effect::Ack { kiosk, incident: alarm.incident, standing });
                if standing != Standing::Waiting {
                    self.order(id, turn);
                }
            }
            // The acknowledgement under way answers this one too.
            Kept::Asked => {}
            Kept::No { .. } => {
                incident.kept = Kept::Asked;
                turn.push(Effect::SaveNew(Box::new(incident.record.clone())));
            }
        }
    }

    pub(super) fn pressed(&mut self, id: IncidentId, presses: u32, turn: &mut Turn) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let view = &mut incident.record.view;
        if presses <= view.presses || view.standing == Standing::Closed {
            return;
        }
        view.presses = presses;
        turn.audit(format!("kiosk:{}", view.kiosk), format!("pressed again, {presses} presses"), Some(id));
        self.show(id, turn);
        self.save(id, turn);
    }

    pub(super) fn stored(
        &mut self,
        id: IncidentId,
        already: Option<Box<IncidentRecord>>,
        recording: RecordingView,
        turn: &mut Turn,
    ) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let kiosk = incident.record.view.kiosk.clone();
        let foreign = already.as_ref().is_some_and(|known| known.view.kiosk != kiosk);
        if foreign {
            turn.reject(&kiosk, Rejection::Foreign);
            incident.record.view.note = "refused: the incident is another kiosk's".to_owned();
            incident.record.view.verdict = Some(Verdict::Technical);
            self.end(id, turn);
            self.show(id, turn);
            self.incidents.remove(&id);
            return;
        }
        incident.kept = Kept::Yes;
        if incident.record.view.recording.fragments <= recording.fragments {
            incident.record.view.recording = recording.clone();
        }
        match already {
            Some(known) if known.view.standing == Standing::Closed => {
                // It was closed so long ago that the desk had forgotten it: closed it stays.
                incident.record = *known;
                incident.record.view.recording = recording;
                incident.unsaved = None;
                self.end(id, turn);
                self.show(id, turn);
                self.order(id, turn);
            }
            Some(_) => self.save(id, turn),
            None if incident.unsaved.is_some() => self.save(id, turn),
            None => {}
        }
        let standing = self.incidents.get(&id).map_or(Standing::Closed, |i| i.record.view.standing);
        turn.push(Effect::Ack { kiosk, incident: id, standing });
        if recording_known(self.incidents.get(&id)) {
            self.show(id, turn);
        }
        self.forget_old();
    }

    pub(super) fn store_failed(&mut self, id: IncidentId, why: &str, turn: &mut Turn) {
        let retry_at = turn.now.mono_us + RETRY_US;
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.kept == Kept::Yes {
            incident.unsaved = Some(retry_at);
        } else {
            incident.kept = Kept::No { retry_at };
        }
        turn.audit("centre", format!("could not be made durable: {why}"), Some(id));
    }

    pub(super) fn state(&mut self, kiosk: KioskId, state: KioskState, turn: &mut Turn) {
        let new = !self.kiosks.contains_key(&kiosk);
        let Some(known) = self.meet(&kiosk, turn) else { return };
        let mut version = state.version;
        shorten(&mut version, 64);
        // The last will was written at connecting; it says only that the kiosk is gone.
        let place = if state.online { bounded_place(state.place) } else { known.view.place.clone() };
        let changed = known.view.place != place || known.view.version != version;
        known.view.place = place;
        known.view.version = version;
        let died = !state.online && known.view.alive;
        if !state.online {
            known.view.alive = false;
            known.beat_at = None;
        }
        if changed {
            turn.push(Effect::SaveKiosk(Box::new(known.view.clone())));
        }
        // Every kiosk's retained state comes again with every connection to the broker.
        if new || changed || died {
            self.show_kiosk(&kiosk, turn);
        }
        if state.online {
            self.say_standings(&kiosk, turn, |_| true);
        }
    }

    pub(super) fn heartbeat(&mut self, kiosk: KioskId, beat: Heartbeat, sent_wall_us: i64, turn: &mut Turn) {
        let now = turn.now;
        // Even one that proves nothing any more is answered: the kiosk sets its clock offset by it.
        let echo = Echo { nonce: beat.nonce, kiosk_wall_us: sent_wall_us, received_wall_us: now.wall_us };
        turn.push(Effect::Echo { kiosk: kiosk.clone(), echo });
        let age = beat.clock_offset_us.map(|offset| now.wall_us.saturating_sub(sent_wall_us.saturating_add(offset)));
        if age.is_some_and(|age| age > limits::DEAD_AFTER.as_micros() as i64) {
            return turn.reject(&kiosk, Rejection::Stale);
        }
        let Some(known) = self.meet(&kiosk, turn) else { return };
        let faults = bounded_faults(beat.faults);
        let outputs = known_outputs(&beat.outputs);
        let switched: Vec<_> =
            outputs.iter().filter(|is| is.on != was_on(&known.view.outputs, is.output)).copied().collect();
        let last_test = beat.last_test.map(bounded_test);
        let proves_for = last_test.as_ref().and_then(|last| last.proves_for_us(now.wall_us));
        let proved = proves_for.is_some();
        let news = !known.view.alive
            || known.view.faults != faults
            || known.view.outputs != outputs
            || known.view.last_test != last_test
            || known.view.proved != proved;
        (known.view.last_test, known.view.proved) = (last_test, proved);
        known.proved_until = proves_for.map(|left| now.mono_us.saturating_add(left));
        known.view.board = beat.board;
        known.view.outputs = outputs;
        known.view.alive = true;
        known.view.faults = faults;
        known.view.seen_wall_us = Some(now.wall_us);
        known.beat_at = Some(now.mono_us);
        known.offset_us = beat.clock_offset_us.or(known.offset_us);
        if news || now.mono_us.saturating_sub(known.shown_at) >= SHOW_ALIVE_EVERY_US {
            turn.push(Effect::SaveKiosk(Box::new(known.view.clone())));
            self.show_kiosk(&kiosk, turn);
        }
        for is in switched {
            let what = format!("{} is {}", is.output.name(), if is.on { "on" } else { "off" });
            turn.audit(format!("kiosk:{kiosk}"), what, self.open_at(&kiosk));
        }
        self.say_standings(&kiosk, turn, |incident| {
            let every = if incident.is_open() { SAY_OPEN_EVERY_US } else { SAY_CLOSED_EVERY_US };
            incident.orders < SAY_AT_MOST && now.mono_us.saturating_sub(incident.ordered_at) >= every
        });
    }

    pub(super) fn signal(&mut self, kiosk: KioskId, signal: SignalUp, turn: &mut Turn) {
        if self.meet(&kiosk, turn).is_none() {
            return;
        }
        match signal {
            SignalUp::Offer(offer) if offer.sdp.len() > limits::MAX_SDP => {
                turn.reject(&kiosk, Rejection::Implausible);
            }
            SignalUp::Offer(offer) => {
                turn.gateway(GatewayCommand::KioskOffer { kiosk, session: offer.session, sdp: offer.sdp });
            }
            SignalUp::Bye { session } => turn.gateway(GatewayCommand::KioskBye { kiosk, session }),
        }
    }

    pub(super) fn leg(&mut self, kiosk: &KioskId, up: bool, turn: &mut Turn) {
        let Some(known) = self.meet(kiosk, turn) else { return };
        if known.view.leg_up != up {
            known.view.leg_up = up;
            self.show_kiosk(kiosk, turn);
        }
    }

    /// The kiosk as it is known, made known if it was not. None: there is no room for more.
    pub(super) fn meet(&mut self, id: &KioskId, turn: &mut Turn) -> Option<&mut Kiosk> {
        if !self.kiosks.contains_key(id) {
            if self.kiosks.len() >= MAX_KIOSKS {
                turn.reject(id, Rejection::TooMany);
                return None;
            }
            let kiosk = Kiosk::new(id.clone());
            turn.push(Effect::SaveKiosk(Box::new(kiosk.view.clone())));
            turn.audit(format!("kiosk:{id}"), "first seen", None);
            self.kiosks.insert(id.clone(), kiosk);
        }
        self.kiosks.get_mut(id)
    }

    pub(super) fn show_kiosk(&mut self, id: &KioskId, turn: &mut Turn) {
        if let Some(kiosk) = self.kiosks.get_mut(id) {
            kiosk.shown_at = turn.now.mono_us;
            turn.push(Effect::ToAllPages(ToPage::Kiosk { kiosk: Box::new(kiosk.view.clone()) }));
        }
    }

    /// Says again how this kiosk's incidents stand, as far as it may not know and `due` agrees.
    fn say_standings(&mut self, kiosk: &KioskId, turn: &mut Turn, due: impl Fn(&Incident) -> bool) {
        let ids: Vec<_> = self
            .incidents
            .iter()
            .filter(|(_, i)| i.record.view.kiosk == *kiosk && i.kept == Kept::Yes)
            .filter(|(_, i)| !i.record.view.kiosk_closed && due(i))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.order(id, turn);
        }
    }
}

fn was_on(outputs: &[OutputState], output: Output) -> bool {
    outputs.iter().any(|state| state.output == output && state.on)
}

fn recording_known(incident: Option<&Incident>) -> bool {
    incident.is_some_and(|i| i.record.view.recording != RecordingView::default())
}

/// Centre's clock minus the kiosk's for a kiosk that does not know it. A kiosk without a battery-backed
/// clock may think it is 1970: then only the time since the press can be believed.
fn guess_offset(alarm: &Alarm, age_us: Option<u64>, synced: bool, now_wall_us: i64) -> Option<i64> {
    let age = i64::try_from(age_us?).ok()?;
    if synced { None } else { Some(now_wall_us.saturating_sub(age).saturating_sub(alarm.pressed_wall_us)) }
}
