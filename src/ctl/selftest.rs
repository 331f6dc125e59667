//! `sos-ctl selftest`: asks the daemon to test itself, and shows each step as it happens.

use std::path::Path;

use super::ask::follow;
use super::{Exit, Failure, json};
use crate::control::{Request, TestOutcome, TestPart, TestStep};

/// Tests `named` parts, or fully; `learn`: they are right now, and so expected from now on. `print` gets a line for
/// each step. Returns how it ended.
///
/// # Errors
/// The daemon cannot be reached, or refused.
pub fn run(
    socket: &Path,
    named: &[TestPart],
    learn: bool,
    as_json: bool,
    print: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let parts = named.to_vec();
    let (mut failed, mut untested) = (false, false);
    follow(socket, &Request::Selftest { parts, learn }, |answer| {
        let Some(step) = answer.test else { return };
        failed |= step.outcome == Some(TestOutcome::Failed);
        untested |= step.outcome == Some(TestOutcome::NotTested);
        print(&if as_json { json(&step) } else { line(&step) });
    })?;
    let asked_for = !named.is_empty();
    Ok(if failed || (untested && asked_for) { Exit::TestFailed } else { Exit::Ok })
}

fn line(step: &TestStep) -> String {
    let outcome = match step.outcome {
        None => "...",
        Some(TestOutcome::Passed) => "passed",
        Some(TestOutcome::Failed) => "FAILED",
        Some(TestOutcome::NotTested) => "not tested",
    };
    format!("{:<7} {outcome:<10} {}", name(step.part), step.detail)
}

/// A part as the command line names it.
#[must_use]
pub fn name(part: TestPart) -> &'static str {
    match part {
        TestPart::Lamp => "lamp",
        TestPart::Sound => "sound",
        TestPart::Camera => "camera",
        TestPart::Link => "link",
        TestPart::Button => "button",
        TestPart::Store => "store",
        TestPart::Call => "call",
        TestPart::Unknown => "unknown",
    }
}
