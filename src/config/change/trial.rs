//! Whether a change that the daemon runs with is proved, undone, or still on trial. Pure: times come from outside.

use std::time::Duration;

/// The centre's echo must come within this, counted from the moment the daemon runs with the change.
pub const WITHIN: Duration = Duration::from_secs(60);

/// What the daemon is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// Nothing.
    None,
    /// An alarm that the centre has: it must not be disturbed.
    Acknowledged,
    /// An alarm that has not got through: what keeps it from that may be the change.
    Unacknowledged,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Wait,
    /// The centre's echo came.
    Proved,
    /// It did not.
    Undo,
}

/// A change that the daemon runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Since when, on any clock that never runs back.
    pub since: Duration,
    /// Whether it is undone if the centre stays silent. It is not if there is nothing proved to go back to, or if
    /// whoever made it said so.
    pub undo: bool,
}

impl Trial {
    /// What to do at `now`, when the centre's last echo came at `echo`.
    #[must_use]
    pub fn judge(self, now: Duration, echo: Option<Duration>, incident: Incident) -> Verdict {
        if echo.is_some_and(|echo| echo > self.since) {
            return Verdict::Proved;
        }
        let late = now.saturating_sub(self.since) >= WITHIN;
        match incident {
            Incident::None | Incident::Unacknowledged if late && self.undo => Verdict::Undo,
            Incident::None | Incident::Unacknowledged | Incident::Acknowledged => Verdict::Wait,
        }
    }

    /// How long the centre still has.
    #[must_use]
    pub fn left(self, now: Duration) -> Duration {
        WITHIN.saturating_sub(now.saturating_sub(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn an_echo_after_the_change_proves_it_and_an_older_one_does_not() {
        let trial = Trial { since: S(100), undo: true };
        assert_eq!(trial.judge(S(101), None, Incident::None), Verdict::Wait);
        assert_eq!(trial.judge(S(101), Some(S(99)), Incident::None), Verdict::Wait);
        assert_eq!(trial.judge(S(101), Some(S(100)), Incident::None), Verdict::Wait);
        assert_eq!(trial.judge(S(103), Some(S(102)), Incident::None), Verdict::Proved);
        assert_eq!(trial.judge(S(999), Some(S(102)), Incident::Acknowledged), Verdict::Proved);
    }

    #[test]
    fn silence_for_a_minute_undoes_it() {
        let trial = Trial { since: S(100), undo: true };
        assert_eq!(trial.judge(S(159), Some(S(99)), Incident::None), Verdict::Wait);
        assert_eq!(trial.judge(S(160), Some(S(99)), Incident::None), Verdict::Undo);
        assert_eq!((trial.left(S(130)), trial.left(S(500))), (S(30), S(0)));
        assert_eq!(Trial { undo: false, ..trial }.judge(S(900), None, Incident::None), Verdict::Wait);
    }

    #[test]
    fn an_alarm_that_got_through_is_not_disturbed_and_one_that_did_not_is_helped() {
        let trial = Trial { since: S(0), undo: true };
        assert_eq!(trial.judge(S(90), None, Incident::Acknowledged), Verdict::Wait);
        assert_eq!(trial.judge(S(90), None, Incident::Unacknowledged), Verdict::Undo);
    }
}
