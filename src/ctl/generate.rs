//! Man pages and shell completions, made from the command line itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::cli::Cli;
use super::{Exit, Failure};

/// Writes `man/*.1` and `completions/{bash,zsh,fish}/*` below `dir`. Returns the files.
///
/// # Errors
/// The directory cannot be written.
pub fn generate(dir: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Files, format!("{}: {error}", dir.display()));
    let mut files = Vec::new();
    let man = dir.join("man");
    std::fs::create_dir_all(&man).map_err(failed)?;
    // "sos-ctl config set" gets sos-ctl-config-set.1, as `man` looks for it.
    clap_mangen::generate_to(Cli::command(), &man).map_err(failed)?;
    for page in std::fs::read_dir(&man).map_err(failed)?.flatten() {
        files.push(page.path().display().to_string());
    }
    for (shell, name) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let place = dir.join("completions").join(name);
        std::fs::create_dir_all(&place).map_err(failed)?;
        let file = clap_complete::generate_to(shell, &mut Cli::command(), "sos-ctl", &place).map_err(failed)?;
        files.push(file.display().to_string());
    }
    files.sort();
    Ok(files)
}
