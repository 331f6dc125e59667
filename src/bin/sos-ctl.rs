//! `sos-ctl`: the technician's command line to the kiosk's daemon.
//!
//! Exit codes: 0 done; 2 usage; 3 the daemon cannot be reached; 4 wrong configuration; 5 refused by the daemon;
//! 6 `status`: it answers, and would not work now.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sos::control::Request;
use sos::ctl::{Exit, Failure, ask, config, socket, status};

/// Asks and tests the emergency-call kiosk.
///
/// Exit codes: 0 done; 2 usage; 3 the daemon cannot be reached; 4 wrong configuration;
/// 5 refused by the daemon; 6 status: it answers, and would not work now.
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
    },
    /// Let go of a button that was left down
    Release,
    /// How the kiosk is; the first line says whether it would work now
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
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
        Command::Press { hold } => {
            let answer = ask::ask(&socket(cli.socket), Request::Press { hold })?;
            print(&answer.incident.map_or_else(|| "pressed".to_owned(), |incident| incident.to_string()));
        }
        Command::Release => _ = ask::ask(&socket(cli.socket), Request::Release)?,
        Command::Status { json } => return show_status(&socket(cli.socket), json),
        Command::Config(ConfigCommand::Check { file }) => print(&config::check(file)?),
        Command::Config(ConfigCommand::List { doc, file }) => print(config::list(file, doc).trim_end()),
    }
    Ok(Exit::Ok)
}

fn show_status(socket: &std::path::Path, json: bool) -> Result<Exit, Failure> {
    let answer = ask::ask(socket, Request::Status)?;
    let status = answer.status.ok_or_else(|| Failure::new(Exit::Refused, "the daemon answered without a status"))?;
    if json {
        let text = serde_json::to_string(&status).map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
        print(&text);
    } else {
        print(&status::render(&status));
    }
    Ok(if status.reasons().is_empty() { Exit::Ok } else { Exit::NotWorking })
}

/// A reader that has gone (`sos-ctl status | head -1`) is no error.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
