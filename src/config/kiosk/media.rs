//! Picture and sound: `[media]`.

use std::path::PathBuf;

use super::super::load::Reader;
use super::camera::{self, CameraDriver, EncoderChoice};
use super::sound::{self, SoundConfig};

/// Picture and sound.
#[derive(Debug, Clone, PartialEq)]
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
    pub camera: CameraDriver,
    /// What encodes it.
    pub encoder: EncoderChoice,
    /// Whether a frozen, covered or blurred picture is looked for.
    pub watch: bool,
    /// Microphone, loudspeaker, prompts.
    pub sound: SoundConfig,
}

pub(super) fn read(r: &mut Reader) -> Option<MediaConfig> {
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
    let camera = camera::read(r);
    let encoder = camera::encoder(r);
    let watch = r.flag("media.camera.watch");
    let sound = sound::read(r);
    Some(MediaConfig {
        width,
        height,
        fps,
        bitrate_kbit,
        key_frame_s,
        pre_event_s,
        camera: camera?,
        encoder: encoder?,
        watch,
        sound: sound?,
    })
}

pub(super) fn file_of(r: &mut Reader, driver: &str, file: &str) -> Option<PathBuf> {
    let path = r.optional_path(file);
    if path.is_none() {
        r.fail(driver, format!("driver \"file\" needs {file}, found none"));
    }
    path
}
