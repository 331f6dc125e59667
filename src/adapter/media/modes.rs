//! Which of a camera's modes is taken: the one that needs the least adapting. Pure but for GStreamer's caps.

use gstreamer as gst;

use super::MediaSettings;

/// A mode, fixed.
#[derive(Debug, Clone)]
pub struct Mode {
    /// For a capsfilter behind the source.
    pub caps: gst::Caps,
    /// Compressed, picture by picture.
    pub jpeg: bool,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// Frames per second.
    pub fps: f64,
}

/// The mode nearest to what is asked; `None` if the camera offers neither raw pictures nor MJPEG.
#[must_use]
pub fn choose(offered: &gst::Caps, settings: &MediaSettings) -> Option<Mode> {
    let modes = offered.iter_with_features().filter_map(|(structure, features)| {
        // Pictures that lie in a device's own memory cannot be read by the converters.
        let plain = features.is_any() || features.size() == 0 || features.contains("memory:SystemMemory");
        if plain { fix(structure, settings) } else { None }
    });
    modes.min_by(|a, b| cost(a, settings).total_cmp(&cost(b, settings)))
}

fn fix(structure: &gst::StructureRef, settings: &MediaSettings) -> Option<Mode> {
    let jpeg = match structure.name().as_str() {
        "image/jpeg" => true,
        "video/x-raw" => false,
        _ => return None,
    };
    let mut fixed = structure.to_owned();
    // Each leaves a field alone that is absent or fixed already.
    fixed.fixate_field_nearest_int("width", i32::from(settings.width));
    fixed.fixate_field_nearest_int("height", i32::from(settings.height));
    let fps = i32::try_from(settings.fps).unwrap_or(i32::MAX);
    fixed.fixate_field_nearest_fraction("framerate", gst::Fraction::new(fps, 1));
    fixed.fixate();
    let size = |name: &str| fixed.get::<i32>(name).ok();
    let (width, height) = (size("width")?, size("height")?);
    // A camera that does not say how fast it is may be as fast as asked.
    let fps = fixed
        .get::<gst::Fraction>("framerate")
        .map_or(f64::from(settings.fps), |rate| f64::from(rate.numer()) / f64::from(rate.denom().max(1)));
    let caps = gst::Caps::builder_full().structure(fixed).build();
    Some(Mode { caps, jpeg, width, height, fps })
}

/// What is missing weighs most; what is too much costs conversion, and so does a JPEG decoder.
fn cost(mode: &Mode, settings: &MediaSettings) -> f64 {
    let missing = |found: f64, asked: f64| (1.0 - found / asked).max(0.0);
    let too_much = |found: f64, asked: f64| (found / asked - 1.0).max(0.0);
    let (width, height, fps) = (f64::from(settings.width), f64::from(settings.height), f64::from(settings.fps));
    let pixels = f64::from(mode.width) * f64::from(mode.height) / (width * height);
    missing(f64::from(mode.width), width)
        + missing(f64::from(mode.height), height)
        + 1.5 * missing(mode.fps, fps)
        + 0.05 * too_much(pixels, 1.0)
        + 0.02 * too_much(mode.fps, fps)
        + if mode.jpeg { 0.05 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[track_caller]
    fn chosen(offered: &str) -> Option<(bool, i32, i32, f64)> {
        gst::init().unwrap();
        let settings = MediaSettings { width: 1280, height: 720, fps: 25, ..MediaSettings::default() };
        let caps = gst::Caps::from_str(offered).unwrap();
        choose(&caps, &settings).map(|mode| {
            assert!(mode.caps.is_fixed(), "{}", mode.caps);
            (mode.jpeg, mode.width, mode.height, (mode.fps * 10.0).round() / 10.0)
        })
    }

    #[test]
    fn a_usb_camera_gives_mjpeg_where_raw_is_too_slow() {
        // As a common USB 2 camera offers it: raw 720p is too much for its bus.
        let rates = "framerate={30/1,25/1,20/1,15/1,10/1,5/1}";
        let offered = format!(
            "video/x-raw,format=YUY2,width=640,height=480,{rates}; \
             video/x-raw,format=YUY2,width=1280,height=720,framerate={{10/1,5/1}}; \
             video/x-raw,format=YUY2,width=2304,height=1536,framerate=2/1; \
             image/jpeg,width=640,height=480,{rates}; image/jpeg,width=1280,height=720,{rates}; \
             image/jpeg,width=1920,height=1080,{rates}; video/x-h264,width=1280,height=720,{rates}"
        );
        assert_eq!(chosen(&offered), Some((true, 1280, 720, 25.0)));
        let raw = offered.replace("framerate={10/1,5/1}", "framerate={30/1,10/1}");
        assert_eq!(chosen(&raw), Some((false, 1280, 720, 30.0)));
    }

    #[test]
    fn what_does_not_fit_is_the_nearest() {
        let one = "video/x-raw,format=YUY2,width=320,height=240,framerate=15/1";
        assert_eq!(chosen(one), Some((false, 320, 240, 15.0)));
        let vivid = "video/x-raw,format=NV12,width={320,640,1280,1920,3840},height={180,360,720,1080,2160},\
                     framerate=(fraction)[1/1,60/1]";
        assert_eq!(chosen(vivid), Some((false, 1280, 720, 25.0)));
        let range = "video/x-raw,format={YUY2,NV12},width=[32,1024],height=[32,768],framerate=[0/1,100/1]";
        assert_eq!(chosen(range), Some((false, 1024, 720, 25.0)));
        assert_eq!(chosen("video/x-raw,format=NV12,width=1280,height=720"), Some((false, 1280, 720, 25.0)));
    }

    #[test]
    fn what_cannot_be_read_is_not_taken() {
        assert_eq!(chosen("video/x-h264,width=1280,height=720,framerate=25/1"), None);
        assert_eq!(chosen("video/x-raw(memory:DMABuf),format=NV12,width=1280,height=720,framerate=25/1"), None);
        assert_eq!(chosen("video/x-bayer,width=1280,height=720,framerate=25/1"), None);
    }
}
