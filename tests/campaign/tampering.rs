//! Recordings that somebody has changed: whether `sos-ctl verify` says so, names what it was, and leaves the rest.
//!
//! One call is recorded by the real kiosk, delivered, and exported by the real centre. Then copies of the recording are
//! changed, one way and one copy a case, and the real `sos-ctl` looks at each. A case follows from the seed and its
//! number: the same again on the same recording (`--recording`, kept with `--keep`) is the same to the last bit.
//!
//! - `tampering_missed`: cases that were not noticed, or whose fragment was not named;
//! - `untouched_unplayable`: cases in which the fragments that were left alone do not give all of their frames. Where
//!   the header was changed they are played with the kiosk's own.
//! - `verify_ms`: how long `sos-ctl verify` takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sos::evidence::SigningKey;

use crate::figures::Figures;
use crate::support::officer::{Browser, Officer};
use crate::support::world::{Options, World};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// What is drawn; none: another every time, printed.
    #[arg(long)]
    seed: Option<u64>,
    /// How many changes.
    #[arg(long, default_value_t = 1000)]
    cases: u64,
    /// Only the case of this number.
    #[arg(long)]
    case: Option<u64>,
    /// This recording's directory, with evidence.pem beside it, instead of a new one.
    #[arg(long)]
    recording: Option<PathBuf>,
    /// Where the recording is kept, for a replay.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// The program.
    #[arg(long, default_value = "target/debug/sos-ctl")]
    ctl: PathBuf,
}

pub async fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}");
    let temporary = tempfile::Builder::new().prefix("sos-tampering-").tempdir()?;
    let base = arguments.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&base)?;
    let recording = match &arguments.recording {
        Some(recording) => recording.clone(),
        None => record(&base).await.context("the recording")?,
    };
    let original = Original::read(&recording, &arguments.ctl)?;
    let mut figures = Figures::default();
    let (mut missed, mut unplayable, mut by_kind) = (0_u64, 0_u64, BTreeMap::<&str, u64>::new());
    let cases = arguments.case.map_or(0..arguments.cases, |case| case..case + 1);
    let count = cases.end - cases.start;
    for case in cases {
        let dir = tempfile::Builder::new().prefix("sos-case-").tempdir()?;
        let mut lots = StdRng::seed_from_u64(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let change = original.change(&mut lots, dir.path())?;
        *by_kind.entry(change.kind).or_default() += 1;
        let began = Instant::now();
        let verdict = original.verify(dir.path())?;
        figures.add("verify_ms", began.elapsed().as_secs_f64() * 1000.0);
        if let Err(why) = change.is_noticed(&verdict) {
            missed += 1;
            eprintln!("MISSED: --seed {seed} --case {case}: {}: {why}: {verdict:?}", change.what);
        }
        if let Err(why) = original.plays(dir.path()) {
            unplayable += 1;
            eprintln!("DOES NOT PLAY: --seed {seed} --case {case}: {}: {why:#}", change.what);
        }
    }
    figures.set("tampering_cases", count as f64);
    figures.set("tampering_missed", missed as f64);
    figures.set("untouched_unplayable", unplayable as f64);
    figures.set("recording_fragments", original.frames.len() as f64);
    println!("{}", json!({"figures": figures.json(), "seed": seed, "kinds": by_kind}));
    ensure!(missed == 0 && unplayable == 0, "{missed} changes missed, {unplayable} recordings that do not play");
    Ok(())
}

