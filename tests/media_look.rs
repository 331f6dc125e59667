//! The watch over the picture on real films: nothing is said of them as they are, and what is broken in them is.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod media_support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use media_support::{Kiosk, cleared, raised, settings, tool, until};
use sos::adapter::media::look::{EVERY, Glance, Look, Trouble, glance};
use sos::adapter::media::still::compare;
use sos::adapter::media::{CameraSource, MediaSettings};
use sos::machine::Event;
use sos::wire::up::FaultKind;

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
/// What the centre must know, seconds from the camera's trouble to the fault.
const WITHIN: f64 = 5.0;

/// Where the real films are.
fn films() -> &'static Path {
    static FILMS: OnceLock<PathBuf> = OnceLock::new();
    FILMS.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/films");
        let output = Command::new(script).output().unwrap();
        assert!(output.status.success(), "scripts/films: {}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

fn film(name: &str) -> PathBuf {
    films().join(name)
}

/// Every look at a film from its beginning to its end, as the kiosk would see it, through a filter of ffmpeg.
fn looks(path: &Path, filter: &str) -> Vec<Glance> {
    let shape = format!("scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=decrease,pad={WIDTH}:{HEIGHT}:-1:-1");
    let filter = if filter.is_empty() { format!("{shape},fps=4") } else { format!("{shape},{filter},fps=4") };
    let arguments = ["-v", "error", "-i", path.to_str().unwrap(), "-vf", &filter, "-pix_fmt", "yuv420p"];
    let raw = tool("ffmpeg", &[&arguments[..], &["-f", "rawvideo", "-"]].concat());
    let frame = WIDTH * HEIGHT * 3 / 2;
    assert!(raw.len() >= 8 * frame, "a film of two seconds at least");
    raw.chunks_exact(frame).map(|frame| glance(frame, WIDTH, WIDTH, HEIGHT)).collect()
}

/// Shows looks one after the other; what stood, and after how many seconds the first came.
fn show(look: &mut Look, from: &mut u64, looks: impl IntoIterator<Item = Glance>) -> Vec<(Trouble, f64)> {
    let mut seen: Vec<(Trouble, f64)> = Vec::new();
    for (n, glance) in looks.into_iter().enumerate() {
        look.see(*from, &glance);
        *from += EVERY;
        for (trouble, detail) in look.troubles() {
            if seen.iter().all(|(known, _)| *known != trouble) {
                eprintln!("{trouble:?} after {} s: {detail}", n as f64 / 4.0);
                seen.push((trouble, n as f64 / 4.0));
            }
        }
    }
    seen
}

#[test]
fn of_real_films_nothing_is_said() {
    let (bikes, phone) = (looks(&film("bikes.mp4"), ""), looks(&film("carphone_pristine.mp4"), ""));
    for one in [&bikes, &phone] {
        let mut at = 0;
        let rounds = (0..6).flat_map(|_| one.iter().cloned());
        assert_eq!(show(&mut Look::default(), &mut at, rounds), [], "looped");
    }
    // The demo's film: one scene after the other, for two minutes.
    let both = || bikes.iter().chain(&phone).cloned();
    assert_eq!(show(&mut Look::default(), &mut 0, (0..9).flat_map(|_| both())), [], "a street, then a person");
    for filter in ["eq=brightness=-0.15:contrast=0.6", "eq=gamma=0.5", "noise=alls=12:allf=t", "fps=8"] {
        let dim = looks(&film("bikes.mp4"), filter);
        let mut at = 0;
        let mut look = Look::default();
        assert_eq!(show(&mut look, &mut at, bikes.clone()), [], "{filter}");
        assert_eq!(show(&mut look, &mut at, (0..3).flat_map(|_| dim.clone())), [], "another light: {filter}");
    }
}

#[test]
fn what_is_broken_in_a_real_film_is_said_within_five_seconds_and_taken_back() {
    for name in ["bikes.mp4", "carphone_pristine.mp4"] {
        let whole = looks(&film(name), "");
        let broken: Vec<(Trouble, Vec<Glance>)> = vec![
            (Trouble::Frozen, vec![whole[3].clone(); 24]),
            (
                Trouble::Covered,
                (0..2).flat_map(|_| looks(&film(name), "eq=brightness=-0.9,noise=alls=4:allf=t")).collect(),
            ),
            (
                Trouble::Covered,
                (0..2).flat_map(|_| looks(&film(name), "eq=contrast=0.02,noise=alls=4:allf=t")).collect(),
            ),
        ];
        // The other film's camera rides along: of that no lens out of focus can be told from another scene.
        let lens = (0..2).flat_map(|_| looks(&film(name), "gblur=sigma=7")).collect();
        let lens = (name == "carphone_pristine.mp4").then_some((Trouble::Blurred, lens));
        for (trouble, broken) in broken.into_iter().chain(lens) {
            let (mut look, mut at) = (Look::default(), 0);
            assert_eq!(show(&mut look, &mut at, whole.clone()), [], "{name}");
            let seen = show(&mut look, &mut at, broken.into_iter().take(24));
            let kinds: Vec<Trouble> = seen.iter().map(|(trouble, _)| *trouble).collect();
            assert_eq!(kinds, [trouble], "{name}");
            assert!(seen[0].1 <= WITHIN - 0.75, "{name}: {trouble:?} only after {} s", seen[0].1);
            show(&mut look, &mut at, whole.iter().cloned().cycle().take(16));
            assert_eq!(look.troubles(), [], "{name}: healed");
        }
    }
}

#[test]
fn a_still_of_the_film_is_compared_with_its_reference() {
    let phone = looks(&film("carphone_pristine.mp4"), "");
    let reference = &phone[0].still;
    let compared = |filter: &str| compare(reference, &looks(&film("carphone_pristine.mp4"), filter)[4].still);
    for now in &phone[1..] {
        let likeness = compare(reference, &now.still);
        let (layout, focus) = (likeness.layout.unwrap(), likeness.focus.unwrap());
        assert!(layout > 0.7 && (0.8..1.25).contains(&focus), "{likeness:?}");
    }
    for light in ["eq=brightness=-0.15:contrast=0.5", "eq=gamma=0.5", "eq=gamma=2"] {
        let likeness = compared(light);
        let (layout, focus) = (likeness.layout.unwrap(), likeness.focus.unwrap());
        assert!(layout > 0.7 && (0.8..1.25).contains(&focus), "{light}: {likeness:?}");
    }
    let blurred = compared("gblur=sigma=7");
    assert!(blurred.layout.unwrap() > 0.7 && blurred.focus.unwrap() < 0.55, "{blurred:?}");
    let other = looks(&film("bikes.mp4"), "");
    for likeness in
        [compared("hflip"), compared("crop=900:500:0:0,scale=1280:720"), compare(reference, &other[4].still)]
    {
        assert!(likeness.layout.unwrap() < 0.5, "{likeness:?}");
    }
}

/// Makes a film of another by a filter, without loss.
fn make(dir: &Path, name: &str, filter: &str) -> PathBuf {
    let path = dir.join(name);
    let film = film("carphone_pristine.mp4");
    let arguments = ["-v", "error", "-i", film.to_str().unwrap(), "-vf", filter, "-an", "-c:v", "libx264", "-preset"];
    let more = ["ultrafast", "-qp", "0", "-pix_fmt", "yuv420p", path.to_str().unwrap()];
    tool("ffmpeg", &[&arguments[..], &more[..]].concat());
    path
}

#[test]
fn the_kiosk_tells_of_a_camera_that_freezes_or_is_covered_blurred_or_pulled_out() {
    let dir = tempfile::tempdir().unwrap();
    let camera = dir.path().join("camera.mp4");
    let show = |film: &Path| {
        // As a whole, like another camera on the same port.
        let half = camera.with_extension("half");
        std::fs::copy(film, &half).unwrap();
        std::fs::rename(half, &camera).unwrap();
    };
    let whole = film("carphone_pristine.mp4");
    show(&whole);
    let mut kiosk = Kiosk::start(MediaSettings { camera: CameraSource::File(camera.clone()), ..settings() });
    until("a still", || kiosk.media.still().is_some());
    kiosk.run_for(Duration::from_secs(4));
    for (kind, filter) in [
        (FaultKind::CameraFrozen, "select=gte(n\\,60),loop=loop=100:size=1:start=0,trim=end_frame=100,setpts=N/25/TB"),
        (FaultKind::CameraCovered, "eq=brightness=-0.9,noise=alls=4:allf=t"),
        (FaultKind::CameraBlurred, "gblur=sigma=2"),
    ] {
        let broken = make(dir.path(), "broken.mp4", filter);
        show(&broken);
        let since = Instant::now();
        let (at, detail) = kiosk.expect("the fault", |event| {
            // The decoder takes the other film at once; a part that is built anew waits longer each time.
            assert_eq!(raised(FaultKind::CameraLost)(event), None, "an exchanged film is no lost camera");
            raised(kind)(event)
        });
        let after = at.saturating_duration_since(since).as_secs_f64();
        eprintln!("{kind:?} after {after:.2} s: {detail}");
        assert!(after < WITHIN, "{kind:?} only after {after:.1} s");
        show(&whole);
        let since = Instant::now();
        let (at, ()) = kiosk.expect("the healing", cleared(kind));
        let after = at.saturating_duration_since(since).as_secs_f64();
        eprintln!("{kind:?} healed after {after:.2} s");
        assert!(after < WITHIN, "{kind:?} healed only after {after:.1} s");
        std::fs::remove_file(broken).unwrap();
    }
    std::fs::remove_file(&camera).unwrap();
    let since = Instant::now();
    let (at, detail) = kiosk.expect("the fault", raised(FaultKind::CameraLost));
    assert!(detail.contains("camera.mp4") && at.saturating_duration_since(since).as_secs_f64() < WITHIN, "{detail}");
    show(&whole);
    kiosk.expect("the healing", cleared(FaultKind::CameraLost));
}

/// What has been told, but that each part works, which is told once.
fn faults(kiosk: &mut Kiosk) -> Vec<Event> {
    let told = std::iter::from_fn(|| kiosk.inbox.try_recv().ok()).map(|stamped| stamped.event);
    told.filter(|event| !matches!(event, Event::FaultCleared(_))).collect()
}

#[test]
fn of_the_test_pattern_nothing_is_said_and_a_watch_that_is_off_says_nothing() {
    let mut pattern = Kiosk::start(settings());
    pattern.run_for(Duration::from_secs(8));
    assert_eq!(faults(&mut pattern), [], "the test pattern");
    drop(pattern);
    let dir = tempfile::tempdir().unwrap();
    let camera = CameraSource::File(make(dir.path(), "black.mp4", "eq=brightness=-0.9"));
    let mut kiosk = Kiosk::start(MediaSettings { camera, watch: false, ..settings() });
    kiosk.run_for(Duration::from_secs(8));
    assert_eq!(faults(&mut kiosk), [], "the watch is off");
    assert!(kiosk.media.still().unwrap().luma.iter().all(|level| *level < 40), "and still it has a still");
}

/// The camera's pictures as the judge gets them: the converters keep a frozen one frozen and a noisy one noisy.
#[test]
fn the_same_picture_through_the_converters_is_the_same() {
    gst::init().unwrap();
    let signatures = |pattern: &str| {
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc num-buffers=4 pattern={pattern} ! \
             video/x-raw,format=YUY2,width=640,height=480,framerate=15/1 ! videoconvertscale ! \
             video/x-raw,format=I420,width={WIDTH},height={HEIGHT},pixel-aspect-ratio=1/1 ! appsink name=out sync=false"
        ));
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let out = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut signatures = Vec::new();
        while let Ok(sample) = out.pull_sample() {
            let map = sample.buffer().unwrap().map_readable().unwrap();
            signatures.push(glance(&map, WIDTH, WIDTH, HEIGHT).signature);
        }
        pipeline.set_state(gst::State::Null).unwrap();
        signatures
    };
    let still = signatures("smpte75");
    assert!(still.len() == 4 && still.windows(2).all(|pair| pair[0] == pair[1]), "{still:?}");
    // This one has a corner of noise.
    let noisy = signatures("smpte");
    assert!(noisy.windows(2).all(|pair| pair[0] != pair[1]), "{noisy:?}");
}
