//! The demo: everything runs, a person presses Enter.

use std::path::Path;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::support::centre_side::repository;
use crate::support::world::{KIOSK, Options, PLACE, Speaker, World};

pub async fn run(dir: &Path, prompts: &Path) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let speaker = speaker();
    let spoken = match &speaker {
        Speaker::Card(_) => "through this machine's loudspeaker".to_owned(),
        // No card that plays is here: it can be heard afterwards, or while it grows.
        Speaker::File | Speaker::Nobody => format!("into {}", dir.join("speaker.wav").display()),
    };
    let options = Options { speaker, prompts: Some(prompts.canonicalize()?), ..Options::default() };
    let starting = World::start(options, dir);
    let mut world = tokio::select! {
        world = starting => world?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let root = repository();
    println!();
    println!("  Console   http://localhost:{}/   (or https://localhost:{}/)", world.plain_port, world.console_port);
    println!("  Officers  {}", world.options.officers.join(" or "));
    println!("  Password  {}   (made for this run)", world.password);
    println!("  Kiosk     {KIOSK}, \"{PLACE}\"; it speaks {spoken}");
    println!();
    println!("  Log in, go on duty, then press Enter HERE: that is the button.");
    println!("  The same from another terminal:");
    let ctl = env!("CARGO_BIN_EXE_sos-ctl");
    let ctl = Path::new(ctl).strip_prefix(&root).map_or_else(|_| ctl.to_owned(), |p| p.display().to_string());
    println!("    {ctl} --socket {} press", world.dir.join("control.sock").display());
    println!("  Ctrl-C ends everything.");
    println!();
    let mut lines = lines_of_the_terminal();
    let mut open_ended = true;
    let mut health = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tokio::select! {
            line = lines.recv(), if open_ended => match line {
                // Without a terminal (started in the background) there is no Enter; sos-ctl still presses.
                None => open_ended = false,
                Some(_) => match world.press().await {
                    Ok(incident) => println!("  pressed: incident {incident}"),
                    Err(error) => println!("  not pressed: {error:#}"),
                },
            },
            _ = health.tick() => {
                let World { side, kiosk, .. } = &mut world;
                let ended = [&mut side.broker, &mut side.centre, kiosk].into_iter().find_map(|part| {
                    (!part.running()).then(|| format!("{} has ended; its log:\n{}", part.name, part.tail()))
                });
                if let Some(ended) = ended {
                    world.stop().await.ok();
                    anyhow::bail!(ended);
                }
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hang_up.recv() => break,
        }
    }
    println!("\n  stopping ...");
    world.stop().await
}

/// This machine's sound card, if it has one that plays.
fn speaker() -> Speaker {
    const CARD: &str = "default";
    match alsa::PCM::new(CARD, alsa::Direction::Playback, true) {
        Ok(_) => Speaker::Card(CARD.to_owned()),
        Err(_) => Speaker::File,
    }
}

/// Lines from standard input, read on a thread that may outlive everything: nothing waits for it at the end.
fn lines_of_the_terminal() -> tokio::sync::mpsc::Receiver<()> {
    let (to, lines) = tokio::sync::mpsc::channel(4);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            if to.blocking_send(()).is_err() {
                return;
            }
        }
    });
    lines
}
