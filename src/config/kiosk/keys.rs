//! Every key of the kiosk's configuration.

use super::super::load::Key;

const fn key(name: &'static str, default: Option<&'static str>, example: &'static str, doc: &'static str) -> Key {
    Key { name, doc, default, example, live: false }
}

// What every contact and every output has.

const fn closed_level(name: &'static str) -> Key {
    key(name, Some(r#""low""#), r#""high""#, "The level that a closed contact makes: \"low\" (to ground) or \"high\".")
}

const fn at_rest(name: &'static str) -> Key {
    let doc = "The contact at rest: \"open\" (closes when pressed) or \"closed\" (a cut wire is a press).";
    key(name, Some(r#""open""#), r#""closed""#, doc)
}

const fn pull(name: &'static str) -> Key {
    key(name, Some(r#""up""#), r#""down""#, "Pull: \"up\", \"down\", \"off\" or \"as-is\".")
}

const fn debounce(name: &'static str, ms: &'static str, example: &'static str) -> Key {
    key(name, Some(ms), example, "Milliseconds a level must stand to count; 1 to 1000.")
}

const fn on_level(name: &'static str) -> Key {
    key(name, Some(r#""high""#), r#""low""#, "The level that is on: \"high\" or \"low\".")
}

/// Every key, in the order people read them.
pub const KEYS: &[Key] = &[
    key(
        "id",
        None,
        r#""park-north""#,
        "The kiosk's name, the CN of its certificate: 1 to 32 of a-z, 0-9 and '-', not centre.",
    ),
    key("place.name", None, r#""Central Park, north gate""#, "Where it stands, in words an officer can send help to.")
        .live(),
    key("place.lat", None, "43.238949", "Latitude, degrees north. Absent: not known.").live(),
    key("place.lon", None, "76.889709", "Longitude, degrees east. Absent: not known.").live(),
    key("centre.broker", None, r#""centre.example:8883""#, "Host and port of the MQTT broker (TLS)."),
    key("centre.delivery", None, r#""https://centre.example:8444""#, "Where recordings are delivered to (HTTPS)."),
    key("centre.ca", Some(r#""/etc/sos-kiosk/ca.pem""#), r#""ca.pem""#, "The one authority that is trusted, PEM."),
    key(
        "centre.cert",
        Some(r#""/etc/sos-kiosk/kiosk.pem""#),
        r#""kiosk.pem""#,
        "The kiosk's certificate, PEM; \"credential:NAME\": handed over by the service manager.",
    ),
    key(
        "centre.key",
        Some(r#""/etc/sos-kiosk/kiosk.key""#),
        r#""kiosk.key""#,
        "Its private key, PEM; \"credential:NAME\" as above.",
    ),
    key("media.width", Some("1280"), "1280", "Picture width, pixels, even."),
    key("media.height", Some("720"), "720", "Picture height, pixels, even."),
    key("media.fps", Some("25"), "25", "Frames per second."),
    key("media.bitrate_kbit", Some("2000"), "2000", "Bit rate of the picture, kbit/s."),
    key("media.key_frame_s", Some("1"), "1", "Seconds between key frames: also the length of a fragment."),
    key("media.pre_event_s", Some("30"), "30", "Seconds before the press that the recording begins at (held in RAM)."),
    key(
        "media.encoder",
        Some(r#""auto""#),
        r#""openh264""#,
        "H.264 encoder: \"x264\", \"openh264\", \"v4l2h264\" (the board's own), or \"auto\": the board's own, then x264, then openh264. One that does not work gives way to the next.",
    ),
    key(
        "media.camera.driver",
        Some(r#""test""#),
        r#""v4l2""#,
        "Camera: \"test\" (a moving pattern), \"file\", \"v4l2\" (USB), \"libcamera\" (Pi camera) or \"rtsp\" (IP camera).",
    ),
    key("media.camera.file", None, r#""/srv/street.mp4""#, "The film that driver \"file\" plays, over and over."),
    key(
        "media.camera.device",
        None,
        r#""/dev/v4l/by-id/usb-046d_C920-video-index0""#,
        "Driver \"v4l2\": stable path, or the name the device gives itself. Driver \"libcamera\": the camera's id; absent: the first.",
    ),
    key("media.camera.url", None, r#""rtsp://192.168.7.2/stream1""#, "Address of driver \"rtsp\"."),
    key(
        "media.camera.credentials",
        None,
        r#""/etc/sos-kiosk/camera""#,
        "File whose first line is user:password for driver \"rtsp\". Read at every connection.",
    ),
    key("media.camera.transport", Some(r#""tcp""#), r#""udp""#, "Driver \"rtsp\" over \"tcp\" or \"udp\"."),
    key(
        "media.camera.watch",
        Some("true"),
        "false",
        "Raise a fault when the picture is frozen, covered or out of focus. False where the scene itself looks so.",
    ),
    key(
        "media.microphone.driver",
        Some(r#""test""#),
        r#""alsa""#,
        "Microphone: \"test\" (tones), \"file\" or \"alsa\".",
    ),
    key("media.microphone.file", None, r#""/srv/voice.wav""#, "The sound that driver \"file\" plays, over and over."),
    key(
        "media.speaker.driver",
        Some(r#""null""#),
        r#""alsa""#,
        "Loudspeaker: \"null\" (not heard), \"file\" or \"alsa\".",
    ),
    key("media.speaker.file", None, r#""/tmp/heard.wav""#, "Where driver \"file\" writes what would be heard."),
    key(
        "media.sound.card",
        None,
        r#""plughw:CARD=Device""#,
        "The sound card of driver \"alsa\", by its name (aplay -L).",
    ),
    key(
        "media.sound.buffer_ms",
        Some("30"),
        "30",
        "Milliseconds of sound that wait in the card: more where it stutters.",
    ),
    key("media.sound.volume", None, "80", "Playback volume of the card's own mixer, per cent. Absent: left as it is."),
    key("media.sound.capture_volume", None, "70", "Recording volume of the card's own mixer, per cent, likewise."),
    key("media.sound.cancel_echo", Some("true"), "true", "Take the loudspeaker's echo out of what the officer hears."),
    key(
        "media.sound.echo_delay_ms",
        None,
        "45",
        "Milliseconds from loudspeaker to microphone. Absent: as the last full self-test measured it.",
    ),
    key(
        "media.sound.air_loss_db",
        None,
        "20",
        "Simulated devices: the microphone hears the loudspeaker, so much fainter. Absent: it does not.",
    ),
    key("media.sound.air_delay_ms", Some("60"), "60", "Simulated devices: and so much later, milliseconds."),
    key(
        "media.sound.noise_suppression",
        Some(r#""moderate""#),
        r#""moderate""#,
        "Noise the officer is spared: \"off\", \"low\", \"moderate\" or \"high\" (0, 6, 12, 18 dB).",
    ),
    key("media.sound.most_gain_db", Some("12"), "12", "A faint voice is raised by at most this, dB; 0: not at all."),
    key(
        "media.sound.loud_noise_dbfs",
        Some("-45.0"),
        "-45.0",
        "Noise before the press (dB of full scale) from which on the kiosk speaks as loud as it can.",
    ),
    key(
        "media.sound.quiet_cut_db",
        Some("12"),
        "12",
        "In a quieter place it speaks fainter by at most this, dB; 0: never.",
    ),
    key(
        "media.prompts.dir",
        Some(r#""/usr/share/sos-kiosk/prompts""#),
        r#""/usr/share/sos-kiosk/prompts""#,
        "The spoken sentences: LANGUAGE/SENTENCE.wav. A chime for a sentence that is missing.",
    ),
    key(
        "media.prompts.own",
        Some(r#""/etc/sos-kiosk/prompts""#),
        r#""/etc/sos-kiosk/prompts""#,
        "The owner's recordings, likewise: each that is there replaces the one of media.prompts.dir.",
    ),
    key(
        "media.prompts.languages",
        Some(r#""kk, ru, en""#),
        r#""kk, ru""#,
        "Languages of the sentences, in the order they are spoken.",
    ),
    key(
        "panel.driver",
        Some(r#""sim""#),
        r#""gpiocdev""#,
        "Buttons, lamps, outputs: \"sim\", \"gpiocdev\" (any board) or \"rppal\" (Raspberry Pi).",
    ),
    key(
        "panel.chip",
        None,
        r#""pinctrl-bcm2711""#,
        "GPIO chip by label, name or path, for gpiocdev. Absent: the one with the lines' names.",
    ),
    key(
        "panel.button.line",
        None,
        "17",
        "The SOS button: number (offset, BCM number for rppal) or name of its line. Absent: not fitted.",
    ),
    closed_level("panel.button.active"),
    at_rest("panel.button.contact"),
    pull("panel.button.bias"),
    debounce("panel.button.debounce_ms", "5", "10"),
    key(
        "panel.second_button.line",
        None,
        "27",
        "A second button: number (offset, BCM number for rppal) or name of its line. Absent: not fitted.",
    ),
    closed_level("panel.second_button.active"),
    at_rest("panel.second_button.contact"),
    pull("panel.second_button.bias"),
    debounce("panel.second_button.debounce_ms", "5", "10"),
    key(
        "panel.tamper.line",
        None,
        r#""TAMPER""#,
        "The tamper contact: number (offset, BCM number for rppal) or name of its line. Absent: not fitted.",
    ),
    closed_level("panel.tamper.active"),
    key(
        "panel.tamper.contact",
        Some(r#""closed""#),
        r#""closed""#,
        "The contact while the case is closed: \"closed\" or \"open\".",
    ),
    pull("panel.tamper.bias"),
    debounce("panel.tamper.debounce_ms", "100", "100"),
    key(
        "panel.lamp_sent.line",
        None,
        r#""LAMP_YELLOW""#,
        "The yellow lamp: alarm sent, until the centre closes it: its line. Absent: not fitted.",
    ),
    on_level("panel.lamp_sent.active"),
    key("panel.lamp_answered.line", None, "22", "The green lamp: answered: its line. Absent: not fitted."),
    on_level("panel.lamp_answered.active"),
    key("panel.lamp_fault.line", None, "23", "The fault lamp: its line. Absent: not fitted."),
    on_level("panel.lamp_fault.active"),
    key(
        "panel.strobe.line",
        None,
        "24",
        "The strobe light, which an officer may switch in a call: its line. Absent: not fitted.",
    ),
    on_level("panel.strobe.active"),
    key("panel.strobe.in_alarm", Some("false"), "true", "The strobe shines by itself while an incident is open.")
        .live(),
    key(
        "panel.relay.line",
        None,
        "25",
        "The relay, which an officer may switch in a call: its line. Absent: not fitted.",
    ),
    on_level("panel.relay.active"),
    key(
        "panel.heater.line",
        None,
        "26",
        "The heater, which an officer may switch in a call: its line. Absent: not fitted.",
    ),
    on_level("panel.heater.active"),
    key(
        "selftest.nightly",
        Some("true"),
        "false",
        "Test everything every night, with a test call to the centre, and raise a fault while that is not proved.",
    )
    .live(),
    key(
        "selftest.at",
        Some(r#""03:30""#),
        r#""03:30""#,
        "Local time of the nightly test; each kiosk begins up to 20 minutes later, by its id.",
    )
    .live(),
    key("board.certificate_days", Some("14"), "14", "A certificate with fewer days left is a warning."),
    key("board.disk_low_mb", Some("100"), "100", "With less room for recordings, MB, the disk counts as full."),
    key("board.cold_c", Some("-30.0"), "-30.0", "Colder than this, degrees Celsius, is a warning."),
    key(
        "board.hot_c",
        Some("85.0"),
        "85.0",
        "Hotter than this, degrees Celsius, is a warning: a Raspberry Pi slows down.",
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
