//! A sound card where there is none: a PulseAudio of the test's own with two sinks that nobody hears is a paced card
//! for programs that speak ALSA. `kiosk` is the card; what is played into `mouth` its microphone hears, and what its
//! loudspeaker plays is heard at `ear`.
//!
//! ALSA reads its configuration once and from the environment, so each test runs in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sos::adapter::media::card::CardSettings;
use sos::adapter::media::echo::EchoSettings;
use sos::adapter::media::loudness::LoudnessSettings;
use sos::adapter::media::{MediaSettings, MicrophoneSource, Speaker};

const INSIDE: &str = "SOS_SOUND_WORLD";
const BESIDE: &str = "beside";

/// Runs a test inside a sound world of its own; `name` is the test's own.
pub fn inside(name: &str, test: impl FnOnce(&mut World)) {
    if let Some(dir) = std::env::var_os(INSIDE) {
        let mut world = World { dir: PathBuf::from(dir), server: None };
        world.plug();
        test(&mut world);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let world = World::in_dir(dir.path());
    let status = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, dir.path())
        .envs(world.environment())
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed inside its sound world");
}

/// The card and its surroundings.
pub struct World {
    pub dir: PathBuf,
    server: Option<Child>,
}

impl World {
    /// Its description for ALSA, in `dir`; nothing is plugged in yet.
    pub fn in_dir(dir: &Path) -> Self {
        let socket = dir.join("pulse.socket");
        let device = |kind: &str, name: &str, device: &str| {
            format!("{kind}.{name} {{ type pulse server \"unix:{}\" device \"{device}\" }}\n", socket.display())
        };
        let mut text = "pcm.kiosk { type asym playback.pcm out capture.pcm in }\n".to_owned();
        text += &device("pcm", "out", "speaker");
        text += &device("pcm", "in", "microphone.monitor");
        text += &device("pcm", "mouth", "microphone");
        text += &device("pcm", "ear", "speaker.monitor");
        text += &device("ctl", "kiosk", "speaker");
        // A card of 44.1 kHz alone, both directions: without ALSA's converter this is all it offers.
        for (name, slave) in [("out44", "out"), ("in44", "in")] {
            text += &format!("pcm.{name} {{ type plug slave {{ pcm \"{slave}\" rate 44100 }} }}\n");
        }
        text += "pcm.of44 { type asym playback.pcm out44 capture.pcm in44 }\n";
        // A card whose loudspeaker is a world of its own: it can come later.
        let beside = dir.join(BESIDE).join("pulse.socket");
        text += &format!(
            "pcm.parted {{ type asym capture.pcm in playback.pcm {{ type pulse server \"unix:{}\" }} }}\n",
            beside.display()
        );
        // A card whose samples are not whole numbers.
        text += "pcm.unfit { type lfloat slave { pcm \"null\" format S16_LE } }\n";
        std::fs::write(dir.join("asound.conf"), text).unwrap();
        Self { dir: dir.to_owned(), server: None }
    }

    /// The world with the loudspeaker of the card `parted`; nothing is plugged in yet.
    pub fn beside(&self) -> Self {
        let dir = self.dir.join(BESIDE);
        std::fs::create_dir_all(&dir).unwrap();
        Self { dir, server: None }
    }

