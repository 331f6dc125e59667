//! `scripts/bench echo`: what the canceller does to real speech in rooms that are not there, beside what could be
//! had in its place. All that is left in the output counts as echo while the officer speaks alone; loss of near speech
//! is measured while both speak. Each figure is the worst of the rooms.

mod measure;
mod rivals;
mod room;
mod scene;

use clap::Args;
use serde_json::json;

use self::rivals::{Processor, SAMPLES};
use self::room::{Room, rooms};
use self::scene::{BEGINS, DOUBLE, ENDS, Scene, sentence};
use super::figures::{Figures, rounded};
use super::usage::Cpu;

#[derive(Args)]
pub struct Arguments {
    /// The shipped canceller alone.
    #[arg(long)]
    alone: bool,
    /// What each part of the shipped tuning is worth, instead of the peers.
    #[arg(long, conflicts_with = "alone")]
    tunings: bool,
}

/// Longest delay of a processor, samples.
const MOST_DELAY: usize = 2400;

/// What one processor did in one room.
struct Outcome {
    loss_1s: f64,
    loss: f64,
    near_loss: f64,
    cpu_percent: f64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    gstreamer::init()?;
    let officer = sentence(&["Front_Right", "Side_Right", "Rear_Right", "Front_Center"], 0.25)?;
    let person = sentence(&["Front_Left", "Side_Left", "Rear_Left", "Rear_Center"], 0.2)?;
    let scenes = rooms().map(|room| (Scene::new(&room, &officer, &person), room));
    let (mut figures, mut peers) = (Figures::default(), serde_json::Map::new());
    let mut all = rivals::all();
    if arguments.tunings {
        all.truncate(1);
        all.extend(rivals::tunings());
    }
    for (name, make) in all {
        if arguments.alone && name != rivals::SHIPPED {
            continue;
        }
        let mut outcomes = Vec::new();
        for (scene, room) in &scenes {
            match judge(&make, scene) {
                Ok(outcome) => {
                    tell(name, room, &outcome);
                    if name == rivals::SHIPPED {
                        note(&mut figures, &format!("_{}", room.name), &outcome);
                    }
                    outcomes.push(outcome);
                }
                // Of ours each figure is owed; a peer that cannot be had here is left out, and said.
                Err(error) if name == rivals::SHIPPED => return Err(error.context(room.name)),
                Err(error) => eprintln!("peer {name} in the {}: {error:#}", room.name),
            }
        }
        if outcomes.len() < scenes.len() {
            continue;
        }
        let worst = worst(&outcomes);
        if name == rivals::SHIPPED {
            note(&mut figures, "", &worst);
        } else {
            peers.extend(named(&worst).map(|(figure, value)| (format!("{name}_{figure}"), json!(rounded(value)))));
        }
    }
    println!("{}", json!({"figures": figures.json(), "peers": peers}));
    Ok(())
}

fn judge(make: &rivals::Make, scene: &Scene) -> anyhow::Result<Outcome> {
    let silence = vec![0.0; scene.far.len()];
    let alone = through(make()?.as_mut(), &silence, &scene.microphone(false, true))?;
    let delay = measure::delay_of(&scene.near, &alone, MOST_DELAY);
    let mut processor = make()?;
    // Of all threads: one of the peers has its own.
    let before = Cpu::of(std::process::id())?;
    let out = through(processor.as_mut(), &scene.far, &scene.microphone(true, true))?;
    let took = Cpu::of(std::process::id())?.since(before);
    Ok(Outcome {
        loss_1s: measure::echo_loss(&scene.echo, &out, delay, BEGINS + 1.0, BEGINS + 2.0),
        loss: measure::echo_loss(&scene.echo, &out, delay, 9.0, DOUBLE - 0.5),
        near_loss: measure::near_loss(&scene.near, &out, delay, DOUBLE, ENDS - 0.3),
        cpu_percent: took / ENDS * 100.0,
    })
}

/// A whole scene, period by period, as the sound card would bring it.
fn through(processor: &mut dyn Processor, far: &[f64], microphone: &[f64]) -> anyhow::Result<Vec<f64>> {
    let period = |block: &[f64]| -> [i16; SAMPLES] {
        std::array::from_fn(|n| (block[n] * 32768.0).round().clamp(-32768.0, 32767.0) as i16)
    };
    let mut out = Vec::with_capacity(far.len() + 2 * MOST_DELAY);
    for (far, near) in far.chunks_exact(SAMPLES).zip(microphone.chunks_exact(SAMPLES)) {
        let done = processor.period(&period(far), &period(near))?;
        out.extend(done.iter().map(|sample| f64::from(*sample) / 32768.0));
    }
    out.resize(out.len() + 2 * MOST_DELAY, 0.0);
    Ok(out)
}

fn tell(name: &str, room: &Room, outcome: &Outcome) {
    eprintln!(
        "{name:16} {:10} after 1 s {:5.1} dB, converged {:5.1} dB, near speech lost {:4.1} dB, {:.1} % of a core",
        room.name, outcome.loss_1s, outcome.loss, outcome.near_loss, outcome.cpu_percent
    );
}

fn named(outcome: &Outcome) -> [(&'static str, f64); 4] {
    [
        ("echo_loss_1s_db", outcome.loss_1s),
        ("echo_loss_db", outcome.loss),
        ("near_speech_loss_db", outcome.near_loss),
        ("echo_cpu_percent", outcome.cpu_percent),
    ]
}

fn note(figures: &mut Figures, tag: &str, outcome: &Outcome) {
    named(outcome).into_iter().for_each(|(figure, value)| figures.set(&format!("{figure}{tag}"), value));
}

/// Each figure in the room where it is worst.
fn worst(outcomes: &[Outcome]) -> Outcome {
    let least = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).fold(f64::MAX, f64::min);
    let most = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).fold(f64::MIN, f64::max);
    Outcome {
        loss_1s: least(|o| o.loss_1s),
        loss: least(|o| o.loss),
        near_loss: most(|o| o.near_loss),
        cpu_percent: most(|o| o.cpu_percent),
    }
}
