//! `sos-ctl support`: what somebody who helps from afar asks for, in one file, without secrets.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::ask::ask;
use super::redact::redact;
use super::{Exit, Failure, config, json, layers, status};
use crate::control::Request;

/// A program that says nothing for this long is left out.
const WITHIN: Duration = Duration::from_secs(10);
/// Of each part the last so many bytes.
const MOST: usize = 1024 * 1024;

/// What is asked of the board itself; a program that is not there is left out, and that is said.
const PROGRAMS: [(&str, &[&str]); 11] = [
    ("journal.txt", &["journalctl", "--no-pager", "-o", "short-iso", "-n", "3000", "-u", "sos-kiosk"]),
    ("kernel.txt", &["dmesg"]),
    ("service.txt", &["systemctl", "--no-pager", "status", "sos-kiosk"]),
    ("packages.txt", &["dpkg-query", "-W", "sos-kiosk", "*gstreamer*", "libcamera*", "systemd"]),
    ("system.txt", &["uname", "-a"]),
    ("disks.txt", &["df", "-h"]),
    ("memory.txt", &["free", "-m"]),
    ("addresses.txt", &["ip", "-brief", "address"]),
    ("routes.txt", &["ip", "route"]),
    ("sockets.txt", &["ss", "-tunp"]),
    ("usb.txt", &["lsusb"]),
];
/// Files that tell what is fitted.
const FILES: [&str; 5] =
    ["/etc/os-release", "/proc/device-tree/model", "/proc/asound/cards", "/proc/uptime", "/proc/loadavg"];
/// Directories whose names tell what is fitted.
const DIRECTORIES: [&str; 5] = ["/dev", "/dev/snd", "/dev/v4l/by-id", "/dev/v4l/by-path", "/sys/bus/gpio/devices"];

/// Writes the bundle; returns its name.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn run(socket: &Path, file: Option<PathBuf>) -> Result<String, Failure> {
    let id = ask(socket, &Request::Status).ok().and_then(|answer| answer.status).map(|status| status.id.to_string());
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let name = format!("sos-support-{}-{seconds}", id.unwrap_or_else(|| "kiosk".to_owned()));
    let path = file.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    let failed = |error: std::io::Error| Failure::new(Exit::Files, format!("{}: {error}", path.display()));
    let parts = parts(socket);
    if path == Path::new("-") {
        pack(std::io::stdout().lock(), &name, &parts).map_err(failed)?;
        return Ok(String::new());
    }
    let out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    pack(out, &name, &parts).map_err(failed)?;
    Ok(path.display().to_string())
}

/// Every part, redacted: whatever it says came from somewhere else.
fn parts(socket: &Path) -> Vec<(String, String)> {
    let mut parts = vec![("versions.txt".to_owned(), format!("sos-ctl {}\n", env!("CARGO_PKG_VERSION")))];
    match ask(socket, &Request::Status).map(|answer| answer.status) {
        Ok(Some(found)) => {
            parts.push(("status.txt".to_owned(), status::render(&found) + "\n"));
            parts.push(("status.json".to_owned(), json(&found) + "\n"));
        }
        Ok(None) => {}
        Err(failure) => parts.push(("status.txt".to_owned(), failure.message + "\n")),
    }
    if let Ok(answer) = ask(socket, &Request::Ring) {
        parts.push(("events.txt".to_owned(), answer.ring.join("\n") + "\n"));
    }
    let layers = layers(None, socket);
    let state = ask(socket, &Request::Config).ok().and_then(|answer| answer.config);
    parts.push(("config.txt".to_owned(), config::list(&layers, "", false)));
    parts.push(("config-differences.txt".to_owned(), config::diff(&layers, state.as_deref(), false)));
    let checked = config::check(&layers).unwrap_or_else(|failure| failure.message);
    parts.push(("config-check.txt".to_owned(), checked + "\n"));
    for (name, words) in PROGRAMS {
        parts.push((name.to_owned(), output(words)));
    }
    parts.push(("files.txt".to_owned(), files()));
    parts.push(("devices.txt".to_owned(), devices()));
    parts.into_iter().map(|(name, text)| (name, redact(tail(&text)))).collect()
}

fn files() -> String {
    let mut text = String::new();
    for file in FILES {
        let found = std::fs::read_to_string(file).unwrap_or_else(|error| error.to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "== {file}\n{}", found.trim_end_matches(['\0', '\n']));
    }
    text
}

fn devices() -> String {
    let mut text = String::new();
    for dir in DIRECTORIES {
        let _ = writeln!(text, "== {dir}");
        match std::fs::read_dir(dir) {
            Ok(found) => {
                let mut names: Vec<_> = found.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
                names.sort();
                let _ = writeln!(text, "{}", names.join("\n"));
            }
            Err(error) => _ = writeln!(text, "{error}"),
        }
    }
    text
}

/// What a program says, or why it does not.
fn output(words: &[&str]) -> String {
    let Some((program, arguments)) = words.split_first() else { return String::new() };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return format!("{program}: {error}\n"),
    };
    let Some(mut stdout) = child.stdout.take() else { return String::new() };
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came until then is of use in any case.
        let _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    let began = Instant::now();
    while began.elapsed() < WITHIN && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Gone already is as good.
    let _ = child.kill();
    let _ = child.wait();
    let bytes = reader.join().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(MOST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

fn pack(out: impl Write, name: &str, parts: &[(String, String)]) -> std::io::Result<()> {
    let mut bundle = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for (part, text) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        bundle.append_data(&mut header, format!("{name}/{part}"), text.as_bytes())?;
    }
    bundle.into_inner()?.finish()?.flush()
}
