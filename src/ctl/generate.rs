//! Man pages and shell completions, made from the command line itself.

use std::fmt::Write;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::cli::Cli;
use super::{Exit, Failure};
use crate::config::kiosk::KEYS;

/// Writes a man page for a command and for each that it has below it: "sos-ctl config set" gets
/// `sos-ctl-config-set.1`, as `man` looks for it. Returns the files of the directory.
///
/// # Errors
/// The directory cannot be written.
pub fn pages(command: clap::Command, dir: &Path) -> std::io::Result<Vec<String>> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(command, dir)?;
    let mut files = Vec::new();
    for page in std::fs::read_dir(dir)?.flatten() {
        // What the command line says after its help is how it ends; the generator has no word for that.
        let text = std::fs::read_to_string(page.path())?;
        std::fs::write(page.path(), text.replace(".SH EXTRA", ".SH \"EXIT STATUS\"").replace("\nExit codes:\n", "\n"))?;
        files.push(page.path().display().to_string());
    }
    Ok(files)
}

/// The command line with the configuration's keys as what a shell may offer. Only for the shells: of a key that is
/// unknown the commands themselves say more than a list of all.
fn with_keys(cli: Command) -> Command {
    let takes_keys = [("get", "key"), ("set", "pairs"), ("unset", "keys"), ("list", "prefix")];
    cli.mut_subcommand("config", |config| {
        takes_keys.into_iter().fold(config, |config, (command, argument)| {
            let keys = KEYS.iter().map(|key| PossibleValue::new(key.name).help(key.doc));
            config.mut_subcommand(command, |command| {
                command.mut_arg(argument, |argument| argument.value_parser(PossibleValuesParser::new(keys)))
            })
        })
    })
}

/// What the generator for fish leaves out: the words that may stand where no option does.
fn words_for_fish(command: &Command, path: &[&str], lines: &mut String) {
    let words = command.get_positionals().flat_map(clap::Arg::get_possible_values);
    let condition = match path {
        [of] => format!("__fish_sos_ctl_using_subcommand {of}"),
        [of, under, ..] => format!("__fish_sos_ctl_using_subcommand {of}; and __fish_seen_subcommand_from {under}"),
        [] => String::new(),
    };
    for word in words.filter(|_| !path.is_empty()) {
        let help =
            word.get_help().map(ToString::to_string).unwrap_or_default().replace('\\', "\\\\").replace('\'', "\\'");
        // Writing into a text never fails.
        _ = writeln!(lines, "complete -c sos-ctl -n \"{condition}\" -f -a \"{}\" -d '{help}'", word.get_name());
    }
    for below in command.get_subcommands() {
        words_for_fish(below, &[path, &[below.get_name()]].concat(), lines);
    }
}

/// Writes `man/*.1` and `completions/{bash,zsh,fish}/*` below `dir`. Returns the files.
///
/// # Errors
/// The directory cannot be written.
pub fn generate(dir: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Files, format!("{}: {error}", dir.display()));
    let man = dir.join("man");
    let mut files = pages(Cli::command(), &man).map_err(failed)?;
    for (shell, name) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let place = dir.join("completions").join(name);
        std::fs::create_dir_all(&place).map_err(failed)?;
        let mut cli = with_keys(Cli::command());
        let file = clap_complete::generate_to(shell, &mut cli, "sos-ctl", &place).map_err(failed)?;
        let mut text = std::fs::read_to_string(&file).map_err(failed)?;
        match shell {
            Shell::Fish => words_for_fish(&cli, &[], &mut text),
            // clap_complete 4.6 names a command with a hyphen in two ways, and so finds nothing below it.
            Shell::Bash => text = text.replace("sos__subcmd__ctl", "sos__ctl"),
            _ => {}
        }
        std::fs::write(&file, text).map_err(failed)?;
        files.push(file.display().to_string());
    }
    files.sort();
    Ok(files)
}
