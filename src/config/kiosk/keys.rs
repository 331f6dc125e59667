//! Every key of the kiosk's configuration.

use super::super::load::Key;

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
