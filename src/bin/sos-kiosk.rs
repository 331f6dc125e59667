//! `sos-kiosk`: the daemon on the board.
//!
//! `main` is six steps: arguments, configuration, log and crypto, parts, run, stop. [`parts`] is the parts list: the
//! one place where a driver named in the configuration becomes an adapter; the panel's part of it is `kiosk_panel`.
//!
//! `--panel-safe` is not the daemon: it switches every output off after one that died (`ExecStopPost=`).
//!
//! Exit codes: [`cli::EXIT_CODES`].

mod kiosk_panel;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use cli::Cli;
use sos::adapter;
use sos::adapter::board::{BoardAdapter, BoardSettings};
use sos::adapter::leg::{LegAdapter, LegSettings};
use sos::adapter::link::{LinkAdapter, LinkSettings};
use sos::adapter::media::air::AirSettings;
use sos::adapter::media::card::CardSettings;
use sos::adapter::media::echo::{EchoSettings, Noise};
use sos::adapter::media::encoder::Codec;
use sos::adapter::media::late::LateMedia;
use sos::adapter::media::loudness::LoudnessSettings;
use sos::adapter::media::prompts::PromptFiles;
use sos::adapter::media::scene::Reference;
use sos::adapter::media::still::Still;
use sos::adapter::media::{CameraSource, MediaSettings, MicrophoneSource, RtspSource, Speaker};
use sos::adapter::proof::{ProofFile, TrendFile};
use sos::adapter::store::{LateStore, Presses};
use sos::adapter::systemd;
use sos::adapter::upload::{RETRY_REFUSED, UploadConfig, Uploader};
use sos::config::KioskConfig;
use sos::config::change::keeper::Keeper;
use sos::config::change::start::{Start, start};
use sos::config::kiosk::{
    BoardConfig, CameraDriver, EncoderChoice, MediaConfig, MicrophoneDriver, NoiseLevel, RtspCamera, SoundConfig,
    SpeakerDriver,
};
use sos::config::load::Layers;
use sos::kiosk::checkup::Limits;
use sos::kiosk::control::{Control, Services};
use sos::kiosk::ports::{Hand, KeptPress};
use sos::kiosk::selftest::Suite;
use sos::kiosk::selftest::full::Tester;
use sos::kiosk::stop::{Signals, Stopping};
use sos::kiosk::{Ask, INBOX_SIZE, Inbox, Parts, Setup, Shell};
use sos::machine::Settings;
use sos::tls::ClientFiles;
use sos::wire::BootId;
use tokio::sync::{mpsc, watch};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

#[path = "sos-kiosk/cli.rs"]
mod cli;
#[path = "sos-kiosk/keeping.rs"]
mod keeping;
#[path = "sos-kiosk/testing.rs"]
mod testing;

/// EX_CONFIG of sysexits.h: the service manager is told not to try again.
const EX_CONFIG: u8 = 78;
/// Questions that may wait for the core.
const ASKS: usize = 16;
/// The start waits for the open presses of an earlier run for this long: the button must be armed within a second.
const RESTORE_WITHIN: Duration = Duration::from_millis(400);