/// One whole call; returns the kiosk's own recording of it, with the public key beside it.
async fn record(base: &Path) -> Result<PathBuf> {
    let world = World::temporary(Options::quick()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.answer().await?;
    let api = world.api("daulet").await?;
    let grown = |i: &Value| i["recording"]["fragments"].as_u64() >= Some(12);
    api.incident_when(&incident, "a recording of some length", grown).await?;
    officer.close_as("test").await?;
    let verified = |i: &Value| i["recording"]["evidence"]["standing"] == json!("verified");
    api.incident_when(&incident, "evidence verified at the centre", verified).await?;
    let recording = base.join("recording");
    copy(&world.recordings().join(&incident), &recording)?;
    let store = world.recordings().parent().context("the store")?.to_owned();
    let (key, made) = SigningKey::load_or_make(&sos::adapter::store::layout::evidence_key(&store))?;
    ensure!(!made, "the kiosk has its key");
    fs::write(base.join("evidence.pem"), key.public().to_pem())?;
    fs::write(base.join("export.zip"), api.bytes(&format!("/api/incidents/{incident}/export.zip")).await?)?;
    officer.close().await?;
    world.stop().await?;
    Ok(recording)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The recording as it was made.
struct Original {
    dir: PathBuf,
    key: PathBuf,
    ctl: PathBuf,
    /// Bytes of each file.
    files: BTreeMap<String, Vec<u8>>,
    /// Frames of each media fragment.
    frames: BTreeMap<String, u64>,
}

/// What was done to a copy.
struct Change {
    kind: &'static str,
    /// For people.
    what: String,
    /// The fragments that must be named; empty: it is enough that something is.
    named: Vec<u64>,
    /// Nothing but the missing end shows: "nothing shows that this is all" is the right answer.
    only_open: bool,
}

/// What `sos-ctl verify` answers.
#[derive(Debug)]
struct Verdict {
    code: Option<i32>,
    named: Vec<u64>,
    findings: usize,
}

const HEADER: &str = "000000.mp4";

impl Original {
    fn read(dir: &Path, ctl: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
            let entry = entry?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
        }
        let key = dir.parent().context("a directory")?.join("evidence.pem");
        let ctl = ctl.canonicalize().with_context(|| ctl.display().to_string())?;
        let mut original = Self { dir: dir.to_owned(), key, ctl, files, frames: BTreeMap::new() };
        let verdict = original.verify(dir)?;
        ensure!(verdict.code == Some(0), "the recording itself is not verified: {verdict:?}");
        let work = tempfile::tempdir()?;
        for name in original.media() {
            // Each alone behind the header, decoded: what a player makes of it.
            let frames = original.played(&work.path().join("one.mp4"), &[&name], true)?;
            ensure!(frames > 0, "{name} has no picture");
            original.frames.insert(name, frames);
        }
        Ok(original)
    }

    fn media(&self) -> Vec<String> {
        self.files.keys().filter(|name| name.ends_with(".m4s")).cloned().collect()
    }

    fn verify(&self, dir: &Path) -> Result<Verdict> {
        let done = Command::new(&self.ctl).arg("verify").arg(dir).arg("--key").arg(&self.key).arg("--json").output()?;
        let report: Value = serde_json::from_slice(&done.stdout)
            .with_context(|| format!("sos-ctl verify: {}", String::from_utf8_lossy(&done.stderr)))?;
        let findings = report["findings"].as_array().context("findings")?;
        let named = findings.iter().filter_map(|finding| finding["fragment"].as_u64()).collect();
        Ok(Verdict { code: done.status.code(), named, findings: findings.len() })
    }

    /// Frames of these fragments behind the header, as ffprobe reads or decodes them.
    fn played(&self, joined: &Path, media: &[&String], decode: bool) -> Result<u64> {
        let parts = media.iter().filter_map(|name| self.files.get(*name));
        let bytes: Vec<u8> = self.files.get(HEADER).into_iter().chain(parts).flatten().copied().collect();
        fs::write(joined, bytes)?;
        let (count, entry) =
            if decode { ("-count_frames", "nb_read_frames") } else { ("-count_packets", "nb_read_packets") };
        let done = Command::new("ffprobe")
            .args(["-v", "error", count, "-select_streams", "v:0", "-show_entries"])
            .args([&format!("stream={entry}"), "-of", "csv=p=0"])
            .arg(joined)
            .output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success() && said.trim().is_empty(), "ffprobe: {said}");
        let text = String::from_utf8_lossy(&done.stdout);
        text.trim().trim_matches(',').parse().with_context(|| format!("ffprobe counted {text:?}"))
    }

    /// The fragments that were left alone give all of their frames.
    fn plays(&self, dir: &Path) -> Result<()> {
        let same = |name: &String| fs::read(dir.join(name)).ok().as_ref() == self.files.get(name);
        let untouched: Vec<&String> = self.frames.keys().filter(|name| same(name)).collect();
        let expected: u64 = untouched.iter().map(|name| self.frames[*name]).sum();
        let work = tempfile::tempdir()?;
        let found = self.played(&work.path().join("all.mp4"), &untouched, false)?;
        ensure!(found == expected, "{expected} frames were untouched, {found} are read");
        Ok(())
    }

    /// Changes a copy in one way.
    fn change(&self, lots: &mut StdRng, to: &Path) -> Result<Change> {
        copy(&self.dir, to)?;
        match lots.random_range(0..10) {
            0..=2 => self.flip(lots, to),
            3..=5 => self.truncate(lots, to),
            6 => self.remove(lots, to),
            7 => self.swap(lots, to),
            8 => self.add(lots, to),
            _ => self.cut_chain(lots, to),
        }
    }

    /// A file, more often a fragment than one of the others.
    fn any_file(&self, lots: &mut StdRng) -> Result<&String> {
        let names: Vec<&String> = self.files.keys().collect();
        let named = |name: &str| names.iter().copied().find(|other| *other == name);
        match lots.random_range(0..8) {
            0 => named("chain"),
            1 => named("sealed"),
            _ => names.choose(lots).copied(),
        }
        .context("a file")
    }

    fn flip(&self, lots: &mut StdRng, to: &Path) -> Result<Change> {
        let name = self.any_file(lots)?;
        let mut bytes = self.files[name].clone();
        let (at, bit) = (lots.random_range(0..bytes.len()), lots.random_range(0..8));
        bytes[at] ^= 1 << bit;
        fs::write(to.join(name), bytes)?;
        Ok(Change::of("flip", format!("{name}: bit {bit} of byte {at} flipped"), place(name)))
    }

    fn truncate(&self, lots: &mut StdRng, to: &Path) -> Result<Change> {
        let name = self.any_file(lots)?;
        let length = lots.random_range(0..self.files[name].len());
        fs::write(to.join(name), &self.files[name][..length])?;
        Ok(Change::of("truncate", format!("{name}: cut to {length} bytes"), place(name)))
    }

    fn remove(&self, lots: &mut StdRng, to: &Path) -> Result<Change> {
        if lots.random_bool(0.5) {
            let name = self.any_file(lots)?;
            fs::remove_file(to.join(name))?;
            let mut change = Change::of("remove", format!("{name} removed"), place(name));
            // "sealed" is written after the seal, which says it too; without the chain nothing is signed at all.
            change.only_open = name == "chain";
            if name == "sealed" {
                fs::write(to.join(name), "0\n")?;
                change.what = "sealed says 0".to_owned();
            }
            return Ok(change);
        }
        // The end, with all that speaks of it.
        let media = self.media();
        let kept = lots.random_range(0..media.len());
        for name in &media[kept..] {
            fs::remove_file(to.join(name))?;
        }
        let chain = String::from_utf8(self.files["chain"].clone())?;
        let lines: String = chain.split_inclusive('\n').take(kept + 2).collect();
        fs::write(to.join("chain"), lines)?;
        let mut change = Change::of("end", format!("the end removed behind fragment {kept}"), None);
        if lots.random_bool(0.5) {
            fs::remove_file(to.join("sealed"))?;
            change.only_open = true;
        }
        Ok(change)
    }

    fn swap(&self, lots: &mut StdRng, to: &Path) -> Result<Change> {
        let media = self.media();
        let picked: Vec<&String> = media.choose_multiple(lots, 2).collect();
        let [one, other] = picked.as_slice() else { bail!("two fragments") };
        fs::write(to.join(one), &self.files[*other])?;
        fs::write(to.join(other), &self.files[*one])?;
        let mut change = Change::of("reorder", format!("{one} and {other} exchanged"), None);
        change.named = [place(one), place(other)].into_iter().flatten().collect();
        Ok(change)
    }

    fn add(&self, lots: &mut StdRng, to: &Path) -> Result<Change> {
        let media = self.media();
        let like = media.choose(lots).context("a fragment")?;
        let mut bytes = self.files[like].clone();
        if lots.random_bool(0.3) {
            bytes.push(lots.random());
            fs::write(to.join(like), bytes)?;
            return Ok(Change::of("add", format!("{like}: a byte added"), place(like)));
        }
        if lots.random_bool(0.5) {
            bytes.iter_mut().for_each(|byte| *byte ^= lots.random::<u8>());
        }
        let index = media.len() as u64 + lots.random_range(1..5);
        fs::write(to.join(format!("{index:06}.m4s")), bytes)?;
        Ok(Change::of("add", format!("fragment {index} added, like {like}"), Some(index)))
    }

    /// Lines of the chain taken out, exchanged or written twice.
    fn cut_chain(&self, lots: &mut StdRng, to: &Path) -> Result<Change> {
        let chain = String::from_utf8(self.files["chain"].clone())?;
        let mut lines: Vec<&str> = chain.split_inclusive('\n').collect();
        let (one, other) = (lots.random_range(1..lines.len()), lots.random_range(1..lines.len()));
        let what = match lots.random_range(0..3) {
            0 => {
                lines.remove(one);
                format!("line {one} of the chain removed")
            }
            1 if one != other => {
                lines.swap(one, other);
                format!("lines {one} and {other} of the chain exchanged")
            }
            _ => {
                lines.insert(other, lines[one]);
                format!("line {one} of the chain twice")
            }
        };
        fs::write(to.join("chain"), lines.concat())?;
        Ok(Change::of("chain", what, None))
    }
}

/// The fragment that a file holds.
fn place(name: &str) -> Option<u64> {
    name.split_once('.').and_then(|(digits, _)| digits.parse().ok())
}

impl Change {
    fn of(kind: &'static str, what: String, named: Option<u64>) -> Self {
        Self { kind, what, named: named.into_iter().collect(), only_open: false }
    }

    fn is_noticed(&self, verdict: &Verdict) -> Result<(), &'static str> {
        match verdict.code {
            Some(14) if self.only_open => return Ok(()),
            Some(13) => {}
            _ => return Err("not noticed"),
        }
        let all_named = self.named.iter().all(|index| verdict.named.contains(index));
        if all_named && verdict.findings > 0 { Ok(()) } else { Err("not named") }
    }
}
