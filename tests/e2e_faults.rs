//! Whole calls with something breaking in the middle.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::centre_side::{Api, run};
use support::officer::{Browser, Officer};
use support::way::Way;
use support::world::{KIOSK, Options, World};
use support::{until, wall_us};
use tokio::process::Command;

async fn count(api: &Api) -> Result<usize> {
    Ok(api.get("/api/incidents?limit=50").await?.as_array().map_or(0, Vec::len))
}

async fn waits(api: &Api, incident: &str) -> Result<Value> {
    api.incident_when(incident, "waiting", |i| i["standing"] == json!("waiting")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_who_vanishes_in_a_call_gives_it_back_within_five_seconds() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let first = Officer::open(&Browser::default(), &world.dir).await?;
    first.on_duty(&world, "aigerim").await?;
    let incident = world.press().await?;
    first.sees(&incident, "waiting").await?;
    first.answer().await?;
    first.sees(&incident, "answered").await?;

    let gone = Instant::now();
    first.vanish().await?;
    let api = world.api("daulet").await?;
    waits(&api, &incident).await?;
    ensure!(gone.elapsed() < Duration::from_secs(5), "waiting again only after {:?}", gone.elapsed());

    let second = Officer::open(&Browser::default(), &world.dir).await?;
    second.on_duty(&world, "daulet").await?;
    second.sees(&incident, "waiting").await?;
    second.picture_moves().await?;
    second.answer().await?;
    second.sees(&incident, "answered").await?;
    second.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_officers_who_answer_at_once_one_has_the_call() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let browser = Browser::default();
    let (a, b) = tokio::try_join!(Officer::open(&browser, &world.dir), Officer::open(&browser, &world.dir))?;
    a.on_duty(&world, "aigerim").await?;
    b.on_duty(&world, "daulet").await?;
    let incident = world.press().await?;
    a.sees(&incident, "waiting").await?;
    b.sees(&incident, "waiting").await?;
    let _ = tokio::join!(a.answer(), b.answer());
    a.sees(&incident, "answered").await?;
    b.sees(&incident, "answered").await?;
    let api = world.api("daulet").await?;
    let owner = api.incident(&incident).await?["owner"].clone();
    ensure!(owner == json!("aigerim") || owner == json!("daulet"), "{owner}");
    let microphone = "return window.__sos.pc.getSenders().some(s => s.track && s.track.enabled && \
                      s.getParameters().encodings.every(e => e.active !== false))";
    let talking = [a.js(microphone, vec![]).await?, b.js(microphone, vec![]).await?];
    let expected = [json!(owner == json!("aigerim")), json!(owner == json!("daulet"))];
    ensure!(talking == expected, "microphones open {talking:?}, owner {owner}");
    a.close().await?;
    b.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_pressed_while_the_broker_is_gone_arrives_once_within_two_seconds_of_its_return() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    world.broker.kill().await?;
    let incident = world.press().await?;
    ensure!(world.lamp("sent").await? == "blinking", "not yet confirmed");
    world.restart_broker().await?;
    let back = wall_us();
    let api = world.api("daulet").await?;
    let seen = waits(&api, &incident).await?;
    let received = seen["timing"]["received"].as_i64().unwrap_or(i64::MAX);
    ensure!(received - back < 2_000_000, "received {} ms after the broker's return", (received - back) / 1000);
    ensure!(seen["timing"]["edge"].as_i64() < Some(back), "with its true time");
    ensure!(count(&api).await? == 1, "one incident");
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_survives_the_brokers_restart_while_it_waits() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let api = world.api("daulet").await?;
    let incident = world.press().await?;
    waits(&api, &incident).await?;
    world.broker.kill().await?;
    world.restart_broker().await?;
    world.kiosk_ready().await?;
    waits(&api, &incident).await?;
    ensure!(count(&api).await? == 1, "one incident");
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    officer.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_killed_while_an_alarm_waits_shows_it_again_and_the_page_recovers_by_itself() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    world.centre.kill().await?;
    officer.find("connection-lost").await?;
    world.restart_centre().await?;
    let back = Instant::now();
    officer.sees(&incident, "waiting").await?;
    ensure!(back.elapsed() < Duration::from_secs(4), "shown only {:?} after the centre's return", back.elapsed());
    officer
        .js_until(
            "the banner is gone",
            Duration::from_secs(5),
            "return !document.querySelector(\"[data-testid='connection-lost']\")",
        )
        .await?;
    officer.picture_moves().await?;
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    let api = world.api("daulet").await?;
    ensure!(count(&api).await? == 1, "one incident");
    officer.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_while_the_centre_is_gone_arrives_once_within_two_seconds_of_its_return() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    world.centre.kill().await?;
    let incident = world.press().await?;
    world.restart_centre().await?;
    let back = wall_us();
    let api = world.api("daulet").await?;
    let seen = waits(&api, &incident).await?;
    let received = seen["timing"]["received"].as_i64().unwrap_or(i64::MAX);
    ensure!(received - back < 2_000_000, "received {} ms after the centre's return", (received - back) / 1000);
    ensure!(count(&api).await? == 1, "one incident");
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_killed_in_a_call_loses_a_second_at_most_and_goes_on_as_the_same_incident() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let api = world.api("daulet").await?;
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    api.incident_when(&incident, "ten seconds recorded", |i| i["recording"]["duration_ms"].as_u64() > Some(10_000))
        .await?;
    let killed = wall_us();
    world.kiosk.kill().await?;
    let left = playable(&world, &incident).await?;
    let first = api.incident(&incident).await?["recording"]["start_wall_us"].as_i64().unwrap_or(0);
    let lost = (killed - first) as f64 / 1e6 - left;
    ensure!(lost < 2.0, "{lost:.2} s lost of {left:.2} s (a fragment is about a second, the last one is open)");

    world.restart_kiosk().await?;
    ensure!(world.open_incident().await?.as_deref() == Some(&*incident), "the same incident goes on");
    officer.picture_moves().await?;
    officer.close_as("test").await?;
    world.kiosk_idle().await?;
    api.incident_when(&incident, "recording complete", |i| i["recording"]["complete"] == json!(true)).await?;
    ensure!(count(&api).await? == 1, "one incident");
    officer.close().await?;
    world.stop().await
}

/// Joins what is on the kiosk's disk and decodes it; seconds of picture.
async fn playable(world: &World, incident: &str) -> Result<f64> {
    let dir = world.recordings().join(incident);
    let mut files: Vec<_> = std::fs::read_dir(&dir)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "mp4" || e == "m4s"));
    files.sort();
    let mut whole = vec![];
    for file in files {
        whole.extend(std::fs::read(file)?);
    }
    let path = world.dir.join("torn.mp4");
    std::fs::write(&path, whole)?;
    run(Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(&path).args(["-f", "null", "-"])).await?;
    let duration = run(Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(&path))
    .await?;
    Ok(String::from_utf8_lossy(&duration).trim().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_break_between_page_and_centre_heals_without_a_click() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let mut way = Way::to(world.plain_port).await?;
    // The page comes by a way that can be cut.
    world.plain_port = way.port;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    way.cut();
    officer.find("connection-lost").await?;
    let incident = world.press().await?;
    way.mend().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    let on = until("on duty again", Duration::from_secs(10), || async {
        let state = officer.js("return document.querySelector(\"[data-testid='duty-state']\")?.dataset.on", vec![]);
        (state.await.ok()? == json!("true")).then_some(())
    });
    on.await?;
    officer.close().await?;
    world.stop().await
}

