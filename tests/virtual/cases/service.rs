//! The service under a real service manager.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Rig;
use crate::kiosk;
use crate::support::until;

/// Longest from the start to READY, seconds.
const READY_S: f64 = 1.0;
/// Longest from the freeze to READY again, seconds.
const UNFREEZE_S: f64 = 12.0;
/// How often each is measured.
const ROUNDS: usize = 3;

/// Sockets that take connections or datagrams from anybody, as `ss` lists them.
async fn listening(rig: &Rig) -> Result<Vec<String>> {
    let said = rig.board.ssh("ss -Hlntup").await?;
    Ok(said.lines().map(str::to_owned).collect())
}

pub async fn the_board_boots_and_only_ssh_listens(rig: &mut Rig) -> Result<()> {
    let took = rig.board.boot(&[]).await?;
    rig.figures.add("boot_s", took.as_secs_f64());
    let failed = rig.board.ssh("systemctl is-system-running --wait || systemctl --failed --no-legend").await?;
    ensure!(failed.trim() == "running", "{failed}");
    let others: Vec<_> = listening(rig).await?.into_iter().filter(|line| !line.contains(":22 ")).collect();
    ensure!(others.is_empty(), "{others:?}");
    Ok(())
}

pub async fn only_ssh_listens_on_a_kiosk_that_works(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    let others: Vec<_> = listening(rig).await?.into_iter().filter(|line| !line.contains(":22 ")).collect();
    // The media leg's UDP socket is connected to the centre's address: `ss` counts it no more, and the kernel takes
    // nothing for it from anybody else.
    ensure!(others.is_empty(), "{others:?}");
    Ok(())
}

pub async fn it_is_ready_within_a_second_without_a_network(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    for _ in 0..ROUNDS {
        // The script goes on while its own connection is cut off; what it prints comes when the wire is back.
        rig.board
            .ssh("ip link set vec0 down; systemctl restart sos-kiosk || true; ip link set vec0 up")
            .await
            .context("start without a network")?;
        let service = kiosk::service(&rig.board).await?;
        ensure!(service.ready_us > service.started_us, "{service:?}");
        rig.figures.add("ready_s", (service.ready_us - service.started_us) as f64 / 1e6);
        kiosk::works(&rig.board).await?;
    }
    let worst = rig.figures.samples()["ready_s"].iter().copied().fold(0.0, f64::max);
    ensure!(worst <= READY_S, "{worst:.2} s from the start to READY, expected at most {READY_S}");
    Ok(())
}

pub async fn the_daemon_is_confined(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    let pid = kiosk::service(&rig.board).await?.pid;
    let status = rig.board.ssh(&format!("cat /proc/{pid}/status")).await?;
    for line in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "Seccomp:\t2"] {
        ensure!(status.contains(line), "{line} is missing from\n{status}");
    }
    // As the daemon sees the board: no key in /etc, nothing to write there, no other device.
    let inside = format!("nsenter -t {pid} -m -- setpriv --reuid sos-kiosk --regid sos-kiosk --clear-groups sh -c");
    for refused in ["cat /etc/sos-kiosk/kiosk.key", "touch /etc/x", "touch /usr/x", "ls /root", "touch /var/lib/x"] {
        let (code, out, _) = rig.board.ssh_status(&format!("{inside} '{refused}'")).await?;
        ensure!(code != Some(0), "the daemon may: {refused}: {out}");
    }
    let mode = rig.board.ssh("stat -c '%U %a' /etc/sos-kiosk/kiosk.key /var/lib/sos-kiosk /run/sos-kiosk").await?;
    ensure!(mode == "root 600\nsos-kiosk 750\nsos-kiosk 755\n", "{mode}");
    Ok(())
}

pub async fn a_frozen_daemon_is_back_in_time(rig: &mut Rig) -> Result<()> {
    for _ in 0..ROUNDS {
        rig.works().await?;
        let before = kiosk::service(&rig.board).await?;
        let frozen = rig.board.ssh(&format!("kill -STOP {}; cut -d ' ' -f 1 /proc/uptime", before.pid)).await?;
        let frozen: f64 = frozen.trim().parse().with_context(|| frozen.clone())?;
        let after = until("another process, ready", Duration::from_secs(30), || async {
            let now = kiosk::service(&rig.board).await.ok()?;
            (now.pid != before.pid && now.ready_us > before.ready_us).then_some(now)
        })
        .await?;
        rig.figures.add("unfreeze_s", after.ready_us as f64 / 1e6 - frozen);
    }
    let worst = rig.figures.samples()["unfreeze_s"].iter().copied().fold(0.0, f64::max);
    ensure!(worst <= UNFREEZE_S, "{worst:.1} s from the freeze to READY, expected at most {UNFREEZE_S}");
    Ok(())
}
