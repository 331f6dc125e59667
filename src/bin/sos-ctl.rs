//! `sos-ctl`: the technician's command line to the kiosk's daemon.
//!
//! Exit codes: 0 done; 2 usage; 3 the daemon cannot be reached; 4 wrong configuration; 5 refused by the daemon;
//! 6 `status`: it answers, and would not work now; 7 `recordings`: cannot be listed or exported.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sos::control::{Request, Status};
use sos::ctl::{Exit, Failure, ask, config, panel, socket, status};

/// Asks and tests the emergency-call kiosk.
///
/// Exit codes: 0 done; 2 usage; 3 the daemon cannot be reached; 4 wrong configuration;
/// 5 refused by the daemon; 6 status: it answers, and would not work now; 7 recordings: not to be had.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    /// The daemon's control socket [default: control.socket of the configuration]
    #[arg(long, global = true, env = "SOS_CONTROL_SOCKET")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Press the button: a REAL alarm, marked as pressed from here
    Press {
        /// Leave the button down
        #[arg(long)]
        hold: bool,
        /// The second button of the simulated panel
        #[arg(long)]
        second: bool,
    },
    /// Let go of a button that was left down
    Release {
        /// The second button of the simulated panel
        #[arg(long)]
        second: bool,
    },
    /// Open or close the case of the simulated panel
    Tamper {
        /// What to do with it
        case: Case,
    },
    /// The panel's lines as they are
    Panel {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// How the kiosk is; the first line says whether it would work now
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What is recorded on this kiosk; needs no daemon
    #[cfg(feature = "kiosk")]
    #[command(subcommand)]
    Recordings(RecordingsCommand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Case {
    Open,
    Close,
}

#[cfg(feature = "kiosk")]
#[derive(Debug, Subcommand)]
enum RecordingsCommand {
    /// Every recording, oldest first
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// The store [default: store.dir of the configuration]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// One recording as a file that any player plays
    Export {
        /// Which, as `list` names it
        incident: sos::wire::IncidentId,
        /// The file to write; it must not be there yet
        file: PathBuf,
        /// The store [default: store.dir of the configuration]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Whether the configuration is right
    Check {
        /// This file alone, instead of the layers
        file: Option<PathBuf>,
    },
    /// Each key with its value and where that comes from
    List {
        /// What each key does, its default and an example
        #[arg(long)]
        doc: bool,
        /// This file alone, instead of the layers
        file: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            if let Some(hint) = &failure.hint {
                eprintln!("hint: {hint}");
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Press { hold, second } => {
            let answer = ask::ask(&socket(cli.socket), Request::Press { hold, second })?;
            print(&answer.incident.map_or_else(|| "pressed".to_owned(), |incident| incident.to_string()));
        }
        Command::Release { second } => _ = ask::ask(&socket(cli.socket), Request::Release { second })?,
        Command::Tamper { case } => {
            ask::ask(&socket(cli.socket), Request::Tamper { open: case == Case::Open })?;
        }
        Command::Panel { json } => show_panel(&socket(cli.socket), json)?,
        Command::Status { json } => return show_status(&socket(cli.socket), json),
        Command::Config(ConfigCommand::Check { file }) => print(&config::check(file)?),
        Command::Config(ConfigCommand::List { doc, file }) => print(config::list(file, doc).trim_end()),
        #[cfg(feature = "kiosk")]
        Command::Recordings(command) => recordings(command)?,
    }
    Ok(Exit::Ok)
}

#[cfg(feature = "kiosk")]
fn recordings(command: RecordingsCommand) -> Result<(), Failure> {
    use sos::ctl::recordings::{export, list, render, store_dir};
    match command {
        RecordingsCommand::List { json, dir } => {
            let found = list(&store_dir(dir))?;
            if json {
                print(&serde_json::to_string(&found).map_err(|e| Failure::new(Exit::Recordings, e.to_string()))?);
            } else if !found.is_empty() {
                print(render(&found).trim_end());
            }
        }
        RecordingsCommand::Export { incident, file, dir } => {
            let exported = export(&store_dir(dir), incident, &file)?;
            if !exported.missing.is_empty() {
                eprintln!("warning: {} fragments are missing: {:?}", exported.missing.len(), exported.missing);
            }
            print(&format!("{}: {} bytes, {} fragments", file.display(), exported.bytes, exported.fragments));
        }
    }
    Ok(())
}

fn status_of(socket: &std::path::Path) -> Result<Box<Status>, Failure> {
    let answer = ask::ask(socket, Request::Status)?;
    answer.status.ok_or_else(|| Failure::new(Exit::Refused, "the daemon answered without a status"))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::new(Exit::Refused, error.to_string()))
}

fn show_panel(socket: &std::path::Path, json: bool) -> Result<(), Failure> {
    let panel = status_of(socket)?.panel;
    print(&if json { to_json(&panel)? } else { panel::render(&panel) });
    Ok(())
}

fn show_status(socket: &std::path::Path, json: bool) -> Result<Exit, Failure> {
    let status = status_of(socket)?;
    if json {
        print(&to_json(&status)?);
    } else {
        print(&status::render(&status));
    }
    Ok(if status.reasons().is_empty() { Exit::Ok } else { Exit::NotWorking })
}

/// A reader that has gone (`sos-ctl status | head -1`) is no error.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
