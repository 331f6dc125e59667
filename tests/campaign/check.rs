//! One whole call on real input, checked from end to end.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::page::{RECORD_SOUND, TAKE_SOUND, taken};
use crate::support::centre_side::run as run_command;
use crate::support::officer::{Browser, Officer};
use crate::support::wav::{ALIKE, Sound, alike, found};
use crate::support::world::{Options, World};
use crate::support::{until, wall_us};

/// How much of each voice is compared, seconds.
const PIECE_S: f32 = 2.0;
/// Talking time.
const TALK: Duration = Duration::from_secs(9);
const PRE_EVENT_S: u64 = 30;

/// What is compared is the way of a voice. Here both speak at once all the time, and the browser's own suppression of
/// echo and noise takes away of the officer's voice what it likes: it is left out.
const MICROPHONE_AS_IT_IS: &str = "const media = navigator.mediaDevices; \
    const open = media.getUserMedia.bind(media); \
    media.getUserMedia = ({ audio, ...rest }) => open({ ...rest, audio: { ...audio, \
        echoCancellation: false, noiseSuppression: false, autoGainControl: false } });";

/// The kiosk speaks one language here, so that its sentences end soon.
const LANGUAGE: &str = "kk";

pub async fn run(dir: &Path, shots: &Path, media: &Path, prompts: &Path) -> Result<()> {
    std::fs::create_dir_all(shots)?;
    let (person, officer_voice) = (media.join("kiosk.wav"), media.join("officer.wav"));
    let spoken = dir.join("prompts");
    std::fs::create_dir_all(&spoken)?;
    std::os::unix::fs::symlink(prompts.join(LANGUAGE).canonicalize()?, spoken.join(LANGUAGE))?;
    let options = Options {
        prompts: Some(spoken.clone()),
        camera: Some(media.join("scene.mp4").canonicalize()?),
        microphone: Some(person.canonicalize()?),
        ..Options::default()
    };
    let world = World::start(options, dir).await?;
    let browser = Browser {
        microphone: Some(officer_voice.canonicalize()?),
        before_page: Some(MICROPHONE_AS_IT_IS.to_owned()),
        ..Browser::default()
    };
    let officer = Officer::open(&browser, &world.dir).await?;
    let voices = Voices { person: &person, officer: &officer_voice, kiosk: &spoken.join(LANGUAGE) };
    let outcome = call(&world, &officer, shots, &voices).await;
    officer.close().await.ok();
    let stopped = world.stop().await;
    outcome?;
    stopped?;
    println!("ok: picture painted, the kiosk speaks, sound alike in both directions, recording whole");
    Ok(())
}

/// What was put in: two files, and the directory of the kiosk's sentences.
struct Voices<'a> {
    person: &'a Path,
    officer: &'a Path,
    kiosk: &'a Path,
}

async fn call(world: &World, officer: &Officer, shots: &Path, voices: &Voices<'_>) -> Result<()> {
    officer.client.goto(&world.console()).await?;
    officer.find("login-name").await?;
    officer.screenshot(&shots.join("1-login.png")).await?;
    officer.log_in(world, "aigerim").await?;
    officer.screenshot(&shots.join("2-off-duty.png")).await?;
    officer.go_on_duty().await?;
    officer.screenshot(&shots.join("3-on-duty.png")).await?;
    let api = world.api("daulet").await?;
    until("half a minute before the press", Duration::from_secs(60), || async {
        let uptime = world.status().await.ok()?["uptime_s"].as_u64()?;
        (uptime > PRE_EVENT_S + 1).then_some(())
    })
    .await?;

    let pressed_us = wall_us();
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await.context("live picture before answering")?;
    officer.screenshot(&shots.join("4-alarm.png")).await?;
    let calling = Sound::read(&voices.kiosk.join("calling.wav"), 0)?;
    let said = speaker_after(world, pressed_us, calling.seconds() + 2.0).await?;
    let (score, _) = found(&calling, &said);
    println!("kiosk to person: \"calling\" is heard, alike {score:.2}");
    ensure!(score >= ALIKE, "the kiosk does not say that help is being called: {score:.2} < {ALIKE}");

    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    let talk_us = wall_us();
    officer.js(RECORD_SOUND, vec![]).await?;
    let talked = format!("return window.__recorded.length > 48000 * {}", TALK.as_secs());
    officer.js_until("the sound of the talk", TALK * 3, &talked).await?;
    // Before the close, after which the kiosk says that the call has ended.
    let heard_by_person = speaker_since(world, talk_us)?.loudest(PIECE_S);
    officer.screenshot(&shots.join("5-talking.png")).await?;
    let arrived = officer.js(TAKE_SOUND, vec![]).await?;

    officer.key("c").await?;
    officer.find("verdict-test").await?;
    officer.screenshot(&shots.join("6-close.png")).await?;
    officer.choose_verdict("test").await?;
    world.kiosk_idle().await?;
    let whole =
        api.incident_when(&incident, "recording complete", |i| i["recording"]["complete"] == json!(true)).await?;
    playback(officer, &incident, shots).await?;

    let heard_by_officer = taken(&arrived)?.loudest(PIECE_S);
    println!("person to officer: {}", alike(&heard_by_officer, voices.person, voices.officer)?);
    println!("officer to person: {}", alike(&heard_by_person, voices.officer, voices.person)?);
    recording(&api.bytes(&format!("/api/incidents/{incident}/recording.mp4")).await?, world).await?;
    print_timing(&whole);
    Ok(())
}

