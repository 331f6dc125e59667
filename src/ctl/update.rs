//! `sos-ctl update`: installs a signed bundle into the slot that does not run (RAUC writes it), and, at each start, has
//! the running slot prove itself before it counts as good (`--confirm`, by `sos-mark-good.service`).

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::cli::UpdateArguments;
use super::{Exit, Failure, absent, ask, layers, selftest};
use crate::config::Reader;
use crate::config::kiosk::KEYS;
use crate::control::{PhaseName, Request};
use crate::durable::{self, Like};

/// How long after its start an update may prove itself: a modem dials in, a centre restarts.
pub const PROVES_WITHIN: Duration = Duration::from_secs(600);

/// What of the board an update touches.
#[derive(Debug, Clone)]
pub struct Place {
    /// The program that writes slots.
    pub rauc: PathBuf,
    /// The program that restarts the board.
    pub systemctl: PathBuf,
    /// The kernel's `/proc`.
    pub proc: PathBuf,
    /// The configuration; none: the daemon's, else the usual one.
    pub config: Option<PathBuf>,
    /// Which slot was written and has not proved itself yet; survives updates and power cuts.
    pub note: PathBuf,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            rauc: "rauc".into(),
            systemctl: "systemctl".into(),
            proc: "/proc".into(),
            config: None,
            note: "/var/lib/sos-update/pending".into(),
        }
    }
}

/// Installs, or confirms. Returns what is data.
///
/// # Errors
/// Nothing is half done: what was written and is not whole is not started.
pub fn run(
    place: &Place,
    arguments: &UpdateArguments,
    socket: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<String, Failure> {
    match &arguments.file {
        Some(file) => install(place, file, socket, say),
        None => confirm(place, socket, say).map(|()| String::new()),
    }
}

fn install(place: &Place, file: &Path, socket: &Path, say: &mut dyn FnMut(&str)) -> Result<String, Failure> {
    std::fs::File::open(file).map_err(|error| Failure::new(Exit::Files, format!("{}: {error}", file.display())))?;
    let running = has_slots(place)?;
    if alarm_is_open(socket) {
        return Err(Failure::new(Exit::Refused, "an alarm is open: the board is the officer's now").hint("again later"));
    }
    let bundle = about(place, file)?;
    let board = asked(place, &["status", "--output-format=json"]).map_err(|why| failed(&why))?;
    let board = text_of(&board, "compatible").unwrap_or_default();
    if bundle.compatible != board {
        return Err(refused(&format!("it is for \"{}\", and this board is \"{board}\"", bundle.compatible)));
    }
    let target = if running == "A" { "B" } else { "A" };
    say(&format!("{} is signed by the owner and for this board; writing it into slot {target}", bundle.version));
    // Before RAUC makes it the next to start: whenever the power goes, the start after it knows what it is.
    note(place, target)?;
    let written = follow(place, &[Path::new("install"), file], say);
    if let Err(why) = written {
        let _ = durable::remove(&place.note);
        return Err(failed(&why));
    }
    say("it starts with the next boot: systemctl reboot");
    say(&format!("slot {running} comes back by itself unless the kiosk then passes its full self-test"));
    Ok(format!("installed {} into slot {target}", bundle.version))
}

/// Marks the running slot good once the kiosk has earned it.
fn confirm(place: &Place, socket: &Path, say: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let running = has_slots(place)?;
    let pending = durable::read(&place.note).map_err(|error| at(&place.note, &error))?;
    let pending = pending.as_deref().map(str::trim);
    let proof = if pending == Some(running.as_str()) { whole(place, socket, say) } else { alive(place, socket) };
    match judge(&running, pending, &proof, uptime(place)) {
        Verdict::Good(why) => {
            asked(place, &["status", "mark-good"]).map_err(|why| failed(&why))?;
            durable::remove(&place.note).or_else(ignore_missing).map_err(|error| at(&place.note, &error))?;
            say(&format!("slot {running} is good: {why}"));
            Ok(())
        }
        Verdict::Wait(why) => Err(Failure::new(Exit::NotProved, format!("slot {running} is not proved yet: {why}"))),
        Verdict::GiveUp(why) => {
            say(&format!("slot {running} did not prove itself: {why}; restarting, to spend its next try"));
            let started = Command::new(&place.systemctl).arg("reboot").stdin(Stdio::null()).status();
            started.map_err(|error| Failure::new(Exit::Files, format!("{}: {error}", place.systemctl.display())))?;
            Err(Failure::new(Exit::NotProved, format!("slot {running} did not prove itself: {why}")))
        }
    }
}

/// What is known of the kiosk that runs from this slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It does what was asked: the self-test, or an answer where nothing has to be proved.
    Passed,
    /// It has nobody to call yet, so there is nothing to be proved.
    NotEnrolled,
    /// An alarm is open, or the daemon is busy: no time for a test, and none for a restart.
    Busy(String),
    /// It does not.
    Failed(String),
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The slot counts as good; why.
    Good(String),
    /// Not yet; why not.
    Wait(String),
    /// Never: start again, which brings the other slot back when the tries are spent; why.
    GiveUp(String),
}

