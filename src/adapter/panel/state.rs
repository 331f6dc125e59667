//! What both threads and the shell share: what is wanted, what is, what is lost.
//!
//! There is no queue: what is wanted is a level for each line, the newest counts, and the thread that sets the lines
//! is woken to compare. So nothing can pile up behind a slow chip, and a chip that comes back gets what is wanted now.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::wiring::{Role, Wiring};
use super::{Driver, PanelError};
use crate::kiosk::latency::Latencies;
use crate::kiosk::ports::{Input, LineView, PanelView};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::machine::words::Light;
use crate::wire::up::{Fault, FaultKind};

/// The first gap before lines that could not be had are tried again; it doubles.
const AGAIN_FIRST: Duration = Duration::from_millis(250);
/// The longest gap.
const AGAIN_MOST: Duration = Duration::from_secs(10);

/// One half of the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Half {
    Inputs,
    Outputs,
}

/// What is wanted of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub light: Light,
    /// The press that this answers, until it is answered.
    pub pressed: Option<Instant>,
}

/// Everything shared.
pub struct Shared {
    pub wiring: Wiring,
    pub driver: Arc<dyn Driver>,
    inbox: Inbox,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// Opening the inputs was tried: they are armed, or lost.
    tried: bool,
    /// Counts what was wanted anew, so that a waiter sees what came while it worked.
    news: u64,
    wanted: BTreeMap<Role, Wanted>,
    is: BTreeMap<Role, bool>,
    inputs: BTreeMap<Input, bool>,
    lost: BTreeMap<Half, String>,
    /// When each half's thread last turned.
    turned: BTreeMap<Half, Instant>,
    latencies: Latencies,
}

