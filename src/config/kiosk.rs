//! The kiosk's configuration: one validated type, and the table of its keys.

use std::path::PathBuf;

use super::load::{ConfigErrors, Key, Layers, Reader};
use crate::tls::Identity;
use crate::wire::KioskId;
use crate::wire::up::Place;

/// The program's name in the paths of its layers.
pub const PROGRAM: &str = "sos-kiosk";

const fn key(name: &'static str, default: Option<&'static str>, example: &'static str, doc: &'static str) -> Key {
    Key { name, doc, default, example }
}

/// Every key, in the order people read them.
pub const KEYS: &[Key] = &[
    key("id", None, r#""park-north""#, "The kiosk's name, the CN of its certificate: 1 to 32 of a-z, 0-9 and '-'."),
    key("place.name", None, r#""Central Park, north gate""#, "Where it stands, in words an officer can send help to."),
    key("place.lat", None, "43.238949", "Latitude, degrees north. Absent: not known."),
    key("place.lon", None, "76.889709", "Longitude, degrees east. Absent: not known."),
    key("centre.broker", None, r#""centre.example:8883""#, "Host and port of the MQTT broker (TLS)."),
    key("centre.delivery", None, r#""https://centre.example:8444""#, "Where recordings are delivered to (HTTPS)."),
    key("centre.ca", Some(r#""/etc/sos-kiosk/ca.pem""#), r#""ca.pem""#, "The one authority that is trusted, PEM."),
    key("centre.cert", Some(r#""/etc/sos-kiosk/kiosk.pem""#), r#""kiosk.pem""#, "The kiosk's certificate, PEM."),
    key("centre.key", Some(r#""/etc/sos-kiosk/kiosk.key""#), r#""kiosk.key""#, "The certificate's private key, PEM."),
    key("media.width", Some("1280"), "1280", "Picture width, pixels, even."),
    key("media.height", Some("720"), "720", "Picture height, pixels, even."),
    key("media.fps", Some("25"), "25", "Frames per second."),
    key("media.bitrate_kbit", Some("2000"), "2000", "Bit rate of the picture, kbit/s."),
    key("media.key_frame_s", Some("1"), "1", "Seconds between key frames: also the length of a fragment."),
    key("media.pre_event_s", Some("30"), "30", "Seconds before the press that the recording begins at (held in RAM)."),
    key("media.camera.driver", Some(r#""test""#), r#""file""#, "Camera: \"test\" (a moving pattern) or \"file\"."),
    key("media.camera.file", None, r#""/srv/street.mp4""#, "The film that driver \"file\" plays, over and over."),
    key("media.microphone.driver", Some(r#""test""#), r#""file""#, "Microphone: \"test\" (tones) or \"file\"."),
    key("media.microphone.file", None, r#""/srv/voice.wav""#, "The sound that driver \"file\" plays, over and over."),
    key("media.speaker.driver", Some(r#""null""#), r#""file""#, "Loudspeaker: \"null\" (heard by nobody) or \"file\"."),
    key("media.speaker.file", None, r#""/tmp/heard.wav""#, "Where driver \"file\" writes what would be heard."),
    key(
        "panel.driver",
        Some(r#""sim""#),
        r#""sim""#,
        "Button and lamps: \"sim\" (pressed through the control socket).",
    ),
    key("store.dir", Some(r#""/var/lib/sos-kiosk""#), r#""/var/lib/sos-kiosk""#, "What must survive a power cut."),
    key(
        "control.socket",
        Some(r#""/run/sos-kiosk/control.sock""#),
        r#""control.sock""#,
        "Where sos-ctl finds the daemon.",
    ),
    key("rtc.udp", Some("true"), "true", "Media over UDP."),
    key("rtc.tcp", Some("true"), "true", "Media over ICE-TCP, where UDP is blocked."),
    key("rtc.standby", Some("true"), "true", "Keep the media leg connected between calls; false on a metered path."),
];

/// A kiosk's configuration, valid.
#[derive(Debug, Clone, PartialEq)]
pub struct KioskConfig {
    /// Its name.
    pub id: KioskId,
    /// Where it stands.
    pub place: Place,
    /// The centre it calls.
    pub centre: CentreAddress,
    /// Picture and sound.
    pub media: MediaConfig,
    /// Button and lamps.
    pub panel: PanelDriver,
    /// Directory of what must survive.
    pub store_dir: PathBuf,
    /// The control socket.
    pub control_socket: PathBuf,
    /// The media leg.
    pub rtc: RtcConfig,
}

/// How the centre is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CentreAddress {
    /// Host of the broker, as the certificate names it.
    pub broker_host: String,
    /// Port of the broker.
    pub broker_port: u16,
    /// Base of the delivery URLs, `https://...`, without a trailing slash.
    pub delivery: String,
    /// The one authority that is trusted.
    pub ca: PathBuf,
    /// What the kiosk shows.
    pub identity: Identity,
}

/// Picture and sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// kbit/s.
    pub bitrate_kbit: u32,
    /// Seconds.
    pub key_frame_s: u32,
    /// Seconds.
    pub pre_event_s: u32,
    /// Where the picture comes from.
    pub camera: SourceDriver,
    /// Where the sound comes from.
    pub microphone: SourceDriver,
    /// Where the sound goes.
    pub speaker: SpeakerDriver,
}

/// Where picture or sound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceDriver {
    /// A pattern or tones.
    Test,
    /// A file, over and over.
    File(PathBuf),
}

/// Where sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpeakerDriver {
    /// Nowhere, in real time.
    Null,
    /// A WAV file.
    File(PathBuf),
}

/// Button and lamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelDriver {
    /// Simulated.
    Sim,
}

/// The media leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcConfig {
    /// Over UDP.
    pub udp: bool,
    /// Over ICE-TCP.
    pub tcp: bool,
    /// Connected between calls.
    pub standby: bool,
}

impl KioskConfig {
    /// The layers of the daemon, or one file alone.
    #[must_use]
    pub fn layers(only: Option<PathBuf>) -> Layers {
        only.map_or_else(|| Layers::of(PROGRAM), Layers::only)
    }

    /// Reads and checks.
    ///
    /// # Errors
    /// [`ConfigErrors`]: each with file, line and key.
    pub fn load(layers: &Layers) -> Result<Self, ConfigErrors> {
        Self::read(Reader::open(KEYS, layers))
    }

    /// Checks what a reader has merged.
    ///
    /// # Errors
    /// [`ConfigErrors`]: each with file, line and key.
    pub fn read(mut reader: Reader) -> Result<Self, ConfigErrors> {
        let r = &mut reader;
        let id = r.parsed("id", "1 to 32 of a-z, 0-9 and '-'", |text| text.parse::<KioskId>().ok());
        let place = place(r);
        let centre = centre(r);
        let media = media(r);
        let panel = r.choice("panel.driver", &[("sim", PanelDriver::Sim)]);
        let store_dir = r.path("store.dir");
        let control_socket = r.path("control.socket");
        let rtc = RtcConfig { udp: r.flag("rtc.udp"), tcp: r.flag("rtc.tcp"), standby: r.flag("rtc.standby") };
        if !rtc.udp && !rtc.tcp {
            r.fail("rtc.tcp", "expected rtc.udp or rtc.tcp to be true, found both false");
        }
        reader.finish()?;
        let noted = "an absent value was noted as an error, which finish has returned";
        Ok(Self {
            id: id.expect(noted),
            place,
            centre: centre.expect(noted),
            media: media.expect(noted),
            panel: panel.expect(noted),
            store_dir,
            control_socket,
            rtc,
        })
    }
}

fn place(r: &mut Reader) -> Place {
    let name = r.text("place.name");
    let lat = r.optional_float("place.lat", -90.0..=90.0);
    let lon = r.optional_float("place.lon", -180.0..=180.0);
    match (r.is_set("place.lat"), r.is_set("place.lon")) {
        (true, false) => r.fail("place.lat", "expected place.lon beside it, found none"),
        (false, true) => r.fail("place.lon", "expected place.lat beside it, found none"),
        (true, true) | (false, false) => {}
    }
    if name.len() > 200 {
        r.fail("place.name", format!("expected at most 200 bytes, found {}", name.len()));
    }
    Place { name, position_e6: lat.zip(lon).map(|(lat, lon)| (micro_degrees(lat), micro_degrees(lon))) }
}

/// Degrees, at most 180 either way, to millionths of a degree.
fn micro_degrees(degrees: f64) -> i32 {
    // 180 million fits; rounding is what is wanted.
    #[expect(clippy::cast_possible_truncation)]
    {
        (degrees * 1e6).round() as i32
    }
}

fn centre(r: &mut Reader) -> Option<CentreAddress> {
    let broker = r.parsed("centre.broker", "\"host:port\"", host_and_port);
    let delivery = r.parsed("centre.delivery", "\"https://host:port\"", |text| {
        let rest = text.strip_prefix("https://")?.trim_end_matches('/');
        let fits = !rest.is_empty() && !rest.contains(['?', '#', '@', ' ']);
        fits.then(|| format!("https://{rest}"))
    });
    let ca = r.path("centre.ca");
    let identity = Identity { cert: r.path("centre.cert"), key: r.path("centre.key") };
    let (broker_host, broker_port) = broker?;
    Some(CentreAddress { broker_host, broker_port, delivery: delivery?, ca, identity })
}

/// `host:port`, `[v6]:port`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.unwrap_or(host);
    let odd =
        host.is_empty() || host.contains(['/', ' ', '@', '[', ']']) || (bracketed.is_none() && host.contains(':'));
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!odd).then(|| (host.to_owned(), port))
}

fn media(r: &mut Reader) -> Option<MediaConfig> {
    let even = |r: &mut Reader, name: &str, range| {
        let pixels = r.integer(name, range);
        if !pixels.is_multiple_of(2) {
            r.fail(name, format!("expected an even number, found {pixels}"));
        }
        pixels
    };
    let width = even(r, "media.width", 160..=3840);
    let height = even(r, "media.height", 120..=2160);
    let fps = r.integer("media.fps", 5..=60);
    let bitrate_kbit = r.integer("media.bitrate_kbit", 100..=20_000);
    let key_frame_s = r.integer("media.key_frame_s", 1..=5);
    let pre_event_s = r.integer("media.pre_event_s", 0..=120);
    let camera = source(r, "media.camera.driver", "media.camera.file");
    let microphone = source(r, "media.microphone.driver", "media.microphone.file");
    let speaker = match r.choice("media.speaker.driver", &[("null", false), ("file", true)]) {
        Some(true) => file_of(r, "media.speaker.driver", "media.speaker.file").map(SpeakerDriver::File),
        Some(false) => Some(SpeakerDriver::Null),
        None => None,
    };
    Some(MediaConfig {
        width,
        height,
        fps,
        bitrate_kbit,
        key_frame_s,
        pre_event_s,
        camera: camera?,
        microphone: microphone?,
        speaker: speaker?,
    })
}

fn source(r: &mut Reader, driver: &str, file: &str) -> Option<SourceDriver> {
    match r.choice(driver, &[("test", false), ("file", true)])? {
        true => file_of(r, driver, file).map(SourceDriver::File),
        false => Some(SourceDriver::Test),
    }
}

fn file_of(r: &mut Reader, driver: &str, file: &str) -> Option<PathBuf> {
    let path = r.optional_path(file);
    if path.is_none() {
        r.fail(driver, format!("driver \"file\" needs {file}, found none"));
    }
    path
}
