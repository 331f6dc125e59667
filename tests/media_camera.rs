//! Cameras of every kind and both software encoders, on real sources: what they give is adapted, what breaks is told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod media_support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use media_support::{BOUND, Kiosk, cleared, probe, raised, settings, until};
use sos::adapter::media::encoder::Codec;
use sos::adapter::media::gate::begins_key_frame;
use sos::adapter::media::{CameraSource, MediaSettings, RtspSource};
use sos::kiosk::ports::{LivePacket, Media, Medium};
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::FaultKind;
use tokio::sync::mpsc;

/// A camera that is gone must be known within this.
const WITHIN: Duration = Duration::from_secs(5);

/// An IP camera; killed when dropped.
struct IpCamera {
    child: Child,
}

impl IpCamera {
    /// `shape`: width, height and frames a second.
    fn start(port: u16, shape: [u32; 3], login: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media_support/rtsp-server.py");
        // Debian's own Python has the bindings; another one on the PATH would not.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(port.to_string()).args(shape.map(|n| n.to_string())).args(login);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "listening", "python3-gi and gir1.2-gst-rtsp-server-1.0 are needed");
        Self { child }
    }
}

impl Drop for IpCamera {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn rtsp(port: u16, tcp: bool, credentials: Option<PathBuf>) -> MediaSettings {
    let camera = RtspSource { url: format!("rtsp://127.0.0.1:{port}/live"), credentials, tcp };
    MediaSettings { camera: CameraSource::Rtsp(camera), ..settings() }
}

/// The next packet of the picture.
fn picture(from: &mut mpsc::Receiver<LivePacket>) -> LivePacket {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        loop {
            let packet = tokio::time::timeout(BOUND, from.recv()).await.expect("a packet").expect("the gate is open");
            if packet.medium == Medium::Picture {
                return packet;
            }
        }
    })
}

/// Frames a second on the way out, by the clock of the media, over some seconds.
fn rate(kiosk: &Kiosk, seconds: u32) -> f64 {
    let (to, mut from) = mpsc::channel(4096);
    kiosk.media.open_gate(to);
    let mut stamps = Vec::new();
    while stamps.len() < 2 || stamps[stamps.len() - 1] - stamps[0] < seconds * 90_000 {
        let packet = picture(&mut from);
        if packet.marker {
            stamps.push(packet.timestamp);
        }
    }
    kiosk.media.close_gate();
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
    // The first is the last frame once more.
    (stamps.len() - 2) as f64 * 90_000.0 / f64::from(stamps[stamps.len() - 1] - stamps[1])
}

#[test]
fn an_ip_camera_of_another_size_and_rate_is_adapted_and_its_loss_is_told_and_heals() {
    let port = free_port();
    let camera = IpCamera::start(port, [320, 240, 10], &[]);
    let mut kiosk = Kiosk::start(rtsp(port, true, None));
    until("frames", || kiosk.media.measures().encode_ms.n > 30);
    let gives = kiosk.media.inventory().camera.unwrap();
    assert!(gives.contains("320x240 at 10 frames/s, asked 1280x720 at 25: adapted"), "{gives}");
    let found = rate(&kiosk, 4);
    assert!((24.0..=26.0).contains(&found), "{found} frames a second");

    let incident = IncidentId::fresh();
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    until("fragments", || kiosk.store.count(incident) > 3);
    kiosk.media.stop_recording(incident);
    let (_, count) = kiosk.expect("the seal", |event| match event {
        Event::RecordingSealed { fragments, .. } => Some(*fragments),
        _ => None,
    });
    let recorded = probe(&kiosk.store.file(incident, count));
    assert_eq!((&recorded["streams"][0]["width"], &recorded["streams"][0]["height"]), (&1280.into(), &720.into()));

    drop(camera);
    let gone = Instant::now();
    let (at, detail) = kiosk.expect("the fault", raised(FaultKind::CameraLost));
    eprintln!("lost after {:?}: {detail}", at.saturating_duration_since(gone));
    assert!(at.saturating_duration_since(gone) < WITHIN && detail.contains("rtsp://127.0.0.1"), "{detail}");
    let _camera = IpCamera::start(port, [1280, 720, 25], &[]);
    let back = Instant::now();
    let (at, ()) = kiosk.expect("the healing", cleared(FaultKind::CameraLost));
    eprintln!("back after {:?}", at.saturating_duration_since(back));
    until("another shape", || kiosk.media.inventory().camera.is_some_and(|gives| !gives.contains("adapted")));
    // The picture's age where it enters the encoder is small: no queue has piled up.
    kiosk.run_for(Duration::from_secs(2));
    assert!(kiosk.media.health().frame_age.unwrap() < Duration::from_millis(500));
}

