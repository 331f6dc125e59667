//! The centre's configuration: one TOML file, one validated type. Unknown keys are refused.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::tls::Identity;
use crate::wire::KioskId;

/// A configuration that cannot be used: where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadConfig {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1; none when the file itself cannot be read.
    pub line: Option<usize>,
    /// The key, with its table; none when no key is to blame.
    pub key: Option<String>,
    /// What was expected and what was found.
    pub why: String,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Everything `sos-centre` is told. Paths are absolute or were relative to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CentreConfig {
    /// The name of this instance, for people and the broker: 1 to 64 characters.
    pub instance: String,
    /// Kiosks that are stolen or given up: nothing of theirs is taken.
    pub refused_kiosks: Vec<KioskId>,
    /// `[mqtt]`
    pub mqtt: Mqtt,
    /// `[console]`
    pub console: Console,
    /// `[delivery]`
    pub delivery: Delivery,
    /// `[media]`
    pub media: Media,
    /// `[store]`
    pub store: Store,
}

/// The broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    /// Host of `broker = "host:port"`.
    pub host: String,
    /// Port of it.
    pub port: u16,
    /// The authority that signed the broker's certificate.
    pub ca: PathBuf,
    /// What the centre shows.
    pub identity: Identity,
}

/// The officers' listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// Where, over TLS.
    pub listen: SocketAddr,
    /// What it shows.
    pub identity: Identity,
    /// A second listener without TLS, on this machine alone.
    pub loopback_listen: Option<SocketAddr>,
}

/// The kiosks' listener, over mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where.
    pub listen: SocketAddr,
    /// The authority that signs kiosks' certificates.
    pub ca: PathBuf,
    /// What it shows.
    pub identity: Identity,
}

