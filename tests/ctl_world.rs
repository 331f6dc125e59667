//! `sos-ctl` and the daemon against a real broker and centre: changes that are proved and undone, a certificate that
//! has expired, a configuration broken by hand, tests that are logged, a bundle without secrets.
#![cfg(all(feature = "kiosk", feature = "centre"))]

mod support;

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair};
use serde_json::{Value, json};
use support::process::free_port;
use support::world::{KIOSK, Options, World};
use support::{until, wall_us};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// A minute for the echo, and a start or two.
const UNDONE_WITHIN: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(20);

fn ctl(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sos-ctl"));
    command.arg("--socket").arg(world.dir.join("control.sock")).args(args).kill_on_drop(true);
    command
}

/// Exit code, stdout, stderr.
async fn run(world: &World, args: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = ctl(world, args).stdin(Stdio::null()).output().await?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

async fn stage(world: &World) -> Option<String> {
    Some(world.status().await.ok()?["config"]["stage"].as_str()?.to_owned())
}

async fn proved(world: &World) -> Result<()> {
    until("proved", SOON, || async { (stage(world).await? == "proved").then_some(()) }).await
}

/// How often the daemon has started itself anew.
fn starts(world: &World) -> Result<usize> {
    Ok(std::fs::read_to_string(&world.kiosk.log)?.matches("starting anew").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_proved_by_the_centre_and_a_wrong_one_undone_though_the_session_is_lost() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    proved(&world).await?;
    let file = world.dir.join("kiosk.toml");

    let (code, out, err) = run(&world, &["config", "set", "place.name", "South gate"]).await?;
    ensure!(code == Some(0) && out.contains("\"South gate\""), "{code:?} {out}{err}");
    ensure!(err.contains("the centre's echo came after"), "{err}");
    let incident = world.press().await?;
    let seen = world.api("daulet").await?.incident_when(&incident, "seen", |i| !i.is_null()).await?;
    ensure!(seen["place"]["name"] == json!("South gate") && starts(&world)? == 0, "without a restart: {seen}");
    // An open alarm is not disturbed by what needs a restart.
    let (code, _, err) = run(&world, &["config", "set", "media.fps", "20"]).await?;
    ensure!(code == Some(5) && err.contains("an alarm is open, and media.fps takes effect"), "{code:?} {err}");
    ensure!(!std::fs::read_to_string(&file)?.contains("fps"), "nothing is written");
    world.kiosk.kill().await?;
    std::fs::remove_dir_all(world.dir.join("kiosk"))?;
    world.restart_kiosk().await?;
    let pid = world.kiosk.pid();
    proved(&world).await?;

    let (code, out, err) = run(&world, &["config", "set", "media.fps", "20"]).await?;
    ensure!(code == Some(0) && out == "media.fps: 25 -> 20\n", "{code:?} {out}{err}");
    ensure!(world.kiosk.running() && world.kiosk.pid() == pid, "the same process goes on");
    ensure!(starts(&world)? == 1, "started anew, once");
    world.kiosk_ready().await?;

    // A broker that is not there. The session is lost in the middle.
    let right = std::fs::read_to_string(&file)?;
    let wrong = format!("127.0.0.1:{}", free_port()?);
    let mut session = ctl(&world, &["config", "set", "centre.broker", &wrong]).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(session.stderr.take().context("piped")?).lines();
    loop {
        let line = said.next_line().await?.context("it ended")?;
        if line.contains("on trial") {
            break;
        }
    }
    let hangup = session.id().context("it runs")?.to_string();
    ensure!(Command::new("kill").args(["-HUP", &hangup]).status().await?.success(), "hung up");
    ensure!(!session.wait().await?.success(), "the session is gone");
    ensure!(std::fs::read_to_string(&file)?.contains(&wrong), "the new file, whole");
    let began = wall_us();
    until("undone", UNDONE_WITHIN, || async { (std::fs::read_to_string(&file).ok()? == right).then_some(()) }).await?;
    ensure!(wall_us() - began > 40_000_000, "not before the minute is over");
    world.kiosk_ready().await?;
    let undone = world.status().await?["config"]["undone"].as_str().unwrap_or_default().to_owned();
    ensure!(undone == "centre.broker: the centre's echo did not come within 60 s", "{undone}");
    proved(&world).await?;

    // Killed in the middle of a trial: the next start goes back at once.
    let mut session = ctl(&world, &["config", "set", "centre.broker", &wrong]).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(session.stderr.take().context("piped")?).lines();
    while !said.next_line().await?.context("it ended")?.contains("on trial") {}
    world.kiosk.kill().await?;
    world.restart_kiosk().await?;
    ensure!(std::fs::read_to_string(&file)? == right, "the old file counts again");
    // The session that waits for the outcome is told, and ends with the code of a change that was undone.
    let ended = timeout(SOON, session.wait()).await??.code();
    let mut last = Vec::new();
    while let Some(line) = said.next_line().await? {
        last.push(line);
    }
    let why = "error: the change was undone: the daemon ended before the centre's echo came";
    let told = last.iter().any(|line| line == why);
    ensure!(ended == Some(8) && told, "{ended:?} {last:?}");
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_by_hand_the_last_good_one_is_used_and_everyone_is_told() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    proved(&world).await?;
    let file = world.dir.join("kiosk.toml");
    let right = std::fs::read_to_string(&file)?;
    std::fs::write(&file, right.replace("[rtc]", "[rtx]"))?;
    world.kiosk.kill().await?;
    world.restart_kiosk().await?;
    let status = world.status().await?;
    let fault = &status["faults"][0];
    ensure!(fault["kind"] == json!("config_broken"), "{status}");
    let wanted = format!("{}:", file.display());
    ensure!(fault["detail"].as_str().is_some_and(|d| d.contains(&wanted) && d.contains("rtx: unknown key")), "{fault}");
    let (code, out, _) = run(&world, &["status"]).await?;
    ensure!(code == Some(0), "it works, with a warning: {out}");
    ensure!(out.lines().next() == Some("park-north: works, a press now would bring an officer; 2 warnings"), "{out}");
    ensure!(out.contains("WARNING     sentences are missing (media.prompts): kk: all; ru: all; en: all"), "{out}");
    ensure!(out.contains("WARNING     configuration broken: the last good one is used, since "), "{out}");
    let api = world.api("daulet").await?;
    until("the centre knows", SOON, || async {
        let kiosks = api.get("/api/kiosks").await.ok()?;
        kiosks.to_string().contains("config_broken").then_some(())
    })
    .await?;
    // Put right by hand, it is taken up by itself.
    std::fs::write(&file, &right)?;
    until("healed", SOON, || async {
        let status = world.status().await.ok()?;
        (status["faults"] == json!([]) && status["link_up"] == json!(true)).then_some(())
    })
    .await?;
    world.kiosk_ready().await?;

    let (code, out, err) = run(&world, &["selftest", "link"]).await?;
    ensure!(code == Some(0) && out.contains("link    passed     echo of the centre after "), "{code:?} {out}{err}");
    until("logged", SOON, || async {
        let lines = world.journal().ok()?;
        let logged = |what: &str| lines.iter().any(|line| line.starts_with(what));
        (logged("self-test, link: begins: ") && logged("self-test, link: passed: echo of the centre")).then_some(())
    })
    .await?;
    no_secret_is_in_the_bundle(&world).await?;
    world.stop().await
}

/// A key, a password in a URL and one beside its name are on this kiosk, and none of them is in the bundle.
async fn no_secret_is_in_the_bundle(world: &World) -> Result<()> {
    run(world, &["config", "set", "place.name", "rtsp://admin:hunter2@10.0.0.5/ password=swordfish"]).await?;
    let bundle = world.dir.join("bundle.tar.gz");
    let path = bundle.to_str().context("UTF-8")?;
    let (code, out, err) = run(world, &["support", path]).await?;
    ensure!(code == Some(0) && out.trim() == path, "{code:?} {out}{err}");
    ensure!(run(world, &["support", path]).await?.0 == Some(11), "it is not overwritten");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&bundle)?));
    let (mut names, mut whole) = (Vec::new(), String::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        names.push(entry.path()?.file_name().context("a name")?.to_string_lossy().into_owned());
        entry.read_to_string(&mut whole)?;
    }
    for name in ["status.json", "status.txt", "events.txt", "config.txt", "journal.txt", "devices.txt", "versions.txt"]
    {
        ensure!(names.iter().any(|found| found == name), "{name} is missing in {names:?}");
    }
    ensure!(whole.contains("CentrePresent(true)") && whole.contains("place.name = \"rtsp://(left out)@10.0.0.5/"));
    let key = std::fs::read_to_string(world.dir.join(format!("keys/{KIOSK}.key")))?;
    let inside = key.lines().nth(1).context("a key")?;
    for secret in ["hunter2", "swordfish", "admin:", "PRIVATE KEY", inside] {
        ensure!(!whole.contains(secret), "{secret} is in the bundle");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_refused_by_the_broker_and_status_says_why() -> Result<()> {
    let mut world = World::temporary(Options::quick()).await?;
    let keys = world.dir.join("keys");
    let read = |name: String| std::fs::read_to_string(keys.join(name));
    let ca_key = KeyPair::from_pem(&read("ca.key".to_owned())?)?;
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem".to_owned())?, ca_key)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, KIOSK);
    let now = time::OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - time::Duration::days(30), now - time::Duration::days(3));
    let key = KeyPair::from_pem(&read(format!("{KIOSK}.key"))?)?;
    world.kiosk.kill().await?;
    std::fs::write(keys.join(format!("{KIOSK}.pem")), params.signed_by(&key, &issuer)?.pem())?;
    world.start_kiosk()?;
    let status: Value = until("refused", SOON, || async {
        let status = world.status().await.ok()?;
        (status["link_trouble"].is_string() && status["board"]["certificate_days"].is_i64()).then_some(status)
    })
    .await?;
    ensure!(
        status["board"]["certificate_days"] == json!(-4) || status["board"]["certificate_days"] == json!(-3),
        "{status}"
    );
    let trouble = status["link_trouble"].as_str().unwrap_or_default().to_lowercase();
    ensure!(trouble.contains("expired"), "the broker's own word: {trouble}");
    let (code, out, _) = run(&world, &["status"]).await?;
    ensure!(code == Some(6), "{out}");
    ensure!(out.contains("WARNING     certificate: has expired, ") && out.contains("sos-ctl enrol"), "{out}");
    // Whoever presses now is not lost: the alarm is kept, and said as soon as a certificate lets it through.
    world.press().await?;
    Ok(())
}
