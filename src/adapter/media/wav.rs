//! What leaves the simulated loudspeaker, as a WAV file that can be read while it grows. A thread of its
//! own writes; the sink never waits for the disk.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tracing::warn;

use super::MediaError;
use super::clock::{Running, ticks};
use super::stereo::RATE;

/// An hour: the simulated twin is for tests and demonstrations.
const MOST_SAMPLES: u64 = RATE as u64 * 3600;
/// Blocks that may wait for the disk (10 ms each).
const WAITING: usize = 400;
/// Blocks later than the end of the file by more than this leave a silence there (samples: 40 ms).
const SEAM: u64 = 1920;

struct Block {
    at: Running,
    wall_us: i64,
    samples: Vec<i16>,
}

/// The way to the file.
#[derive(Debug)]
pub struct Recorder {
    to: SyncSender<Block>,
}

impl Recorder {
    /// Creates the file (an old one is replaced) and `FILE.json` beside it, once the first sample has left:
    /// `{"first_sample_wall_us": .., "rate": 48000, "channels": 1}`.
    ///
    /// # Errors
    /// [`MediaError::File`] if it cannot be created.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let failed = |error: std::io::Error| MediaError::File { path: path.to_owned(), why: error.to_string() };
        let mut file = File::create(path).map_err(failed)?;
        file.write_all(&header(0)).map_err(failed)?;
        let (to, from) = sync_channel(WAITING);
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("speaker-file".into())
            .spawn(move || run(file, &path, &from))
            .map_err(|error| MediaError::Pipeline { why: format!("no thread for the loudspeaker's file: {error}") })?;
        Ok(Self { to })
    }

    /// A block that leaves now. Never waits; what the disk cannot take is silence in the file.
    pub fn take(&mut self, at: Running, wall_us: i64, samples: Vec<i16>) {
        let _ = self.to.try_send(Block { at, wall_us, samples });
    }
}

fn run(mut file: File, path: &Path, from: &Receiver<Block>) {
    let mut first: Option<Running> = None;
    let mut written: u64 = 0;
    while let Ok(block) = from.recv() {
        let began = *first.get_or_insert_with(|| {
            note_beginning(path, block.wall_us);
            block.at
        });
        let blocks = std::iter::once(block).chain(from.try_iter());
        let mut bytes = Vec::new();
        let mut length = written;
        for block in blocks {
            let due = ticks(block.at.saturating_sub(began), RATE);
            let missing = if due > length + SEAM { due - length } else { 0 };
            bytes.extend(std::iter::repeat_n(0, usize::try_from(missing * 2).unwrap_or(0)));
            bytes.extend(block.samples.iter().flat_map(|sample| sample.to_le_bytes()));
            length += missing + block.samples.len() as u64;
        }
        if length > MOST_SAMPLES {
            return warn!(file = %path.display(), "the loudspeaker's file is an hour long and ends here");
        }
        if let Err(error) = append(&mut file, &bytes, length) {
            return warn!(file = %path.display(), %error, "the loudspeaker's file ends here");
        }
        written = length;
    }
}

/// Samples first, then the header that counts them: a reader never finds fewer than the header says.
fn append(file: &mut File, bytes: &[u8], samples: u64) -> std::io::Result<()> {
    file.seek(SeekFrom::End(0))?;
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header(samples))
}

fn note_beginning(path: &Path, wall_us: i64) {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    let note = serde_json::json!({ "first_sample_wall_us": wall_us, "rate": RATE, "channels": 1 });
    if let Err(error) = std::fs::write(PathBuf::from(name), format!("{note}\n")) {
        warn!(file = %path.display(), %error, "no note of the beginning of the loudspeaker's file");
    }
}

/// RIFF header of 16-bit mono PCM.
fn header(samples: u64) -> [u8; 44] {
    let data = u32::try_from(samples * 2).unwrap_or(u32::MAX - 36);
    let mut out = [0; 44];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &(data + 36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &1u16.to_le_bytes(),
        &RATE.to_le_bytes(),
        &(RATE * 2).to_le_bytes(),
        &2u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    let mut at = 0;
    for field in fields {
        out[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    out
}
