//! Performing effects: each is handed on without waiting, so that none holds up another.

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;

use crate::centre::clock::Clock;
use crate::centre::counters::Refused;
use crate::centre::desk::{Effect, Event, IncidentRecord, Now};
use crate::centre::gateway::{GatewayCommand, PageId};
use crate::centre::page::{RecordingView, ToPage};
use crate::centre::store::{evidence, incidents, recordings};
use crate::mqtt::Kind;
use crate::wire::down::{AlarmAck, Order, OrderKind};
use crate::wire::topic::Down;
use crate::wire::{BootId, Envelope, IncidentId, KioskId, MessageId, encode};

use super::{Entry, GATEWAY_BACKLOG, Input, JOURNAL_BACKLOG, Publication, Shell};

/// An order that could not be delivered for this long is void; the desk says the standing again anyway.
const ORDER_LIFE_US: i64 = 15_000_000;

/// An officer who switched something and saw nothing happen tries again; a late order must not undo that.
const SWITCH_LIFE_US: i64 = 5_000_000;

/// Wraps what the centre says.
pub struct Envelopes {
    boot: BootId,
    seq: u64,
    clock: Clock,
}

impl Envelopes {
    /// A new run of the sender.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { boot: BootId::fresh(), seq: 0, clock }
    }

    /// Wraps a message.
    pub fn wrap<T>(&mut self, body: T) -> Envelope<T> {
        self.seq += 1;
        let now = self.clock.now();
        Envelope {
            id: MessageId::fresh(),
            boot: self.boot,
            seq: self.seq,
            wall_us: now.wall_us,
            mono_us: now.mono_us,
            // The centre's clock is the one the others are measured against.
            clock_synced: true,
            body,
        }
    }
}

impl Shell {
    pub(super) fn perform(&mut self, effects: Vec<Effect>, now: Now) {
        for effect in effects {
            match effect {
                Effect::ToPage { page, message } => {
                    if let Some(text) = to_text(&message) {
                        self.tell_page(page, text);
                    }
                }
                Effect::ToAllPages(message) => self.tell_all_pages(&message),
                Effect::DropPage { page, why } => self.drop_page(page, why),
                Effect::Gateway(command) => self.tell_gateway(command),
                Effect::SaveNew(record) => self.save_new(record),
                Effect::Save(record) => self.save(record),
                Effect::SaveKiosk(view) => {
                    let outcome = self.store.post(move |db| incidents::save_kiosk(db, &view), log_failure);
                    log_failure(outcome);
                }
                Effect::KeepTest { kiosk, test } => self.keep_test(kiosk, test, now),
                Effect::KeepHead(head) => {
                    let at_us = now.wall_us;
                    log_failure(self.store.post(move |db| evidence::keep_head(db, &head, at_us), log_failure));
                }
                Effect::Ack { kiosk, incident, standing } => {
                    self.say(Down::Ack, &kiosk, AlarmAck { incident, standing }, Kind::Kept);
                }
                Effect::Echo { kiosk, echo } => self.say(Down::Echo, &kiosk, echo, Kind::Fresh),
                Effect::Order { kiosk, what } => {
                    let (kind, life) = match what {
                        OrderKind::Stands { .. } => (Kind::Kept, ORDER_LIFE_US),
                        OrderKind::TestOver { .. } => (Kind::Kept, ORDER_LIFE_US),
                        OrderKind::KeyFrame => (Kind::Fresh, ORDER_LIFE_US),
                        OrderKind::Switch { .. } => (Kind::Fresh, SWITCH_LIFE_US),
                    };
                    let expires_wall_us = self.clock.now().wall_us.saturating_add(life);
                    self.say(Down::Order, &kiosk, Order { expires_wall_us, what }, kind);
                }
                Effect::Signal { kiosk, signal } => self.say(Down::Signal, &kiosk, signal, Kind::Kept),
                Effect::Audit { who, what, incident } => {
                    self.enter(Entry { at_us: now.wall_us, who, what, incident });
                }
                Effect::Rejected { kiosk, why } => self.counters.refuse(Refused::Desk(why), kiosk.as_str(), ""),
            }
        }
    }

    fn tell_page(&mut self, page: PageId, text: Utf8Bytes) {
        let Some(outlet) = self.pages.get(&page) else { return };
        if !outlet.say(text) {
            // Dropping the line ends the connection; its end then comes as an event of its own.
            self.drop_page(page, "it does not read");
        }
    }

    fn tell_all_pages(&mut self, message: &ToPage) {
        let Some(text) = to_text(message) else { return };
        if let ToPage::Kiosk { kiosk } = message {
            self.pages.retain(|_, outlet| outlet.show_kiosk(&kiosk.id, text.clone()));
            return;
        }
        let pages: Vec<_> = self.pages.keys().copied().collect();
        for page in pages {
            self.tell_page(page, text.clone());
        }
    }

    pub(super) fn let_pages_catch_up(&mut self) {
        self.pages.retain(|_, outlet| !outlet.is_behind() || outlet.catch_up());
    }

