//! Random lives of a desk against what must hold in every one of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::script::{alarm, at, heartbeat, incident, kiosk};
use super::{Desk, Effect, Event};
use crate::centre::gateway::GatewayCommand;
use crate::centre::page::{FromPage, IncidentView, RecordingView, ToPage};
use crate::wire::IncidentId;
use crate::wire::down::{Standing, Verdict};
use crate::wire::up::{IncidentEvent, IncidentReport};

const INCIDENTS: [&str; 4] = ["A", "B", "C", "D"];
const KIOSKS: [&str; 2] = ["north", "south"];
const OFFICERS: [&str; 3] = ["ana", "bek", "dana"];

#[derive(Debug, Clone)]
enum Step {
    Wait(u32),
    Alarm(usize),
    StoreAnswers(bool),
    Open(u64, usize),
    Close(u64),
    Duty(u64, bool),
    Answer(u64, usize),
    Hold(u64, usize),
    Shut(u64, usize),
    Watch(u64, Option<usize>),
    Beat(usize),
    Carried(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let page = 0u64..6;
    let of = 0..INCIDENTS.len();
    let step = prop_oneof![
        4 => (1u32..3_000).prop_map(Step::Wait),
        4 => of.clone().prop_map(Step::Alarm),
        4 => prop::bool::weighted(0.9).prop_map(Step::StoreAnswers),
        3 => (page.clone(), 0..OFFICERS.len()).prop_map(|(page, officer)| Step::Open(page, officer)),
        1 => page.clone().prop_map(Step::Close),
        3 => (page.clone(), prop::bool::weighted(0.9)).prop_map(|(page, on)| Step::Duty(page, on)),
        5 => (page.clone(), of.clone()).prop_map(|(page, id)| Step::Answer(page, id)),
        2 => (page.clone(), of.clone()).prop_map(|(page, id)| Step::Hold(page, id)),
        2 => (page.clone(), of.clone()).prop_map(|(page, id)| Step::Shut(page, id)),
        2 => (page, prop::option::of(of.clone())).prop_map(|(page, id)| Step::Watch(page, id)),
        1 => (0..KIOSKS.len()).prop_map(Step::Beat),
        1 => of.prop_map(Step::Carried),
    ];
    prop::collection::vec(step, 1..120)
}

/// What an onlooker knows who sees only what happens and what the desk does.
#[derive(Default)]
struct Onlooker {
    now: u32,
    /// Every page's picture of the incidents, which must be the truth.
    shown: BTreeMap<IncidentId, IncidentView>,
    /// Pages that stand, and whose they are.
    pages: BTreeMap<u64, &'static str>,
    /// New incidents the store has been asked to keep and has not answered yet.
    asked: Vec<IncidentId>,
    kept: BTreeSet<IncidentId>,
    /// Alarms not acknowledged yet since they were last said.
    unanswered: BTreeSet<IncidentId>,
    /// What the gateway carries to each page.
    carried: BTreeMap<u64, (Option<String>, bool)>,
    open_kiosks: BTreeSet<String>,
}

impl Onlooker {
    fn see(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::ToAllPages(ToPage::Incident { incident }) => self.shown_again(*incident),
                Effect::SaveNew(record) => self.asked.push(record.view.id),
                Effect::Save(record) => assert!(self.kept.contains(&record.view.id), "saved before it was kept"),
                Effect::Ack { incident, standing, .. } => {
                    assert!(self.kept.contains(&incident), "acknowledged before it was kept");
                    assert_eq!(standing, self.shown[&incident].standing);
                    self.unanswered.remove(&incident);
                }
                Effect::DropPage { page, .. } => drop(self.pages.remove(&page)),
                Effect::Gateway(command) => self.gateway(command),
                _ => {}
            }
        }
    }

    fn shown_again(&mut self, view: IncidentView) {
        if let Some(before) = self.shown.get(&view.id) {
            if before.standing == Standing::Closed {
                assert_eq!(view.standing, Standing::Closed, "closed stays closed");
                assert_eq!(view.owner, before.owner);
            }
            if before.standing == Standing::Answered && view.standing == Standing::Answered {
                assert_eq!(view.owner, before.owner, "nobody takes an answered call");
            }
        }
        let has_owner = matches!(view.standing, Standing::Answered | Standing::OnHold | Standing::Closed);
        assert_eq!(view.owner.is_some(), has_owner, "{view:?}");
        self.shown.insert(view.id, view);
    }

    fn gateway(&mut self, command: GatewayCommand) {
        match command {
            GatewayCommand::Carry { page, kiosk, sound } => {
                self.carried.insert(page, (kiosk.map(|kiosk| kiosk.to_string()), sound));
            }
            GatewayCommand::PageGone { page } => {
                self.carried.remove(&page);
                self.pages.remove(&page);
            }
            GatewayCommand::Alarm { kiosk, open: true } => drop(self.open_kiosks.insert(kiosk.to_string())),
            GatewayCommand::Alarm { kiosk, open: false } => drop(self.open_kiosks.remove(kiosk.as_str())),
            _ => {}
        }
    }

    /// What must hold between any two events.
    fn check(&self, desk: &Desk) {
        for view in desk.incident_views() {
            assert_eq!(self.shown.get(&view.id), Some(&view), "everybody sees what is");
        }
        let on = |view: &&IncidentView| view.standing != Standing::Closed && !view.kiosk_closed;
        let open: BTreeSet<_> = self.shown.values().filter(on).map(|view| view.kiosk.to_string()).collect();
        assert_eq!(open, self.open_kiosks, "the gateway's gates are open where a call is on");
        let mut talking: BTreeMap<&str, u32> = BTreeMap::new();
        for view in self.shown.values().filter(|view| view.standing == Standing::Answered) {
            *talking.entry(view.owner.as_deref().unwrap_or_default()).or_default() += 1;
        }
        assert!(talking.values().all(|calls| *calls == 1), "an officer talks in one call: {talking:?}");
        let mut heard: BTreeMap<&str, u32> = BTreeMap::new();
        for (kiosk, sound) in self.carried.values() {
            let Some(kiosk) = kiosk else { continue };
            assert!(open.contains(kiosk), "nothing is carried outside an incident");
            if *sound {
                *heard.entry(kiosk).or_default() += 1;
            }
        }
        for (kiosk, voices) in heard {
            let answered = self.shown.values().filter(on).filter(|v| v.kiosk.as_str() == kiosk);
            let answered = answered.filter(|v| v.standing == Standing::Answered).count();
            assert!(voices as usize <= answered, "sound flows to more than those who answered at {kiosk}");
        }
    }
}

