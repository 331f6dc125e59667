//! When an alarm is sent: at once, then again and again until the CENTRE says that it has it.
//!
//! The broker's word is not enough, and neither is a socket's. The gaps are 0.5 s, 1 s, then 2 s for ever; all
//! but the first vary by a fifth, so that kiosks which lost the centre together do not return in step.

use std::time::Duration;

use super::settings::Settings;
use crate::wire::{IncidentId, SessionId};

/// An offer of the leg without an answer for this long is dead: the leg makes another.
pub const OFFER_LASTS: Duration = Duration::from_secs(3);

/// An offer of the leg that travels inside what is sent.
#[derive(Debug, Clone)]
pub struct Offer {
    session: SessionId,
    sdp: String,
    until: Duration,
}

impl Offer {
    /// Made now.
    #[must_use]
    pub fn made(session: SessionId, sdp: String, now: Duration) -> Self {
        Self { session, sdp, until: now.saturating_add(OFFER_LASTS) }
    }

    /// What travels at `now`; nothing once it is dead, or it would displace the one that lives at the gateway.
    #[must_use]
    pub fn living(&self, now: Duration) -> Option<(SessionId, String)> {
        (now < self.until).then(|| (self.session, self.sdp.clone()))
    }
}

/// The sending of one incident's alarm.
#[derive(Debug, Clone)]
pub struct Alarm {
    attempt: u32,
    /// Resends since the last occasion to hope.
    step: u32,
    /// When to send again; none once confirmed.
    next: Option<Duration>,
    jitter: u64,
}

impl Alarm {
    /// Not yet sent.
    #[must_use]
    pub fn new(settings: &Settings, incident: IncidentId) -> Self {
        let (high, low) = incident.0.as_u64_pair();
        Self { attempt: 0, step: 0, next: None, jitter: settings.seed ^ high ^ low }
    }

    /// Sends now, with hope (the first time, a way has come back): the gaps begin anew. Returns the attempt.
    pub fn send_fresh(&mut self, now: Duration, settings: &Settings) -> u32 {
        self.step = 0;
        self.send(now, settings)
    }

    /// Sends now. Returns the attempt, from 1.
    pub fn send(&mut self, now: Duration, settings: &Settings) -> u32 {
        self.attempt = self.attempt.saturating_add(1);
        let gap = self.gap(settings);
        self.step = self.step.saturating_add(1);
        self.next = Some(now.saturating_add(gap));
        self.attempt
    }

    /// The centre has it.
    pub fn confirmed(&mut self) {
        self.next = None;
    }

    /// When to send again; none once confirmed.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.next
    }

    fn gap(&mut self, settings: &Settings) -> Duration {
        if self.step == 0 {
            return settings.resend_first;
        }
        let doubled = settings.resend_first.saturating_mul(1 << self.step.min(16));
        let percent = u32::try_from(self.random() % 41).expect("a remainder by 41 fits") + 80;
        doubled.min(settings.resend_most).saturating_mul(percent) / 100
    }

    /// splitmix64 (Steele, Lea, Flood 2014): all that jitter needs, and a replay is exact.
    fn random(&mut self) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.jitter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