/// Decides about the slot `running`, where `pending` was written last and has not proved itself.
#[must_use]
pub fn judge(running: &str, pending: Option<&str>, proof: &Proof, uptime: Duration) -> Verdict {
    let updated = pending == Some(running);
    match proof {
        Proof::Passed if updated => Verdict::Good("the update passed the full self-test".into()),
        Proof::NotEnrolled => Verdict::Good("not enrolled, there is nothing to prove".into()),
        Proof::Passed => match pending {
            None => Verdict::Good("the daemon answers, and nothing was updated".into()),
            Some(other) => Verdict::Good(format!("the update in slot {other} did not prove itself, this slot is back")),
        },
        Proof::Busy(why) => Verdict::Wait(why.clone()),
        // A slot that was good stays: the other one could only be as good, and the cause may be the street's.
        Proof::Failed(why) if updated && uptime >= PROVES_WITHIN => Verdict::GiveUp(why.clone()),
        Proof::Failed(why) => Verdict::Wait(why.clone()),
    }
}

/// The full self-test, with a call to the centre and back.
fn whole(place: &Place, socket: &Path, say: &mut dyn FnMut(&str)) -> Proof {
    if let Err(failure) = absent::status(socket, place.config.clone()) {
        return unanswered(failure, place, socket);
    }
    match selftest::run(socket, &[], false, false, say) {
        Ok(Exit::Ok) => Proof::Passed,
        Ok(_) => Proof::Failed("the full self-test failed".into()),
        Err(failure) => unanswered(failure, place, socket),
    }
}

/// The daemon answers.
fn alive(place: &Place, socket: &Path) -> Proof {
    absent::status(socket, place.config.clone())
        .map_or_else(|failure| unanswered(failure, place, socket), |_| Proof::Passed)
}

fn unanswered(failure: Failure, place: &Place, socket: &Path) -> Proof {
    // A configuration that a new version does not take is a failure; one that nobody has written yet is none.
    let named = || Reader::open(KEYS, &layers(place.config.clone(), socket)).is_set("id");
    match failure.exit {
        Exit::NotEnrolled => Proof::NotEnrolled,
        Exit::BadConfig if !named() => Proof::NotEnrolled,
        Exit::Refused => Proof::Busy(failure.message),
        _ => Proof::Failed(failure.message),
    }
}

fn alarm_is_open(socket: &Path) -> bool {
    // A daemon that does not answer may be what the update mends.
    let status = ask::ask(socket, &Request::Status).ok().and_then(|answer| answer.status);
    status.is_some_and(|status| status.phase != PhaseName::Idle)
}

/// The slot that runs, as the boot script told the kernel.
fn has_slots(place: &Place) -> Result<String, Failure> {
    let told = std::fs::read_to_string(place.proc.join("cmdline")).unwrap_or_default();
    let slot = told.split_whitespace().find_map(|word| word.strip_prefix("rauc.slot="));
    slot.map(str::to_owned).ok_or_else(|| {
        Failure::new(
            Exit::NoSlots,
            "this board does not run from one of two slots (no rauc.slot= from its boot script)",
        )
        .hint("a kiosk on Debian is updated by apt")
    })
}

/// A bundle, as its manifest has it.
struct Bundle {
    compatible: String,
    version: String,
}

fn about(place: &Place, file: &Path) -> Result<Bundle, Failure> {
    let command = [Path::new("info"), Path::new("--output-format=json"), file];
    let output = Command::new(&place.rauc).args(command).stdin(Stdio::null()).output().map_err(|error| {
        Failure::new(Exit::NoSlots, format!("RAUC, which writes the slots, cannot be started: {error}"))
            .hint("a kiosk on Debian is updated by apt")
    })?;
    if !output.status.success() {
        return Err(refused(&last_line(&output.stderr)));
    }
    let manifest = String::from_utf8_lossy(&output.stdout);
    let of = |key| text_of(&manifest, key).unwrap_or_default();
    Ok(Bundle { compatible: of("compatible"), version: of("version") })
}

/// What RAUC answers.
fn asked(place: &Place, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(&place.rauc).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", place.rauc.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(last_line(&output.stderr))
}

/// Runs RAUC and says each of its lines; its last one is why it failed.
fn follow(place: &Place, arguments: &[&Path], say: &mut dyn FnMut(&str)) -> Result<(), String> {
    let at = |error: std::io::Error| format!("{}: {error}", place.rauc.display());
    let (reader, writer) = std::io::pipe().map_err(at)?;
    let mut command = Command::new(&place.rauc);
    command.args(arguments).stdin(Stdio::null()).stderr(writer.try_clone().map_err(at)?).stdout(writer);
    let mut child = command.spawn().map_err(at)?;
    // Its end of the pipe goes with it, or the lines would never end.
    drop(command);
    let mut last = String::new();
    for line in BufReader::new(reader).lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
        say(line.trim_end());
        last = line;
    }
    let ended = child.wait().map_err(at)?;
    if ended.success() { Ok(()) } else { Err(last.trim().to_owned()) }
}

fn text_of(json: &str, key: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    value.get(key)?.as_str().map(str::to_owned)
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("RAUC gives no reason").trim().to_owned()
}

fn note(place: &Place, slot: &str) -> Result<(), Failure> {
    if let Some(dir) = place.note.parent() {
        std::fs::create_dir_all(dir).map_err(|error| at(dir, &error))?;
    }
    durable::replace(&place.note, format!("{slot}\n").as_bytes(), Like::mode(0o644))
        .map_err(|error| at(&place.note, &error))
}

fn uptime(place: &Place) -> Duration {
    let told = std::fs::read_to_string(place.proc.join("uptime")).unwrap_or_default();
    let seconds = told.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Files, format!("{}: {error}", path.display()))
}

fn refused(why: &str) -> Failure {
    Failure::new(Exit::BundleRefused, format!("the bundle is refused, nothing was written: {why}"))
}

fn failed(why: &str) -> Failure {
    Failure::new(Exit::UpdateFailed, format!("RAUC: {why}"))
        .hint("the slot that runs is as it was, and starts as before; journalctl -u rauc")
}
