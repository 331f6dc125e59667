//! One incident from its press to its close.
//!
//! What a person sees and hears follows from the standing and the ways by one rule ([`Call::settle`]): yellow
//! blinks until the centre has the alarm, then shines; green shines while an officer has it, and blinks while the
//! officer's leg is missing; the gate is open while the leg is up; the voice is open while the standing is Answered.
//! No sentence is spoken at Answered: the officer speaks then, and a prompt would talk over the first words. The one that
//! says that help is being called is broken off.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Ways;
use super::alarm::{Alarm, Offer};
use super::effect::Effect;
use super::outage::Outage;
use super::phase::{Open, Phase};
use super::settings::Settings;
use super::words::{Lamp, Light, Prompt};
use crate::wire::down::{Standing, Verdict};
use crate::wire::up::{IncidentReport, Mark, PressOrigin};
use crate::wire::{IncidentId, SessionId};

/// What a step of the call goes by and puts its effects into.
pub(super) struct Cx<'a> {
    pub settings: &'a Settings,
    pub ways: Ways,
    pub now: Duration,
    pub out: &'a mut Vec<Effect>,
}

/// The incident.
#[derive(Debug, Clone)]
pub(super) struct Call {
    incident: IncidentId,
    origin: PressOrigin,
    presses: u32,
    alarm: Alarm,
    acknowledged: bool,
    standing: Standing,
    offer: Option<Offer>,
    yellow: Light,
    green: Light,
    gate: bool,
    voice: bool,
    recording: bool,
    outage: Outage,
    noted: BTreeSet<Mark>,
    /// When a report of further presses last left, and when the next is owed.
    reported: Option<Duration>,
    report_due: Option<Duration>,
    /// When the person last heard that help is being called.
    spoke: Duration,
    keep_again: Option<Duration>,
    /// When the safety limit ends the call, or, before the acknowledgement, its recording.
    limit: Option<Duration>,
}

impl Call {
    /// A press opens an incident.
    pub fn begin(incident: IncidentId, origin: PressOrigin, cx: &mut Cx<'_>) -> Self {
        let mut call = Self::open_with(incident, origin, 1, false, cx);
        call.start(cx);
        cx.out.push(Effect::Keep { incident, origin });
        cx.out.push(Effect::Speak(Prompt::Calling));
        call.note(Mark::Edge, cx);
        call
    }

    /// An incident that was open when the daemon ended goes on. In silence: at this hour somebody may be talking.
    pub fn resume(incident: IncidentId, origin: PressOrigin, presses: u32, acked: bool, cx: &mut Cx<'_>) -> Self {
        let mut call = Self::open_with(incident, origin, presses, acked, cx);
        call.noted.extend([Mark::Edge, Mark::Kept, Mark::Sent]);
        if acked {
            call.noted.insert(Mark::Acknowledged);
        }
        call.start(cx);
        call
    }

    fn open_with(incident: IncidentId, origin: PressOrigin, presses: u32, acked: bool, cx: &Cx<'_>) -> Self {
        Self {
            incident,
            origin,
            presses,
            alarm: Alarm::new(cx.settings, incident),
            acknowledged: acked,
            standing: Standing::Waiting,
            offer: None,
            yellow: Light::Off,
            green: Light::Off,
            gate: false,
            voice: false,
            recording: false,
            outage: Outage::default(),
            noted: BTreeSet::new(),
            reported: None,
            report_due: None,
            spoke: cx.now,
            keep_again: None,
            limit: None,
        }
    }

