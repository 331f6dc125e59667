//! The centre's configuration: one TOML file, one validated type. Read as the kiosk's is: by a table of keys, unknown
//! ones refused, every error with file, line and key.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::host_and_port;
use super::load::{ConfigErrors, Key, Layers, Reader};
use crate::tls::Identity;
use crate::wire::KioskId;

const fn key(name: &'static str, default: Option<&'static str>, example: &'static str, doc: &'static str) -> Key {
    Key { name, doc, default, example, live: false }
}

/// Every key, in the order people read them.
pub const KEYS: &[Key] = &[
    key("instance", None, r#""astana-1""#, "The name of this instance, for people and the broker: 1 to 64 characters."),
    key(
        "refused_kiosks",
        Some("[]"),
        r#"["park-north"]"#,
        "Kiosks that are stolen or given up: nothing of theirs is taken.",
    ),
    key("mqtt.broker", None, r#""localhost:8883""#, "Host and port of the MQTT broker (TLS)."),
    key("mqtt.ca", None, r#""ca.pem""#, "The authority that signed the broker's certificate, PEM."),
    key("mqtt.cert", None, r#""centre.pem""#, "The certificate the centre shows the broker, PEM."),
    key("mqtt.key", None, r#""centre.key""#, "Its private key, PEM."),
    key("console.listen", None, r#""0.0.0.0:8443""#, "Where officers' browsers come, over TLS."),
    key("console.cert", None, r#""server.pem""#, "The certificate the console shows, PEM."),
    key("console.key", None, r#""server.key""#, "Its private key, PEM."),
    key(
        "console.loopback_listen",
        None,
        r#""127.0.0.1:8080""#,
        "A second listener without TLS, on this machine alone. Absent: none.",
    ),
    key("delivery.listen", None, r#""0.0.0.0:8444""#, "Where kiosks deliver recordings, over mutual TLS."),
    key("delivery.ca", None, r#""ca.pem""#, "The authority that signs kiosks' certificates, PEM."),
    key("delivery.cert", None, r#""server.pem""#, "The certificate that is shown to kiosks, PEM."),
    key("delivery.key", None, r#""server.key""#, "Its private key, PEM."),
    key(
        "media.listen",
        None,
        r#"["192.0.2.1"]"#,
        "Addresses of this machine for the media, or \"any\": every one it has.",
    ),
    key("media.port", None, "8445", "Port of the media, UDP and TCP; 0: the system chooses."),
    key(
        "media.advertise",
        Some("[]"),
        r#"["203.0.113.7"]"#,
        "Addresses the world knows this machine by, where a router stands before it.",
    ),
    key("media.udp", Some("true"), "true", "Media over UDP."),
    key("media.tcp", Some("true"), "true", "Media over ICE-TCP, for those whose UDP is blocked."),
    key("store.database", None, r#""/var/lib/sos-centre/centre.sqlite""#, "The database's file."),
    key(
        "store.archive",
        None,
        r#""/var/lib/sos-centre/archive""#,
        "Where recordings are kept: a directory, or a URL that names an object store.",
    ),
    key(
        "store.reserve_mib",
        Some("1024"),
        "1024",
        "MiB of the archive's disk that recordings leave free: the database of alarms lies there too. Below it \
         recordings are refused (they stay on the kiosks) and the officers are told. 0 to 1000000.",
    ),
    key(
        "store.unknown_mib",
        Some("2048"),
        "2048",
        "MiB taken of one kiosk for incidents of which no alarm has come. 1 to 1000000.",
    ),
];

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
    /// MiB of its disk that recordings leave free.
    pub reserve_mib: u32,
    /// MiB taken of one kiosk for incidents of which no alarm has come.
    pub unknown_mib: u32,
}

impl CentreConfig {
    /// Reads and validates the file.
    ///
    /// # Errors
    /// [`ConfigErrors`]: each with file, line and key.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        Self::read(Reader::open(KEYS, &Layers::only(file)))
    }

    fn read(mut reader: Reader) -> Result<Self, ConfigErrors> {
        let r = &mut reader;
        let instance = r.parsed("instance", "1 to 64 characters", |text| {
            (1..=64).contains(&text.chars().count()).then(|| text.to_owned())
        });
        let refused_kiosks = r.list("refused_kiosks", "names of kiosks", |text| text.parse().ok()).unwrap_or_default();
        let broker = r.parsed("mqtt.broker", "\"host:port\"", host_and_port);
        let (mqtt_ca, mqtt_identity) = (r.path("mqtt.ca"), identity(r, "mqtt"));
        let console = console(r);
        let delivery_listen = listen(r, "delivery.listen");
        let (delivery_ca, delivery_identity) = (r.path("delivery.ca"), identity(r, "delivery"));
        let media = media(r);
        let store = Store {
            database: r.path("store.database"),
            archive: archive(r),
            reserve_mib: r.integer("store.reserve_mib", 0..=1_000_000),
            unknown_mib: r.integer("store.unknown_mib", 1..=1_000_000),
        };
        reader.finish()?;
        let noted = "an absent value was noted as an error, which finish has returned";
        let (host, port) = broker.expect(noted);
        Ok(Self {
            instance: instance.expect(noted),
            refused_kiosks,
            mqtt: Mqtt { host, port, ca: mqtt_ca, identity: mqtt_identity },
            console: console.expect(noted),
            delivery: Delivery { listen: delivery_listen.expect(noted), ca: delivery_ca, identity: delivery_identity },
            media,
            store,
        })
    }
}

fn listen(r: &mut Reader, key: &str) -> Option<SocketAddr> {
    r.parsed(key, "an address and port such as \"0.0.0.0:8443\"", |text| text.parse().ok())
}

fn identity(r: &mut Reader, section: &str) -> Identity {
    Identity { cert: r.path(&format!("{section}.cert")), key: r.path(&format!("{section}.key")) }
}

fn console(r: &mut Reader) -> Option<Console> {
    const LOOPBACK: &str = "console.loopback_listen";
    let address = listen(r, "console.listen");
    let identity = identity(r, "console");
    let loopback = r.is_set(LOOPBACK).then(|| listen(r, LOOPBACK)).flatten();
    if let Some(other) = loopback.filter(|address| !address.ip().is_loopback()) {
        r.fail(LOOPBACK, format!("expected an address of this machine alone (127.0.0.1 or ::1), found {other}"));
    }
    Some(Console { listen: address?, identity, loopback_listen: loopback })
}

fn media(r: &mut Reader) -> Media {
    let addresses = "addresses such as [\"192.0.2.1\"]";
    let concrete = |text: &str| text.parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
    let listen = if r.is_word("media.listen", "any") {
        Vec::new()
    } else {
        let expected = format!("concrete {addresses}, or \"any\" for every one this machine has");
        let listen = r.list("media.listen", &expected, concrete);
        if listen.as_ref().is_some_and(Vec::is_empty) {
            r.fail("media.listen", format!("expected {expected}, found none"));
        }
        listen.unwrap_or_default()
    };
    let port = r.integer("media.port", 0..=u32::from(u16::MAX));
    let advertise = r.list("media.advertise", addresses, |text| text.parse().ok()).unwrap_or_default();
    let (udp, tcp) = (r.flag("media.udp"), r.flag("media.tcp"));
    if !udp && !tcp {
        r.fail("media.udp", "udp and tcp are both off: no media could flow");
    }
    Media { listen, port: u16::try_from(port).unwrap_or(u16::MAX), advertise, udp, tcp }
}

/// A URL as it is, a directory like any path.
fn archive(r: &mut Reader) -> String {
    let text = r.text("store.archive");
    if text.contains("://") { text } else { r.path("store.archive").to_string_lossy().into_owned() }
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
        let file = Path::new("/etc/sos/centre.toml");
        let reader = Reader::open_with(KEYS, &Layers::only(file), Some((file, text)));
        CentreConfig::read(reader).map_err(|errors| errors.to_string())
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
            (
                "port = 5004",
                "prot = 5004",
                "/etc/sos/centre.toml:19: media.prot: unknown key; expected one of listen, port, ",
            ),
            ("port = 5004", "port = 70000", "/etc/sos/centre.toml:19: media.port: expected 0 to 65535, found 70000"),
            ("127.0.0.1:8080", "0.0.0.0:8080", "/etc/sos/centre.toml:11: console.loopback_listen: expected"),
            ("broker.example:8883", "broker.example", "/etc/sos/centre.toml:3: mqtt.broker: expected \"host:port\""),
            ("\"192.0.2.1\"", "\"0.0.0.0\"", "/etc/sos/centre.toml:18: media.listen: expected concrete"),
            ("[\"192.0.2.1\"]", "7", "/etc/sos/centre.toml:18: media.listen: expected concrete"),
            ("[\"192.0.2.1\"]", "[]", "/etc/sos/centre.toml:18: media.listen: expected concrete"),
            ("port = 5004", "port = 5004\nudp = false\ntcp = false", "/etc/sos/centre.toml:20: media.udp: udp and tcp"),
            ("instance = \"astana-1\"", "instance = \"\"", "/etc/sos/centre.toml:1: instance: expected 1 to 64"),
            ("database = \"centre.sqlite\"\n", "", "/etc/sos/centre.toml: store.database: missing; for example \""),
            ("[mqtt]", "refused_kiosks = [\"A B\"]\n[mqtt]", "/etc/sos/centre.toml:2: refused_kiosks: expected names"),
            ("[store]", "[store", "/etc/sos/centre.toml:20: "),
        ];
        for (from, to, expected) in cases {
            let found = refused(from, to);
            assert!(found.starts_with(expected), "{to}: {found}");
            assert!(to.contains("prot") || !found.contains('\n'), "and nothing else: {found}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let found = CentreConfig::load(Path::new("/nonexistent/centre.toml")).expect_err("it is not there");
        assert_eq!(found.to_string(), "/nonexistent/centre.toml: cannot be read: no such file");
    }
}