fn event_of(step: &Step, look: &mut Onlooker) -> Option<Event> {
    let now = at(f64::from(look.now) / 1000.0);
    let said = |page: u64, said| Event::PageSaid { page, said };
    Some(match step {
        Step::Wait(_) => return None,
        Step::Alarm(n) => {
            let id = incident(INCIDENTS[*n]);
            look.unanswered.insert(id);
            let alarm = Box::new(alarm(id, now.wall_us));
            Event::Alarm { kiosk: kiosk(KIOSKS[n % 2]), alarm, age_us: None, synced: true }
        }
        Step::StoreAnswers(well) => {
            let incident = (!look.asked.is_empty()).then(|| look.asked.remove(0))?;
            if *well {
                look.kept.insert(incident);
                Event::Stored { incident, already: None, recording: RecordingView::default() }
            } else {
                Event::StoreFailed { incident, why: "full".to_owned() }
            }
        }
        Step::Open(page, officer) => {
            if look.pages.contains_key(page) {
                return None;
            }
            look.pages.insert(*page, OFFICERS[*officer]);
            Event::PageOpened { page: *page, officer: OFFICERS[*officer].to_owned() }
        }
        Step::Close(page) => Event::PageClosed { page: *page },
        Step::Duty(page, on) => said(*page, FromPage::Duty { on: *on }),
        Step::Answer(page, n) => said(*page, FromPage::Answer { incident: incident(INCIDENTS[*n]) }),
        Step::Hold(page, n) => said(*page, FromPage::Hold { incident: incident(INCIDENTS[*n]) }),
        Step::Shut(page, n) => {
            let close =
                FromPage::Close { incident: incident(INCIDENTS[*n]), verdict: Verdict::Test, note: String::new() };
            said(*page, close)
        }
        Step::Watch(page, n) => said(*page, FromPage::Watch { incident: n.map(|n| incident(INCIDENTS[n])) }),
        Step::Beat(n) => {
            Event::Heartbeat { kiosk: kiosk(KIOSKS[*n]), beat: Box::new(heartbeat(Some(0))), sent_wall_us: now.wall_us }
        }
        Step::Carried(n) => Event::Report {
            kiosk: kiosk(KIOSKS[n % 2]),
            report: Box::new(IncidentEvent { incident: incident(INCIDENTS[*n]), what: IncidentReport::Closed }),
        },
    })
}