    /// What a program that is to see this card needs in its environment.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let dir = self.dir.display();
        let alsa = format!("/usr/share/alsa/alsa.conf:{dir}/asound.conf");
        [("ALSA_CONFIG_PATH", alsa), ("HOME", dir.to_string()), ("XDG_RUNTIME_DIR", dir.to_string())]
    }

    /// The card is there; returns when it can be opened.
    pub fn plug(&mut self) {
        let sink = |name: &str| format!("module-null-sink sink_name={name} rate=48000 channels=1 format=s16le");
        let socket = self.dir.join("pulse.socket");
        let protocol = format!("module-native-protocol-unix auth-anonymous=1 socket={}", socket.display());
        // What a killed server left behind would look like a server.
        let _ = std::fs::remove_file(&socket);
        let server = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"])
            .args(["-L", &sink("microphone"), "-L", &sink("speaker"), "-L", &protocol])
            .envs(self.environment())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio, which scripts/setup --test installs");
        self.server = Some(server);
        let end = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < end, "PulseAudio has not come up");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// The card is gone from one instant to the next.
    pub fn unplug(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// The microphone hears the loudspeaker from now on, some `latency_ms` later; returns when it does.
    pub fn join(&mut self, latency_ms: u32) {
        let socket = format!("unix:{}", self.dir.join("pulse.socket").display());
        let module = ["load-module", "module-loopback", "source=speaker.monitor", "sink=microphone"];
        let latency = format!("latency_msec={latency_ms}");
        let joined =
            Command::new("pactl").args(["-s", &socket]).args(module).arg(latency).stdout(Stdio::null()).status();
        assert!(joined.expect("pactl, which comes with PulseAudio").success());
    }

    /// The card stalls (`STOP`) or goes on (`CONT`).
    pub fn signal(&self, signal: &str) {
        let server = self.server.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &server]).status().unwrap().success());
    }

    /// Plays samples to the kiosk's microphone, for as long as the result lives.
    pub fn play(&self, samples: &[i16]) -> Playing {
        let file = self.dir.join(format!("mouth-{}.raw", samples.len()));
        std::fs::write(&file, samples.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        Playing(self.alsa("aplay", "mouth", &file))
    }

    /// Records what the kiosk's loudspeaker plays.
    pub fn record(&self) -> Recording {
        let file = self.dir.join("ear.raw");
        let _ = std::fs::remove_file(&file);
        Recording { process: self.alsa("arecord", "ear", &file), file }
    }

    fn alsa(&self, program: &str, device: &str, file: &Path) -> Child {
        Command::new(program)
            .args(["-q", "-D", device, "-f", "S16_LE", "-r", "48000", "-c", "1", "-t", "raw"])
            .arg(file)
            .envs(self.environment())
            .stderr(Stdio::null())
            .spawn()
            .expect("alsa-utils, which scripts/setup --test installs")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Sound under way into the microphone.
pub struct Playing(Child);

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sound under way from the loudspeaker.
pub struct Recording {
    process: Child,
    file: PathBuf,
}

impl Recording {
    /// Everything so far, 1 is full scale.
    pub fn heard(&self) -> Vec<f64> {
        let bytes = std::fs::read(&self.file).unwrap_or_default();
        bytes.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0).collect()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A small picture and a card for both directions, its sound left as it is.
pub fn on_the_card() -> MediaSettings {
    MediaSettings {
        width: 320,
        height: 240,
        fps: 25,
        pre_event: Duration::from_secs(3),
        microphone: MicrophoneSource::Card,
        speaker: Speaker::Card,
        card: Some(CardSettings {
            name: "kiosk".to_owned(),
            capture: true,
            playback: true,
            buffer_ms: 40,
            volume: None,
            capture_volume: None,
            echo: EchoSettings { on: false, ..EchoSettings::default() },
            loudness: LoudnessSettings { most_cut_db: 0.0, ..LoudnessSettings::default() },
        }),
        ..MediaSettings::default()
    }
}

/// A tone; `amplitude` 1 is full scale.
pub fn sine(hertz: f64, amplitude: f64, seconds: f64) -> Vec<i16> {
    let step = TAU * hertz / 48_000.0;
    (0..(seconds * 48_000.0) as usize).map(|n| ((step * n as f64).sin() * amplitude * 32767.0) as i16).collect()
}

/// Noise of even power over all pitches, dB of full scale.
pub fn noise(dbfs: f64, seconds: f64) -> Vec<i16> {
    let (mut state, amplitude) = (0x1234_5678_9abc_def1_u64, 10_f64.powf(dbfs / 20.0) * 3.0_f64.sqrt() * 32768.0);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..(seconds * 48_000.0) as usize).map(|_| (next() * amplitude).round() as i16).collect()
}

/// How far all that is not the tone is below it, dB, in the worst stretch of 100 ms, or in all if it is shorter: a click
/// or a gap shows.
pub fn purity(samples: &[f64], hertz: f64) -> f64 {
    let length = samples.len().clamp(1, 4800);
    let worst = samples.chunks_exact(length).map(|stretch| {
        let step = TAU * hertz / 48_000.0;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in stretch.iter().enumerate() {
            re += sample * (step * n as f64).cos() * 2.0 / length as f64;
            im += sample * (step * n as f64).sin() * 2.0 / length as f64;
        }
        let rest = |(n, s): (usize, &f64)| (s - re * (step * n as f64).cos() - im * (step * n as f64).sin()).powi(2);
        let rest: f64 = stretch.iter().enumerate().map(rest).sum::<f64>() / length as f64;
        10.0 * ((re * re + im * im) / 2.0 / rest.max(1e-12)).log10()
    });
    worst.fold(f64::MAX, f64::min)
}
