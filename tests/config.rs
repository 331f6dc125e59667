//! The kiosk's configuration from real files: layers, defaults, and errors that name file, line and key.

use std::path::PathBuf;
use std::time::Duration;

use sos::config::kiosk::{
    BiasConfig, CameraDriver, EncoderChoice, KEYS, LineConfig, PanelConfig, PanelDriver, RtspCamera,
};
use sos::config::{KioskConfig, Layers, Reader};
use sos::wire::Output;
use tempfile::TempDir;

const GOOD: &str = r#"
id = "park-north"

[place]
name = "Central Park, north gate"
lat = 43.238949
lon = 76

[centre]
broker = "centre.example:8883"
delivery = "https://centre.example:8444/"
ca = "ca.pem"
"#;

fn write(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

/// Loads `text` as the only file and gives the errors, the file's directory left out.
fn errors(text: &str) -> Vec<String> {
    let dir = TempDir::new().expect("a directory");
    let file = write(&dir, "c.toml", text);
    let errors = KioskConfig::load(&Layers::only(file)).expect_err("an error");
    let place = format!("{}/", dir.path().display());
    errors.to_string().lines().map(|line| line.replace(&place, "")).collect()
}

#[test]
fn a_short_file_and_the_defaults_make_a_kiosk() {
    let dir = TempDir::new().expect("a directory");
    let config = KioskConfig::load(&Layers::only(write(&dir, "c.toml", GOOD))).expect("right");
    assert_eq!(config.id.as_str(), "park-north");
    assert_eq!(config.place.position_e6, Some((43_238_949, 76_000_000)));
    assert_eq!((config.centre.broker_host.as_str(), config.centre.broker_port), ("centre.example", 8883));
    assert_eq!(config.centre.delivery, "https://centre.example:8444");
    assert_eq!(config.centre.ca, dir.path().join("ca.pem"), "relative to the file that sets it");
    assert_eq!(config.centre.identity.key, PathBuf::from("/etc/sos-kiosk/kiosk.key"));
    assert_eq!((config.media.width, config.media.height, config.media.fps), (1280, 720, 25));
    assert_eq!((config.media.camera, config.media.encoder), (CameraDriver::Test, EncoderChoice::Auto));
    assert!(config.rtc.udp && config.rtc.tcp && config.rtc.standby);
}

#[test]
fn a_later_layer_overrides_key_by_key_and_absent_layers_are_no_error() {
    let dir = TempDir::new().expect("a directory");
    let weak = write(&dir, "weak.toml", &format!("{GOOD}[media]\nfps = 30\nwidth = 640\n"));
    let strong = write(&dir, "strong.toml", "media.fps = 15\n");
    let files = vec![weak, dir.path().join("absent.toml"), strong];
    let config = KioskConfig::load(&Layers { files, must_exist: false }).expect("right");
    assert_eq!((config.media.fps, config.media.width), (15, 640));
}

#[test]
fn an_error_names_the_layer_it_is_in() {
    let dir = TempDir::new().expect("a directory");
    let weak = write(&dir, "weak.toml", GOOD);
    let strong = write(&dir, "strong.toml", "\n\n[media]\nfps = 500\n");
    let found = KioskConfig::load(&Layers { files: vec![weak, strong.clone()], must_exist: false });
    let text = found.expect_err("an error").to_string();
    assert_eq!(text, format!("{}:4: media.fps: expected 5 to 60, found 500", strong.display()));
}

#[test]
fn every_error_names_file_line_and_key() {
    for (line, wanted) in [
        ("fsp = 25", "c.toml:13: centre.fsp: unknown key; expected one of broker, delivery, ca, cert, key"),
        ("[media]\nwidth = 641", "c.toml:14: media.width: expected an even number, found 641"),
        ("[media]\nfps = \"fast\"", "c.toml:14: media.fps: expected 5 to 60, found \"fast\""),
        ("[media]\nfps = -1", "c.toml:14: media.fps: expected 5 to 60, found -1"),
        ("[media]\ncamera = 3", "c.toml:14: media.camera: expected a section, found 3"),
        (
            "[media.camera]\ndriver = \"v4l\"",
            "c.toml:14: media.camera.driver: expected \"test\" or \"file\" or \"v4l2\" or \"libcamera\" or \"rtsp\", found \"v4l\"",
        ),
        (
            "[media.camera]\ndriver = \"file\"",
            "c.toml:14: media.camera.driver: driver \"file\" needs media.camera.file, found none",
        ),
        ("[rtc]\nudp = 1", "c.toml:14: rtc.udp: expected true or false, found 1"),
        (
            "[rtc]\nudp = false\ntcp = false",
            "c.toml:15: rtc.tcp: expected rtc.udp or rtc.tcp to be true, found both false",
        ),
        ("[store]\ndir = [1]", "c.toml:14: store.dir: expected text, found [1]"),
        (
            "[empty]",
            "c.toml:13: empty: unknown key; expected one of id, place, centre, media, panel, selftest, board, store, control, rtc",
        ),
    ] {
        assert_eq!(errors(&format!("{GOOD}{line}\n")), [wanted], "{line}");
    }
}

#[test]
fn each_camera_names_what_it_needs() {
    let camera = |lines: &str| {
        let dir = TempDir::new().expect("a directory");
        let text = format!("{GOOD}[media]\nencoder = \"openh264\"\n[media.camera]\n{lines}\n");
        let config = KioskConfig::load(&Layers::only(write(&dir, "c.toml", &text))).expect("right");
        assert_eq!(config.media.encoder, EncoderChoice::OpenH264);
        config.media.camera
    };
    let device = "/dev/v4l/by-id/usb-cam".to_owned();
    assert_eq!(camera("driver = \"v4l2\"\ndevice = \"/dev/v4l/by-id/usb-cam\""), CameraDriver::V4l2 { device });
    assert_eq!(camera("driver = \"libcamera\""), CameraDriver::Libcamera { device: None });
    let url = "rtsp://192.168.7.2:554/live".to_owned();
    let file = "driver = \"rtsp\"\nurl = \"rtsp://192.168.7.2:554/live\"\ncredentials = \"/c\"\ntransport = \"udp\"";
    let credentials = Some(PathBuf::from("/c"));
    assert_eq!(camera(file), CameraDriver::Rtsp(RtspCamera { url, credentials, tcp: false }));

    let wrong = |lines: &str| errors(&format!("{GOOD}[media.camera]\n{lines}\n"));
    let wants = "c.toml:14: media.camera.driver: driver \"v4l2\" needs media.camera.device, found none";
    assert_eq!(wrong("driver = \"v4l2\""), [wants]);
    let wants = "c.toml:14: media.camera.driver: driver \"rtsp\" needs media.camera.url, found none";
    assert_eq!(wrong("driver = \"rtsp\""), [wants]);
    // A password in the address would be in every log.
    for url in ["rtsp://user:secret@192.168.7.2/live", "http://192.168.7.2", "rtsp://"] {
        let found = wrong(&format!("driver = \"rtsp\"\nurl = \"{url}\""));
        assert!(found[0].starts_with("c.toml:15: media.camera.url: expected \"rtsp://host"), "{found:?}");
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for (from, to, wanted) in [
        (
            "\"park-north\"",
            "\"Park North\"",
            "c.toml:2: id: expected 1 to 32 of a-z, 0-9 and '-', not centre, found \"Park North\"",
        ),
        ("43.238949", "91", "c.toml:6: place.lat: expected a number from -90 to 90, found 91"),
        ("lon = 76\n", "\n", "c.toml:6: place.lat: expected place.lon beside it, found none"),
        (":8883", "", "c.toml:10: centre.broker: expected \"host:port\", found \"centre.example\""),
        (
            "https:",
            "http:",
            "c.toml:11: centre.delivery: expected \"https://host:port\", found \"http://centre.example:8444/\"",
        ),
        ("\"ca.pem\"", "\"\"", "c.toml:12: centre.ca: expected text, found \"\""),
    ] {
        assert_eq!(errors(&GOOD.replace(from, to)), [wanted], "{from} -> {to}");
    }
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let found = errors("id = \"a\"\nplace = = 3\n");
    assert!(found[0].starts_with("c.toml:2: "), "{found:?}");
}

#[test]
fn a_missing_key_and_a_missing_file_are_told() {
    let found = errors("id = \"a\"\n");
    assert_eq!(found[0], "c.toml: place.name: missing; for example \"Central Park, north gate\"");
    assert_eq!(found.len(), 3, "{found:?}");
    let error = KioskConfig::load(&Layers::only("/nonexistent/c.toml")).expect_err("an error");
    assert!(error.to_string().starts_with("/nonexistent/c.toml: cannot be read: no such file"), "{error}");
}

#[test]
fn each_key_has_a_doc_and_an_example_that_is_toml_and_a_default_that_is_right() {
    for key in KEYS {
        assert!(key.doc.ends_with('.') && !key.doc.is_empty(), "{}", key.name);
        assert!(format!("x = {}", key.example).parse::<toml::Table>().is_ok(), "{}", key.name);
        if let Some(default) = key.default {
            assert!(format!("x = {default}").parse::<toml::Table>().is_ok(), "{}", key.name);
        }
    }
    let names: std::collections::BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names.len(), KEYS.len(), "a key comes twice");
    // Every default passes its own check: only the keys without one are missing.
    let found = KioskConfig::read(Reader::open(KEYS, &Layers { files: vec![], must_exist: false }));
    let missing: Vec<_> = found.expect_err("keys are missing").0.into_iter().filter_map(|error| error.key).collect();
    assert_eq!(missing, ["id", "place.name", "centre.broker", "centre.delivery"]);
}

const PANEL: &str = r#"
[panel]
driver = "gpiocdev"
chip = "pinctrl-bcm2711"
button.line = 17
button.contact = "closed"
second_button = { line = "SECOND", active = "high", bias = "down", debounce_ms = 25 }
tamper.line = 5
lamp_sent.line = "LAMP_YELLOW"
strobe = { line = 24, active = "low", in_alarm = true }
heater.line = 26
"#;

#[test]
fn a_panel_is_told_line_by_line_and_what_has_no_line_is_not_fitted() {
    let dir = TempDir::new().expect("a directory");
    let file = write(&dir, "c.toml", &format!("{GOOD}{PANEL}"));
    let panel = KioskConfig::load(&Layers::only(file)).expect("right").panel;
    assert_eq!((panel.driver, panel.chip.as_deref()), (PanelDriver::Gpiocdev, Some("pinctrl-bcm2711")));
    let button = panel.button.expect("fitted");
    assert_eq!((button.line, button.active_low, button.normally_closed), (LineConfig::Offset(17), true, true));
    assert_eq!((button.bias, button.debounce), (BiasConfig::Up, Duration::from_millis(5)));
    let second = panel.second_button.expect("fitted");
    assert_eq!(
        (second.line, second.active_low, second.bias),
        (LineConfig::Name("SECOND".into()), false, BiasConfig::Down)
    );
    assert_eq!(second.debounce, Duration::from_millis(25));
    assert!(panel.tamper.expect("fitted").normally_closed, "closed while the case is");
    assert_eq!(panel.lamp_sent.expect("fitted").line, LineConfig::Name("LAMP_YELLOW".into()));
    assert!(panel.lamp_answered.is_none() && panel.lamp_fault.is_none());
    let outputs: Vec<_> = panel.outputs.iter().map(|(output, line)| (*output, line.active_low)).collect();
    assert_eq!(outputs, [(Output::Strobe, true), (Output::Heater, false)]);
    assert!(panel.strobe_in_alarm);
}

#[test]
fn a_panel_that_cannot_be_is_told_with_line_and_key() {
    for (from, to, wanted) in [
        (
            "\"gpiocdev\"",
            "\"sysfs\"",
            "c.toml:15: panel.driver: expected \"sim\" or \"gpiocdev\" or \"rppal\", found \"sysfs\"",
        ),
        ("button.line = 17\n", "\n", "c.toml:15: panel.driver: a real panel needs panel.button.line, found none"),
        (
            "heater.line = 26",
            "heater.line = 17",
            "c.toml:23: panel.heater.line: expected a line of its own, found 17, which panel.button.line uses",
        ),
        (
            "heater.line = 26",
            "heater.line = -1",
            "c.toml:23: panel.heater.line: expected a line's number or name, found -1",
        ),
        (
            "heater.line = 26",
            "heater.line = true",
            "c.toml:23: panel.heater.line: expected a line's number or name, found true",
        ),
        (
            "contact = \"closed\"",
            "contact = \"shut\"",
            "c.toml:18: panel.button.contact: expected \"open\" or \"closed\", found \"shut\"",
        ),
        (
            "debounce_ms = 25",
            "debounce_ms = 0",
            "c.toml:19: panel.second_button.debounce_ms: expected 1 to 1000, found 0",
        ),
        ("line = 24, ", "", "c.toml:22: panel.strobe.in_alarm: needs panel.strobe.line, found none"),
        (
            "tamper.line = 5",
            "tamper.wire = 5",
            "c.toml:20: panel.tamper.wire: unknown key; expected one of line, active, contact, bias, debounce_ms",
        ),
    ] {
        assert_eq!(errors(&format!("{GOOD}{}", PANEL.replace(from, to))), [wanted], "{from} -> {to}");
    }
    let no_chip = errors(&format!("{GOOD}{}", PANEL.replace("chip = \"pinctrl-bcm2711\"\n", "")));
    assert_eq!(no_chip.len(), 4, "{no_chip:?}");
    assert_eq!(
        no_chip[0],
        "c.toml:16: panel.button.line: expected panel.chip beside a line by number, found 17 and no chip"
    );
    let names = errors(&format!("{GOOD}{}", PANEL.replace("gpiocdev", "rppal")));
    assert_eq!(names.len(), 2, "{names:?}");
    let wanted = "panel.second_button.line: expected a BCM number from 0 to 53 for driver \"rppal\", found \"SECOND\"";
    assert_eq!(names[0], format!("c.toml:19: {wanted}"));
}

#[test]
fn what_can_be_understood_of_a_panel_is_saved_from_a_broken_file() {
    let dir = TempDir::new().expect("a directory");
    let broken = format!("{GOOD}{PANEL}").replace("\"gpiocdev\"", "\"sysfs\"").replace("line = 26", "line = []");
    let panel = PanelConfig::salvage(&Layers::only(write(&dir, "c.toml", &format!("colour = 1\n{broken}"))));
    assert_eq!((panel.driver, panel.chip.as_deref()), (PanelDriver::Gpiocdev, Some("pinctrl-bcm2711")));
    assert_eq!(panel.lamp_sent.expect("understood").line, LineConfig::Name("LAMP_YELLOW".into()));
    assert_eq!(panel.outputs.len(), 1, "{:?}", panel.outputs);
    let none = PanelConfig::salvage(&Layers::only(dir.path().join("absent.toml")));
    assert_eq!((none.driver, none.outputs.len()), (PanelDriver::Sim, 0));
}

#[test]
fn a_sound_card_is_named_and_never_numbered() {
    let sound = |lines: &str| format!("{GOOD}[media]\nmicrophone.driver = \"alsa\"\n{lines}");
    let found = errors(&sound(""));
    assert!(found[0].contains("media.sound.card") && found[0].contains("needs it"), "{found:?}");
    let found = errors(&sound("sound.card = \"plughw:1,0\"\n"));
    assert!(found[0].contains("by its name"), "{found:?}");
    let found = errors(&sound("sound.card = \"plughw:CARD=Box\"\nprompts.languages = \"Kazakh\"\n"));
    assert!(found[0].contains("media.prompts.languages") && found.len() == 1, "{found:?}");
    let dir = TempDir::new().expect("a directory");
    let text = sound("sound.card = \"plughw:CARD=Box\"\nsound.volume = 80\nprompts.languages = \"ru,kk\"\n");
    let config = KioskConfig::load(&Layers::only(write(&dir, "c.toml", &text))).expect("right");
    let sound = config.media.sound;
    assert_eq!(
        (sound.card.name.as_str(), sound.card.volume, sound.card.echo_delay_ms),
        ("plughw:CARD=Box", Some(80), None)
    );
    assert_eq!(sound.prompts.languages, ["ru", "kk"]);
}
