//! A call through the board's own camera and sound card: what is painted, and what is heard at both ends.
//!
//! The sound card is the kernel's loop: what the kiosk plays into one end comes out at the other, where the street is.
//! There the person's voice is played, and what the loudspeaker says is recorded.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use super::call::{answered, over};
use super::{DAULET, Rig};
use crate::kiosk;
use crate::page::{RECORD_SOUND, TAKE_SOUND, taken};
use crate::support::centre_side::run;
use crate::support::wav::{ALIKE, Sound, alike, found};

/// The board's devices as an owner writes them: by name, since one that was pulled out comes back under another number.
pub const DEVICES: &str = r#"
[media.camera]
driver = "v4l2"
device = "vivid-000-vid-cap"
[media.microphone]
driver = "alsa"
[media.speaker]
driver = "alsa"
[media.sound]
card = "plughw:CARD=Loopback,DEV=0,SUBDEV=0"
"#;
/// What is compared is the way of a voice. What is done to it on purpose (`scripts/bench echo` measures that: the canceller
/// takes 6 dB of whoever speaks at the same time) and how the kiosk's own voice follows the noise is left out.
const UNTOUCHED: &str = r#"
cancel_echo = false
noise_suppression = "off"
most_gain_db = 0
quiet_cut_db = 0
"#;
/// Where the street is.
const STREET: &str = "plughw:CARD=Loopback,DEV=1,SUBDEV=0";
/// How much of each voice is compared, seconds.
const PIECE_S: f64 = 3.0;
/// How long they talk, seconds.
const TALK_S: u32 = 6;
/// From the officer's answer to the first words at the card, seconds at most.
const FIRST_WORDS_S: f64 = 0.5;

/// The colours of the camera's test picture, a bit each for red, green and blue.
const COLOURS: &str = "
    const video = window.__sos.videoEl, canvas = document.createElement('canvas');
    canvas.width = 320; canvas.height = 1;
    const paint = canvas.getContext('2d');
    paint.drawImage(video, 0, video.videoHeight * 0.75, video.videoWidth, 1, 0, 0, 320, 1);
    const data = paint.getImageData(0, 0, 320, 1).data, seen = {};
    for (let x = 0; x < 320; x++) {
      const bits = [0, 1, 2].map((n) => data[4 * x + n] > 95 ? 1 : 0).join('');
      seen[bits] = (seen[bits] || 0) + 1;
    }
    return Object.keys(seen).filter((bits) => seen[bits] >= 20).sort().join(' ')";
/// All bars: black to white.
const BARS: &str = "000 001 010 011 100 101 110 111";

/// The kiosk with the board's devices; on the street somebody speaks without end and without a gap (the file's header is
/// 44 bytes), and everything is recorded.
async fn fitted(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    rig.board.put(&rig.arguments.voices.join("kiosk.wav"), "/root/person.wav", "644").await?;
    kiosk::configure(&rig.board, &rig.side, &format!("{DEVICES}{UNTOUCHED}")).await?;
    rig.board.ssh("sos-ctl config check && systemctl restart sos-kiosk").await?;
    rig.works().await?;
    let street = format!(
        "systemd-run -q --collect --unit=person sh -c \
           'while :; do tail -c +45 /root/person.wav; done | aplay -q -B 500000 -D {STREET} -t raw -f S16_LE -r 48000 -c 1'
         systemd-run -q --collect --unit=ear sh -c \
           'date +%s%6N > /root/ear.start; exec arecord -q -B 500000 -D {STREET} -f S16_LE -r 48000 -c 1 -t wav /root/ear.wav'"
    );
    rig.board.ssh(&street).await.map(drop)
}