/// Wakes the desk as often as it asks for until `until` (ms).
fn wake(desk: &mut Desk, look: &mut Onlooker, until: u32) {
    while let Some(due) = desk.deadline().filter(|due| *due <= u64::from(until) * 1000) {
        // A deadline may have passed before the last event, which then came late.
        let now = at(due as f64 / 1e6).max(at(f64::from(look.now) / 1000.0));
        let effects = desk.handle(Event::Tick, now);
        look.see(effects);
        assert!(desk.deadline().is_none_or(|next| next > now.mono_us), "the desk spins");
        look.check(desk);
    }
    look.now = until;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(steps in steps()) {
        let mut desk = Desk::new("test".to_owned());
        let mut look = Onlooker::default();
        for step in &steps {
            if let Step::Wait(ms) = step {
                let until = look.now + ms;
                wake(&mut desk, &mut look, until);
            }
            let before = look.shown.clone();
            let Some(event) = event_of(step, &mut look) else { continue };
            let effects = desk.handle(event, at(f64::from(look.now) / 1000.0));
            if let Step::Answer(page, n) = step {
                first_answer_wins(*page, incident(INCIDENTS[*n]), &before, &effects, &look);
            }
            look.see(effects);
            look.check(&desk);
        }
        // In the end the store answers everything well, and every page leaves.
        for page in look.pages.clone().into_keys() {
            let effects = desk.handle(Event::PageClosed { page }, at(f64::from(look.now) / 1000.0));
            look.see(effects);
        }
        let until = look.now + 5_000;
        wake(&mut desk, &mut look, until);
        while let Some(event) = event_of(&Step::StoreAnswers(true), &mut look) {
            let effects = desk.handle(event, at(f64::from(look.now) / 1000.0));
            look.see(effects);
        }
        prop_assert!(look.unanswered.is_empty(), "an alarm without its acknowledgement: {:?}", look.unanswered);
        for view in look.shown.values() {
            let over = matches!(view.standing, Standing::Waiting | Standing::Closed);
            prop_assert!(over, "with nobody there, it waits: {view:?}");
        }
    }
}

fn first_answer_wins(
    page: u64,
    id: IncidentId,
    before: &BTreeMap<IncidentId, IncidentView>,
    effects: &[Effect],
    look: &Onlooker,
) {
    let Some(view) = before.get(&id).filter(|view| view.standing == Standing::Answered) else { return };
    if look.pages.get(&page).is_none_or(|officer| Some(*officer) == view.owner.as_deref()) {
        return;
    }
    let refused = |e: &Effect| matches!(e, Effect::ToPage { page: p, message: ToPage::Refused { .. } } if *p == page);
    assert!(effects.iter().any(refused), "the second is told");
    let shown = |e: &Effect| matches!(e, Effect::ToAllPages(ToPage::Incident { .. }));
    assert!(!effects.iter().any(shown), "and nothing changes");
}
