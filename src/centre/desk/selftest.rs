//! Test calls of kiosks: logged durably, acknowledged like an alarm, and nothing that rings. The gateway loops the
//! sound and counts; an alarm of the same kiosk ends the test at once.

use crate::centre::gateway::GatewayCommand;
use crate::wire::down::{OrderKind, Standing};
use crate::wire::limits;
use crate::wire::selftest::{CallSeen, TestCall};
use crate::wire::{IncidentId, KioskId};

use super::Desk;
use super::effect::{Effect, Rejection, Turn};

/// A test call whose media does not suffice by then is ended with what came.
const TEST_US: u64 = 15_000_000;
/// The gateway says what it counted within this.
const COUNT_US: u64 = 5_000_000;

/// A test call under way.
#[derive(Debug, Clone)]
pub(super) struct Testing {
    test: IncidentId,
    /// It is in the journal.
    kept: bool,
    /// When it is ended, or, once that was asked for, given up.
    pub until: u64,
    ending: bool,
}

impl Desk {
    pub(super) fn test_call(&mut self, kiosk: KioskId, call: TestCall, turn: &mut Turn) {
        let alarmed = self.is_alarmed(&kiosk);
        let Some(known) = self.meet(&kiosk, turn) else { return };
        // A resend that a later end has overtaken, or a test that an alarm has.
        if alarmed || known.tested == Some(call.test) {
            return turn.reject(&kiosk, Rejection::Stale);
        }
        let fresh = call.offer.filter(|offer| offer.sdp.len() <= limits::MAX_SDP);
        let offer = fresh.filter(|offer| known.offered.replace(offer.session) != Some(offer.session));
        match self.tests.get(&kiosk).filter(|testing| testing.test == call.test) {
            Some(testing) if testing.kept => {
                turn.push(Effect::Ack { kiosk: kiosk.clone(), incident: call.test, standing: Standing::Waiting });
            }
            Some(_) => turn.push(Effect::KeepTest { kiosk: kiosk.clone(), test: call.test }),
            None => {
                let until = turn.now.mono_us + TEST_US;
                self.tests.insert(kiosk.clone(), Testing { test: call.test, kept: false, until, ending: false });
                turn.push(Effect::KeepTest { kiosk: kiosk.clone(), test: call.test });
                turn.gateway(GatewayCommand::Test { kiosk: kiosk.clone(), open: true });
                self.show_testing(&kiosk, true, turn);
            }
        }
        if let Some(offer) = offer {
            turn.gateway(GatewayCommand::KioskOffer { kiosk, session: offer.session, sdp: offer.sdp });
        }
    }

    /// The journal has it: the kiosk may know.
    pub(super) fn test_kept(&mut self, kiosk: KioskId, test: IncidentId, turn: &mut Turn) {
        if let Some(testing) = self.tests.get_mut(&kiosk).filter(|testing| testing.test == test) {
            testing.kept = true;
            turn.push(Effect::Ack { kiosk, incident: test, standing: Standing::Waiting });
        }
    }

    /// The gateway has what it wanted, or was told to end it.
    pub(super) fn tested(&mut self, kiosk: KioskId, seen: CallSeen, turn: &mut Turn) {
        let Some(Testing { test, .. }) = self.tests.remove(&kiosk) else { return };
        let CallSeen { frames, key_frames, sound_packets } = seen;
        let what = format!(
            "test call over: {frames} frames ({key_frames} key frames), {sound_packets} sound packets sent back"
        );
        turn.audit(format!("kiosk:{kiosk}"), what, None);
        self.end_test(&kiosk, test, turn);
        turn.push(Effect::Order { kiosk, what: OrderKind::TestOver { test, seen } });
    }

    /// An alarm has come.
    pub(super) fn break_off_test(&mut self, kiosk: &KioskId, turn: &mut Turn) {
        if let Some(testing) = self.tests.remove(kiosk) {
            turn.audit(format!("kiosk:{kiosk}"), "test call broken off by an alarm", None);
            self.end_test(kiosk, testing.test, turn);
        }
    }

    pub(super) fn end_late_tests(&mut self, turn: &mut Turn) {
        let now = turn.now.mono_us;
        let late: Vec<KioskId> =
            self.tests.iter().filter(|(_, testing)| testing.until <= now).map(|(kiosk, _)| kiosk.clone()).collect();
        for kiosk in late {
            turn.gateway(GatewayCommand::Test { kiosk: kiosk.clone(), open: false });
            match self.tests.get_mut(&kiosk) {
                Some(testing) if !testing.ending => {
                    testing.ending = true;
                    testing.until = now + COUNT_US;
                }
                _ => self.tested(kiosk, CallSeen::default(), turn),
            }
        }
    }

    fn end_test(&mut self, kiosk: &KioskId, test: IncidentId, turn: &mut Turn) {
        if let Some(known) = self.kiosks.get_mut(kiosk) {
            known.tested = Some(test);
        }
        self.show_testing(kiosk, false, turn);
    }

    fn show_testing(&mut self, kiosk: &KioskId, testing: bool, turn: &mut Turn) {
        if let Some(known) = self.kiosks.get_mut(kiosk) {
            known.view.testing = testing;
        }
        self.show_kiosk(kiosk, turn);
    }
}
