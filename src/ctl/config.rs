//! `sos-ctl config`, what only looks: is it right, what is there to set, what is set, what differs.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::{Exit, Failure, json};
use crate::config::change::{Home, differences, edit, values};
use crate::config::kiosk::KEYS;
use crate::config::{Key, KioskConfig, Layers, Reader};
use crate::control::{Changed, ConfigState};

/// What to do about a wrong configuration.
const EXPLAIN: &str = "sos-ctl config list --doc explains each key";

/// Every error of a configuration, as a failure.
#[must_use]
pub fn wrong(errors: &crate::config::ConfigErrors) -> Failure {
    Failure::new(Exit::BadConfig, errors.to_string()).hint(EXPLAIN)
}

/// Checks the layers. Returns what to say if all is well.
///
/// # Errors
/// Every error with file, line and key.
pub fn check(layers: &Layers) -> Result<String, Failure> {
    KioskConfig::load(layers).map_err(|errors| wrong(&errors))?;
    let files: Vec<String> = layers
        .files
        .iter()
        .filter(|file| layers.must_exist || file.exists())
        .map(|file| file.display().to_string())
        .collect();
    Ok(format!("right: {}", files.join(", ")))
}

/// Each key of the kiosk that begins with `prefix`, as [`list_of`] tells it.
#[must_use]
pub fn list(layers: &Layers, prefix: &str, doc: bool) -> String {
    let effect = |key: &Key| match key.live {
        true => "at once",
        false => "by a restart",
    };
    let mut text = list_of(KEYS, layers, prefix, doc.then_some(effect));
    if doc && !text.is_empty() {
        text += "# By a restart: the daemon's own, about a second, never in an alarm.\n";
    }
    text
}

/// Each key that begins with `prefix`, with its value and where that comes from; with `effect`, which tells when a
/// change takes effect, also what it does, its default and an example. A configuration with errors is listed all the
/// same.
#[must_use]
pub fn list_of(
    keys: &'static [Key],
    layers: &Layers,
    prefix: &str,
    effect: Option<fn(&Key) -> &'static str>,
) -> String {
    let reader = Reader::open(keys, layers);
    let mut text = String::new();
    for (key, value, origin) in reader.effective().filter(|(key, _, _)| key.name.starts_with(prefix)) {
        // Writing to a String cannot fail.
        let _ = match value {
            Some(value) => writeln!(text, "{} = {value}  # {origin}", key.name),
            None => writeln!(text, "# {}: {origin}", key.name),
        };
        if let Some(effect) = effect {
            let default = key.default.unwrap_or("none");
            let _ = writeln!(text, "#   {}", key.doc);
            let _ = writeln!(text, "#   default {default}, example {}; takes effect {}\n", key.example, effect(key));
        }
    }
    text
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    /// As TOML.
    value: Option<String>,
    origin: String,
    default: Option<&'a str>,
    example: &'a str,
    doc: &'a str,
    live: bool,
}

/// The value of `key`: text without quotes, anything else as TOML; with `as_json` all about it.
///
/// # Errors
/// No such key, or it has no value.
pub fn get(layers: &Layers, key: &str, as_json: bool) -> Result<String, Failure> {
    let row = edit::find(KEYS, key).map_err(|error| Failure::new(Exit::BadConfig, error.to_string()).hint(EXPLAIN))?;
    let reader = Reader::open(KEYS, layers);
    let found = reader.effective().find(|(found, _, _)| found.name == row.name);
    let (value, origin) = found.map_or((None, "not set".to_owned()), |(_, value, origin)| (value, origin));
    if as_json {
        let (key, default, example) = (row.name, row.default, row.example);
        return Ok(json(&Shown { key, value, origin, default, example, doc: row.doc, live: row.live }));
    }
    let value = value.ok_or_else(|| Failure::new(Exit::BadConfig, format!("{key}: not set")).hint(row.doc))?;
    let parsed: Option<toml_edit::Value> = value.parse().ok();
    Ok(parsed.as_ref().and_then(|value| value.as_str()).map_or(value.clone(), str::to_owned))
}

#[derive(Serialize)]
struct Differences<'a> {
    defaults: Vec<Changed>,
    /// Absent: none is proved yet.
    last_good: Option<Vec<Changed>>,
    /// Absent: the daemon does not answer.
    daemon: Option<&'a ConfigState>,
}

/// What differs from the defaults and from the last good one; `daemon`, where it answers, tells what is on trial.
#[must_use]
pub fn diff(layers: &Layers, daemon: Option<&ConfigState>, as_json: bool) -> String {
    let now = values(layers, None);
    let defaults = differences(&values(&Layers { files: vec![], must_exist: false }, None), &now);
    let home = Home::of(layers).filter(|home| home.good().exists());
    let last_good = home.as_ref().map(|home| differences(&with_good(layers, home), &now));
    if as_json {
        return json(&Differences { defaults, last_good, daemon });
    }
    let mut text = section("against the defaults", Some(&defaults));
    text += &section("against the last good one, which the centre's echo proved", last_good.as_deref());
    if let Some(state) = daemon {
        let _ = writeln!(text, "now: {}", super::status::configuration(state));
    }
    text
}

fn with_good(layers: &Layers, home: &Home) -> BTreeMap<&'static str, String> {
    let files = layers.files.iter().map(|file| if file == home.file() { home.good() } else { file.clone() });
    values(&Layers { files: files.collect(), ..layers.clone() }, None)
}

fn section(title: &str, changes: Option<&[Changed]>) -> String {
    let mut text = format!("{title}:\n");
    match changes {
        None => text += "  there is none yet\n",
        Some([]) => text += "  nothing differs\n",
        Some(changes) => changes.iter().for_each(|change| _ = writeln!(text, "  {}", line(change))),
    }
    text
}

/// A change as a line.
#[must_use]
pub fn line(change: &Changed) -> String {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not set)".to_owned());
    format!("{}: {} -> {}", change.key, shown(&change.from), shown(&change.to))
}
