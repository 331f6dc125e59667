//! Man pages and shell completions, made from the command line itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::cli::Cli;
use super::{Exit, Failure};

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
        let file = clap_complete::generate_to(shell, &mut Cli::command(), "sos-ctl", &place).map_err(failed)?;
        files.push(file.display().to_string());
    }
    files.sort();
    Ok(files)
}
