//! When the full self-test runs: `[selftest]`.

use super::super::load::Reader;

/// The nights of a fleet are spread over so many minutes, or every kiosk would call its centre at once.
const SPREAD_S: u32 = 20 * 60;

/// The full self-test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTestConfig {
    /// Every night.
    pub nightly: bool,
    /// Second of the local day, before the spread.
    pub at_s: u32,
}

impl SelfTestConfig {
    /// The second of the local day at which this kiosk begins: its name says by how much it is late.
    #[must_use]
    pub fn at_of(&self, id: &str) -> u32 {
        // FNV-1a: the same on every board and in every version.
        let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        (self.at_s + hash % SPREAD_S) % 86_400
    }
}

pub(super) fn read(r: &mut Reader) -> Option<SelfTestConfig> {
    let nightly = r.flag("selftest.nightly");
    let at_s = r.parsed("selftest.at", "\"HH:MM\"", time_of_day)?;
    Some(SelfTestConfig { nightly, at_s })
}

fn time_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let within = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number < below)
    };
    Some(within(hour, 24)? * 3600 + within(minute, 60)? * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kiosks_begin_one_after_the_other_and_each_always_at_its_own_time() {
        let config = SelfTestConfig { nightly: true, at_s: 86_399 };
        let starts: std::collections::BTreeSet<u32> = (0..100).map(|n| config.at_of(&format!("kiosk-{n}"))).collect();
        assert!(starts.len() > 90, "{starts:?}");
        assert!(starts.iter().all(|at| *at < SPREAD_S || *at == 86_399), "{starts:?}");
        assert_eq!(config.at_of("kiosk-1"), config.at_of("kiosk-1"));
    }

    #[test]
    fn a_time_of_day_is_four_digits() {
        assert_eq!(time_of_day("03:30"), Some(12_600));
        for wrong in ["24:00", "3:30", "03:60", "+3:30", "0330", ""] {
            assert_eq!(time_of_day(wrong), None, "{wrong}");
        }
    }
}
