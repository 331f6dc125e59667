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
use crate::wire::KioskId;
use crate::wire::delivery::{EvidenceKey, KeyReceipt, LINK_HEADER, SealProof};

/// The link that came with a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Came {
    /// None did.
    Not,
    /// Something else did.
    Nonsense,
    /// This one.
    Link(Offered),
}

impl Came {
    /// As the request's head has it.
    pub fn with(headers: &HeaderMap) -> Self {
        let Some(text) = headers.get(LINK_HEADER) else { return Self::Not };
        text.to_str().ok().and_then(|text| text.parse().ok()).map_or(Self::Nonsense, Self::Link)
    }

    /// Keeps it; in one transaction with its fragment, which nobody is to see without it. Returns what came of key and
    /// signature.
    pub fn enter(
        &self,
        db: &Connection,
        subject: &Subject,
        row: &FragmentRow,
    ) -> Result<Option<(Pinned, bool)>, StoreError> {
        let Self::Link(offered) = self else { return Ok(None) };
        let pinned = kept::pin(db, &subject.kiosk, &offered.key, wall_us())?;
        Ok(Some((pinned, kept::enter_link(db, subject, row, offered)?)))
    }

    /// Enters in the journal what is not as it should be.
    pub fn tell(&self, web: &Web, subject: &Subject, index: u64, outcome: Option<(Pinned, bool)>) {
        let Subject { kiosk, incident } = subject;
        let say = |what: String| web.audit(format!("kiosk:{kiosk}"), what, Some(*incident));
        match (self, outcome) {
            (Self::Nonsense, _) => say(format!("evidence: what came with fragment {index} is no link")),
            (Self::Link(offered), Some((pinned, holds))) => {
                tell(web, kiosk, &offered.key, pinned);
                if !holds {
                    tracing::error!(%kiosk, %incident, index, "evidence: a signature does not hold");
                    say(format!("evidence: the signature of fragment {index} does not hold for what was received"));
                }
            }
            (Self::Not, _) | (Self::Link(_), None) => {}
        }
    }
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
