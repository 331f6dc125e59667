//! What is delivered beside the fragments' own links: the key, and the seal of a recording.

use std::sync::Arc;

use super::{Client, FIRST_BACK_OFF, MAX_BACK_OFF};
use crate::adapter::store::Chains;
use crate::evidence::PublicKey;
use crate::wire::IncidentId;
use crate::wire::delivery::SealProof;

/// Says the key to the centre before there is anything to prove with it; again and again until it is answered.
pub(super) async fn tell(client: Client, key: PublicKey) {
    let mut wait = FIRST_BACK_OFF;
    loop {
        match client.key(key).await {
            Ok(true) => return,
            Ok(false) => {
                let fingerprint = key.fingerprint();
                return tracing::error!(
                    fingerprint,
                    "the centre knows another evidence key of this kiosk: recordings count as broken there until the \
                     owner accepts this one (sos-centre evidence-key accept)"
                );
            }
            Err(why) => tracing::debug!(%why, "the evidence key waits"),
        }
        tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..=1.0))).await;
        wait = (wait * 2).min(MAX_BACK_OFF);
    }
}

/// The seal's proof, if the recording is signed.
pub(super) async fn seal(chains: Arc<Chains>, incident: IncidentId) -> Option<SealProof> {
    let key = chains.public();
    let read = tokio::task::spawn_blocking(move || chains.sealed(incident)).await;
    match read {
        Ok(Ok(proof)) => proof.map(|proof| SealProof {
            previous: proof.previous.to_string(),
            signature: proof.signature.to_string(),
            key: key.to_string(),
        }),
        Ok(Err(why)) => {
            tracing::error!(%incident, %why, "the chain cannot be read: its seal is not delivered");
            None
        }
        Err(_) => None,
    }
}
