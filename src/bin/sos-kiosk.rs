//! `sos-kiosk`: the daemon on the board.
//!
//! `main` is six steps: arguments, configuration, log and crypto, parts, run, stop. [`parts`] is the parts list: the
//! one place where a driver named in the configuration becomes an adapter.
//!
//! Exit codes: 0 stopped by a signal; 1 a part could not be made, or a part did not stop in time; 2 usage;
//! 78 wrong configuration (EX_CONFIG).

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use sos::adapter::sim_panel::SimPanel;
use sos::adapter::systemd;
use sos::config::KioskConfig;
use sos::config::kiosk::PanelDriver;
use sos::kiosk::control::Control;
use sos::kiosk::ports::Panel;
use sos::kiosk::stop::{Signals, Stopping};
use sos::kiosk::{INBOX_SIZE, Inbox, Parts, Setup, Shell};
use sos::machine::Settings;
use tokio::sync::{mpsc, watch};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// EX_CONFIG of sysexits.h: the service manager is told not to try again.
const EX_CONFIG: u8 = 78;
/// Questions that may wait for the core.
const ASKS: usize = 16;

/// The emergency-call kiosk's daemon.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Read this configuration alone, instead of /usr/lib, /etc and /run
    #[arg(long)]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    // 1. Arguments.
    let cli = Cli::parse();
    // 2. Configuration.
    let config = match KioskConfig::load(&KioskConfig::layers(cli.config)) {
        Ok(config) => config,
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
    match runtime.block_on(live(config)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Steps 4 to 6. True if every part stopped in time.
async fn live(config: KioskConfig) -> anyhow::Result<bool> {
    let mut signals = Signals::listen().context("signal handlers")?;
    // 4. Parts.
    let (inbox, events) = mpsc::channel(INBOX_SIZE);
    let (asks, questions) = mpsc::channel(ASKS);
    let (stop, stopped) = watch::channel(false);
    let control = Control::bind(&config.control_socket).context("control socket")?;
    let shell = Shell::new(setup(&config), parts(&config, &inbox)?);
    // 5. Run.
    let progress = shell.progress();
    let watchdog = tokio::spawn(systemd::watchdog(move || progress.check()));
    let mut shell = tokio::spawn(shell.run(events, questions, stopped));
    let control = tokio::spawn(control.serve(inbox, asks));
    systemd::ready();
    info!(id = %config.id, version = env!("CARGO_PKG_VERSION"), "ready");
    let failed = tokio::select! {
        name = signals.next() => { info!("{name}: stopping"); false }
        ended = &mut shell => { error!(?ended, "the core ended by itself"); true }
    };
    // 6. Stop: nothing new comes in, then the core says its last word; the parts go with it. The incident stays
    // open, and the next run resumes it.
    systemd::stopping();
    let late = Stopping::default()
        .then("control", async {
            control.abort();
            _ = control.await;
        })
        .then("core", async {
            _ = stop.send(true);
            if !failed {
                _ = shell.await;
            }
        })
        .then("watchdog", async { watchdog.abort() })
        .run(&mut signals)
        .await;
    Ok(late.is_empty() && !failed)
}

fn setup(config: &KioskConfig) -> Setup {
    Setup {
        id: config.id.clone(),
        place: config.place.clone(),
        pre_event: std::time::Duration::from_secs(config.media.pre_event_s.into()),
        machine: Settings { standby: config.rtc.standby, seed: rand::random(), ..Settings::default() },
    }
}

/// The parts list. Each adapter gets a clone of the inbox and reports there.
fn parts(config: &KioskConfig, _inbox: &Inbox) -> anyhow::Result<Parts> {
    let panel: Box<dyn Panel> = match config.panel {
        PanelDriver::Sim => Box::new(SimPanel::new().0),
    };
    Ok(Parts {
        panel,
        media: Arc::new(null::Media),
        leg: Arc::new(null::Leg),
        link: Arc::new(null::Link),
        store: Arc::new(null::Store),
        restored: Vec::new(),
    })
}

/// Parts that are not there: the daemon runs, says so in its status, and calls nobody.
mod null {
    use std::time::Duration;

    use bytes::Bytes;
    use sos::kiosk::ports::{self, KeptPress, LivePacket, MediaHealth, Saying};
    use sos::machine::words::Prompt;
    use sos::wire::{IncidentId, SessionId};
    use tokio::sync::mpsc;

    pub struct Media;
    impl ports::Media for Media {
        fn open_gate(&self, _to: mpsc::Sender<LivePacket>) {}
        fn close_gate(&self) {}
        fn force_key_frame(&self) {}
        fn voice(&self, _rtp: Bytes) {}
        fn open_voice(&self, _open: bool) {}
        fn prompt(&self, _prompt: Prompt) {}
        fn start_recording(&self, _incident: IncidentId, _before: Duration) {}
        fn stop_recording(&self, _incident: IncidentId) {}
        fn health(&self) -> MediaHealth {
            MediaHealth::default()
        }
    }

    pub struct Leg;
    impl ports::Leg for Leg {
        fn stand_by(&self) {}
        fn make_offer(&self) {}
        fn answer(&self, _session: SessionId, _sdp: String) {}
        fn reoffer(&self) {}
        fn packets(&self) -> mpsc::Sender<LivePacket> {
            mpsc::channel(1).0
        }
    }

    pub struct Link;
    impl ports::Link for Link {
        fn say(&self, _saying: Saying) {}
        fn echo_age(&self) -> Option<Duration> {
            None
        }
        fn clock_offset_us(&self) -> Option<i64> {
            None
        }
    }

    pub struct Store;
    impl ports::Store for Store {
        fn keep(&self, _press: KeptPress) {}
        fn keep_acknowledged(&self, _incident: IncidentId) {}
        fn keep_closed(&self, _incident: IncidentId) {}
        fn undelivered(&self) -> u64 {
            0
        }
    }
}
