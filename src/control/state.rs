//! How board and configuration stand, and the steps of a self-test, as they go over the control socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{TestOutcome, TestPart};

/// How the configuration stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigState {
    /// The file that a change is written into.
    pub file: PathBuf,
    /// Every file it is read from, weakest first.
    pub layers: Vec<PathBuf>,
    /// Whether each of them must exist.
    pub must_exist: bool,
    /// How it stands.
    pub stage: ConfigStage,
    /// What a change on trial, or one that waits, changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
    /// Seconds until it is undone, if it will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_in_s: Option<u64>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// The last change that was undone, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
}

/// How a configuration stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigStage {
    /// The centre's echo came with it.
    Proved,
    /// It did not yet.
    #[default]
    Unproved,
    /// A change of it waits for the centre's echo.
    OnTrial,
    /// A change of it waits for the end of the alarm.
    Waiting,
    /// It cannot be used, or not be kept.
    Broken,
}

/// A key whose value differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Which.
    pub key: String,
    /// As TOML; absent: it had none.
    pub from: Option<String>,
    /// As TOML; absent: it has none.
    pub to: Option<String>,
    /// Whether it takes effect without a restart.
    pub live: bool,
}

/// A line of a self-test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestStep {
    /// The part.
    pub part: TestPart,
    /// How it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<TestOutcome>,
    /// For the technician.
    pub detail: String,
}
