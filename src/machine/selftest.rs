//! The full self-test: when it runs, what comes next, what it says of the kiosk. Its call is [`super::testcall`].
//!
//! It runs once a night, once more after a failure, and when somebody asks; never while an incident is open. The
//! parts are tested by the shell one after the other, the call is the last. Whatever is under test, a press is an
//! alarm: its effects come first, and what the test had open is the alarm's or is shut.

use std::collections::VecDeque;
use std::time::Duration;

use super::Machine;
use super::effect::Effect;
use super::testcall::TestCalling;
use crate::wire::selftest::{CallSeen, LastTest};
use crate::wire::up::{FaultKind, TestOutcome, TestPart};
use crate::wire::{IncidentId, SessionId};

const DAY_S: i64 = 86_400;
/// Characters of what is kept of a failure.
const LONGEST_WHY: usize = 200;
const HOUR: Duration = Duration::from_secs(3600);

/// When and what is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Every night. Without it the kiosk is tested only when somebody asks, and nobody misses a proof.
    pub nightly: bool,
    /// At which second of the local day.
    pub at_s: u32,
    /// The parts, in this order; the call comes last by itself.
    pub parts: Vec<TestPart>,
    /// A kiosk that was never tested is tested this long after its start.
    pub first_after: Duration,
    /// After a failure, or an alarm that broke it off, it is tested once more after this.
    pub again_after: Duration,
    /// A test that is due waits this long for the centre to be there.
    pub patience: Duration,
    /// The shell answers for a part within this.
    pub part_within: Duration,
    /// The test call takes no longer.
    pub call_within: Duration,
    /// A new kiosk proves itself within this.
    pub new_for: Duration,
    /// A last good test older than this is a fault: a day, and time for the next one.
    pub old_after: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            nightly: true,
            at_s: 3 * 3600 + 30 * 60,
            parts: vec![TestPart::Camera],
            first_after: Duration::from_secs(600),
            again_after: Duration::from_secs(600),
            patience: Duration::from_secs(300),
            part_within: Duration::from_secs(90),
            call_within: Duration::from_secs(25),
            new_for: HOUR,
            old_after: HOUR * 26,
        }
    }
}

/// What happens to the test.
#[derive(Debug, Clone, PartialEq)]
pub enum TestEvent {
    /// What an earlier run found last.
    Restored(LastTest),
    /// What time it is; told every few seconds.
    Clock {
        /// By the best clock there is, microseconds since 1970 UTC.
        wall_us: i64,
        /// Second of the local day.
        day_s: u32,
        /// Id for the test, should one begin.
        test: IncidentId,
    },
    /// Somebody asks for it.
    Wanted {
        /// Id for the test.
        test: IncidentId,
    },
    /// A part was tested.
    Found {
        /// Which.
        part: TestPart,
        /// How it ended.
        outcome: TestOutcome,
        /// What was expected and found.
        detail: String,
    },
    /// The kiosk's own chirp came back from the centre.
    Heard(Heard),
    /// The centre has ended the test call.
    Over {
        /// Which.
        test: IncidentId,
        /// What it got.
        seen: CallSeen,
    },
}

/// How a chirp was found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its level against what was sent, dB.
    pub level_db: i32,
    /// From its sending, ms.
    pub delay_ms: u32,
}

/// What the test asks for.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum TestEffect {
    /// Test a part; [`TestEvent::Found`] tells how it ended.
    Part(TestPart),
    /// Say the test call.
    Call {
        /// The test.
        test: IncidentId,
        /// Which attempt.
        attempt: u32,
        /// An offer to carry.
        offer: Option<(SessionId, String)>,
    },
    /// Chirps go out instead of the microphone, and what comes back is searched for them and not played; or not.
    Probe {
        /// Begin.
        on: bool,
    },
    /// Log a part's beginning or end.
    Step {
        /// Which.
        part: TestPart,
        /// How it ended; none: it begins.
        outcome: Option<TestOutcome>,
        /// For people.
        detail: String,
    },
    /// It is over: keep what it found.
    Ended(LastTest),
    /// It is over without a result: an alarm is open.
    BrokenOff,
}

/// The self-test.
#[derive(Debug, Clone, Default)]
pub struct SelfTest {
    last: Option<LastTest>,
    running: Option<Running>,
    /// The wall clock as last told, and when.
    clock: Option<(i64, Duration)>,
    /// Since when a test is due and waits for the centre.
    due: Option<Duration>,
    /// When it is tried once more.
    again: Option<Duration>,
    /// The second try of a test that failed is under way or over.
    retried: bool,
}

#[derive(Debug, Clone)]
struct Running {
    test: IncidentId,
    waiting: VecDeque<TestPart>,
    part: TestPart,
    /// The part under test is given up then.
    until: Duration,
    call: Option<TestCalling>,
    failed: Vec<TestPart>,
    why: Option<String>,
}

