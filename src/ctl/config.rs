//! `sos-ctl config`: is it right, and what is there to set.

use std::fmt::Write;
use std::path::PathBuf;

use super::{Exit, Failure};
use crate::config::kiosk::KEYS;
use crate::config::{KioskConfig, Reader};

/// Checks the layers, or one file alone. Returns what to say if all is well.
///
/// # Errors
/// Every error with file, line and key.
pub fn check(file: Option<PathBuf>) -> Result<String, Failure> {
    let layers = KioskConfig::layers(file);
    KioskConfig::load(&layers).map_err(|errors| {
        Failure::new(Exit::BadConfig, errors.to_string()).hint("sos-ctl config list --doc explains each key")
    })?;
    let files: Vec<String> = layers
        .files
        .iter()
        .filter(|file| layers.must_exist || file.exists())
        .map(|file| file.display().to_string())
        .collect();
    Ok(format!("right: {}", files.join(", ")))
}

/// Each key with its value and where that comes from; with `doc` also what it does, its default and an example.
/// A configuration with errors is listed all the same.
#[must_use]
pub fn list(file: Option<PathBuf>, doc: bool) -> String {
    let reader = Reader::open(KEYS, &KioskConfig::layers(file));
    let mut text = String::new();
    for (key, value, origin) in reader.effective() {
        // Writing to a String cannot fail.
        let _ = match value {
            Some(value) => writeln!(text, "{} = {value}  # {origin}", key.name),
            None => writeln!(text, "# {} =  # {origin}", key.name),
        };
        if doc {
            let default = key.default.unwrap_or("none");
            let _ = writeln!(text, "#   {}\n#   default {default}, example {}\n", key.doc, key.example);
        }
    }
    text
}
