//! What comes in during a call: instants of it, further presses, the recording's growth.

use crate::centre::gateway::GatewayCommand;
use crate::centre::page::RecordingView;
use crate::wire::evidence::ChainHead;
use crate::wire::limits;
use crate::wire::up::{IncidentEvent, IncidentReport, Mark, TestOutcome, TestPart, TestReport};
use crate::wire::{IncidentId, KioskId};

use super::Desk;
use super::effect::{Effect, Rejection, Turn};
use super::incident::on_centre_clock;
use super::kiosks::shorten;

/// Pages are shown a growing recording at most this often.
pub(super) const SHOW_RECORDING_EVERY_US: u64 = 500_000;

/// Hexadecimal digits of a digest.
const DIGEST: usize = 64;

/// Instants only the kiosk can see.
const KIOSK_MARKS: [Mark; 6] =
    [Mark::Edge, Mark::Kept, Mark::Sent, Mark::Acknowledged, Mark::Connected, Mark::FirstSoundDown];

impl Desk {
    pub(super) fn report(&mut self, kiosk: &KioskId, report: IncidentEvent, turn: &mut Turn) {
        let id = self.known_as(kiosk, report.incident);
        let heartbeat_offset = self.kiosks.get(kiosk).and_then(|k| k.offset_us);
        let Some(incident) = self.incidents.get_mut(&id) else {
            return turn.reject(kiosk, Rejection::Unknown);
        };
        if incident.record.view.kiosk != *kiosk {
            return turn.reject(kiosk, Rejection::Foreign);
        }
        match report.what {
            IncidentReport::Timing { marks } => {
                let offset = incident.record.clock_offset_us.or(heartbeat_offset);
                let mut news = false;
                for (mark, at_us) in marks {
                    if KIOSK_MARKS.contains(&mark) {
                        news |= incident.note(mark, on_centre_clock(at_us, offset));
                    } else {
                        turn.reject(kiosk, Rejection::Implausible);
                    }
                }
                if news {
                    incident.record.clock_offset_us = offset;
                    self.show(id, turn);
                    self.save(id, turn);
                }
            }
            IncidentReport::PressedAgain { presses } => self.pressed(id, presses, turn),
            IncidentReport::Closed => {
                // It may have ended by itself what is still open here: it need not be told any more then.
                if !incident.record.view.kiosk_closed {
                    incident.record.view.kiosk_closed = true;
                    let open = incident.is_open();
                    turn.audit(format!("kiosk:{kiosk}"), "the kiosk has ended it", Some(id));
                    self.show(id, turn);
                    self.save(id, turn);
                    if open {
                        self.over_at_kiosk(id, kiosk, turn);
                    }
                    self.forget_old();
                }
            }
            IncidentReport::TimedOut { after_s } => {
                let what = format!("the kiosk ends the incident by itself, after {after_s} s without a word");
                turn.audit(format!("kiosk:{kiosk}"), what, Some(id));
            }
            IncidentReport::RecordingSealed { fragments } => {
                turn.audit(format!("kiosk:{kiosk}"), format!("recording sealed, {fragments} fragments"), Some(id));
            }
        }
    }

    /// What a kiosk said of a recording's chain is kept under the kiosk's own id, as the recording is.
    pub(super) fn head(&self, kiosk: &KioskId, head: ChainHead, turn: &mut Turn) {
        let known = self.incidents.get(&self.known_as(kiosk, head.incident));
        match known.map(|incident| incident.record.view.kiosk == *kiosk) {
            Some(true) if head.digest.len() == DIGEST => turn.push(Effect::KeepHead(head)),
            Some(true) => turn.reject(kiosk, Rejection::Implausible),
            Some(false) => turn.reject(kiosk, Rejection::Foreign),
            None => turn.reject(kiosk, Rejection::Unknown),
        }
    }

    /// The kiosk sends and plays nothing more of what is still open here: nothing of it is carried, and its gate is
    /// as if it were closed. Officers keep it before them until one closes it.
    fn over_at_kiosk(&mut self, id: IncidentId, kiosk: &KioskId, turn: &mut Turn) {
        let watchers: Vec<_> =
            self.pages.iter().filter(|(_, p)| p.watching == Some(id)).map(|(page, _)| *page).collect();
        for page in watchers {
            self.carry(page, turn);
        }
        if !self.is_alarmed(kiosk) {
            turn.gateway(GatewayCommand::Alarm { kiosk: kiosk.clone(), open: false });
        }
    }

    /// A test is logged and nothing else: no page is disturbed by it.
    pub(super) fn test(&self, kiosk: &KioskId, report: TestReport, turn: &mut Turn) {
        if !self.kiosks.contains_key(kiosk) {
            return turn.reject(kiosk, Rejection::Unknown);
        }
        let part = match report.part {
            TestPart::Lamp => "lamps",
            TestPart::Sound => "sound",
            TestPart::Camera => "camera",
            TestPart::Link => "link",
            TestPart::Button => "button",
            TestPart::Store => "store",
            TestPart::Call => "test call",
            TestPart::Unknown => "a part unknown here",
        };
        let outcome = match report.outcome {
            None => "begins",
            Some(TestOutcome::Passed) => "passed",
            Some(TestOutcome::Failed) => "FAILED",
            Some(TestOutcome::NotTested) => "not tested",
        };
        let mut what = format!("self-test, {part}: {outcome}: {}", report.detail);
        shorten(&mut what, limits::MAX_TEXT / 4);
        turn.audit(format!("kiosk:{kiosk}"), what, None);
    }

    pub(super) fn recording(&mut self, id: IncidentId, recording: RecordingView, turn: &mut Turn) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let view = &mut incident.record.view.recording;
        // Two fragments that came at once may be reported in either order.
        if recording.fragments < view.fragments || *view == recording {
            return;
        }
        let whole = recording.complete && !view.complete;
        *view = recording;
        incident.recording_unshown = true;
        if whole || turn.now.mono_us.saturating_sub(incident.recording_shown_at) >= SHOW_RECORDING_EVERY_US {
            self.show(id, turn);
        }
    }
}
