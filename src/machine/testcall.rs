//! The call of the full self-test: over the same ways as an alarm, with the same resends, and no alarm.
//!
//! ```text
//! TestCall said, resent --> acknowledged --> leg up: gate open, a chirp goes out
//!                                              |  the centre loops the sound back, counts the pictures
//!                  over <-- both sides know <--+--> the chirp is heard; the centre says what it got
//! ```

use std::time::Duration;

use super::alarm::{Alarm, Offer};
use super::call::Cx;
use super::effect::Effect;
use super::selftest::{Heard, TestEffect};
use crate::wire::selftest::CallSeen;
use crate::wire::up::TestOutcome;
use crate::wire::{IncidentId, SessionId};

/// The centre may be done before the kiosk has found its chirp in what came.
const LATE_CHIRP: Duration = Duration::from_secs(3);

/// The test call.
#[derive(Debug, Clone)]
pub(super) struct TestCalling {
    test: IncidentId,
    alarm: Alarm,
    began: Duration,
    acknowledged: Option<Duration>,
    gate: bool,
    offer: Option<Offer>,
    heard: Option<Heard>,
    seen: Option<(CallSeen, Duration)>,
    until: Duration,
}

impl TestCalling {
    /// Sends it.
    pub fn begin(test: IncidentId, cx: &mut Cx<'_>) -> Self {
        let mut calling = Self {
            test,
            alarm: Alarm::new(cx.settings, test),
            began: cx.now,
            acknowledged: None,
            gate: false,
            offer: None,
            heard: None,
            seen: None,
            until: cx.now.saturating_add(cx.settings.selftest.call_within),
        };
        let attempt = calling.alarm.send_fresh(cx.now, cx.settings);
        calling.push(attempt, cx);
        if !cx.ways.leg {
            cx.out.push(Effect::MakeOffer);
        }
        calling
    }

    /// Whether it is this test.
    pub fn is(&self, test: IncidentId) -> bool {
        self.test == test
    }

    /// The centre has it, durably.
    pub fn acknowledged(&mut self, now: Duration) {
        self.alarm.confirmed();
        self.acknowledged.get_or_insert(now);
    }

    /// The offer is ready: it travels inside the test call.
    pub fn offer_made(&mut self, session: SessionId, sdp: String, cx: &mut Cx<'_>) {
        if !cx.ways.leg {
            self.offer = Some(Offer::made(session, sdp, cx.now));
            let attempt = self.alarm.send_fresh(cx.now, cx.settings);
            self.push(attempt, cx);
        }
    }

    /// The kiosk's own chirp came back.
    pub fn heard(&mut self, heard: Heard) {
        self.heard.get_or_insert(heard);
    }

    /// The centre has ended it, and says what it got.
    pub fn seen(&mut self, seen: CallSeen, now: Duration) {
        self.seen.get_or_insert((seen, now));
    }

    /// Does what is due. How it ended, once it has.
    pub fn settle(&mut self, cx: &mut Cx<'_>) -> Option<(TestOutcome, String)> {
        if self.alarm.deadline().is_some_and(|due| due <= cx.now) {
            let attempt = self.alarm.send(cx.now, cx.settings);
            self.push(attempt, cx);
        }
        let wanted = self.acknowledged.is_some() && cx.ways.leg;
        if std::mem::replace(&mut self.gate, wanted) != wanted {
            cx.out.push(if wanted { Effect::OpenGate } else { Effect::CloseGate });
            cx.out.push(Effect::Test(TestEffect::Probe { on: wanted }));
        }
        let all = self.seen.is_some() && self.heard.is_some();
        (all || self.end() <= cx.now).then(|| self.verdict())
    }

    /// Nothing of it is left. `alarm`: one has taken the gate over, and it stays as that wants it.
    pub fn end_with(self, alarm: bool, out: &mut Vec<Effect>) {
        if self.gate {
            out.push(Effect::Test(TestEffect::Probe { on: false }));
        }
        if !alarm {
            out.push(Effect::CloseGate);
            // Without a gate an offer may be under way.
            out.push(Effect::HangUp);
        }
    }

    /// When [`TestCalling::settle`] has something to do.
    pub fn deadline(&self) -> Duration {
        self.alarm.deadline().map_or(self.end(), |due| due.min(self.end()))
    }

    fn end(&self) -> Duration {
        self.seen.map_or(self.until, |(_, at)| at.saturating_add(LATE_CHIRP).min(self.until))
    }

    fn verdict(&self) -> (TestOutcome, String) {
        let Some(acknowledged) = self.acknowledged else {
            return failed("expected the centre's acknowledgement of the test call, found none");
        };
        let Some((seen, _)) = self.seen else {
            let leg = if self.gate { "nothing of the media counted there" } else { "no media leg" };
            return failed(format!("expected the centre to end the test call, found it silent ({leg})"));
        };
        let CallSeen { frames, key_frames, sound_packets } = seen;
        let got = format!("the centre got {frames} frames ({key_frames} key frames), {sound_packets} sound packets");
        let Some(Heard { level_db, delay_ms }) = self.heard else {
            return failed(format!("expected the kiosk's own chirp back, found none; {got}"));
        };
        if key_frames == 0 || frames <= key_frames || sound_packets == 0 {
            return failed(format!("expected a picture that goes on and sound at the centre: {got}"));
        }
        let after = acknowledged.saturating_sub(self.began).as_millis();
        let back = format!("the chirp came back after {delay_ms} ms at {level_db} dB");
        (TestOutcome::Passed, format!("acknowledged after {after} ms; {back}; {got}"))
    }

    fn push(&self, attempt: u32, cx: &mut Cx<'_>) {
        let (test, offer) = (self.test, self.offer.as_ref().and_then(|offer| offer.living(cx.now)));
        cx.out.push(Effect::Test(TestEffect::Call { test, attempt, offer }));
    }
}

fn failed(why: impl Into<String>) -> (TestOutcome, String) {
    (TestOutcome::Failed, why.into())
}
