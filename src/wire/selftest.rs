//! The full self-test: its call over the alarm's path, and what the last one found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::IncidentId;
use super::limits::PROVED_FOR;
use super::up::{SessionOffer, TestPart};

/// A test call: said like an alarm until the centre acknowledges it (with the same message), logged there, and no
/// alarm. The centre loops the sound back, counts the pictures, and ends it with an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestCall {
    /// The test; every resend carries the same.
    pub test: IncidentId,
    /// 1 for the first sending.
    pub attempt: u32,
    /// An offer, where no standby leg was up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<SessionOffer>,
}

/// What the centre got of a test call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallSeen {
    /// Whole frames.
    pub frames: u32,
    /// Of them key frames.
    pub key_frames: u32,
    /// Sound packets, each sent back.
    pub sound_packets: u32,
}

/// What the last full self-test found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastTest {
    /// When it ended, on the centre's clock as far as the kiosk knows it, microseconds since 1970 UTC.
    pub ended_wall_us: i64,
    /// Whether every part did what it should.
    pub good: bool,
    /// The parts that did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<TestPart>,
    /// What the first of them was expected to do and what was found, for people; at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl LastTest {
    /// Microseconds since it ended; none if that lies well in the future: a clock was wrong.
    #[must_use]
    pub fn age_us(&self, now_wall_us: i64) -> Option<i64> {
        const AHEAD_US: i64 = 300_000_000;
        let age = now_wall_us.saturating_sub(self.ended_wall_us);
        (age >= -AHEAD_US).then_some(age.max(0))
    }

    /// The one rule of both ends: a kiosk is proved only if its last full test is good and younger than a day.
    #[must_use]
    pub fn proves(&self, now_wall_us: i64) -> bool {
        self.proves_for_us(now_wall_us).is_some()
    }

    /// How much longer it proves the kiosk, microseconds; none: it does not.
    #[must_use]
    pub fn proves_for_us(&self, now_wall_us: i64) -> Option<u64> {
        let age = self.age_us(now_wall_us).filter(|_| self.good)?;
        let left = (PROVED_FOR.as_micros() as i64).saturating_sub(age);
        u64::try_from(left).ok().filter(|left| *left > 0)
    }
}
