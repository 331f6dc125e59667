//! The officers' side: `run`, `check`, and the officers' accounts.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use sos::centre::clock::wall_us;
use sos::centre::gateway::GatewaySettings;
use sos::centre::password;
use sos::centre::run::{Addresses, StartError};
use sos::centre::settings::{Broker, Listen, Room, Settings};
use sos::centre::sign::{Signing, sign};
use sos::centre::store::accounts::{self, Account, Role};
use sos::centre::store::{Store, StoreError, evidence, incidents};
use sos::config::Layers;
use sos::config::centre::{CentreConfig, KEYS};
use sos::ctl::config::list_of;
use sos::ctl::generate::pages;
use sos::wire::KioskId;
use tokio::signal::unix::{SignalKind, signal};

/// The configuration is wrong (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

#[derive(Parser)]
#[command(name = "sos-centre", version, about = "The centre that street emergency-call kiosks call")]
struct Arguments {
    /// Configuration, TOML.
    #[arg(long, global = true, default_value = "/etc/sos-centre/centre.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the centre.
    Run,
    /// Says whether the configuration is right, and starts nothing.
    Check,
    /// Lists every key of the configuration with its value, what it does, its default and an example.
    Keys,
    /// Signs a kiosk's request (`sos-ctl enrol` prints it) with the owner's authority; prints the certificate. Needs
    /// no configuration, and belongs where the authority's key is kept, which need not be the centre.
    SignKiosk {
        /// The request, PEM; "-": stdin.
        request: PathBuf,
        /// The kiosk it must be of.
        #[arg(long, value_name = "ID")]
        id: KioskId,
        /// The authority's certificate, PEM.
        #[arg(long, value_name = "FILE")]
        ca: PathBuf,
        /// The authority's private key, PEM.
        #[arg(long, value_name = "FILE")]
        ca_key: PathBuf,
        /// How many days it is valid.
        #[arg(long, default_value_t = 730, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Officers' accounts.
    #[command(subcommand)]
    Officer(OfficerCommand),
    /// Keys that kiosks sign their recordings with: the first one of a kiosk counts, another needs the owner's word.
    #[command(subcommand)]
    EvidenceKey(KeyCommand),
    /// Writes the man pages, for the package.
    #[command(hide = true)]
    Generate {
        /// The directory.
        dir: PathBuf,
    },
}

#[derive(Subcommand)]
enum OfficerCommand {
    /// Adds an officer, or sets the password and role of one.
    Add {
        /// Login name: 1 to 32 of letters, digits, '.', '_' and '-'.
        name: String,
        /// What they may do.
        #[arg(long, value_enum, default_value_t = RoleName::Officer)]
        role: RoleName,
        /// Reads the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Lists names and roles.
    List,
    /// Removes an officer; what they did stays in the journal.
    Remove {
        /// Login name.
        name: String,
    },
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Lists kiosks, fingerprints (`sos-ctl enrol` prints the kiosk's own) and whether they count.
    List,
    /// A key counts from now on, and for all that it has signed: of a kiosk whose card was exchanged.
    Accept {
        /// Which kiosk.
        kiosk: KioskId,
        /// Its fingerprint, as the technician reads it at the kiosk.
        fingerprint: String,
    },
    /// Prints the key that counts, PEM, for `sos-ctl verify --key`; of several the newest.
    Show {
        /// Which kiosk.
        kiosk: KioskId,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    Officer,
    Supervisor,
}

fn main() -> ExitCode {
    sos::tls::install_provider();
    let Arguments { config: file, command } = Arguments::parse();
    let outcome = match command {
        Command::Run => load(&file).and_then(run),
        Command::Check => load(&file).and_then(|config| check(&config, &file)),
        Command::Keys => keys(&file),
        Command::Officer(command) => load(&file).and_then(|config| officer(command, &config)),
        Command::EvidenceKey(command) => load(&file).and_then(|config| evidence_key(command, &config)),
        Command::SignKiosk { request, id, ca, ca_key, days } => sign_kiosk(&request, id, ca, ca_key, days),
        Command::Generate { dir } => pages(Arguments::command(), &dir).map(drop).context(dir.display().to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sos-centre: {why:#}");
            let is_config = why.is::<Wrong>() || why.downcast_ref().is_some_and(StartError::is_configuration);
            if is_config { ExitCode::from(EXIT_CONFIG) } else { ExitCode::FAILURE }
        }
    }
}

/// A wrong configuration, or a file it names that does not serve.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Wrong(String);

fn load(file: &Path) -> anyhow::Result<CentreConfig> {
    CentreConfig::load(file).map_err(|errors| Wrong(errors.to_string()).into())
}

fn keys(file: &Path) -> anyhow::Result<()> {
    let listed = list_of(KEYS, &Layers::only(file), "", Some(|_| "at the next start"));
    Ok(std::io::stdout().write_all(listed.trim_end().as_bytes())?)
}

fn sign_kiosk(request: &Path, kiosk: KioskId, ca: PathBuf, key: PathBuf, days: u32) -> anyhow::Result<()> {
    let request = if request == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).context("standard input")?
    } else {
        std::fs::read_to_string(request).with_context(|| request.display().to_string())?
    };
    let certificate = sign(&Signing { request, kiosk, ca, key, days })?;
    write!(std::io::stdout().lock(), "{certificate}")?;
    Ok(())
}

#[tokio::main]
async fn run(config: CentreConfig) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    };
    sos::centre::run::run(settings(config), ready, stop).await?;
    Ok(())
}

/// The configuration as the plain values the centre takes.
fn settings(config: CentreConfig) -> Settings {
    let CentreConfig { instance, refused_kiosks, mqtt, console, delivery, media, store } = config;
    Settings {
        instance,
        refused_kiosks: refused_kiosks.into_iter().collect(),
        broker: Broker { host: mqtt.host, port: mqtt.port, ca: mqtt.ca, identity: mqtt.identity },
        console: Listen { address: console.listen, identity: console.identity },
        loopback: console.loopback_listen,
        delivery: Listen { address: delivery.listen, identity: delivery.identity },
        kiosks_ca: delivery.ca,
        gateway: GatewaySettings {
            addresses: media.listen,
            port: media.port,
            advertise: media.advertise,
            udp: media.udp,
            tcp: media.tcp,
        },
        database: store.database,
        archive: store.archive,
        room: Room { reserve: u64::from(store.reserve_mib) << 20, unknown: u64::from(store.unknown_mib) << 20 },
    }
}

fn ready(at: &Addresses) {
    tracing::info!(console = %at.console, loopback = ?at.loopback, delivery = %at.delivery, "the centre is ready");
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
}

/// The configuration was read; what it names is looked at too.
fn check(config: &CentreConfig, file: &Path) -> anyhow::Result<()> {
    let found = [
        sos::tls::client(&config.mqtt.ca, Some(&config.mqtt.identity)).map(drop),
        sos::tls::server(&config.console.identity, None).map(drop),
        sos::tls::server(&config.delivery.identity, Some(&config.delivery.ca)).map(drop),
    ];
    let wrong = found.into_iter().filter_map(Result::err).map(|why| format!("{}: {why}", file.display()));
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(Wrong(wrong.join("\n")).into()) }
}