impl SelfTest {
    fn wall_us(&self, now: Duration) -> Option<i64> {
        let (wall, at) = self.clock?;
        Some(wall.saturating_add(i64::try_from(now.saturating_sub(at).as_micros()).ok()?))
    }

    /// Whether one has to begin, whoever is at the other end.
    fn is_due(&self, plan: &Plan, wall_us: i64, day_s: u32, now: Duration) -> bool {
        if self.again.is_some_and(|at| at <= now) {
            return true;
        }
        if !plan.nightly || self.again.is_some() {
            return false;
        }
        let last = self.last.as_ref().filter(|last| last.age_us(wall_us).is_some());
        let Some(last) = last else { return now >= plan.first_after };
        let since_slot = (i64::from(day_s) - i64::from(plan.at_s)).rem_euclid(DAY_S);
        let slot_us = wall_us.saturating_sub(since_slot.saturating_mul(1_000_000));
        last.ended_wall_us < slot_us
    }

    /// Why the kiosk is not proved, where that is a fault.
    fn doubt(&self, plan: &Plan, now: Duration) -> Option<String> {
        let wall_us = self.wall_us(now)?;
        if !plan.nightly {
            return None;
        }
        let Some(last) = &self.last else {
            let late = now >= plan.new_for;
            return late.then(|| "expected a full self-test within an hour of the first start, found none".to_owned());
        };
        if !last.good {
            let failed: Vec<String> = last.failed.iter().map(|part| format!("{part:?}").to_lowercase()).collect();
            let why = last.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            return Some(format!("the last full self-test failed: {}{why}", failed.join(", ")));
        }
        let old = i64::try_from(plan.old_after.as_micros()).unwrap_or(i64::MAX);
        match last.age_us(wall_us) {
            Some(age) if age <= old => None,
            Some(_) => {
                Some(format!("the last good full self-test is older than {} h", plan.old_after.as_secs() / 3600))
            }
            None => (now >= plan.new_for)
                .then(|| "the last full self-test lies in the future: a clock was wrong".to_owned()),
        }
    }
}

impl Machine {
    /// What the last full self-test found.
    #[must_use]
    pub fn last_test(&self) -> Option<&LastTest> {
        self.selftest.last.as_ref()
    }

    /// The part under test in a full self-test.
    #[must_use]
    pub fn testing(&self) -> Option<TestPart> {
        self.selftest.running.as_ref().map(|running| running.part)
    }

    pub(super) fn test_event(&mut self, event: TestEvent, now: Duration, out: &mut Vec<Effect>) {
        match event {
            TestEvent::Restored(last) => {
                self.selftest.again = (!last.good).then_some(self.settings.selftest.first_after);
                self.selftest.last = Some(last);
            }
            TestEvent::Clock { wall_us, day_s, test } => {
                self.selftest.clock = Some((wall_us, now));
                self.look_at_the_clock(wall_us, day_s, test, now, out);
            }
            TestEvent::Wanted { .. } if self.call.is_some() => out.push(Effect::Test(TestEffect::BrokenOff)),
            TestEvent::Wanted { test } => self.begin_test(test, now, out),
            TestEvent::Found { part, outcome, detail } => {
                let expected = self.selftest.running.as_ref().is_some_and(|r| r.part == part && r.call.is_none());
                if expected {
                    self.part_over(outcome, detail, now, out);
                }
            }
            TestEvent::Heard(heard) => self.on_test_call(|calling| calling.heard(heard)),
            TestEvent::Over { test, seen } => {
                self.on_test_call(|calling| {
                    if calling.is(test) {
                        calling.seen(seen, now);
                    }
                });
            }
        }
    }

    /// True if it was the test call's.
    pub(super) fn test_acknowledged(&mut self, test: IncidentId, now: Duration) -> bool {
        let mut is = false;
        self.on_test_call(|calling| {
            is = calling.is(test);
            if is {
                calling.acknowledged(now);
            }
        });
        is
    }

    pub(super) fn test_offer(&mut self, session: SessionId, sdp: String, now: Duration, out: &mut Vec<Effect>) {
        let mut cx = Self::cx(&self.settings, self.ways, now, out);
        if let Some(calling) = self.selftest.running.as_mut().and_then(|running| running.call.as_mut()) {
            calling.offer_made(session, sdp, &mut cx);
        }
    }

    /// Does what is due; an open incident ends it.
    pub(super) fn expire_test(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let Some(running) = &mut self.selftest.running else { return };
        if self.call.is_some() {
            return self.break_off_test(now, out);
        }
        let ended = match &mut running.call {
            Some(calling) => calling.settle(&mut Self::cx(&self.settings, self.ways, now, out)),
            None => (running.until <= now)
                .then(|| (TestOutcome::Failed, "expected an end of the test of this part, found none".to_owned())),
        };
        if let Some((outcome, detail)) = ended {
            self.part_over(outcome, detail, now, out);
        }
    }

