//! The packages: installed, upgraded, removed, purged.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Rig;
use crate::kiosk;
use crate::support::until;

/// What an owner gives a centre, sorted.
const KEYS: [&str; 5] = ["ca.pem", "centre.key", "centre.pem", "server.key", "server.pem"];

const VERSION: &str = "dpkg-query -W -f '${Version}' sos-kiosk";

pub async fn the_package_starts_nothing_before_the_kiosk_is_enrolled(rig: &mut Rig) -> Result<()> {
    if !rig.board.is_on() {
        rig.board.boot(&[]).await?;
    }
    kiosk::install(&rig.board, &rig.arguments.kiosk[0]).await?;
    let (_, state, _) = rig.board.ssh_status("systemctl is-enabled sos-kiosk; systemctl is-active sos-kiosk").await?;
    ensure!(state == "enabled\ninactive\n", "{state}");
    let whole = rig.board.ssh("dpkg --verify sos-kiosk; id sos-kiosk; stat -c '%G %a' /dev/gpiochip0").await?;
    ensure!(whole.starts_with("uid=") && whole.ends_with("gpio 660\n"), "{whole}");
    kiosk::enrol(&rig.board, &rig.side, "").await?;
    rig.board.ssh("sos-ctl config check && systemctl start sos-kiosk").await?;
    kiosk::works(&rig.board).await?;
    let status = kiosk::status(&rig.board).await?;
    ensure!(status["prompts_missing"].is_null(), "every sentence came with the package: {}", status["prompts_missing"]);
    // The confined daemon can keep what the centre's echo has proved.
    let proved = |status: &Value| status["config"]["stage"] == "proved";
    let status = kiosk::status_when(&rig.board, "a proved configuration", Duration::from_secs(10), proved).await?;
    ensure!(status["faults"] == json!([]), "nothing is wrong with a new kiosk: {}", status["faults"]);
    Ok(())
}

pub async fn an_upgrade_keeps_everything_and_restarts_at_once(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    let (before, version) = (kiosk::service(&rig.board).await?, rig.board.ssh(VERSION).await?);
    let kept = "cd / && md5sum etc/sos-kiosk/* && ls var/lib/sos-kiosk";
    let there = rig.board.ssh(kept).await?;
    kiosk::install(&rig.board, &rig.arguments.kiosk[1]).await?;
    let after = kiosk::service(&rig.board).await?;
    ensure!(rig.board.ssh(VERSION).await? != version, "still {version}");
    ensure!(after.pid != before.pid && after.ready_us > before.ready_us, "the new one runs: {before:?} {after:?}");
    ensure!(rig.board.ssh(kept).await? == there, "what was there before is there");
    kiosk::works(&rig.board).await.map(drop)
}

pub async fn the_centres_package_runs_broker_and_centre(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    kiosk::install(&rig.board, &rig.arguments.centre).await?;
    let active = "systemctl is-active sos-broker sos-centre";
    let (_, state, _) = rig.board.ssh_status(active).await?;
    ensure!(state == "inactive\ninactive\n", "without keys: {state}");
    let keys = rig.side.dir.join("keys");
    for name in KEYS {
        rig.board.put(&keys.join(name), &format!("/etc/sos-centre/keys/{name}"), "600").await?;
    }
    rig.board.ssh("echo password | runuser -u sos-centre -- sos-centre officer add test --password-stdin").await?;
    rig.board.ssh("systemctl start sos-broker sos-centre").await?;
    let (_, state, _) = rig.board.ssh_status(active).await?;
    ensure!(state == "active\nactive\n", "{state}");
    // The centre is at its broker when the broker has its retained state; its own log says so.
    until("the centre at its broker", Duration::from_secs(10), || async {
        let log = rig.board.ssh("journalctl -b -u sos-broker -o cat --no-pager").await.ok()?;
        log.contains("u'centre'").then_some(())
    })
    .await?;
    let listens = rig.board.ssh("ss -Hlnt | awk '{ print $4 }' | sed 's/.*://' | sort -u").await?;
    for port in ["8443", "8444", "8445", "8883"] {
        ensure!(listens.lines().any(|line| line == port), "{port} is not among {listens:?}");
    }
    // Purged: no unit, no user's process; what officers and kiosks left is evidence and stays, and so do keys that the
    // package did not make.
    let said = rig.board.ssh("dpkg -P sos-centre 2>&1").await?;
    for place in ["/var/lib/sos-centre (incidents, recordings)", "/etc/sos-centre/keys"] {
        ensure!(said.contains(&format!("{place} is left there")), "{said}");
    }
    let find = "find /etc/sos-centre -type f | sort; find /usr -name '*sos-centre*' -o -name '*sos-broker*'";
    let (left, kept) = (rig.board.ssh(find).await?, KEYS.map(|name| format!("/etc/sos-centre/keys/{name}\n")).concat());
    ensure!(left == kept, "expected to find {kept}, found {left}");
    rig.board.ssh("test -s /var/lib/sos-centre/centre.sqlite && rm -r /var/lib/sos-centre /etc/sos-centre").await?;
    Ok(())
}

pub async fn removed_and_purged_nothing_of_it_is_left(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    rig.board.ssh("dpkg -r sos-kiosk").await?;
    let (_, state, _) = rig.board.ssh_status("systemctl is-active sos-kiosk || true; pgrep -c sos-kiosk").await?;
    ensure!(state == "inactive\n0\n", "after the removal: {state}");
    rig.board.ssh("test -s /etc/sos-kiosk/kiosk.key && test -d /var/lib/sos-kiosk").await?;
    // Recordings are evidence: they stay, and it is said.
    rig.board.ssh("echo evidence > /var/lib/sos-kiosk/recordings/evidence").await?;
    let said = rig.board.ssh("dpkg -P sos-kiosk 2>&1").await?;
    ensure!(said.contains("/var/lib/sos-kiosk (recordings) is left there"), "{said}");
    let left =
        rig.board.ssh("find /etc /usr /var /run -xdev -name '*sos-kiosk*'; systemctl --failed --no-legend").await?;
    ensure!(left == "/var/lib/sos-kiosk\n", "left behind: {left}");
    rig.board.ssh("rm -r /var/lib/sos-kiosk").await.map(drop)
}