/// Opens the closed incident and plays it.
async fn playback(officer: &Officer, incident: &str, shots: &Path) -> Result<()> {
    let shown = format!("return document.body.innerHTML.includes('{incident}')");
    officer.js_until("the closed incident is shown", Duration::from_secs(10), &shown).await.ok();
    officer.key("p").await?;
    let playing = "const v = document.querySelector(\"[data-testid='playback-video']\"); if (!v) return false; \
                   if (v.paused) v.play().catch(() => {}); return v.videoWidth > 0 && v.currentTime > 1;";
    officer.js_until("the recording plays", Duration::from_secs(20), playing).await?;
    officer.screenshot(&shots.join("7-playback.png")).await
}

/// What left the kiosk's loudspeaker since an instant.
pub fn speaker_since(world: &World, since_us: i64) -> Result<Sound> {
    let path = world.speaker_wav();
    let start = speaker_start_us(world)?;
    let mut sound = Sound::read(&path, 0)?;
    let skip = (since_us - start).max(0) as usize * sound.rate as usize / 1_000_000;
    sound.samples.drain(..skip.min(sound.samples.len()));
    Ok(sound)
}

/// What has left the kiosk's loudspeaker since an instant, once it is so many seconds long.
async fn speaker_after(world: &World, since_us: i64, seconds: f32) -> Result<Sound> {
    let bound = Duration::from_secs_f32(seconds + 10.0);
    until("the loudspeaker's sound", bound, || async {
        let sound = speaker_since(world, since_us).ok()?;
        (sound.seconds() >= seconds).then_some(sound)
    })
    .await
}

/// Wall clock of the first sample in the loudspeaker's file.
pub fn speaker_start_us(world: &World) -> Result<i64> {
    let sidecar = world.dir.join("speaker.wav.json");
    let text = std::fs::read_to_string(&sidecar).with_context(|| sidecar.display().to_string())?;
    let value: Value = serde_json::from_str(&text)?;
    value["first_sample_wall_us"].as_i64().with_context(|| format!("first_sample_wall_us in {text}"))
}

async fn recording(mp4: &[u8], world: &World) -> Result<()> {
    let path = world.dir.join("recording.mp4");
    std::fs::write(&path, mp4)?;
    let probe = run_command(
        Command::new("ffprobe").args(["-v", "error", "-show_format", "-show_streams", "-of", "json"]).arg(&path),
    )
    .await?;
    let probe: Value = serde_json::from_slice(&probe)?;
    let duration: f64 = probe["format"]["duration"].as_str().unwrap_or("0").parse()?;
    let at_least = PRE_EVENT_S as f64 + TALK.as_secs_f64();
    ensure!(duration >= at_least, "the recording is {duration:.1} s long, expected at least {at_least}");
    let kinds: Vec<_> = probe["streams"].as_array().into_iter().flatten().map(|s| s["codec_name"].clone()).collect();
    ensure!(kinds.contains(&json!("h264")) && kinds.contains(&json!("opus")), "streams {kinds:?}");
    run_command(Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(&path).args(["-f", "null", "-"]))
        .await?;
    println!("recording: {duration:.1} s, h264 and opus, every frame decodes");
    Ok(())
}

fn print_timing(incident: &Value) {
    let timing = incident["timing"].as_object().cloned().unwrap_or_default();
    let edge = timing.get("edge").and_then(Value::as_i64).unwrap_or(0);
    let mut marks: Vec<(i64, &String)> =
        timing.iter().filter_map(|(mark, at)| Some((at.as_i64()? - edge, mark))).collect();
    marks.sort_unstable();
    println!("timing of the call, ms after the button's edge:");
    for (after, mark) in marks {
        println!("  {mark:<18} {:>10.1}", after as f64 / 1000.0);
    }
}