/// A file that whoever opens it hangs on.
fn hang(path: &Path) -> Result<()> {
    Ok(rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into())?)
}

async fn fault(world: &World, kind: &str) -> Result<()> {
    until(kind, Duration::from_secs(20), || async {
        let status = world.status().await.ok()?;
        status["faults"].as_array()?.iter().any(|fault| fault["kind"] == json!(kind)).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_database_and_a_file_that_the_card_does_not_give_keep_no_press_away() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    world.kiosk.kill().await?;
    let database = world.dir.join("kiosk/store.sqlite");
    std::fs::write(&database, [0x5a; 9000])?;
    // The log alone would make it whole again.
    std::fs::remove_file(database.with_extension("sqlite-wal"))?;
    let recording = world.recordings().join("019aa3d8-7a66-7000-8000-000000000000");
    std::fs::create_dir_all(&recording)?;
    hang(&recording.join("000000.mp4"))?;
    world.restart_kiosk().await?;
    fault(&world, "store_replaced").await?;
    let incident = world.press().await?;
    let api = world.api("daulet").await?;
    waits(&api, &incident).await?;
    let kept = until("kept", Duration::from_secs(5), || async {
        api.incident(&incident).await.ok()?["timing"]["kept"].as_i64()
    });
    kept.await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_hangs_at_the_start_keeps_no_press_away() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    ensure!(world.kiosk.terminate().await? == Some(0), "it ends cleanly");
    for file in ["lock", "selftest.json", "camera-reference.pgm"] {
        let file = world.dir.join("kiosk").join(file);
        if file.exists() {
            std::fs::remove_file(&file)?;
        }
        hang(&file)?;
    }
    world.start_kiosk()?;
    let incident = until("the button armed", Duration::from_secs(10), || async { world.press().await.ok() }).await?;
    let api = world.api("daulet").await?;
    waits(&api, &incident).await?;
    fault(&world, "store_failed").await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_takes_the_link_away_and_not_the_button() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    ensure!(world.kiosk.terminate().await? == Some(0), "it ends cleanly");
    let (ca, away) = (world.dir.join("keys/ca.pem"), world.dir.join("keys/away.pem"));
    std::fs::rename(&ca, &away)?;
    world.start_kiosk()?;
    let incident = until("the button armed", Duration::from_secs(10), || async { world.press().await.ok() }).await?;
    ensure!(world.lamp("sent").await? == "blinking", "not yet confirmed");
    fault(&world, "certificate_expiring").await?;
    std::fs::rename(&away, &ca)?;
    let api = world.api("daulet").await?;
    waits(&api, &incident).await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_a_fault_and_does_not_hold_the_end() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let key = world.dir.join(format!("keys/{KIOSK}.key"));
    std::fs::rename(&key, key.with_extension("away"))?;
    hang(&key)?;
    fault(&world, "store_failed").await?;
    world.stop().await
}
