//! Stories of the desk, told as scripts.

mod alarms;
mod calls;
mod clocks;
mod crowd;
mod ended;
mod journal;
mod kiosks;
mod pages;
mod past;

use super::script::{Stage, play};

/// What the desk does in a story, line by line.
fn told(script: &str, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let found = play(script);
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "\nthe desk did:\n{found}");
}

/// An officer in a call.
const TALKING: &str = "0 page 1 opens ana
         0 page 1 on duty
         0 north alarm A
         0 store has A
         1 page 1 answers A";

/// What the desk does after [`TALKING`].
fn after_talking(script: &str) -> String {
    let mut stage = Stage::new();
    stage.play(TALKING, &[]);
    stage.play(script, &["< hello", "save", "< on duty", "audit", "pong"])
}
