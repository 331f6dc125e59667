//! Which configuration the daemon starts with.
//!
//! 1. A change that was written and not tried yet is tried: this start is its trial.
//! 2. One that an earlier run tried, and that never had an echo, is undone, and so is one that is not right.
//! 3. A file that is wrong (an editor's work) is left as it is; the last good one is used in its place.
//! 4. Without a last good one there is nothing to start with.

use std::path::PathBuf;

use super::super::kiosk::KioskConfig;
use super::super::load::{ConfigErrors, Layers};
use super::{FileError, Home, Pending, Stage, sha256};

/// What the daemon starts with.
#[derive(Debug)]
pub struct Start {
    /// The configuration, valid.
    pub config: KioskConfig,
    /// Where it was read from: not always where it should have been.
    pub layers: Layers,
    /// The text it was read from, if that may become the last good one.
    pub text: Option<String>,
    /// The change that this run tries.
    pub trial: Option<Pending>,
    /// What is wrong, for everyone to see.
    pub broken: Option<String>,
}

/// Steps 1 to 4.
///
/// # Errors
/// What is wrong with the configuration, when there is no other.
pub fn start(layers: &Layers) -> Result<Start, ConfigErrors> {
    let Some(home) = Home::of(layers) else { return plain(layers, None) };
    let mut notes = Vec::new();
    let trial = match look(&home, layers) {
        Ok(trial) => trial,
        Err(Bad { why, pending }) => {
            // The disk does not take it; what was proved is used all the same.
            let had = pending.is_some_and(|pending| pending.had_previous);
            notes.push(why);
            if had && let Ok(Some(text)) = crate::durable::read(&home.previous()) {
                let config = KioskConfig::load_with(layers, (home.file(), &text));
                if let Ok(config) = config {
                    let broken = Some(notes.join("; "));
                    let files = replaced(layers, &home, home.previous());
                    return Ok(Start { config, layers: files, text: None, trial: None, broken });
                }
            }
            None
        }
    };
    match plain(layers, Some(&home)) {
        Ok(start) => {
            let broken = (!notes.is_empty()).then(|| notes.join("; "));
            Ok(Start { trial, broken, ..start })
        }
        Err(errors) => last_good(layers, &home, errors),
    }
}

/// A change could not be dealt with on disk.
struct Bad {
    why: String,
    pending: Option<Pending>,
}

/// Looks at the marker; tells the change that is on trial from now on.
fn look(home: &Home, layers: &Layers) -> Result<Option<Pending>, Bad> {
    let bad = |pending: Option<&Pending>, error: &FileError| Bad {
        why: format!("a change cannot be tried or undone: {error}"),
        pending: pending.cloned(),
    };
    // Somebody is in the middle of a change: it is left alone, and taken up when it is whole.
    let lock = home.lock().map_err(|error| bad(None, &error));
    let Ok(Some(_lock)) = lock else { return Ok(None) };
    let Some(pending) = home.pending() else { return Ok(None) };
    let text = home.text().map_err(|error| bad(Some(&pending), &error))?;
    if text.as_deref().map(sha256) != Some(pending.sha256.clone()) {
        // Cut before the last step, or overtaken by an editor.
        home.forget().map_err(|error| bad(None, &error))?;
        return Ok(None);
    }
    let proved = home.good().exists();
    let undo = |why: &str| home.undo(&pending, why).map(|()| None).map_err(|error| bad(Some(&pending), &error));
    if let Err(errors) = KioskConfig::load(layers) {
        return undo(&errors.to_string().replace('\n', "; "));
    }
    match pending.stage {
        Stage::Trying if proved && !pending.keep => undo("the daemon ended before the centre's echo came"),
        Stage::Written | Stage::Trying => {
            home.mark_trying(&pending).map_err(|error| bad(Some(&pending), &error))?;
            Ok(Some(Pending { stage: Stage::Trying, ..pending }))
        }
    }
}

fn plain(layers: &Layers, home: Option<&Home>) -> Result<Start, ConfigErrors> {
    // Read before it is judged: what is judged may be newer, and then it is not proved by this run.
    let text = match home.map(Home::text) {
        Some(Ok(Some(text))) => Some(text),
        // Nobody has written into it yet: that, too, can be gone back to.
        Some(Ok(None)) if !layers.must_exist => Some(String::new()),
        Some(Ok(None) | Err(_)) | None => None,
    };
    let config = match (home, &text) {
        (Some(home), Some(text)) => KioskConfig::load_with(layers, (home.file(), text)),
        (Some(_), None) | (None, _) => KioskConfig::load(layers),
    }?;
    Ok(Start { config, layers: layers.clone(), text, trial: None, broken: None })
}

/// Step 3: the last good one in the place of the file, then without what may be wrong in the other layers.
fn last_good(layers: &Layers, home: &Home, errors: ConfigErrors) -> Result<Start, ConfigErrors> {
    let good = home.good();
    if !good.exists() {
        return Err(errors);
    }
    let instead = replaced(layers, home, good.clone());
    let up_to_good = instead.files.iter().position(|file| *file == good).map_or(0, |at| at + 1);
    let fewer = Layers { files: instead.files[..up_to_good].to_vec(), ..instead.clone() };
    for layers in [instead, fewer, Layers { files: vec![good], must_exist: true }] {
        if let Ok(config) = KioskConfig::load(&layers) {
            let broken = format!("the last good one is used, since {}", errors.to_string().replace('\n', "; "));
            return Ok(Start { config, layers, text: None, trial: None, broken: Some(broken) });
        }
    }
    Err(errors)
}

fn replaced(layers: &Layers, home: &Home, by: PathBuf) -> Layers {
    let files = layers.files.iter().map(|file| if file == home.file() { by.clone() } else { file.clone() });
    Layers { files: files.collect(), ..layers.clone() }
}
