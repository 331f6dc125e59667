//! Whole calls: real broker, centre, kiosk and browser.

mod support;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::officer::{Browser, Officer};
use support::until;
use support::wav::Sound;
use support::world::{Options, World};

/// RTP packets the page has sent and received.
const PAGE_PACKETS: &str = "const done = arguments[0]; window.__sos.pc.getStats().then(all => { let n = 0; \
    all.forEach(s => { n += (s.type === 'outbound-rtp' && s.packetsSent || 0) \
    + (s.type === 'inbound-rtp' && s.packetsReceived || 0); }); done(n); });";

/// Sound flows both ways: each side has heard the other (marks of the call, taken where the sound is).
async fn talk(world: &World, incident: &str) -> Result<()> {
    let api = world.api("daulet").await?;
    api.incident_when(incident, "sound both ways", |i| {
        i["timing"]["first_sound_up"].is_i64() && i["timing"]["first_sound_down"].is_i64()
    })
    .await
    .map(|_| ())
}

/// The lamps "sent" and "answered".
async fn lamps(world: &World) -> Result<[String; 2]> {
    Ok([world.lamp("sent").await?, world.lamp("answered").await?])
}

async fn gateway(world: &World) -> Result<Value> {
    Ok(world.api("daulet").await?.get("/api/gateway").await?[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_press_brings_an_officer_and_all_of_it_is_recorded() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;

    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    ensure!(lamps(&world).await? == ["on", "off"], "lamps while waiting: {:?}", lamps(&world).await?);

    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    talk(&world, &incident).await?;
    ensure!(lamps(&world).await? == ["on", "on"], "lamps while talking: {:?}", lamps(&world).await?);

    officer.close_as("real").await?;
    world.kiosk_idle().await?;
    let api = world.api("daulet").await?;
    let done =
        api.incident_when(&incident, "recording complete", |i| i["recording"]["complete"] == json!(true)).await?;
    ensure!(done["verdict"] == json!("real") && done["standing"] == json!("closed"), "{done}");
    let evidence = &done["recording"]["evidence"];
    ensure!(*evidence == json!({"standing": "verified"}), "every fragment is proven: {evidence}");
    let (begins, edge) = (done["recording"]["start_wall_us"].as_i64(), done["timing"]["edge"].as_i64());
    ensure!(begins.is_some() && begins < edge.map(|edge| edge - 500_000), "from before the press: {done}");
    for mark in ["edge", "kept", "sent", "received", "acknowledged", "alarm_painted", "first_frame", "answered"] {
        ensure!(done["timing"][mark].is_i64(), "{mark} is missing from {}", done["timing"]);
    }
    ensure!(lamps(&world).await? == ["off", "off"], "lamps after the close: {:?}", lamps(&world).await?);

    // A new press is a new incident; a second one during it joins it.
    let second = world.press().await?;
    ensure!(second != incident, "a closed incident stays closed");
    officer.sees(&second, "waiting").await?;
    ensure!(world.press().await? == second, "a press during an incident joins it");
    api.incident_when(&second, "two presses", |i| i["presses"] == json!(2)).await?;
    officer.close().await?;
    world.stop().await
}

/// Loudest sample of the last so many seconds at the kiosk's loudspeaker.
fn loudest_at_the_end(world: &World, seconds: usize) -> Option<f32> {
    let sound = Sound::read(&world.speaker_wav(), 0).ok()?;
    let from = sound.samples.len().checked_sub(seconds * sound.rate as usize)?;
    Some(sound.samples[from..].iter().fold(0.0, |most, sample| sample.abs().max(most)))
}

/// Waits until the officer (Chromium's beeps, twice a second) is heard at the kiosk, or has been silent for 3 s.
async fn officer_is_heard(world: &World, heard: bool) -> Result<()> {
    let what = if heard { "the officer's voice" } else { "no voice of the officer" };
    until(what, Duration::from_secs(20), || async {
        let loudest = if heard { loudest_at_the_end(world, 1)? } else { loudest_at_the_end(world, 3)? };
        ((loudest > 0.05) == heard).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_hold_to_talk_the_officer_is_heard_only_while_the_key_is_held() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.answer().await?;
    officer.sees(&incident, "answered").await?;
    talk(&world, &incident).await?;
    officer_is_heard(&world, true).await?;

    officer.key("t").await?;
    officer_is_heard(&world, false).await?;
    officer.hold(' ').await?;
    officer_is_heard(&world, true).await?;
    officer.let_go(' ').await?;
    officer_is_heard(&world, false).await?;
    officer.key("t").await?;
    officer_is_heard(&world, true).await?;
    officer.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_crosses_the_standby_leg_outside_an_alarm() -> Result<()> {
    let world = World::temporary(Options::quick()).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let idle_for = |seconds: u64| {
        let world = &world;
        async move {
            let start = world.status().await?["uptime_s"].as_u64().unwrap_or(0);
            until("idle time", Duration::from_secs(seconds + 10), || async {
                (world.status().await.ok()?["uptime_s"].as_u64()? >= start + seconds).then_some(())
            })
            .await
        }
    };
    idle_for(5).await?;
    ensure!(officer.client.execute_async(PAGE_PACKETS, vec![]).await? == json!(0), "the page's connection is not idle");
    let before = gateway(&world).await?;
    ensure!(before["up"] == json!(true), "{before}");
    ensure!(before["media_packets_standby"] == json!(0), "media before any press: {before}");
    ensure!(before["media_packets_in_alarm"] == json!(0), "media before any press: {before}");

    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    officer.close_as("real").await?;
    world.kiosk_idle().await?;
    idle_for(3).await?;
    let after = gateway(&world).await?;
    ensure!(after["media_packets_in_alarm"].as_u64() > Some(0), "the alarm's media is counted: {after}");
    idle_for(4).await?;
    let later = gateway(&world).await?;
    ensure!(later["media_packets_standby"] == json!(0), "media after the close: {later}");
    ensure!(later["media_packets_in_alarm"] == after["media_packets_in_alarm"], "the gate is shut: {after} {later}");
    officer.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_standby_leg_the_offer_travels_in_the_alarm() -> Result<()> {
    let world = World::temporary(Options { standby: false, ..Options::quick() }).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    ensure!(world.status().await?["leg_up"] == json!(false), "no leg before the press");
    for _ in 0..2 {
        let incident = world.press().await?;
        officer.sees(&incident, "waiting").await?;
        officer.picture_moves().await?;
        officer.answer().await?;
        talk(&world, &incident).await?;
        officer.close_as("real").await?;
        world.kiosk_idle().await?;
        until("the leg is hung up", Duration::from_secs(5), || async {
            (world.status().await.ok()?["leg_up"] == json!(false)).then_some(())
        })
        .await?;
    }
    officer.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_kiosks_udp_is_blocked_tcp_carries_the_call() -> Result<()> {
    let world = World::temporary(Options { kiosk_udp: false, ..Options::quick() }).await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    officer.answer().await?;
    talk(&world, &incident).await?;
    ensure!(gateway(&world).await?["transport"] == json!("tcp"));
    officer.close().await?;
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_on_the_way_tcp_carries_the_call_for_page_and_kiosk() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let _block = UdpBlock::to(world.media_port)?;
    world.kiosk.kill().await?;
    world.restart_kiosk().await?;
    let officer = Officer::open(&Browser::default(), &world.dir).await?;
    officer.on_duty(&world, "aigerim").await?;
    let incident = world.press().await?;
    officer.sees(&incident, "waiting").await?;
    officer.picture_moves().await?;
    officer.answer().await?;
    talk(&world, &incident).await?;
    let protocol = "const done = arguments[0]; window.__sos.pc.getStats().then(all => { let p = ''; \
                    all.forEach(s => { if (s.type === 'candidate-pair' && s.nominated) \
                    p = all.get(s.localCandidateId).protocol; }); done(p); });";
    let protocol = officer.client.execute_async(protocol, vec![]).await?;
    ensure!(protocol == json!("tcp"), "the page's connection runs over {protocol}");
    ensure!(gateway(&world).await?["transport"] == json!("tcp"), "the kiosk's leg");
    officer.close().await?;
    world.stop().await
}

/// The kernel drops every UDP packet to and from a port of this machine, as a firewall on the way would.
struct UdpBlock(String);

impl UdpBlock {
    fn to(port: u16) -> Result<Self> {
        let table = format!("sos_test_{}", std::process::id());
        let rules = format!(
            "table inet {table} {{ chain out {{ type filter hook output priority 0; \
             udp dport {port} drop; udp sport {port} drop; }}; }}"
        );
        let done = std::process::Command::new("nft").arg(&rules).status()?;
        ensure!(done.success(), "nft takes no rules here (it needs root)");
        Ok(Self(table))
    }
}

impl Drop for UdpBlock {
    fn drop(&mut self) {
        let _ = std::process::Command::new("nft").args(["delete", "table", "inet", &self.0]).status();
    }
}