    fn drop_page(&mut self, page: PageId, why: &str) {
        if self.pages.remove(&page).is_some() {
            tracing::warn!(page, why, "page dropped");
        }
    }

    fn tell_gateway(&mut self, command: GatewayCommand) {
        let command = if self.gateway_backlog.is_empty() {
            match self.gateway.try_send(command) {
                Ok(()) => return,
                Err(refused) => refused.into_inner(),
            }
        } else {
            command
        };
        if self.gateway_backlog.len() >= GATEWAY_BACKLOG {
            tracing::error!("the media gateway does not keep up; its oldest command is lost");
            self.gateway_backlog.pop_front();
        }
        self.gateway_backlog.push_back(command);
    }

    fn save_new(&mut self, record: Box<IncidentRecord>) {
        let id = record.view.id;
        let back = self.back.clone();
        let clock = self.clock;
        let posted = self.store.post(
            move |db| Ok((incidents::save_new(db, &record)?, recordings::view(db, id)?)),
            move |outcome: Result<(Option<IncidentRecord>, RecordingView), _>| {
                let event = match outcome {
                    Ok((already, recording)) => {
                        Event::Stored { incident: id, already: already.map(Box::new), recording }
                    }
                    Err(why) => failed(id, &why.to_string()),
                };
                // On the store's own thread, which may wait; the shell never waits for the store.
                let _ = back.blocking_send(Input::Event { now: clock.now(), event: Box::new(event) });
            },
        );
        if let Err(why) = posted {
            self.come_back(failed(id, &why.to_string()));
        }
    }

    fn save(&mut self, record: Box<IncidentRecord>) {
        let id = record.view.id;
        let back = self.back.clone();
        let clock = self.clock;
        let posted = self.store.post(
            move |db| incidents::save(db, &record),
            move |outcome| {
                if let Err(why) = outcome {
                    let event = Box::new(failed(id, &why.to_string()));
                    let _ = back.blocking_send(Input::Event { now: clock.now(), event });
                }
            },
        );
        if let Err(why) = posted {
            self.come_back(failed(id, &why.to_string()));
        }
    }

    /// The acknowledgement of a test call waits for the journal, as an alarm's does for its incident.
    fn keep_test(&mut self, kiosk: KioskId, test: IncidentId, now: Now) {
        let (back, clock, who) = (self.back.clone(), self.clock, format!("kiosk:{kiosk}"));
        let posted = self.store.post(
            move |db| incidents::audit(db, now.wall_us, &who, "test call of the full self-test", None),
            move |outcome| match outcome {
                Ok(()) => {
                    let event = Box::new(Event::TestKept { kiosk, test });
                    let _ = back.blocking_send(Input::Event { now: clock.now(), event });
                }
                // The kiosk says it again.
                Err(why) => tracing::error!(%why, "a test call is not in the journal"),
            },
        );
        log_failure(posted);
    }

    /// What went wrong at once is an event like any other, handled at once.
    fn come_back(&mut self, event: Event) {
        let now = self.clock.now();
        let effects = self.desk.handle(event, now);
        // A failure asks for nothing but an entry of the journal, so this does not go round.
        self.perform(effects, now);
    }

    fn enter(&mut self, entry: Entry) {
        if self.journal_backlog.len() >= JOURNAL_BACKLOG {
            tracing::error!(who = entry.who, what = entry.what, "the store does not keep up; not in the journal");
            return;
        }
        self.journal_backlog.push_back(entry);
        self.empty_journal_backlog();
    }

    pub(super) fn empty_journal_backlog(&mut self) {
        while let Some(entry) = self.journal_backlog.pop_front() {
            let Entry { at_us, who, what, incident } = entry;
            let (kept_who, kept_what) = (who.clone(), what.clone());
            let posted =
                self.store.post(move |db| incidents::audit(db, at_us, &kept_who, &kept_what, incident), log_failure);
            if posted.is_err() {
                self.journal_backlog.push_front(Entry { at_us, who, what, incident });
                return;
            }
        }
    }

    fn say<T: Serialize>(&mut self, kind: Down, kiosk: &KioskId, body: T, how: Kind) {
        let topic = kind.of(kiosk);
        match encode(&self.envelopes.wrap(body)) {
            Ok(payload) => {
                if let Err(why) = (self.publish)(Publication { topic, payload, kind: how }) {
                    tracing::warn!(%why, "not published");
                }
            }
            Err(why) => tracing::error!(topic, %why, "not published"),
        }
    }
}

fn failed(incident: IncidentId, why: &str) -> Event {
    tracing::error!(%incident, why, "an incident could not be made durable");
    Event::StoreFailed { incident, why: why.to_owned() }
}

fn log_failure(outcome: Result<(), crate::centre::store::StoreError>) {
    if let Err(why) = outcome {
        tracing::error!(%why, "not kept");
    }
}

fn to_text(message: &ToPage) -> Option<Utf8Bytes> {
    match serde_json::to_string(message) {
        Ok(text) => Some(text.into()),
        Err(why) => {
            tracing::error!(%why, "a message for a page could not be written");
            None
        }
    }
}
