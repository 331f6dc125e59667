//! Links, seals and keys as they are delivered. What does not hold is kept, entered in the journal and shown; nothing is
//! refused for it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use rusqlite::Connection;

use super::Web;
use super::delivery::Peer;
use super::error::Failure;
use crate::centre::clock::wall_us;
use crate::centre::store::StoreError;
use crate::centre::store::evidence::{self as kept, Pinned};
use crate::centre::store::recordings::FragmentRow;
use crate::evidence::{Offered, Proof, PublicKey, Subject};
use crate::wire::delivery::{EvidenceKey, KeyReceipt, LINK_HEADER, SealProof};
use crate::wire::{IncidentId, KioskId};

/// Keeps the link that came with a fragment, if one did.
pub(super) async fn link(
    web: &Web,
    kiosk: &KioskId,
    incident: IncidentId,
    row: FragmentRow,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    let Some(text) = headers.get(LINK_HEADER) else { return Ok(()) };
    let index = row.index;
    let who = format!("kiosk:{kiosk}");
    let Some(offered) = text.to_str().ok().and_then(|text| text.parse::<Offered>().ok()) else {
        web.audit(who, format!("evidence: what came with fragment {index} is no link"), Some(incident));
        return Ok(());
    };
    let subject = Subject { kiosk: kiosk.clone(), incident };
    let entered = web.store.write(move |db| {
        let pinned = kept::pin(db, &subject.kiosk, &offered.key, wall_us())?;
        Ok((pinned, kept::enter_link(db, &subject, &row, &offered)?))
    });
    let (pinned, holds) = entered.await?;
    tell(web, kiosk, &offered.key, pinned);
    if !holds {
        let what = format!("evidence: the signature of fragment {index} does not hold for what was received");
        tracing::error!(%kiosk, %incident, index, "evidence: a signature does not hold");
        web.audit(who, what, Some(incident));
    }
    Ok(())
}

/// Keeps a seal that can be read; of another one there is none.
pub(super) fn seal(db: &Connection, subject: &Subject, fragments: u64, seal: &SealProof) -> Result<(), StoreError> {
    let parts = (seal.previous.parse(), seal.signature.parse(), seal.key.parse::<PublicKey>());
    let (Ok(previous), Ok(signature), Ok(key)) = parts else { return Ok(()) };
    kept::pin(db, &subject.kiosk, &key, wall_us())?;
    kept::enter_seal(db, subject, fragments, Proof { previous, signature }, &key)?;
    Ok(())
}

/// `PUT /kiosk/v1/evidence-key`.
pub(super) async fn key(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    Json(EvidenceKey { key }): Json<EvidenceKey>,
) -> Result<Json<KeyReceipt>, Failure> {
    let kiosk = peer.kiosk(&web)?;
    let key: PublicKey = key.parse().map_err(|e| Failure::bad(format!("an evidence key: {e}")))?;
    let owner = kiosk.clone();
    let pinned = web.store.write(move |db| kept::pin(db, &owner, &key, wall_us())).await?;
    tell(&web, &kiosk, &key, pinned);
    Ok(Json(KeyReceipt { accepted: matches!(pinned, Pinned::First | Pinned::Accepted) }))
}

fn tell(web: &Web, kiosk: &KioskId, key: &PublicKey, pinned: Pinned) {
    let (who, fingerprint) = (format!("kiosk:{kiosk}"), key.fingerprint());
    match pinned {
        Pinned::Accepted | Pinned::Waits => {}
        Pinned::First => web.audit(who, format!("evidence: its key is {fingerprint} from now on"), None),
        Pinned::Other => {
            tracing::error!(%kiosk, fingerprint, "evidence: another key than the one that was pinned");
            web.audit(who, format!("evidence: another key, {fingerprint}, which the owner has not accepted"), None);
        }
    }
}
