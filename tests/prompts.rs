//! The sentences, made by `scripts/prompts` as a package makes them: each in each language, fit to be played as they
//! are, and equally loud.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use sos::adapter::media::pcm;

/// Loudness, dB of full scale: RMS of the tenths of a second that are spoken.
fn loudness(samples: &[i16]) -> f64 {
    let power = |part: &[i16]| part.iter().map(|s| (f64::from(*s) / 32768.0).powi(2)).sum::<f64>() / part.len() as f64;
    let parts: Vec<f64> = samples.chunks_exact(4800).map(power).collect();
    let loudest = parts.iter().copied().fold(0.0, f64::max);
    let spoken: Vec<f64> = parts.into_iter().filter(|p| *p > loudest / 100.0).collect();
    10.0 * (spoken.iter().sum::<f64>() / spoken.len() as f64).log10()
}

#[test]
fn every_sentence_is_spoken_in_every_language_equally_loud() {
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/prompts");
    let made = Command::new(script).arg(dir.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut levels = Vec::new();
    for language in ["kk", "ru", "en"] {
        for sentence in ["calling", "answered", "on_hold", "closed", "no_connection"] {
            let path = dir.path().join(language).join(format!("{sentence}.wav"));
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes[20..36], *b"\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0", "48 kHz mono 16 bits");
            let samples = pcm::load(&path).unwrap();
            let seconds = samples.len() as f64 / 48_000.0;
            assert!((0.8..7.0).contains(&seconds), "{sentence} in {language}: {seconds:.1} s");
            assert!(samples.iter().all(|s| s.unsigned_abs() < 27_000), "{sentence} in {language} is clipped");
            levels.push(loudness(&samples));
        }
    }
    let (least, most) = levels.iter().fold((0.0_f64, -99.0_f64), |(a, b), level| (a.min(*level), b.max(*level)));
    assert!(most - least < 4.0, "equally loud: {levels:.1?}");
    let entries = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(entries, 3, "nothing is left behind");
}

#[test]
fn every_sentence_has_a_text_in_the_same_languages() {
    let text = include_str!("../prompts/prompts.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let pairs: Vec<(&str, &str)> = lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let pair = (words.next().unwrap(), words.next().unwrap());
            assert!(words.count() >= 2, "{line}");
            pair
        })
        .collect();
    assert_eq!(pairs.len(), 15);
    assert!(pairs.chunks(3).all(|three| three.iter().map(|(_, language)| *language).eq(["kk", "ru", "en"])));
}
