//! What runs on the board itself, because a figure in milliseconds cannot be taken over ssh: this program, copied there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A lamp that has not changed within this long never will.
const BOUND: Duration = Duration::from_secs(2);
/// A finger stays for longer than any debouncing.
const HELD: Duration = Duration::from_millis(60);

#[derive(Debug, clap::Args)]
pub struct Press {
    /// The button's line; pressed, it is low.
    #[arg(long)]
    button: u32,
    /// The lamp's line; on, it is high.
    #[arg(long)]
    lamp: u32,
    /// The registers of a Raspberry Pi as a file, where the driver for those boards is tried.
    #[arg(long)]
    registers: Option<PathBuf>,
}

/// Offsets of the first bank's set, clear and level registers.
const SET: usize = 0x1c;
const CLEAR: usize = 0x28;
const LEVEL: usize = 0x34;

/// Presses the button, waits for the lamp and lets go; prints how long the lamp took, milliseconds.
pub fn press(what: &Press) -> Result<()> {
    let chip = chip()?;
    let pull = chip.join(format!("sim_gpio{}/pull", what.button));
    let value = chip.join(format!("sim_gpio{}/value", what.lamp));
    let registers = what.registers.as_deref();
    let lamp = || -> Result<bool> {
        match registers {
            // rppal sets its lamps in the registers, which here are only a file: the set register holds the last one set.
            Some(file) => Ok(word(file, SET)? & (1 << what.lamp) != 0),
            None => Ok(fs::read_to_string(&value).with_context(|| value.display().to_string())?.trim() == "1"),
        }
    };
    if let Some(file) = registers {
        put(file, SET, 0)?;
        put(file, CLEAR, 0)?;
    }
    ensure!(!lamp()?, "the lamp of line {} is on before the press", what.lamp);
    if let Some(file) = registers {
        put(file, LEVEL, word(file, LEVEL)? & !(1 << what.button))?;
    }
    let pressed = Instant::now();
    fs::write(&pull, "pull-down").with_context(|| pull.display().to_string())?;
    let lit = loop {
        if lamp()? {
            break pressed.elapsed();
        }
        if pressed.elapsed() > BOUND {
            bail!("the lamp of line {} is not on {BOUND:?} after the press", what.lamp);
        }
    };
    while pressed.elapsed() < HELD {
        std::thread::park_timeout(HELD.saturating_sub(pressed.elapsed()));
    }
    if let Some(file) = registers {
        put(file, LEVEL, word(file, LEVEL)? | (1 << what.button))?;
    }
    fs::write(&pull, "pull-up")?;
    println!("{:.3}", lit.as_secs_f64() * 1e3);
    Ok(())
}

fn word(file: &Path, at: usize) -> Result<u32> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    let word = bytes.get(at..at + 4).context("a page of registers")?;
    Ok(u32::from_le_bytes(word.try_into()?))
}

/// In place: the driver has the file mapped.
fn put(file: &Path, at: usize, word: u32) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::options().write(true).open(file)?;
    Ok(file.write_all_at(&word.to_le_bytes(), at as u64)?)
}

/// The simulated chip in sysfs.
fn chip() -> Result<PathBuf> {
    for device in fs::read_dir("/sys/devices/platform")?.flatten() {
        if !device.file_name().to_string_lossy().starts_with("gpio-sim") {
            continue;
        }
        for chip in fs::read_dir(device.path())?.flatten() {
            if chip.file_name().to_string_lossy().starts_with("gpiochip") && chip.path().join("sim_gpio0").exists() {
                return Ok(chip.path());
            }
        }
    }
    bail!("no simulated GPIO chip on this board")
}
