//! The technician's changes over ssh.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Rig;
use crate::kiosk;
use crate::support::until;

/// The minute that the centre's echo has, the daemon's restart and the way back.
const UNDONE_WITHIN: Duration = Duration::from_secs(100);

pub async fn a_change_whose_session_is_lost_is_undone(rig: &mut Rig) -> Result<()> {
    rig.works().await?;
    let file = "cat /etc/sos-kiosk/config.toml";
    let before = rig.board.ssh(file).await?;
    let mut session = rig.board.session("sos-ctl config set centre.broker 10.98.77.1:1")?;
    let bound = Duration::from_secs(20);
    kiosk::status_when(&rig.board, "cut off", bound, |status| status["link_up"] == false).await?;
    // The technician's session is lost in the middle: nobody is there to take anything back.
    ensure!(rig.board.ssh_status("pgrep -x sos-ctl").await?.0 == Some(0), "the session waits for the centre's echo");
    session.kill().await?;
    until("the command's end", bound, || async {
        (rig.board.ssh_status("pgrep -x sos-ctl").await.ok()?.0 == Some(1)).then_some(())
    })
    .await?;
    ensure!(rig.board.ssh(file).await? != before, "the change is on the disk");
    until("the file as it was", UNDONE_WITHIN, || async { (rig.board.ssh(file).await.ok()? == before).then_some(()) })
        .await?;
    kiosk::works(&rig.board).await.map(drop)
}
