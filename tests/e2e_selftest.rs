//! The full self-test against a real broker and centre: a test call with real ICE and sound both ways, logged and
//! never ringing; what fails is said and heals; a press in the middle of it is an alarm.
#![cfg(all(feature = "kiosk", feature = "centre"))]

mod support;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::until;
use support::world::{KIOSK, Options, World};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(20);

fn selftest(world: &World) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sos-ctl"));
    command.arg("--socket").arg(world.dir.join("control.sock")).arg("selftest").kill_on_drop(true);
    command
}

async fn full(world: &World) -> Result<(Option<i32>, String)> {
    let output = selftest(world).stdin(Stdio::null()).output().await?;
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

/// What the centre's journal says of the kiosk.
fn journal(world: &World) -> Result<Vec<String>> {
    let database = rusqlite::Connection::open(world.dir.join("centre/centre.sqlite"))?;
    let mut query = database.prepare("SELECT what FROM journal WHERE who = ?1 ORDER BY rowid")?;
    let found = query.query_map([format!("kiosk:{KIOSK}")], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
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
    let lines = journal(&world)?;
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
    ensure!(journal(&world)?.iter().any(|line| line == "test call broken off by an alarm"), "{:?}", journal(&world)?);
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
