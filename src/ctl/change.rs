//! `sos-ctl config set` and `unset`: writes a change for the daemon to try, and tells what came of it. The daemon
//! decides, so this may be cut off anywhere.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ask::ask;
use super::cli::How;
use super::config::{line, wrong};
use super::{Exit, Failure, layers};
use crate::config::KioskConfig;
use crate::config::change::edit::{self, EditError};
use crate::config::change::trial::WITHIN;
use crate::config::change::{FileError, Home, differences, sha256, values, write};
use crate::config::kiosk::KEYS;
use crate::config::load::Key;
use crate::control::{Changed, ConfigStage, ConfigState, Request};
use crate::durable::{self, Like};

/// How often the daemon is asked.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// A restart and a late echo fit into this, beside the minute.
const GRACE: Duration = Duration::from_secs(20);
/// Without anything to go back to there is nothing to wait for; the echo usually comes by then.
const UNPROVED_WITHIN: Duration = Duration::from_secs(10);

/// One key and what is to become of it; no value: it is taken out.
pub type Edit = (String, Option<String>);

/// `KEY VALUE KEY VALUE ...` as edits.
///
/// # Errors
/// A key without a value.
pub fn pairs(words: Vec<String>) -> Result<Vec<Edit>, Failure> {
    if !words.len().is_multiple_of(2) {
        return Err(Failure::new(Exit::Usage, format!("expected KEY VALUE in pairs, found {} words", words.len())));
    }
    let mut words = words.into_iter();
    let mut edits = Vec::new();
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        edits.push((key, Some(value)));
    }
    Ok(edits)
}

/// Makes the change; `say` gets what is worth telling meanwhile. Returns the lines of what differs now.
///
/// # Errors
/// [`Failure`]: wrong, refused, not written, or undone.
pub fn change(socket: &Path, edits: &[Edit], how: &How, say: &mut dyn FnMut(&str)) -> Result<String, Failure> {
    let layers = layers(how.file.clone(), socket);
    let home = Home::of(&layers).ok_or_else(|| Failure::new(Exit::BadConfig, "there is no file to write into"))?;
    let daemon = ask(socket, &Request::Config).ok().and_then(|answer| answer.config);
    let keeps = daemon.as_ref().is_none_or(|state| state.file == home.file());
    let lock = home.lock().map_err(not_written)?;
    let Some(lock) = lock else {
        return Err(Failure::new(Exit::Refused, "somebody else is changing the configuration this very moment"));
    };
    let old = home.text().map_err(not_written)?.unwrap_or_default();
    let new = edits.iter().try_fold(old.clone(), |text, edit| edited(&text, edit))?;
    // Whole, before anything is written.
    KioskConfig::load_with(&layers, (home.file(), &new)).map_err(|errors| wrong(&errors))?;
    if new == old {
        say("nothing to change");
        return Ok(String::new());
    }
    let changes = differences(&values(&layers, None), &values(&layers, Some((home.file(), &new))));
    if changes.is_empty() {
        say("warning: no value differs: a stronger layer (config list tells which), or the same value again");
    }
    let told: Vec<String> = changes.iter().map(line).collect();
    let told = told.join("\n");
    if !keeps {
        // A file of no daemon of this board: nobody would try it.
        let file = home.file();
        durable::replace(file, new.as_bytes(), Like::file(file, 0o640))
            .map_err(|error| Failure::new(Exit::BadConfig, format!("{}: {error}", file.display())))?;
        return Ok(told);
    }
    if daemon.is_some() {
        idle_or_live(socket, &changes)?;
        let restart: Vec<&str> = changes.iter().filter(|change| !change.live).map(|change| &*change.key).collect();
        if !restart.is_empty() {
            say(&format!("the daemon restarts for {}: about a second, and never in an alarm", restart.join(", ")));
        }
    }
    write(&home, &new, changes, how.keep, &mut |_| {}).map_err(not_written)?;
    drop(lock);
    let Ok(_) = ask(socket, &Request::ConfigChanged) else {
        say("written. The daemon does not answer: it tries the change at its next start");
        return Ok(told);
    };
    if how.no_wait {
        say("written; `sos-ctl config diff` tells what becomes of it");
        return Ok(told);
    }
    outcome(socket, &home, &new, say).map(|()| told)
}