/// The media gateway's sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Addresses of this machine; empty: every address it has (`listen = "any"`).
    pub listen: Vec<IpAddr>,
    /// Port for UDP and TCP; 0: the system chooses.
    pub port: u16,
    /// Addresses the world knows this machine by, where a router stands before it.
    pub advertise: Vec<IpAddr>,
    /// Whether UDP is used.
    pub udp: bool,
    /// Whether TCP is used, for those whose UDP is blocked.
    pub tcp: bool,
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The database's file.
    pub database: PathBuf,
    /// A directory, or a URL that names an object store.
    pub archive: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    instance: Spanned<String>,
    #[serde(default)]
    refused_kiosks: Vec<KioskId>,
    mqtt: RawMqtt,
    console: RawConsole,
    delivery: RawDelivery,
    media: RawMedia,
    store: RawStore,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMqtt {
    broker: Spanned<String>,
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConsole {
    listen: SocketAddr,
    cert: PathBuf,
    key: PathBuf,
    loopback_listen: Option<Spanned<SocketAddr>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDelivery {
    listen: SocketAddr,
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMedia {
    listen: Spanned<Addresses>,
    port: u16,
    #[serde(default)]
    advertise: Vec<IpAddr>,
    udp: Option<Spanned<bool>>,
    tcp: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected \"any\" or a list of addresses such as [\"192.0.2.1\"]")]
enum Addresses {
    Any(Any),
    These(Vec<IpAddr>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Any {
    Any,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStore {
    database: PathBuf,
    archive: String,
}

impl CentreConfig {
    /// Reads and validates the file.
    ///
    /// # Errors
    /// [`BadConfig`] names file, line and key.
    pub fn load(file: &Path) -> Result<Self, BadConfig> {
        let text = std::fs::read_to_string(file).map_err(|e| BadConfig {
            file: file.to_owned(),
            line: None,
            key: None,
            why: format!("cannot be read: {e}"),
        })?;
        Self::parse(&text, file)
    }

    /// Validates `text`, which `file` holds.
    ///
    /// # Errors
    /// [`BadConfig`] names file, line and key.
    pub fn parse(text: &str, file: &Path) -> Result<Self, BadConfig> {
        let source = Source { text, file };
        let raw: Raw = toml::from_str(text).map_err(|e| source.refuse(e.span(), e.message()))?;
        source.check(raw)
    }
}

struct Source<'a> {
    text: &'a str,
    file: &'a Path,
}

impl Source<'_> {
    fn check(&self, raw: Raw) -> Result<CentreConfig, BadConfig> {
        let (host, port) = self.broker(&raw.mqtt.broker)?;
        let length = raw.instance.get_ref().chars().count();
        if !(1..=64).contains(&length) {
            let why = format!("expected 1 to 64 characters, found {length}");
            return Err(self.refuse(Some(raw.instance.span()), &why));
        }
        if let Some(listen) = raw.console.loopback_listen.as_ref().filter(|l| !l.get_ref().ip().is_loopback()) {
            let why =
                format!("expected an address of this machine alone (127.0.0.1 or ::1), found {}", listen.get_ref());
            return Err(self.refuse(Some(listen.span()), &why));
        }
        let media = self.media(raw.media)?;
        Ok(CentreConfig {
            instance: raw.instance.into_inner(),
            refused_kiosks: raw.refused_kiosks,
            mqtt: Mqtt { host, port, ca: self.path(raw.mqtt.ca), identity: self.identity(raw.mqtt.cert, raw.mqtt.key) },
            console: Console {
                listen: raw.console.listen,
                identity: self.identity(raw.console.cert, raw.console.key),
                loopback_listen: raw.console.loopback_listen.map(Spanned::into_inner),
            },
            delivery: Delivery {
                listen: raw.delivery.listen,
                ca: self.path(raw.delivery.ca),
                identity: self.identity(raw.delivery.cert, raw.delivery.key),
            },
            media,
            store: Store { database: self.path(raw.store.database), archive: self.archive(raw.store.archive) },
        })
    }

    fn broker(&self, broker: &Spanned<String>) -> Result<(String, u16), BadConfig> {
        let parts = broker.get_ref().rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok().filter(|port| *port != 0)?)));
        let (host, port) = parts.ok_or_else(|| {
            self.refuse(Some(broker.span()), &format!("expected \"host:port\", found {:?}", broker.get_ref()))
        })?;
        Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
    }

    fn media(&self, raw: RawMedia) -> Result<Media, BadConfig> {
        let span = raw.listen.span();
        let listen = match raw.listen.into_inner() {
            Addresses::Any(Any::Any) => Vec::new(),
            Addresses::These(list) => {
                if list.is_empty() || list.iter().any(IpAddr::is_unspecified) {
                    let why = "expected concrete addresses, or \"any\" for every one this machine has";
                    return Err(self.refuse(Some(span), why));
                }
                list
            }
        };
        let (udp, tcp) = (raw.udp.as_ref().is_none_or(|udp| *udp.get_ref()), raw.tcp.unwrap_or(true));
        if !udp && !tcp {
            return Err(self.refuse(raw.udp.map(|udp| udp.span()), "udp and tcp are both off: no media could flow"));
        }
        Ok(Media { listen, port: raw.port, advertise: raw.advertise, udp, tcp })
    }

    /// Relative paths start at the file.
    fn path(&self, path: PathBuf) -> PathBuf {
        match self.file.parent() {
            Some(base) if path.is_relative() => base.join(path),
            Some(_) | None => path,
        }
    }

    fn archive(&self, archive: String) -> String {
        if archive.contains("://") { archive } else { self.path(PathBuf::from(archive)).to_string_lossy().into_owned() }
    }

    fn identity(&self, cert: PathBuf, key: PathBuf) -> Identity {
        Identity { cert: self.path(cert), key: self.path(key) }
    }

    fn refuse(&self, span: Option<Range<usize>>, why: &str) -> BadConfig {
        let start = span.as_ref().map(|span| span.start.min(self.text.len()));
        let line = start.map(|start| self.text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1);
        let key = line.and_then(|line| key_at(self.text, line));
        BadConfig { file: self.file.to_owned(), line, key, why: why.replace('\n', ", ") }
    }
}

