//! `sos-ctl`: the technician's command line to the kiosk's daemon. What there is to say is in `ctl/cli.rs`, exit codes
//! included.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use sos::control::{Request, TestPart};
use sos::ctl::change::{Edit, change, pairs};
#[cfg(feature = "kiosk")]
use sos::ctl::cli::RecordingsCommand;
use sos::ctl::cli::{Case, Cli, Command, ConfigCommand, How};
use sos::ctl::{
    Exit, Failure, absent, ask, config, enrol, generate, json, layers, logs, panel, selftest, socket, status, support,
    update, verify, watch,
};

fn main() -> ExitCode {
    sos::ctl::end_on_own_fault();
    let cli = Cli::parse();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            say(&format!("error: {}", failure.message));
            if let Some(hint) = &failure.hint {
                say(&format!("hint: {hint}"));
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    // Only commands that speak to the daemon look for its socket.
    let at = || socket(cli.socket.clone());
    match cli.command {
        Command::Press { hold, second } => {
            let answer = ask::ask(&at(), &Request::Press { hold, second })?;
            print(&answer.incident.map_or_else(|| "pressed".to_owned(), |incident| incident.to_string()));
        }
        Command::Release { second } => _ = ask::ask(&at(), &Request::Release { second })?,
        Command::Tamper { case } => _ = ask::ask(&at(), &Request::Tamper { open: case == Case::Open })?,
        Command::Panel { json } => show_panel(&at(), json)?,
        Command::Status { json, watch: true, file } => return watch::run(&at(), file.as_deref(), json),
        Command::Status { json, watch: false, file } => return show_status(&at(), file, json),
        Command::Selftest { parts, learn, json } => {
            let parts: Vec<TestPart> = parts.into_iter().map(Into::into).collect();
            return selftest::run(&at(), &parts, learn, json, &mut |line| _ = print(line));
        }
        Command::Config(command) => return configure(command, &at()),
        #[cfg(feature = "kiosk")]
        Command::Recordings(command) => recordings(command)?,
        Command::Logs { follow, lines, unit, events } => {
            let wanted = logs::Logs { follow, lines, unit, events };
            logs::run(&at(), &wanted, &mut |text| say(text), &mut |line| print(line))?;
        }
        Command::Enrol(arguments) => {
            let files = layers(arguments.file.clone(), &at());
            data(&enrol::run(&files, &arguments, &mut |text| say(text))?);
        }
        Command::Verify { dir, key, json } => {
            let (text, exit) = verify::run(&dir, &key, json)?;
            print(&text);
            return Ok(exit);
        }
        Command::Update(arguments) => {
            data(&update::run(&update::Place::default(), &arguments, &at(), &mut |text| say(text))?);
        }
        Command::Support { file } => data(&support::run(&at(), file)?),
        Command::Generate { dir } => data(&generate::generate(&dir)?.join("\n")),
    }
    Ok(Exit::Ok)
}

fn configure(command: ConfigCommand, at: &Path) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Get { key, json, file } => data(&config::get(&layers(file, at), &key, json)?),
        ConfigCommand::Set { pairs: words, how } => set(at, &pairs(words)?, &how)?,
        ConfigCommand::Unset { keys, how } => {
            let edits: Vec<Edit> = keys.into_iter().map(|key| (key, None)).collect();
            set(at, &edits, &how)?;
        }
        ConfigCommand::Check { file } => data(&config::check(&layers(file, at))?),
        ConfigCommand::List { doc, prefix, file } => {
            let found = config::list(&layers(file, at), &prefix, doc);
            if found.is_empty() {
                return Err(
                    Failure::new(Exit::BadConfig, format!("{prefix}: no key begins so")).hint("sos-ctl config list")
                );
            }
            data(found.trim_end());
        }
        ConfigCommand::Diff { json, file } => {
            let state = ask::ask(at, &Request::Config).ok().and_then(|answer| answer.config);
            data(config::diff(&layers(file, at), state.as_deref(), json).trim_end());
        }
    }
    Ok(Exit::Ok)
}

fn set(at: &Path, edits: &[Edit], how: &How) -> Result<(), Failure> {
    data(&change(at, edits, how, &mut |text| say(text))?);
    Ok(())
}

#[cfg(feature = "kiosk")]
fn recordings(command: RecordingsCommand) -> Result<(), Failure> {
    use sos::ctl::recordings::{export, list, render, store_dir};
    match command {
        RecordingsCommand::List { json: as_json, dir } => {
            let found = list(&store_dir(dir))?;
            if as_json {
                print(&json(&found));
            } else {
                data(render(&found).trim_end());
            }
        }
        RecordingsCommand::Export { incident, file, dir } => {
            let exported = export(&store_dir(dir), incident, &file)?;
            if !exported.missing.is_empty() {
                say(&format!("warning: {} fragments are missing: {:?}", exported.missing.len(), exported.missing));
            }
            print(&format!("{}: {} bytes, {} fragments", file.display(), exported.bytes, exported.fragments));
        }
    }
    Ok(())
}

fn show_panel(socket: &Path, as_json: bool) -> Result<(), Failure> {
    let panel = absent::status(socket, None)?.panel;
    print(&if as_json { json(&panel) } else { panel::render(&panel) });
    Ok(())
}

fn show_status(socket: &Path, file: Option<PathBuf>, as_json: bool) -> Result<Exit, Failure> {
    let status = absent::status(socket, file)?;
    print(&if as_json { json(&status) } else { status::render(&status) });
    Ok(if status.reasons().is_empty() { Exit::Ok } else { Exit::NotWorking })
}

/// Messages go to stderr, data to stdout. That nobody hears a message changes nothing of what is done.
fn say(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}");
}

fn data(text: &str) {
    if !text.is_empty() {
        print(text);
    }
}

/// False when the reader has gone (`sos-ctl status | head -1`), which is no error.
fn print(text: &str) -> bool {
    writeln!(std::io::stdout(), "{text}").is_ok()
}