    /// When [`Machine::expire_test`] has something to do.
    pub(super) fn test_deadline(&self) -> Option<Duration> {
        let running = self.selftest.running.as_ref()?;
        Some(running.call.as_ref().map_or(running.until, TestCalling::deadline))
    }

    fn on_test_call(&mut self, what: impl FnOnce(&mut TestCalling)) {
        if let Some(calling) = self.selftest.running.as_mut().and_then(|running| running.call.as_mut()) {
            what(calling);
        }
    }

    fn look_at_the_clock(&mut self, wall_us: i64, day_s: u32, test: IncidentId, now: Duration, out: &mut Vec<Effect>) {
        let (plan, tests) = (&self.settings.selftest, &mut self.selftest);
        let rests = tests.running.is_none() && self.call.is_none();
        if rests && tests.is_due(plan, wall_us, day_s, now) {
            let since = *tests.due.get_or_insert(now);
            let there = self.ways.reach() && (self.ways.leg || !self.settings.standby);
            if there || now.saturating_sub(since) >= plan.patience {
                self.begin_test(test, now, out);
            }
        }
        match self.selftest.doubt(&self.settings.selftest, now) {
            Some(why) => self.faults.raise(FaultKind::NotProved, why, out),
            None => self.faults.clear(FaultKind::NotProved, out),
        }
    }

    /// One that is under way already answers whoever asks for another.
    fn begin_test(&mut self, test: IncidentId, now: Duration, out: &mut Vec<Effect>) {
        if self.selftest.running.is_some() {
            return;
        }
        (self.selftest.due, self.selftest.again) = (None, None);
        let mut waiting: VecDeque<TestPart> = self.settings.selftest.parts.iter().copied().collect();
        waiting.push_back(TestPart::Call);
        let part = TestPart::Call;
        self.selftest.running =
            Some(Running { test, waiting, part, until: now, call: None, failed: Vec::new(), why: None });
        self.next_part(now, out);
    }

    fn next_part(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let Some(running) = &mut self.selftest.running else { return };
        let Some(part) = running.waiting.pop_front() else { return self.test_over(now, out) };
        running.part = part;
        running.until = now.saturating_add(self.settings.selftest.part_within);
        let detail = "full self-test".to_owned();
        out.push(Effect::Test(TestEffect::Step { part, outcome: None, detail }));
        if part == TestPart::Call {
            let mut cx = Self::cx(&self.settings, self.ways, now, out);
            running.call = Some(TestCalling::begin(running.test, &mut cx));
        } else {
            out.push(Effect::Test(TestEffect::Part(part)));
        }
    }

    fn part_over(&mut self, outcome: TestOutcome, detail: String, now: Duration, out: &mut Vec<Effect>) {
        let Some(running) = &mut self.selftest.running else { return };
        let part = running.part;
        if let Some(calling) = running.call.take() {
            calling.end_with(false, out);
        }
        if outcome == TestOutcome::Failed {
            running.failed.push(part);
            running.why.get_or_insert_with(|| detail.chars().take(LONGEST_WHY).collect());
        }
        out.push(Effect::Test(TestEffect::Step { part, outcome: Some(outcome), detail }));
        self.next_part(now, out);
    }

    fn test_over(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let Some(running) = self.selftest.running.take() else { return };
        let tests = &mut self.selftest;
        let good = running.failed.is_empty();
        let again = !good && !std::mem::replace(&mut tests.retried, !good);
        tests.again = again.then(|| now.saturating_add(self.settings.selftest.again_after));
        let ended_wall_us = tests.wall_us(now).unwrap_or(0);
        let last = LastTest { ended_wall_us, good, failed: running.failed, why: running.why };
        tests.last = Some(last.clone());
        out.push(Effect::Test(TestEffect::Ended(last)));
        match self.selftest.doubt(&self.settings.selftest, now) {
            Some(why) => self.faults.raise(FaultKind::NotProved, why, out),
            None => self.faults.clear(FaultKind::NotProved, out),
        }
        out.push(Effect::Beat);
    }

    fn break_off_test(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let Some(running) = self.selftest.running.take() else { return };
        if let Some(calling) = running.call {
            calling.end_with(true, out);
        }
        self.selftest.again = Some(now.saturating_add(self.settings.selftest.again_after));
        let (part, outcome) = (running.part, Some(TestOutcome::NotTested));
        let detail = "broken off by an alarm".to_owned();
        out.push(Effect::Test(TestEffect::Step { part, outcome, detail }));
        out.push(Effect::Test(TestEffect::BrokenOff));
    }
}