impl Shared {
    pub fn new(wiring: Wiring, driver: Arc<dyn Driver>, inbox: Inbox) -> Self {
        // Lines that hang while they are opened for the first time are a standstill too.
        let turned = [Half::Inputs, Half::Outputs].map(|half| (half, Instant::now())).into();
        let state = Mutex::new(State { turned, ..State::default() });
        Self { wiring, driver, inbox, state, wake: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while holding it leaves plain values behind, nothing torn.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shell wants a line to be so. A line that is not fitted is wanted all the same, and nobody sets it.
    pub fn want(&self, role: Role, light: Light, pressed: Option<Instant>) {
        let mut state = self.state();
        // A press that is not answered yet is answered by whatever light comes first.
        let unanswered = state.wanted.get(&role).and_then(|before| before.pressed);
        let pressed = pressed.or(unanswered).filter(|_| light != Light::Off);
        state.wanted.insert(role, Wanted { light, pressed });
        state.news += 1;
        self.wake.notify_all();
    }

    /// The end: everything goes off.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.wake.notify_all();
    }

    pub fn stopped(&self) -> bool {
        self.state().stopped
    }

    /// Waits until something new is wanted since `seen`, or the end, or `until`. Gives the count to wait from next.
    pub fn wait(&self, seen: u64, until: Instant) -> u64 {
        let mut state = self.state();
        while !state.stopped && state.news == seen {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.news
    }

    /// Waits for `gap` or the end; what is wanted meanwhile does not shorten it.
    pub fn pause(&self, gap: Duration) {
        let until = Instant::now() + gap;
        let mut seen = self.state().news;
        while Instant::now() < until && !self.stopped() {
            seen = self.wait(seen, until);
        }
    }

    /// Waits until the inputs were tried for the first time, `within` at most.
    pub fn tried(&self, within: Duration) {
        let state = self.state();
        // Whatever came of it is told through the inbox.
        drop(self.wake.wait_timeout_while(state, within, |state| !state.tried));
    }

    pub fn wanted(&self, role: Role) -> Wanted {
        self.state().wanted.get(&role).copied().unwrap_or(Wanted { light: Light::Off, pressed: None })
    }

    /// A line was set at `at`: the press it answers is answered, and an output's change is told.
    pub fn was_set(&self, role: Role, on: bool, at: Instant) {
        let mut state = self.state();
        let changed = state.is.insert(role, on).unwrap_or(false) != on;
        if on && let Some(pressed) = state.wanted.get_mut(&role).and_then(|wanted| wanted.pressed.take()) {
            state.latencies.push(at.saturating_duration_since(pressed));
        }
        drop(state);
        if let (true, Role::Output(output)) = (changed, role) {
            self.tell(Stamped { at, event: Event::OutputIs { output, on } });
        }
    }

    /// A half's thread has turned once more.
    pub fn turned(&self, half: Half) {
        self.state().turned.insert(half, Instant::now());
    }

    /// How long ago the slower thread last turned; one whose lines are lost waits to try again, and that is known.
    pub fn turn_age(&self) -> Option<Duration> {
        let state = self.state();
        let there = state.turned.iter().filter(|(half, _)| !state.lost.contains_key(half));
        there.map(|(_, at)| at.elapsed()).max()
    }

    /// An input is like this.
    pub fn input_is(&self, input: Input, active: bool) {
        self.state().inputs.insert(input, active);
    }

    /// Says it to the shell. On a thread of our own, which may wait: a press is never dropped.
    pub fn tell(&self, event: Stamped) {
        if self.inbox.blocking_send(event).is_err() {
            debug!("panel: the shell has ended");
        }
    }

    /// A half cannot be had. Gives how long to wait before the next try.
    pub fn lost(&self, half: Half, why: &PanelError, tries: u32) -> Duration {
        let mut state = self.state();
        state.tried |= half == Half::Inputs;
        self.wake.notify_all();
        let news = state.lost.insert(half, why.0.clone()).is_none_or(|before| before != why.0);
        let detail = detail(&state.lost);
        drop(state);
        if news {
            warn!(?half, %why, "panel lost");
            let event = Event::FaultRaised(Fault { kind: FaultKind::PanelLost, detail });
            self.tell(Stamped::now(event));
        }
        AGAIN_FIRST.saturating_mul(1 << tries.min(10)).min(AGAIN_MOST)
    }

    /// A half is open.
    pub fn found(&self, half: Half) {
        let mut state = self.state();
        state.tried |= half == Half::Inputs;
        state.turned.insert(half, Instant::now());
        self.wake.notify_all();
        if state.lost.remove(&half).is_none() {
            return;
        }
        let left = (!state.lost.is_empty()).then(|| detail(&state.lost));
        drop(state);
        let event = match left {
            Some(detail) => Event::FaultRaised(Fault { kind: FaultKind::PanelLost, detail }),
            None => Event::FaultCleared(FaultKind::PanelLost),
        };
        self.tell(Stamped::now(event));
    }

    /// The lines as they are.
    pub fn look(&self) -> PanelView {
        let state = self.state();
        let mut lines = Vec::new();
        for line in &self.wiring.inputs {
            let words = match line.input {
                Input::Button | Input::SecondButton => ["released", "pressed"],
                Input::Tamper => ["closed", "open"],
            };
            let state = match (state.lost.contains_key(&Half::Inputs), state.inputs.get(&line.input)) {
                (true, _) | (false, None) => "unknown",
                (false, Some(active)) => words[usize::from(*active)],
            };
            let name = line.input.name().to_owned();
            lines.push(LineView { name, line: line.line.to_string(), state: state.to_owned() });
        }
        for line in &self.wiring.outputs {
            let light = state.wanted.get(&line.role).map_or(Light::Off, |wanted| wanted.light);
            let on = state.is.get(&line.role).copied().unwrap_or(false);
            let state = match (state.lost.contains_key(&Half::Outputs), on, light) {
                (true, ..) => "unknown",
                (false, _, Light::Blinking) => "blinking",
                (false, true, Light::On | Light::Off) => "on",
                (false, false, Light::On | Light::Off) => "off",
            };
            let name = line.role.name().to_owned();
            lines.push(LineView { name, line: line.line.to_string(), state: state.to_owned() });
        }
        let lost = (!state.lost.is_empty()).then(|| detail(&state.lost));
        let driver = self.driver.name().to_owned();
        PanelView { driver, lost, lines, press_to_lamp_ms: state.latencies.view() }
    }
}

fn detail(lost: &BTreeMap<Half, String>) -> String {
    let mut whys: Vec<&str> = lost.values().map(String::as_str).collect();
    whys.dedup();
    whys.join("; ")
}
