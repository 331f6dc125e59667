//! `sos-ctl status` where nobody answers: what a kiosk that is not set up or not enrolled lacks, and what comes next.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ask::ask;
use super::config::wrong;
use super::{Exit, Failure, layers};
use crate::config::change::Home;
use crate::config::kiosk::KEYS;
use crate::config::{KioskConfig, Layers, Reader};
use crate::control::{Request, Status};

/// How the kiosk is.
///
/// # Errors
/// [`Failure`]: the daemon cannot be reached, or it cannot be there yet: then what it lacks.
pub fn status(socket: &Path, file: Option<PathBuf>) -> Result<Box<Status>, Failure> {
    match ask(socket, &Request::Status) {
        Ok(answer) => answer.status.ok_or_else(|| Failure::new(Exit::Refused, "the daemon answered without a status")),
        Err(failure) if failure.exit == Exit::Unreachable => Err(lacks(&layers(file, socket)).unwrap_or(failure)),
        Err(failure) => Err(failure),
    }
}

/// The configuration; where even the kiosk's name is missing, and nothing is wrong, nobody has set it up yet.
///
/// # Errors
/// [`Exit::BadConfig`].
pub fn set_up(layers: &Layers) -> Result<KioskConfig, Failure> {
    KioskConfig::load(layers).map_err(|errors| {
        let reader = Reader::open(KEYS, layers);
        let keys: Vec<&str> = errors.0.iter().filter_map(|error| error.key.as_deref()).collect();
        let unset = keys.len() == errors.0.len() && keys.iter().all(|key| is_unset(&reader, key));
        if !unset || !keys.contains(&"id") {
            return wrong(&errors);
        }
        let words: Vec<String> = KEYS
            .iter()
            .filter(|key| keys.contains(&key.name))
            .map(|key| format!("{} {}", key.name, key.example.replace('"', "'")))
            .collect();
        Failure::new(Exit::BadConfig, format!("this kiosk is not set up yet: {} not set", listed(&keys)))
            .hint(format!("together, for example: sos-ctl config set {}", words.join(" ")))
    })
}

fn is_unset(reader: &Reader, key: &str) -> bool {
    KEYS.iter().any(|row| row.name == key) && !reader.is_set(key)
}

/// `a is`, `a and b are`, `a, b and c are`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => "nothing is".to_owned(),
        [one] => format!("{one} is"),
        [rest @ .., last] => format!("{} and {last} are", rest.join(", ")),
    }
}

/// Why there can be no daemon yet; none where it should be there.
fn lacks(layers: &Layers) -> Option<Failure> {
    let config = match set_up(layers) {
        Ok(config) => config,
        // The daemon starts with the last good one all the same.
        Err(_) if Home::of(layers).is_some_and(|home| home.good().exists()) => return None,
        Err(failure) => return Some(failure),
    };
    let (ca, identity) = (&config.centre.ca, &config.centre.identity);
    let (what, hint) = if is_missing(&identity.key) {
        let hint = "sos-ctl enrol --ca FILE makes the key and prints the request; FILE: the centre's authority, PEM";
        ("there is no key yet", hint)
    } else if is_missing(ca) {
        ("the certificate of the centre's authority is not there", "sos-ctl enrol --ca FILE puts it into place")
    } else if is_missing(&identity.cert) {
        let hint = "sos-ctl enrol prints the request again; signed, sos-ctl enrol --install FILE puts it into place";
        ("the key is there, its certificate is not", hint)
    } else {
        return None;
    };
    Some(Failure::new(Exit::NotEnrolled, format!("{} is not enrolled: {what}", config.id)).hint(hint))
}

/// Whether it is certain that there is no such file.
fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