fn edited(text: &str, (key, value): &Edit) -> Result<String, Failure> {
    let bad = |error: EditError| {
        Failure::new(Exit::BadConfig, error.to_string()).hint("sos-ctl config list --doc explains each key")
    };
    let key: &Key = edit::find(KEYS, key).map_err(bad)?;
    match value {
        Some(value) => edit::set(text, key, edit::typed(key, value)),
        None => edit::unset(text, key),
    }
    .map_err(bad)
}

/// A restart would take an alarm away for a second.
fn idle_or_live(socket: &Path, changes: &[Changed]) -> Result<(), Failure> {
    let restart = changes.iter().find(|change| !change.live);
    let open = ask(socket, &Request::Status)?.status.is_some_and(|status| status.incident.is_some());
    match restart {
        Some(change) if open => {
            let why = format!("an alarm is open, and {} takes effect through a restart only", change.key);
            Err(Failure::new(Exit::Refused, why).hint("nothing was changed; try again when the alarm is closed"))
        }
        Some(_) | None => Ok(()),
    }
}

fn not_written(error: FileError) -> Failure {
    let failure = Failure::new(Exit::BadConfig, format!("not changed: {error}"));
    match error.source.kind() {
        std::io::ErrorKind::PermissionDenied => failure.hint("only root may: try sudo"),
        _ => failure,
    }
}

/// Waits until the daemon has kept or undone it.
fn outcome(socket: &Path, home: &Home, new: &str, say: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let began = Instant::now();
    let mut said = String::new();
    let mut tell = |text: String| {
        if said != text {
            say(&text);
            said = text;
        }
    };
    while began.elapsed() < WITHIN + GRACE {
        if home.pending().is_none() {
            let stays = home.text().map_err(not_written)?.as_deref().map(sha256) == Some(sha256(new));
            if stays {
                tell(format!("the centre's echo came after {:.1} s: the change stays", began.elapsed().as_secs_f64()));
                return Ok(());
            }
            let why = home.undone().map_or_else(|| "it was overtaken by another".to_owned(), |undone| undone.why);
            return Err(Failure::new(Exit::Undone, format!("the change was undone: {why}"))
                .hint("the configuration is as it was before"));
        }
        match ask(socket, &Request::Config).ok().and_then(|answer| answer.config) {
            None => tell("the daemon is starting anew".to_owned()),
            Some(state) => {
                if state.stage == ConfigStage::OnTrial
                    && state.undone_in_s.is_none()
                    && began.elapsed() > UNPROVED_WITHIN
                {
                    tell("the change stays; the centre's echo has not come yet".to_owned());
                    return Ok(());
                }
                if let Some(text) = progress(&state) {
                    tell(text);
                }
            }
        }
        std::thread::sleep(ASK_EVERY);
    }
    Err(Failure::new(Exit::Unreachable, "the daemon has not said what becomes of the change")
        .hint("sos-ctl status; at its next start the daemon goes on with it"))
}

fn progress(state: &ConfigState) -> Option<String> {
    match (state.stage, state.undone_in_s) {
        (ConfigStage::OnTrial, Some(_)) => {
            Some(format!("on trial: undone unless the centre's echo comes within {} s", WITHIN.as_secs()))
        }
        (ConfigStage::OnTrial, None) => Some("taken up; waiting for the centre's echo".to_owned()),
        (ConfigStage::Waiting, _) => Some("waiting for the end of the alarm".to_owned()),
        (ConfigStage::Broken, _) => Some(format!("warning: {}", state.broken.as_deref().unwrap_or("broken"))),
        (ConfigStage::Proved | ConfigStage::Unproved, _) => None,
    }
}
