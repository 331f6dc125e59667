//! The kiosk's configuration: one validated type. The table of its keys is in `keys`; each section with much to
//! check has a file of its own.

mod board;
mod camera;
mod keys;
mod media;
mod panel;
mod selftest;
mod sound;

use std::path::{Path, PathBuf};

pub use board::BoardConfig;
pub use camera::{CameraDriver, EncoderChoice, RtspCamera};
pub use keys::KEYS;
pub use media::MediaConfig;
pub use panel::{BiasConfig, InputConfig, LineConfig, OutputConfig, PanelConfig, PanelDriver};
pub use selftest::SelfTestConfig;
pub use sound::{AirConfig, CardConfig, MicrophoneDriver, NoiseLevel, PromptsConfig, SoundConfig, SpeakerDriver};

use super::host_and_port;
use super::load::{ConfigErrors, Layers, Reader};
use crate::tls::Identity;
use crate::wire::KioskId;
use crate::wire::up::Place;

/// The program's name in the paths of its layers.
pub const PROGRAM: &str = "sos-kiosk";

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
    /// Buttons, lamps, outputs.
    pub panel: PanelConfig,
    /// The full self-test.
    pub selftest: SelfTestConfig,
    /// What is too much for the board.
    pub board: BoardConfig,
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

    /// Reads and checks, with a text taken for what one of the files holds.
    ///
    /// # Errors
    /// [`ConfigErrors`]: each with file, line and key.
    pub fn load_with(layers: &Layers, instead: (&Path, &str)) -> Result<Self, ConfigErrors> {
        Self::read(Reader::open_with(KEYS, layers, Some(instead)))
    }

    /// Checks what a reader has merged.
    ///
    /// # Errors
    /// [`ConfigErrors`]: each with file, line and key.
    pub fn read(mut reader: Reader) -> Result<Self, ConfigErrors> {
        let r = &mut reader;
        let id = r.parsed("id", "1 to 32 of a-z, 0-9 and '-', not centre", |text| text.parse::<KioskId>().ok());
        let place = place(r);
        let centre = centre(r);
        let media = media::read(r);
        let panel = panel::read(r);
        let selftest = selftest::read(r);
        let board = board::read(r);
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
            selftest: selftest.expect(noted),
            board: board.expect(noted),
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
    let identity = Identity { cert: credential(r, "centre.cert"), key: credential(r, "centre.key") };
    let (broker_host, broker_port) = broker?;
    Some(CentreAddress { broker_host, broker_port, delivery: delivery?, ca, identity })
}

/// A path, or `credential:NAME`: what the service manager hands over under this name.
fn credential(r: &mut Reader, key: &str) -> PathBuf {
    let text = r.text(key);
    let Some(name) = text.strip_prefix("credential:") else { return r.path(key) };
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        r.fail(key, format!("expected credential:NAME, found {text:?}"));
    }
    credential_in(std::env::var_os("CREDENTIALS_DIRECTORY"), name)
}

/// Where a credential is: in the directory that the service manager made for this service; for whoever is not that
/// service (`sos-ctl`), where the unit takes it from.
fn credential_in(directory: Option<std::ffi::OsString>, name: &str) -> PathBuf {
    directory.map_or_else(|| PathBuf::from("/etc").join(PROGRAM), PathBuf::from).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_credential_is_where_the_service_manager_put_it_and_else_where_the_unit_takes_it_from() {
        let handed = credential_in(Some("/run/credentials/sos-kiosk.service".into()), "kiosk.key");
        assert_eq!(handed, Path::new("/run/credentials/sos-kiosk.service/kiosk.key"));
        assert_eq!(credential_in(None, "kiosk.key"), Path::new("/etc/sos-kiosk/kiosk.key"));
    }

    #[test]
    fn a_credentials_name_is_no_path() {
        for wrong in ["credential:", "credential:../x", "credential:a/b"] {
            let mut reader = Reader::open(KEYS, &Layers { files: vec![], must_exist: false });
            reader.layer(Path::new("/x.toml"), &format!("[centre]\nkey = \"{wrong}\"\n"));
            credential(&mut reader, "centre.key");
            let errors = reader.finish().expect_err("it is wrong").to_string();
            assert_eq!(errors, format!("/x.toml:2: centre.key: expected credential:NAME, found {wrong:?}"));
        }
    }
}
