//! The kiosk on the board: installed, enrolled, asked.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::board::Board;
use crate::support::centre_side::CentreSide;
use crate::support::until;
use crate::support::world::KIOSK;

/// What the service manager says of the service: when it was last started and when it was ready, microseconds of the
/// board's monotonic clock, and its process.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    pub started_us: u64,
    pub ready_us: u64,
    pub pid: u32,
}

/// Installs a package; what it depends on is on the board.
pub async fn install(board: &Board, package: &Path) -> Result<()> {
    // As from a stick that is plugged in: by ssh the 13 MB cost the board's slow system calls twenty seconds.
    let (dir, name) = (package.canonicalize()?, package.file_name().context("no file")?.to_string_lossy().into_owned());
    let dir = dir.parent().context("no directory")?.display();
    let stick = format!("mkdir -p /run/stick; mount -t hostfs none /run/stick -o {dir}");
    board.ssh(&format!("{stick}; dpkg -i /run/stick/{name} 2>&1; umount /run/stick")).await?;
    Ok(())
}

/// Gives the kiosk its keys and its configuration, `more` added.
pub async fn enrol(board: &Board, side: &CentreSide, more: &str) -> Result<()> {
    let keys = side.dir.join("keys");
    board.put(&keys.join("ca.pem"), "/etc/sos-kiosk/ca.pem", "644").await?;
    board.put(&keys.join(format!("{KIOSK}.pem")), "/etc/sos-kiosk/kiosk.pem", "644").await?;
    board.put(&keys.join(format!("{KIOSK}.key")), "/etc/sos-kiosk/kiosk.key", "600").await?;
    configure(board, side, more).await
}

/// Writes the kiosk's configuration.
pub async fn configure(board: &Board, side: &CentreSide, more: &str) -> Result<()> {
    let text = format!("{}{more}", side.kiosk_head());
    board.write(text.as_bytes(), "/etc/sos-kiosk/config.toml", "644").await
}

pub async fn service(board: &Board) -> Result<Service> {
    let said = board
        .ssh("systemctl show sos-kiosk -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic -p MainPID")
        .await?;
    let value = |key: &str| -> Result<u64> {
        let found = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.with_context(|| format!("no {key} in {said}"))?.parse().with_context(|| said.clone())
    };
    Ok(Service {
        started_us: value("InactiveExitTimestampMonotonic")?,
        ready_us: value("ActiveEnterTimestampMonotonic")?,
        pid: u32::try_from(value("MainPID")?)?,
    })
}

/// `sos-ctl status --json`; whatever its exit code, which says whether it would work.
pub async fn status(board: &Board) -> Result<Value> {
    let (code, out, err) = board.ssh_status("sos-ctl status --json").await?;
    ensure!(matches!(code, Some(0 | 6)), "sos-ctl status: exit {code:?}: {out}{err}");
    serde_json::from_str(&out).with_context(|| out.clone())
}

/// Waits until the kiosk's status fits.
pub async fn status_when(board: &Board, what: &str, bound: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let found = until(what, bound, || async { status(board).await.ok().filter(|status| fits(status)) }).await;
    match found {
        Ok(status) => Ok(status),
        Err(error) => {
            let (_, journal, _) = board.ssh_status("journalctl -u sos-kiosk -n 30 --no-pager -o cat").await?;
            Err(error.context(format!("status: {:?}\njournal:\n{journal}", status(board).await)))
        }
    }
}

/// Waits until a press would bring an officer: link, centre, leg, picture, sound.
pub async fn works(board: &Board) -> Result<Value> {
    status_when(board, "a kiosk that works", Duration::from_secs(30), |status| {
        let up = |key: &str| status[key] == Value::Bool(true);
        up("link_up")
            && up("centre_present")
            && up("leg_up")
            && status["frame_age_ms"].is_u64()
            && status["sound_age_ms"].is_u64()
    })
    .await
}

/// Presses by the command line; the incident.
pub async fn press(board: &Board) -> Result<String> {
    Ok(board.ssh("sos-ctl press").await?.trim().to_owned())
}