/// The key that a line of a TOML file sets, with the table it stands in.
fn key_at(text: &str, line: usize) -> Option<String> {
    let lines: Vec<_> = text.lines().take(line).collect();
    let table = lines.iter().rev().find_map(|l| l.trim().strip_prefix('[')?.split(']').next());
    let own = lines.last()?.trim();
    let key = if own.starts_with('[') { None } else { own.split_once('=').map(|(key, _)| key.trim()) };
    match (table, key) {
        (Some(table), Some(key)) => Some(format!("{table}.{key}")),
        (Some(table), None) => Some(table.to_owned()),
        (None, key) => key.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"instance = "astana-1"
[mqtt]
broker = "broker.example:8883"
ca = "keys/ca.pem"
cert = "keys/centre.pem"
key = "keys/centre.key"
[console]
listen = "0.0.0.0:8443"
cert = "/keys/server.pem"
key = "/keys/server.key"
loopback_listen = "127.0.0.1:8080"
[delivery]
listen = "0.0.0.0:8444"
ca = "keys/ca.pem"
cert = "/keys/server.pem"
key = "/keys/server.key"
[media]
listen = ["192.0.2.1"]
port = 5004
[store]
database = "centre.sqlite"
archive = "archive"
"#;

    fn parse(text: &str) -> Result<CentreConfig, String> {
        CentreConfig::parse(text, Path::new("/etc/sos/centre.toml")).map_err(|e| e.to_string())
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(WHOLE.contains(from), "{from}");
        parse(&WHOLE.replace(from, to)).expect_err("it is wrong")
    }

    #[test]
    fn a_whole_file_is_read_and_relative_paths_start_at_it() {
        let config = parse(WHOLE).expect("it is right");
        assert_eq!((config.mqtt.host.as_str(), config.mqtt.port), ("broker.example", 8883));
        assert_eq!(config.mqtt.ca, Path::new("/etc/sos/keys/ca.pem"));
        assert_eq!(config.store.archive, "/etc/sos/archive");
        assert!(config.media.udp && config.media.tcp);
        let any = parse(&WHOLE.replace(r#"["192.0.2.1"]"#, r#""any""#)).expect("it is right");
        assert!(any.media.listen.is_empty());
        let remote = parse(&WHOLE.replace(r#""archive""#, r#""s3://bucket/prefix""#)).expect("it is right");
        assert_eq!(remote.store.archive, "s3://bucket/prefix");
    }

    #[test]
    fn an_error_names_file_line_and_key() {
        let cases = [
            ("port = 5004", "prot = 5004", "/etc/sos/centre.toml:19: media.prot: unknown field"),
            ("port = 5004", "port = 70000", "/etc/sos/centre.toml:19: media.port: "),
            ("127.0.0.1:8080", "0.0.0.0:8080", "/etc/sos/centre.toml:11: console.loopback_listen: expected"),
            ("broker.example:8883", "broker.example", "/etc/sos/centre.toml:3: mqtt.broker: expected \"host:port\""),
            ("\"192.0.2.1\"", "\"0.0.0.0\"", "/etc/sos/centre.toml:18: media.listen: expected concrete"),
            ("[\"192.0.2.1\"]", "7", "/etc/sos/centre.toml:18: media.listen: "),
            ("port = 5004", "port = 5004\nudp = false\ntcp = false", "/etc/sos/centre.toml:20: media.udp: udp and tcp"),
            ("instance = \"astana-1\"", "instance = \"\"", "/etc/sos/centre.toml:1: instance: expected 1 to 64"),
            ("database = \"centre.sqlite\"\n", "", "/etc/sos/centre.toml:20: store: missing field `database`"),
            ("[mqtt]", "refused_kiosks = [\"A B\"]\n[mqtt]", "/etc/sos/centre.toml:2: refused_kiosks: a kiosk id is"),
            ("[store]", "[store", "/etc/sos/centre.toml:20: "),
        ];
        for (from, to, expected) in cases {
            let found = refused(from, to);
            assert!(found.starts_with(expected), "{to}: {found}");
            assert!(!found.contains('\n'), "one line: {found}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let found = CentreConfig::load(Path::new("/nonexistent/centre.toml")).expect_err("it is not there");
        assert!(found.to_string().starts_with("/nonexistent/centre.toml: cannot be read: "));
    }
}
