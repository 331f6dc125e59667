//! The camera and its encoder: `[media.camera]` and `media.encoder`.

use std::path::PathBuf;

use super::super::load::Reader;

/// Where the picture comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraDriver {
    /// A moving pattern.
    Test,
    /// A film, over and over.
    File(PathBuf),
    /// A V4L2 device, by its path or by the name its driver gives it.
    V4l2 {
        /// Path or name.
        device: String,
    },
    /// A camera that libcamera serves.
    Libcamera {
        /// Its id; none: the first one.
        device: Option<String>,
    },
    /// A camera on the kiosk's own network.
    Rtsp(RtspCamera),
}

/// An IP camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspCamera {
    /// `rtsp://...`, without user and password.
    pub url: String,
    /// A file with `user:password` in its first line.
    pub credentials: Option<PathBuf>,
    /// Over TCP rather than UDP.
    pub tcp: bool,
}

/// Which H.264 encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderChoice {
    /// The best one that is there.
    Auto,
    /// x264.
    X264,
    /// OpenH264.
    OpenH264,
    /// The board's own, through V4L2.
    V4l2,
}

#[derive(Clone, Copy)]
enum Word {
    Test,
    File,
    V4l2,
    Libcamera,
    Rtsp,
}

const DRIVER: &str = "media.camera.driver";
const DEVICE: &str = "media.camera.device";
const URL: &str = "media.camera.url";

pub(super) fn read(r: &mut Reader) -> Option<CameraDriver> {
    let words = [
        ("test", Word::Test),
        ("file", Word::File),
        ("v4l2", Word::V4l2),
        ("libcamera", Word::Libcamera),
        ("rtsp", Word::Rtsp),
    ];
    let driver = r.choice(DRIVER, &words)?;
    Some(match driver {
        Word::Test => CameraDriver::Test,
        Word::File => CameraDriver::File(super::media::file_of(r, DRIVER, "media.camera.file")?),
        Word::V4l2 => {
            let device = r.optional_text(DEVICE);
            if device.is_none() {
                r.fail(DRIVER, format!("driver \"v4l2\" needs {DEVICE}, found none"));
            }
            CameraDriver::V4l2 { device: device? }
        }
        Word::Libcamera => CameraDriver::Libcamera { device: r.optional_text(DEVICE) },
        Word::Rtsp => CameraDriver::Rtsp(rtsp(r)?),
    })
}

fn rtsp(r: &mut Reader) -> Option<RtspCamera> {
    if !r.is_set(URL) {
        r.fail(DRIVER, format!("driver \"rtsp\" needs {URL}, found none"));
        return None;
    }
    let expected = "\"rtsp://host[:port]/path\" without user and password (media.camera.credentials names their file)";
    let url = r.parsed(URL, expected, |text| {
        let rest = text.strip_prefix("rtsp://")?;
        let host = rest.split('/').next().unwrap_or_default();
        (!host.is_empty() && !host.contains('@') && !rest.contains(char::is_whitespace)).then(|| text.to_owned())
    });
    let credentials = r.optional_path("media.camera.credentials");
    let tcp = r.choice("media.camera.transport", &[("tcp", true), ("udp", false)]);
    Some(RtspCamera { url: url?, credentials, tcp: tcp? })
}

pub(super) fn encoder(r: &mut Reader) -> Option<EncoderChoice> {
    let words = [
        ("auto", EncoderChoice::Auto),
        ("x264", EncoderChoice::X264),
        ("openh264", EncoderChoice::OpenH264),
        ("v4l2h264", EncoderChoice::V4l2),
    ];
    r.choice("media.encoder", &words)
}
