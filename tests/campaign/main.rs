//! The demo, its check and the benchmarks of the call and of the kiosk, as one program over the tests' world.
//!
//! `scripts/demo`, `scripts/bench` and `scripts/faults` start it; see there for how it is used.
#![allow(clippy::print_stdout, reason = "a program whose figures and words go to standard output")]

mod call;
mod check;
mod demo;
mod echo;
mod encoder;
mod faults;
mod figures;
mod kiosk;
mod page;
mod relay;
#[path = "../sound_world/mod.rs"]
mod sound_world;
#[path = "../support/mod.rs"]
mod support;
mod tampering;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Starts everything and waits for presses.
    Demo {
        /// Where everything is kept while it runs.
        #[arg(long)]
        dir: PathBuf,
        /// The kiosk's spoken sentences.
        #[arg(long)]
        prompts: PathBuf,
    },
    /// A whole call with a headless browser as the officer, checked from end to end.
    Check {
        /// Where everything is kept while it runs.
        #[arg(long)]
        dir: PathBuf,
        /// Where the screenshots go.
        #[arg(long)]
        shots: PathBuf,
        /// A directory with `scene.mp4`, `kiosk.wav` and `officer.wav`.
        #[arg(long)]
        media: PathBuf,
        /// The kiosk's spoken sentences.
        #[arg(long)]
        prompts: PathBuf,
    },
    /// The figures of the call.
    Call(call::Arguments),
    /// The figures of the echo canceller.
    Echo(echo::Arguments),
    /// The figures of the kiosk: costs, and broken devices.
    Kiosk(kiosk::Arguments),
    /// Recordings that somebody has changed.
    Tampering(tampering::Arguments),
    /// A bare encoder (used by `kiosk` itself).
    Encoder(encoder::Arguments),
    /// One end of a wire with delay between two network namespaces (used by `call` itself).
    Relay(relay::Arguments),
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be had");
    let done = runtime.block_on(async {
        match Arguments::parse().what {
            What::Demo { dir, prompts } => demo::run(&dir, &prompts).await,
            What::Check { dir, shots, media, prompts } => check::run(&dir, &shots, &media, &prompts).await,
            What::Call(arguments) => call::run(&arguments).await,
            What::Echo(arguments) => echo::run(&arguments),
            What::Kiosk(arguments) => kiosk::run(&arguments).await,
            What::Tampering(arguments) => tampering::run(&arguments).await,
            What::Encoder(arguments) => encoder::run(&arguments),
            What::Relay(arguments) => relay::run(&arguments).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