fn main() -> ExitCode {
    // 1. Arguments.
    let cli = Cli::parse();
    // 2. Configuration.
    let layers = KioskConfig::layers(cli.config);
    if let Some(dir) = cli.man {
        return cli::man(&dir);
    }
    if cli.panel_safe {
        return kiosk_panel::safe(&layers);
    }
    let start = match start(&layers) {
        Ok(start) => start,
        Err(errors) => {
            eprintln!("{errors}");
            eprintln!("hint: sos-ctl config list --doc explains each key");
            return ExitCode::from(EX_CONFIG);
        }
    };
    // 3. Log and crypto.
    let filter = EnvFilter::try_from_env("SOS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    sos::tls::install_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(live(start, &layers));
    // Whatever does not end by itself, a disk that hangs say, goes with the program.
    runtime.shutdown_background();
    match ended {
        Ok(End::Stopped { in_order: true }) => ExitCode::SUCCESS,
        Ok(End::Stopped { in_order: false }) => ExitCode::FAILURE,
        Ok(End::Restart) => {
            error!(error = %anew(), "cannot start anew");
            ExitCode::FAILURE
        }
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How a run ends.
enum End {
    /// A signal, or a part that ended by itself.
    Stopped {
        /// Whether every part stopped in time.
        in_order: bool,
    },
    /// The configuration was changed in what only a start takes up.
    Restart,
}

/// The same program with the same arguments, in this process's place: the service manager sees no end, and nothing of
/// the old run is left to come in the way. Returns only if that cannot be.
fn anew() -> std::io::Error {
    use std::os::unix::process::CommandExt;
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| "sos-kiosk".into());
    std::process::Command::new("/proc/self/exe").arg0(name).args(words).exec()
}

/// Steps 4 to 6.
async fn live(start: Start, layers: &Layers) -> anyhow::Result<End> {
    let config = &start.config;
    let mut signals = Signals::listen().context("signal handlers")?;
    // 4. Parts.
    let (inbox, events) = mpsc::channel(INBOX_SIZE);
    let (asks, questions) = mpsc::channel(ASKS);
    let (stop, stopped) = watch::channel(false);
    let control = Control::bind(&config.control_socket).context("control socket")?;
    let Made { parts, suite, hand, media, store, _delivery } = make(config, &inbox, &asks).await?;
    let daemon = keeping::Daemon { link: parts.link.clone(), asks: asks.clone(), inbox: inbox.clone() };
    let view = keeping::Watched::default();
    let keeper = Keeper::new(layers, &start, view.0.clone(), daemon);
    let services = services(suite, &inbox, &asks, view);
    let shell = Shell::new(setup(config), parts);
    // 5. Run.
    let progress = shell.progress();
    let watchdog = tokio::spawn(systemd::watchdog(move || progress.check()));
    let mut shell = tokio::spawn(shell.run(events, questions, stopped));
    let control = tokio::spawn(control.with_hand(hand).serve(services));
    // The button is armed; picture and sound follow.
    systemd::ready();
    info!(id = %config.id, version = env!("CARGO_PKG_VERSION"), "ready");
    let (mut failed, mut restart) = (false, false);
    tokio::select! {
        name = signals.next() => info!("{name}: stopping"),
        ended = &mut shell => { error!(?ended, "the core ended by itself"); failed = true; }
        because = keeping::run(keeper) => { info!(because.why, "starting anew"); restart = true; }
    }
    // 6. Stop: nobody asks any more, what takes long ends while a press is still heard, and the core says the last
    // word; the parts go with it. The incident stays open, and the next run resumes it.
    if restart {
        systemd::reloading()
    } else {
        systemd::stopping()
    }
    let ended = Stopping::default()
        .then("control", async {
            control.abort();
            _ = control.await;
        })
        .then("media", async move {
            _ = tokio::task::spawn_blocking(move || media.shut_down()).await;
        })
        .then("core", async {
            _ = stop.send(true);
            if !failed {
                _ = shell.await;
            }
        })
        .then("store", async { store.shut_down().await })
        .then("watchdog", async { watchdog.abort() })
        .run(&mut signals, !restart)
        .await;
    // Who was told to end while it was about to start anew ends.
    if restart && !ended.asked {
        return Ok(End::Restart);
    }
    Ok(End::Stopped { in_order: ended.late.is_empty() && !failed })
}

/// Whom the control socket asks.
fn services(suite: Arc<Suite>, inbox: &Inbox, asks: &mpsc::Sender<Ask>, view: keeping::Watched) -> Services {
    Services { inbox: inbox.clone(), asks: asks.clone(), config: Arc::new(view), suite }
}

fn setup(config: &KioskConfig) -> Setup {
    Setup {
        id: config.id.clone(),
        place: config.place.clone(),
        pre_event: std::time::Duration::from_secs(config.media.pre_event_s.into()),
        machine: kiosk_panel::settings(
            &config.panel,
            Settings {
                standby: config.rtc.standby,
                seed: rand::random(),
                selftest: testing::plan(config),
                ..Settings::default()
            },
        ),
    }
}

/// What the parts list makes: the shell's ports, and what only lives and is stopped.
struct Made {
    parts: Parts,
    suite: Arc<Suite>,
    hand: Option<Arc<dyn Hand>>,
    media: Arc<LateMedia>,
    store: Arc<LateStore>,
    _delivery: Uploader,
}

/// The parts list. Each adapter gets a clone of the inbox and reports there. Only what the daemon cannot be
/// without is an error: a store or a certificate that cannot be had is a fault, and the button is armed all the same.
async fn make(config: &KioskConfig, inbox: &Inbox, asks: &mpsc::Sender<Ask>) -> anyhow::Result<Made> {
    let centre = &config.centre;
    let (panel, hand) = kiosk_panel::make(&config.panel, inbox).context("panel")?;
    let link = LinkSettings {
        kiosk: config.id.clone(),
        boot: BootId::fresh(),
        place: config.place.clone(),
        host: centre.broker_host.clone(),
        port: centre.broker_port,
        tls: Some(tls_files(config)),
    };
    let (link, reader) = LinkAdapter::start(link, inbox.clone()).context("link")?;
    let (store, presses) = LateStore::start(&config.store_dir, &config.id, inbox.clone()).context("store")?;
    let restored = restored(presses, asks.clone()).await;
    let delivery = deliver(config, &store, inbox);
    adapter::witness::start(store.clone().here(), link.clone());
    // They come later than READY: the button does not wait for an encoder.
    let trends = Arc::new(TrendFile::new(&config.store_dir));
    let dir = config.store_dir.clone();
    let mut settings = media(&config.media, adapter::soon(move || Reference::kept(&dir)).flatten());
    if let Some(card) = &mut settings.card {
        card.echo.delay_ms = card.echo.delay_ms.or(trends.last().delay_ms());
    }
    let media = LateMedia::start(settings, inbox.clone(), store.clone()).context("media")?;
    let rtc =
        LegSettings { standby: config.rtc.standby, udp: config.rtc.udp, tcp: config.rtc.tcp, addresses: Vec::new() };
    let leg = Arc::new(LegAdapter::start(rtc, inbox.clone(), link.clone(), media.clone()));
    reader.run(leg.clone(), delivery.nudge());
    let suite = testing::suite(config, &link, &media, trends, inbox, asks);
    let tester = Tester::new(suite.clone(), Arc::new(ProofFile::new(&config.store_dir)), inbox.clone());
    let board = board(config, &link, inbox);
    let parts = Parts { panel, media: media.clone(), leg, link, board, store: store.clone(), tester, restored };
    Ok(Made { parts, suite, hand, media, store, _delivery: delivery })
}

fn tls_files(config: &KioskConfig) -> ClientFiles {
    ClientFiles { ca: config.centre.ca.clone(), identity: config.centre.identity.clone() }
}

fn board(config: &KioskConfig, link: &Arc<LinkAdapter>, inbox: &Inbox) -> Arc<BoardAdapter> {
    let BoardConfig { renew_days, disk_low_mb, cold_c, hot_c } = config.board;
    let settings = BoardSettings {
        tls: tls_files(config),
        store: config.store_dir.clone(),
        limits: Limits { renew_days: renew_days.into(), disk_low_mb: disk_low_mb.into(), cold_c, hot_c },
    };
    BoardAdapter::start(settings, link.clone(), inbox.clone())
}

/// The open presses of an earlier run, if the disk gives them at once; else the core is told when they come.
async fn restored(mut presses: Presses, asks: mpsc::Sender<Ask>) -> Vec<KeptPress> {
    let found = tokio::time::timeout(RESTORE_WITHIN, presses.recv()).await.ok().flatten();
    tokio::spawn(async move {
        while let Some(found) = presses.recv().await {
            if asks.send(Ask::Restore(found)).await.is_err() {
                return;
            }
        }
    });
    found.unwrap_or_default()
}

fn deliver(config: &KioskConfig, store: &Arc<LateStore>, inbox: &Inbox) -> Uploader {
    let centre = &config.centre;
    let upload = UploadConfig {
        url: centre.delivery.clone(),
        ca: centre.ca.clone(),
        identity: centre.identity.clone(),
        retry_refused: RETRY_REFUSED,
    };
    Uploader::start(upload, store.clone().here(), inbox.clone())
}

fn media(config: &MediaConfig, reference: Option<Still>) -> MediaSettings {
    let sound = &config.sound;
    MediaSettings {
        width: pixels(config.width),
        height: pixels(config.height),
        fps: config.fps,
        bitrate_kbit: config.bitrate_kbit,
        key_frame_interval: Duration::from_secs(config.key_frame_s.into()),
        pre_event: Duration::from_secs(config.pre_event_s.into()),
        camera: camera(&config.camera),
        encoder: match config.encoder {
            EncoderChoice::Auto => None,
            EncoderChoice::X264 => Some(Codec::X264),
            EncoderChoice::OpenH264 => Some(Codec::OpenH264),
            EncoderChoice::V4l2 => Some(Codec::V4l2),
        },
        watch: config.watch,
        reference,
        microphone: match &sound.microphone {
            MicrophoneDriver::Test => MicrophoneSource::Test,
            MicrophoneDriver::File(path) => MicrophoneSource::File(path.clone()),
            MicrophoneDriver::Alsa => MicrophoneSource::Card,
        },
        speaker: match &sound.speaker {
            SpeakerDriver::Null => Speaker::Null,
            SpeakerDriver::File(path) => Speaker::File(path.clone()),
            SpeakerDriver::Alsa => Speaker::Card,
        },
        card: card(sound),
        air: sound.air.map(|air| AirSettings {
            loss_db: f32::from(u8::try_from(air.loss_db).unwrap_or(u8::MAX)),
            delay: Duration::from_millis(air.delay_ms.into()),
        }),
        prompts: PromptFiles {
            dirs: vec![sound.prompts.own.clone(), sound.prompts.dir.clone()],
            languages: sound.prompts.languages.clone(),
        },
    }
}

fn card(sound: &SoundConfig) -> Option<CardSettings> {
    let (capture, playback) = (sound.microphone == MicrophoneDriver::Alsa, sound.speaker == SpeakerDriver::Alsa);
    let card = &sound.card;
    (capture || playback).then(|| CardSettings {
        name: card.name.clone(),
        capture,
        playback,
        buffer_ms: card.buffer_ms,
        volume: card.volume,
        capture_volume: card.capture_volume,
        echo: EchoSettings {
            on: card.cancel_echo,
            delay_ms: card.echo_delay_ms,
            noise: match card.noise {
                NoiseLevel::Off => Noise::Keep,
                NoiseLevel::Low => Noise::Low,
                NoiseLevel::Moderate => Noise::Moderate,
                NoiseLevel::High => Noise::High,
            },
            most_gain_db: f32::from(u8::try_from(card.most_gain_db).unwrap_or(u8::MAX)),
        },
        loudness: LoudnessSettings { loud_dbfs: card.loud_noise_dbfs, most_cut_db: card.quiet_cut_db.into() },
    })
}

fn camera(driver: &CameraDriver) -> CameraSource {
    match driver {
        CameraDriver::Test => CameraSource::Test,
        CameraDriver::File(path) => CameraSource::File(path.clone()),
        CameraDriver::V4l2 { device } => CameraSource::V4l2(device.clone()),
        CameraDriver::Libcamera { device } => CameraSource::Libcamera(device.clone()),
        CameraDriver::Rtsp(RtspCamera { url, credentials, tcp }) => {
            CameraSource::Rtsp(RtspSource { url: url.clone(), credentials: credentials.clone(), tcp: *tcp })
        }
    }
}

fn pixels(configured: u32) -> u16 {
    u16::try_from(configured).expect("the configuration allows no picture that large")
}