#[tokio::main(flavor = "current_thread")]
async fn officer(command: OfficerCommand, config: &CentreConfig) -> anyhow::Result<()> {
    if let Some(directory) = config.store.database.parent() {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    let store = Store::open(&config.store.database)?;
    match command {
        OfficerCommand::Add { name, role, password_stdin } => {
            anyhow::ensure!(
                password::is_name(&name),
                "{name:?}: expected 1 to 32 of letters, digits, '.', '_' and '-'"
            );
            let password = password::hash(&read_password(password_stdin)?)?;
            let role = match role {
                RoleName::Officer => Role::Officer,
                RoleName::Supervisor => Role::Supervisor,
            };
            let what = format!("account of {name} set");
            let set = store.write(move |db| {
                accounts::put(db, &Account { name, role, password }, wall_us())?;
                enter(db, &what)
            });
            set.await?;
        }
        OfficerCommand::List => {
            let mut out = std::io::stdout().lock();
            for (name, role) in store.read(accounts::list).await? {
                writeln!(out, "{name}\t{}", format!("{role:?}").to_lowercase())?;
            }
        }
        OfficerCommand::Remove { name } => {
            let (key, what) = (name.clone(), format!("account of {name} removed"));
            let was = store.write(move |db| accounts::remove(db, &key).and_then(|was| enter(db, &what).map(|()| was)));
            anyhow::ensure!(was.await?, "there is no officer {name:?}");
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn evidence_key(command: KeyCommand, config: &CentreConfig) -> anyhow::Result<()> {
    let store = Store::open(&config.store.database)?;
    let mut out = std::io::stdout().lock();
    match command {
        KeyCommand::List => {
            for row in store.read(evidence::keys).await? {
                let counts = if row.accepted_us.is_some() { "counts" } else { "not accepted" };
                writeln!(out, "{}\t{}\t{counts}", row.kiosk, row.fingerprint)?;
            }
        }
        KeyCommand::Accept { kiosk, fingerprint } => {
            let (of, what) = (kiosk.clone(), format!("evidence key {fingerprint} of {kiosk} accepted"));
            let accepted = store.write(move |db| {
                let was = evidence::accept(db, &of, &fingerprint, wall_us())?;
                if was { enter(db, &what).map(|()| was) } else { Ok(was) }
            });
            anyhow::ensure!(accepted.await?, "{kiosk} has offered no key of this fingerprint");
        }
        KeyCommand::Show { kiosk } => {
            let keys = store.read(evidence::keys).await?;
            let found = keys.into_iter().rfind(|row| row.kiosk == kiosk && row.accepted_us.is_some());
            let row = found.with_context(|| format!("{kiosk} has no key that counts"))?;
            let key: sos::evidence::PublicKey = row.key.parse().context("the key in the database")?;
            write!(out, "{}", key.to_pem())?;
        }
    }
    Ok(())
}

fn enter(db: &rusqlite::Connection, what: &str) -> Result<(), StoreError> {
    incidents::audit(db, wall_us(), "command line", what, None)
}

fn read_password(from_stdin: bool) -> anyhow::Result<String> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let password = rpassword::prompt_password("Password: ").context("terminal")?;
    let again = rpassword::prompt_password("Again: ").context("terminal")?;
    anyhow::ensure!(password == again, "the two passwords differ");
    Ok(password)
}
