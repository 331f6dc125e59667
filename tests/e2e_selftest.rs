//! The full self-test against a real broker and centre: a test call with real ICE and sound both ways, logged and
//! never ringing; loudspeaker and microphone over the simulated air; the camera against its reference still; what fails
//! is said and heals; a press in the middle of it is an alarm.
#![cfg(all(feature = "kiosk", feature = "centre"))]

mod support;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::officer::{Browser, Officer};
use support::until;
use support::wav::Sound;
use support::world::{Options, World};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(20);

fn selftest(world: &World) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sos-ctl"));
    command.arg("--socket").arg(world.dir.join("control.sock")).arg("selftest").kill_on_drop(true);
    command
}

async fn full(world: &World) -> Result<(Option<i32>, String)> {
    parts(world, &[]).await
}

/// Exit code, and what it says.
async fn parts(world: &World, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let output = selftest(world).args(arguments).stdin(Stdio::null()).output().await?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8(said)?))
}

/// The kiosk as officers see it.
async fn view(world: &World) -> Option<Value> {
    world.api("daulet").await.ok()?.get("/api/kiosks").await.ok()?.as_array()?.first().cloned()
}

async fn view_when(world: &World, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let api = world.api("daulet").await?;
    let found = until(what, SOON, || async {
        let kiosks = api.get("/api/kiosks").await.ok()?;
        kiosks.as_array()?.first().filter(|view| fits(view)).cloned()
    })
    .await;
    match found {
        Ok(view) => Ok(view),
        Err(error) => Err(error.context(format!("{:?}", view(world).await))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_full_test_proves_the_kiosk_and_rings_nowhere() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let fresh = view_when(&world, "known", |view| view["alive"] == json!(true)).await?;
    ensure!(fresh["proved"] == json!(false) && fresh["last_test"].is_null(), "nothing is proved yet: {fresh}");

    let (code, said) = full(&world).await?;
    ensure!(code == Some(0), "{code:?}\n{said}\n{}", world.kiosk.tail());
    ensure!(
        said.contains("call    passed     acknowledged after") && said.contains("the chirp came back after"),
        "{said}"
    );
    let proved = view_when(&world, "proved", |view| view["proved"] == json!(true)).await?;
    ensure!(proved["testing"] == json!(false) && proved["last_test"]["good"] == json!(true), "{proved}");
    ensure!(world.status().await?["last_test"]["good"] == json!(true), "at the kiosk as well");

    let api = world.api("daulet").await?;
    ensure!(api.get("/api/incidents").await? == json!([]), "no incident came of it");
    let lines = world.journal()?;
    for wanted in ["test call of the full self-test", "test call over: ", "self-test, test call: passed: "] {
        ensure!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted} is not in {lines:?}");
    }
    let gateway = api.get("/api/gateway").await?[0].clone();
    ensure!(gateway["media_packets_standby"] == json!(0) && gateway["media_packets_in_alarm"] == json!(0), "{gateway}");
    ensure!(gateway["media_packets_in_test"].as_u64() > Some(150), "{gateway}");

    // It is kept over a restart, of either side.
    world.kiosk.kill().await?;
    world.restart_kiosk().await?;
    ensure!(world.status().await?["last_test"] == proved["last_test"], "kept: {}", world.status().await?);
    world.centre.kill().await?;
    world.restart_centre().await?;
    view_when(&world, "proved again", |view| view["proved"] == json!(true)).await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_standby_leg_the_test_call_dials_like_an_alarm_and_hangs_up() -> Result<()> {
    let world = World::temporary(Options { standby: false, ..Options::quick() }).await?;
    let (code, said) = full(&world).await?;
    ensure!(code == Some(0) && said.contains("the chirp came back after"), "{code:?}\n{said}");
    until("hung up", SOON, || async { (world.status().await.ok()?["leg_up"] == json!(false)).then_some(()) }).await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_in_the_middle_of_the_test_call_is_an_alarm_at_once() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let mut ctl = selftest(&world).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    view_when(&world, "under way", |view| view["testing"] == json!(true)).await?;
    let incident = world.press().await?;
    let api = world.api("daulet").await?;
    let seen = api.incident_when(&incident, "the alarm", |incident| incident["standing"] == json!("waiting")).await?;
    ensure!(seen["timing"]["received"].is_i64(), "{seen}");
    view_when(&world, "the test is over", |view| view["testing"] == json!(false)).await?;
    let took =
        seen["timing"]["received"].as_i64().context("a time")? - seen["timing"]["edge"].as_i64().context("a time")?;
    ensure!(took < 1_000_000, "press to centre took {took} us");
    let ended = tokio::time::timeout(SOON, ctl.wait()).await??;
    ensure!(ended.success(), "who watched the test is told that it was broken off: {ended}");
    until("its media is the alarm's", SOON, || async {
        let gateway = api.get("/api/gateway").await.ok()?[0].clone();
        (gateway["media_packets_in_alarm"].as_u64() > Some(50)).then_some(())
    })
    .await?;
    let status = world.status().await?;
    ensure!(status["last_test"].is_null() && status["testing"].is_null(), "{status}");
    ensure!(world.journal()?.iter().any(|line| line == "test call broken off by an alarm"), "{:?}", world.journal()?);
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_without_pictures_fails_its_part_and_the_fault_heals_with_the_next_good_test() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let file = world.dir.join("kiosk.toml");
    let right = std::fs::read_to_string(&file)?;
    let whole = "[media.camera]\ndriver = \"test\"";
    ensure!(right.contains(whole), "{right}");
    let broken = right.replace(whole, "[media.camera]\ndriver = \"v4l2\"\ndevice = \"/dev/no-camera\"");
    world.kiosk.kill().await?;
    std::fs::write(&file, broken)?;
    world.start_kiosk()?;
    until("up", SOON, || async { (world.status().await.ok()?["leg_up"] == json!(true)).then_some(()) }).await?;
    let (code, said) = full(&world).await?;
    ensure!(code == Some(9) && said.contains("camera  FAILED"), "{code:?}\n{said}");
    let doubted = |view: &Value| view["faults"].to_string().contains("the last full self-test failed: camera");
    let view = view_when(&world, "the fault", doubted).await?;
    ensure!(view["proved"] == json!(false) && view["last_test"]["failed"][0] == json!("camera"), "{view}");
    world.kiosk.kill().await?;
    std::fs::write(&file, right)?;
    world.restart_kiosk().await?;
    ensure!(full(&world).await?.0 == Some(0), "healed");
    view_when(&world, "proved", |view| view["proved"] == json!(true) && view["faults"] == json!([])).await?;
    world.stop().await
}

/// A microphone's sound of two seconds: nothing at all, or the faint noise of a night.
fn microphone(world: &World, name: &str, level: f32) -> Result<PathBuf> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 16) as i16) / 32_768.0 * level
    };
    let path = world.dir.join(name);
    Sound { rate: 48_000, samples: (0..96_000).map(|_| noise()).collect() }.write(&path)?;
    Ok(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deaf_microphone_fails_the_full_test_and_both_ends_say_why_until_it_hears_again() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let (deaf, hearing) = (microphone(&world, "deaf.wav", 0.0)?, microphone(&world, "night.wav", 0.003)?);
    let (code, said) = parts(&world, &["sound"]).await?;
    ensure!(code == Some(9) && said.contains("not tested no air between the simulated devices"), "{code:?}\n{said}");

    world.kiosk.kill().await?;
    // Nothing comes through the air either.
    world.reconfigure(|options| (options.microphone, options.air_loss_db) = (Some(deaf), Some(96)))?;
    world.restart_kiosk().await?;
    let (code, said) = full(&world).await?;
    let why = "expected the loudspeaker's chirp at the microphone, found none";
    ensure!(code == Some(9) && said.contains(&format!("sound   FAILED     {why}")), "{code:?}\n{said}");
    ensure!(said.contains("call    passed"), "the test call has chirps of its own: {said}");
    let told = |view: &Value| {
        let faults = view["faults"].to_string();
        faults.contains("sound_path_broken") && faults.contains(&format!("full self-test failed: sound ({why}"))
    };
    let view = view_when(&world, "why", told).await?;
    ensure!(view["proved"] == json!(false) && view["last_test"]["failed"] == json!(["sound"]), "{view}");
    ensure!(view["last_test"]["why"].as_str().is_some_and(|said| said.starts_with(why)), "{view}");
    let output = Command::new(env!("CARGO_BIN_EXE_sos-ctl"))
        .arg("--socket")
        .arg(world.dir.join("control.sock"))
        .arg("status")
        .output()
        .await?;
    let status = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(6) && status.contains("loudspeaker not heard: "), "{status}");
    ensure!(status.contains(&format!("NOT PROVED: 0 min ago, sound failed: {why}")), "{status}");
    ensure!(world.journal()?.iter().any(|line| line.starts_with("self-test, sound: FAILED: ")), "logged");

    world.kiosk.kill().await?;
    world.reconfigure(|options| (options.microphone, options.air_loss_db) = (Some(hearing), Some(15)))?;
    world.restart_kiosk().await?;
    let (code, said) = full(&world).await?;
    let heard =
        said.split_once("sound   passed     the chirp was heard at ").and_then(|(_, rest)| rest.split_once(" dB"));
    let level_db: f64 = heard.with_context(|| said.clone())?.0.parse()?;
    ensure!(code == Some(0) && (level_db + 15.0).abs() <= 3.0, "15 dB fainter through the air: {code:?}\n{said}");
    view_when(&world, "proved", |view| view["proved"] == json!(true) && view["faults"] == json!([])).await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_learnt_its_view_fails_when_it_sees_another() -> Result<()> {
    let films = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/films")).output().await?;
    let films = PathBuf::from(String::from_utf8(films.stdout)?.trim());
    let street = tempfile::Builder::new().suffix(".mp4").tempfile()?;
    std::fs::copy(films.join("bikes.mp4"), street.path())?;
    let camera = Some(street.path().to_owned());
    let mut world = World::temporary(Options { camera, ..Options::quick() }).await?;
    let (code, said) = parts(&world, &["camera"]).await?;
    ensure!(code == Some(0) && said.contains("no reference still to compare with"), "{code:?}\n{said}");
    ensure!(parts(&world, &["lamp", "--learn"]).await?.0 == Some(5), "lamps learn nothing");
    let (code, said) = parts(&world, &["camera", "--learn"]).await?;
    ensure!(code == Some(0) && said.contains("what it sees now is its reference still"), "{code:?}\n{said}");
    let (code, said) = parts(&world, &["camera"]).await?;
    ensure!(code == Some(0) && said.contains("the view of the reference still (alike by"), "{code:?}\n{said}");

    world.kiosk.kill().await?;
    world.reconfigure(|options| options.camera = Some(films.join("carphone_pristine.mp4")))?;
    world.restart_kiosk().await?;
    let (code, said) = full(&world).await?;
    ensure!(code == Some(9) && said.contains("moved, turned or covered"), "{code:?}\n{said}");
    let doubted =
        |view: &Value| view["faults"].to_string().contains("the last full self-test failed: camera (expected");
    view_when(&world, "the doubt", doubted).await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_sees_a_press_in_the_middle_of_a_test_as_the_alarm_it_is_and_nothing_before() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let mut ctl = selftest(&world).stdout(Stdio::null()).spawn()?;
    let running = "return document.querySelector(\"[data-testid='kiosk-proof']\")?.innerText === 'self-test running'";
    officer.js_until("the page shows the test", SOON, running).await?;
    let quiet = "return document.querySelector(\"[data-testid='incident-card']\") === null";
    officer.js_until("no alarm", SOON, quiet).await?;

    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    let api = world.api("daulet").await?;
    api.incident_when(&incident, "sound both ways: no chirp, and the person's own", |incident| {
        incident["timing"]["first_sound_up"].is_i64() && incident["timing"]["first_sound_down"].is_i64()
    })
    .await?;
    officer.close_as("real").await?;
    world.kiosk_idle().await?;
    tokio::time::timeout(SOON, ctl.wait()).await??;
    let done = api.incident_when(&incident, "recorded", |i| i["recording"]["complete"] == json!(true)).await?;
    ensure!(done["verdict"] == json!("real"), "{done}");
    ensure!(world.status().await?["last_test"].is_null(), "a test broken off proves nothing");
    officer.close().await?;
    world.stop().await
}
