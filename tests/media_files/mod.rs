//! Media of a real encoder for tests and campaigns, and what a player makes of a file.
#![allow(dead_code, clippy::unwrap_used, reason = "a test may panic, and uses a part of it")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Five seconds of picture and sound, a fragment a second: header first.
pub fn encoded(dir: &Path) -> Vec<Vec<u8>> {
    let file = dir.join("source.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=440"])
        .args(["-t", "5", "-c:v", "libx264", "-g", "25", "-c:a", "aac"])
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        .arg(&file)
        .status()
        .expect("ffmpeg runs");
    assert!(made.success());
    let bytes = fs::read(&file).unwrap();
    let (mut parts, mut at) = (vec![Vec::new()], 0);
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let kind = &bytes[at + 4..at + 8];
        if kind == b"moof" {
            parts.push(Vec::new());
        }
        if kind != b"mfra" {
            parts.last_mut().unwrap().extend_from_slice(&bytes[at..at + size]);
        }
        at += size;
    }
    parts
}

/// Frames that ffprobe decodes.
pub fn frames(file: &Path) -> u32 {
    let counted = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v:0"])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8(counted.stdout).unwrap();
    text.trim().trim_matches(',').parse().unwrap_or_else(|_| panic!("not a number: {text:?}"))
}