#[test]
fn an_ip_camera_over_udp_with_a_password_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("camera");
    std::fs::write(&file, "kiosk:wrong\n").unwrap();
    let port = free_port();
    let camera = IpCamera::start(port, [640, 360, 25], &["kiosk", "right one"]);
    let mut kiosk = Kiosk::start(rtsp(port, false, Some(file.clone())));
    let (_, detail) = kiosk.expect("the fault", raised(FaultKind::CameraLost));
    assert!(detail.contains("Unauthorized") && !detail.contains("wrong"), "{detail}");
    std::fs::write(&file, "kiosk:right one\n").unwrap();
    kiosk.expect("the healing", cleared(FaultKind::CameraLost));
    let found = rate(&kiosk, 3);
    assert!((24.0..=26.0).contains(&found), "{found} frames a second");
    // Over UDP nothing tells that the camera is gone but its silence.
    drop(camera);
    let gone = Instant::now();
    let (at, _) = kiosk.expect("the fault", raised(FaultKind::CameraLost));
    eprintln!("UDP: lost after {:?}", at.saturating_duration_since(gone));
    assert!(at.saturating_duration_since(gone) < WITHIN);
}

#[test]
fn a_device_or_a_plug_in_that_is_not_there_is_a_clear_fault_and_the_sound_goes_on() {
    gstreamer::init().unwrap();
    // Either the plug-in is not installed, and then its package is named, or there is no camera.
    let plug_in = gstreamer::ElementFactory::find("libcamerasrc").is_some();
    let libcamera =
        if plug_in { "libcamera" } else { "libcamerasrc is not installed (Debian: gstreamer1.0-libcamera)" };
    for (camera, wanted) in [
        (CameraSource::V4l2("/dev/v4l/by-id/usb-nothing-index0".into()), "usb-nothing-index0: No such file"),
        (CameraSource::V4l2("No Such Camera".into()), "expected a V4L2 device named \"No Such Camera\", found"),
        (CameraSource::V4l2("/dev/null".into()), "/dev/null: expected a camera, found a device that does not open"),
        (CameraSource::Libcamera(None), libcamera),
    ] {
        let mut kiosk = Kiosk::start(MediaSettings { camera, ..settings() });
        let (_, detail) = kiosk.expect("the fault", raised(FaultKind::CameraLost));
        assert!(detail.contains(wanted), "{detail}");
        until("sound", || kiosk.media.health().sound_age.is_some());
    }
}

#[test]
fn each_software_encoder_gives_a_key_frame_when_the_gate_opens() {
    for codec in [Codec::X264, Codec::OpenH264] {
        let mut kiosk = Kiosk::start(MediaSettings {
            encoder: Some(codec),
            // So long that a key frame in this test was asked for.
            key_frame_interval: Duration::from_secs(60),
            bitrate_kbit: 2000,
            ..settings()
        });
        until("frames", || kiosk.media.measures().encode_ms.n > 25);
        assert_eq!(kiosk.media.inventory().encoder.as_deref(), Some(codec.name()));
        let mut waits = Vec::new();
        for _ in 0..7 {
            kiosk.run_for(Duration::from_millis(300));
            let (to, mut from) = mpsc::channel(4096);
            let opened = Instant::now();
            kiosk.media.open_gate(to);
            let first = picture(&mut from);
            waits.push(opened.elapsed());
            assert!(begins_key_frame(&first.payload));
            kiosk.media.close_gate();
        }
        waits.sort_unstable();
        let encode = kiosk.media.measures().encode_ms;
        eprintln!("{}: gate to key frame {waits:?}, encoder {encode:?}", codec.name());
        // A frame's period and the encoder, however busy the machine is otherwise.
        assert!(waits[3] < Duration::from_millis(150), "{waits:?}");

        let incident = IncidentId::fresh();
        kiosk.media.start_recording(incident, Duration::from_secs(1));
        kiosk.run_for(Duration::from_secs(2));
        kiosk.media.stop_recording(incident);
        let (_, count) = kiosk.expect("the seal", |event| match event {
            Event::RecordingSealed { fragments, .. } => Some(*fragments),
            _ => None,
        });
        let recorded = probe(&kiosk.store.file(incident, count));
        let stream = &recorded["streams"][0];
        assert_eq!((stream["codec_name"].as_str(), stream["has_b_frames"].as_i64()), (Some("h264"), Some(0)));
        let frames: u64 = stream["nb_read_frames"].as_str().unwrap().parse().unwrap();
        assert!(frames >= 50, "{frames} frames decode");
    }
}