/// Stops the street; what was heard there from this instant of the board's clock on.
async fn heard_on_the_street(rig: &Rig, since_us: i64) -> Result<Sound> {
    rig.board.ssh("systemctl stop ear person").await?;
    let start: i64 = rig.board.ssh("cat /root/ear.start").await?.trim().parse()?;
    // Stays beside the voices too.
    let file = rig.arguments.voices.join("heard.wav");
    std::fs::write(&file, rig.board.get("/root/ear.wav").await?)?;
    rig.board.ssh("rm /root/ear.* /root/person.wav").await?;
    let mut sound = Sound::read(&file, 0)?;
    let skip = usize::try_from((since_us - start).max(0))? * 48 / 1000;
    ensure!(skip < sound.samples.len(), "the recording ended before the answer: {} samples", sound.samples.len());
    sound.samples.drain(..skip);
    Ok(sound)
}

/// What came to the kiosk of the officer's voice, as the recording has it.
async fn received(rig: &Rig, incident: &str) -> Result<Sound> {
    let api = rig.side.api(DAULET).await?;
    let [recording, sound] = ["recording.mp4", "recorded.wav"].map(|name| rig.arguments.voices.join(name));
    std::fs::write(&recording, api.bytes(&format!("/api/incidents/{incident}/recording.mp4")).await?)?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-i"]).arg(&recording).args(["-vn", "-ar", "48000", "-c:a", "pcm_s16le"]);
    run(ffmpeg.args(["-bitexact"]).arg(&sound)).await?;
    Sound::read(&sound, 1)
}

/// A stretch of a sound, seconds.
fn stretch(sound: &Sound, from: f64, length: f64) -> Result<Sound> {
    let at = |seconds: f64| (seconds * f64::from(sound.rate)) as usize;
    let samples = sound.samples.get(at(from)..at(from + length)).context("the sound is too short")?.to_vec();
    Ok(Sound { rate: sound.rate, samples })
}

pub async fn a_call_through_camera_and_sound_card_is_seen_and_heard(rig: &mut Rig) -> Result<()> {
    fitted(rig).await?;
    let incident = answered(rig).await?;
    let api = rig.side.api(DAULET).await?;
    let timing = api.incident(&incident).await?["timing"].clone();
    let mark = |name: &str| timing[name].as_i64().with_context(|| format!("no {name} in {timing}"));
    let officer = rig.officer().await?;
    officer.js(RECORD_SOUND, vec![]).await?;
    let talked = format!("return window.__recorded.length > 48000 * {TALK_S}");
    officer.js_until("the sound of the talk", std::time::Duration::from_secs(30), &talked).await?;
    let up = taken(&officer.js(TAKE_SOUND, vec![]).await?)?;
    let painted = officer.js(COLOURS, vec![]).await?;
    ensure!(painted == *BARS, "the camera's test picture has the colours {BARS}, painted are {painted}");
    officer.close_as("test").await?;
    // Beside the voices, for whoever wants to listen.
    up.write(&rig.arguments.voices.join("up.wav"))?;
    let down = heard_on_the_street(rig, mark("answered")?).await?;
    over(rig, &incident).await?;
    let whole = api.incident(&incident).await?;
    ensure!(whole["recording"]["complete"] == json!(true), "{whole}");

    let voices = [rig.arguments.voices.join("kiosk.wav"), rig.arguments.voices.join("officer.wav")];
    let [person, other] = &voices;
    let heard = alike(&up.loudest(PIECE_S as f32), person, other).context("person to officer")?;
    eprintln!("        person to officer: {heard}");
    // From the answer on nobody speaks at the card but the officer, and no word is cut.
    let first = stretch(&down, FIRST_WORDS_S, PIECE_S)?;
    let (score, _) = found(&first, &received(rig, &incident).await?);
    ensure!(score >= ALIKE, "the card does not play what came of the officer's voice: alike {score:.2}");
    let heard = alike(&first, other, person)
        .with_context(|| format!("the officer's first words at the card, alike {score:.2} to what came"))?;
    eprintln!("        the officer's first words: {heard}");
    rig.figures.add("answered_to_officer_heard_ms", (mark("first_sound_down")? - mark("answered")?) as f64 / 1e3);
    Ok(())
}
