//! The kiosk on a virtual board: real kernel devices, real systemd, the project's own package, a centre on the host.
//!
//! `scripts/virtual-kiosk test` makes the board and starts this in a network namespace of its own. Each case says
//! what it proves; all run on one board, in order, since a power cut or an upgrade is only true on a board that has
//! lived. Prints the figures as JSON on standard output.
#![allow(clippy::print_stdout, reason = "a program whose figures go to standard output")]

mod board;
mod cases;
#[path = "../campaign/figures.rs"]
#[allow(dead_code, reason = "the campaigns use the rest")]
mod figures;
mod kiosk;
#[path = "../campaign/page.rs"]
#[allow(dead_code, reason = "the campaigns use the rest")]
mod page;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// What the script gives.
#[derive(Parser)]
pub struct Arguments {
    #[command(flatten)]
    making: board::Making,
    /// The kiosk's package, and a newer one of it.
    #[arg(long, num_args = 2)]
    kiosk: Vec<PathBuf>,
    /// The centre's package.
    #[arg(long)]
    centre: PathBuf,
    /// Where the two voices are (scripts/demo-media).
    #[arg(long)]
    voices: PathBuf,
    /// Only the cases whose names hold one of these words.
    #[arg(long)]
    only: Vec<String>,
    /// No cases: so many calls whose power is cut at a drawn instant, for `lost_power_cut_s`.
    #[arg(long, conflicts_with = "only")]
    cuts: Option<usize>,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be had");
    match runtime.block_on(cases::run(Arguments::parse())) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
