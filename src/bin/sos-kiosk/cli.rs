//! The daemon's command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

/// For `--help` and the man page.
pub const EXIT_CODES: &str = "Exit codes:
  0   stopped by a signal
  1   a part could not be made, or did not stop in time
  2   the command line was not understood
  78  the configuration is wrong";

/// The emergency-call kiosk's daemon
///
/// Started by the service manager (sos-kiosk.service) and looked after with sos-ctl(1), which explains every key of its
/// configuration: sos-ctl config list --doc.
#[derive(Debug, Parser)]
#[command(name = "sos-kiosk", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Read this configuration alone, instead of /usr/lib, /etc and /run
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Switch every output of the panel off, and end: for after a daemon that died (a broken configuration is used
    /// as far as it goes)
    #[arg(long)]
    pub panel_safe: bool,
    /// Write the man page into this directory, for the package
    #[arg(long, hide = true)]
    pub man: Option<PathBuf>,
}

/// Writes the man page.
pub fn man(dir: &Path) -> ExitCode {
    match sos::ctl::generate::pages(Cli::command(), dir) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}