    /// The lamp first (a blink is the promise), then the alarm, which waits for nothing.
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.lamps(cx);
        self.send_fresh(cx);
        if !cx.ways.leg {
            cx.out.push(Effect::MakeOffer);
        }
        self.settle(cx);
        self.record(cx);
        self.alive(cx);
    }

    /// A press joins the open incident.
    pub fn pressed_again(&mut self, cx: &mut Cx<'_>) {
        self.presses = self.presses.saturating_add(1);
        let earliest = self.reported.map_or(cx.now, |last| last.saturating_add(cx.settings.report_press_every));
        if earliest <= cx.now {
            self.report_presses(cx);
        } else {
            self.report_due = Some(earliest);
        }
        self.record(cx);
        self.alive(cx);
        let waits = self.standing == Standing::Waiting;
        if waits && cx.now.saturating_sub(self.spoke) >= cx.settings.speak_press_every {
            self.spoke = cx.now;
            cx.out.push(Effect::Speak(Prompt::Calling));
        }
    }

    /// The press is durable.
    pub fn kept(&mut self, cx: &mut Cx<'_>) {
        self.keep_again = None;
        self.note(Mark::Kept, cx);
    }

    /// It is not: again, later.
    pub fn keep_failed(&mut self, cx: &Cx<'_>) {
        self.keep_again = Some(cx.now.saturating_add(cx.settings.keep_again_after));
    }

    /// The centre has it, and it stands like this there. Closing is the machine's.
    pub fn acknowledged(&mut self, standing: Standing, cx: &mut Cx<'_>) {
        self.alarm.confirmed();
        if standing == Standing::Closed {
            return self.note(Mark::Acknowledged, cx);
        }
        if !self.acknowledged {
            self.acknowledged = true;
            self.alive(cx);
            self.lamps(cx);
            cx.out.push(Effect::KeepAcknowledged { incident: self.incident });
            self.note(Mark::Acknowledged, cx);
            if self.outage.take_said() && standing == Standing::Waiting {
                cx.out.push(Effect::Speak(Prompt::Calling));
            }
        }
        self.stands(standing, cx);
    }

    fn stands(&mut self, standing: Standing, cx: &mut Cx<'_>) {
        let before = std::mem::replace(&mut self.standing, standing);
        if before == standing {
            return;
        }
        self.alive(cx);
        self.settle(cx);
        match standing {
            Standing::Answered => {
                // Nobody is being called any more, and the officer is not to speak against it.
                cx.out.push(Effect::Hush(Prompt::Calling));
                self.record(cx);
            }
            Standing::OnHold => cx.out.push(Effect::Speak(Prompt::OnHold)),
            // The officer has gone without a close: the desk calls the next one.
            Standing::Waiting => cx.out.push(Effect::Speak(Prompt::Calling)),
            Standing::Closed => {}
        }
    }

    /// The link or the desk has come or gone.
    pub fn ways_changed(&mut self, better: bool, cx: &mut Cx<'_>) {
        if better {
            // Acknowledged or not: the answer also tells what the desk decided meanwhile.
            self.send_fresh(cx);
        }
        self.settle(cx);
    }

    /// The media leg has come or gone.
    pub fn leg_changed(&mut self, cx: &mut Cx<'_>) {
        if cx.ways.leg {
            self.offer = None;
        } else if !cx.settings.standby {
            // Nobody else dials on a metered path.
            cx.out.push(Effect::MakeOffer);
        }
        self.settle(cx);
    }

    /// The offer is ready: it leaves at once, inside an alarm.
    pub fn offer_made(&mut self, session: SessionId, sdp: String, cx: &mut Cx<'_>) {
        if !cx.ways.leg {
            self.offer = Some(Offer::made(session, sdp, cx.now));
            self.send_fresh(cx);
        }
    }

    /// A page wants a whole picture.
    pub fn key_frame(&mut self, cx: &mut Cx<'_>) {
        if self.gate {
            cx.out.push(Effect::ForceKeyFrame);
        }
    }

    /// The officer was heard.
    pub fn voice_heard(&mut self, cx: &mut Cx<'_>) {
        if self.voice {
            self.note(Mark::FirstSoundDown, cx);
        }
    }

    /// Notes an instant, the first time only.
    pub fn note(&mut self, mark: Mark, cx: &mut Cx<'_>) {
        if self.noted.insert(mark) {
            cx.out.push(Effect::Note { incident: self.incident, mark });
        }
    }

    /// Ends it: whatever else fails, the kiosk listens no more.
    pub fn close(self, verdict: Option<Verdict>, cx: &mut Cx<'_>) {
        let incident = self.incident;
        cx.out.push(Effect::Voice { open: false });
        cx.out.push(Effect::CloseGate);
        cx.out.push(Effect::HangUp);
        cx.out.push(Effect::Lamp(Lamp::Sent, Light::Off));
        cx.out.push(Effect::Lamp(Lamp::Answered, Light::Off));
        if self.recording {
            cx.out.push(Effect::StopRecording { incident });
        }
        cx.out.push(Effect::KeepClosed { incident, verdict });
        cx.out.push(Effect::Report { incident, what: IncidentReport::Closed });
        cx.out.push(Effect::Speak(Prompt::Closed));
    }

    /// Ends it because the centre never did.
    pub fn time_out(self, cx: &mut Cx<'_>) {
        let after_s = cx.settings.max_incident.as_secs();
        cx.out.push(Effect::Report { incident: self.incident, what: IncidentReport::TimedOut { after_s } });
        self.close(None, cx);
    }

    /// Whether the safety limit has passed. An alarm nobody acknowledged is never given up.
    pub fn is_over(&self, now: Duration) -> bool {
        self.acknowledged && self.limit.is_some_and(|limit| limit <= now)
    }

    /// Does what is due.
    pub fn expire(&mut self, cx: &mut Cx<'_>) {
        if self.alarm.deadline().is_some_and(|due| due <= cx.now) {
            let attempt = self.alarm.send(cx.now, cx.settings);
            self.push_alarm(attempt, cx);
        }
        if self.report_due.is_some_and(|due| due <= cx.now) {
            self.report_presses(cx);
        }
        if self.keep_again.is_some_and(|due| due <= cx.now) {
            self.keep_again = None;
            cx.out.push(Effect::Keep { incident: self.incident, origin: self.origin });
        }
        if self.outage.expire(cx.now, cx.settings) {
            cx.out.push(Effect::Speak(Prompt::NoConnection));
        }
        if !self.acknowledged && self.limit.is_some_and(|limit| limit <= cx.now) {
            // The alarm goes on, but a kiosk cut off for days must not fill its disk.
            self.limit = None;
            if std::mem::take(&mut self.recording) {
                cx.out.push(Effect::StopRecording { incident: self.incident });
            }
        }
    }

    /// The next time [`Call::expire`] (or [`Call::is_over`]) has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        [self.alarm.deadline(), self.report_due, self.keep_again, self.outage.deadline(), self.limit]
            .into_iter()
            .flatten()
            .min()
    }

    /// What it is doing.
    pub fn phase(&self, ways: Ways) -> Phase {
        if !self.acknowledged {
            return Phase::Sending;
        }
        match self.standing {
            Standing::Waiting | Standing::Closed => Phase::Waiting,
            Standing::Answered if ways.leg => Phase::Talking,
            Standing::Answered => Phase::Reconnecting,
            Standing::OnHold => Phase::OnHold,
        }
    }

    /// For status.
    pub fn open(&self) -> Open {
        let Self { incident, origin, presses, acknowledged, standing, .. } = *self;
        Open { incident, origin, presses, acknowledged, standing }
    }

    /// Whether it is this incident.
    pub fn is(&self, incident: IncidentId) -> bool {
        self.incident == incident
    }

    fn send_fresh(&mut self, cx: &mut Cx<'_>) {
        let attempt = self.alarm.send_fresh(cx.now, cx.settings);
        self.push_alarm(attempt, cx);
    }

    fn push_alarm(&self, attempt: u32, cx: &mut Cx<'_>) {
        let (incident, presses) = (self.incident, self.presses);
        let offer = self.offer.as_ref().and_then(|offer| offer.living(cx.now));
        cx.out.push(Effect::SendAlarm { incident, attempt, presses, offer });
    }

    fn record(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.recording, true) {
            cx.out.push(Effect::StartRecording { incident: self.incident });
        }
    }

    /// The incident shows life: the safety limit begins anew.
    fn alive(&mut self, cx: &Cx<'_>) {
        self.limit = Some(cx.now.saturating_add(cx.settings.max_incident));
    }

    fn report_presses(&mut self, cx: &mut Cx<'_>) {
        self.reported = Some(cx.now);
        self.report_due = None;
        let what = IncidentReport::PressedAgain { presses: self.presses };
        cx.out.push(Effect::Report { incident: self.incident, what });
    }

    fn lamps(&mut self, cx: &mut Cx<'_>) {
        let yellow = if self.acknowledged { Light::On } else { Light::Blinking };
        let green = match self.standing {
            Standing::Answered if !cx.ways.leg => Light::Blinking,
            Standing::Answered | Standing::OnHold => Light::On,
            Standing::Waiting | Standing::Closed => Light::Off,
        };
        for (lamp, held, wanted) in [(Lamp::Sent, &mut self.yellow, yellow), (Lamp::Answered, &mut self.green, green)] {
            if std::mem::replace(held, wanted) != wanted {
                cx.out.push(Effect::Lamp(lamp, wanted));
            }
        }
    }

    /// Brings lamps, voice and gate to what standing and ways demand, and keeps the watch over the connection.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        self.lamps(cx);
        let answered = self.standing == Standing::Answered;
        if std::mem::replace(&mut self.voice, answered) != answered {
            cx.out.push(Effect::Voice { open: answered });
        }
        if std::mem::replace(&mut self.gate, cx.ways.leg) != cx.ways.leg {
            cx.out.push(if cx.ways.leg { Effect::OpenGate } else { Effect::CloseGate });
        }
        if answered && cx.ways.leg {
            self.note(Mark::Connected, cx);
        }
        // In a call the leg carries the officer; a link that is gone meanwhile must not make the kiosk speak over it.
        let cut_off = if answered { !cx.ways.leg } else { !cx.ways.reach() };
        self.outage.watch(cut_off, cx.now, cx.settings);
    }
}
