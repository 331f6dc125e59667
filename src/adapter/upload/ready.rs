//! A client as soon as it can be had, and words for the shell.

use super::{Client, MAX_BACK_OFF, UploadConfig};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::up::{Fault, FaultKind};

/// A client with the certificate as soon as that can be had.
pub(super) async fn client(config: &UploadConfig, inbox: &Inbox) -> Client {
    let mut said = String::new();
    loop {
        let UploadConfig { url, ca, identity, .. } = config.clone();
        // A disk that hangs must not hang a thread of the runtime.
        let made = tokio::task::spawn_blocking(move || Client::new(&url, &ca, &identity).map_err(|e| e.to_string()));
        let why = match made.await.unwrap_or_else(|e| Err(e.to_string())) {
            Ok(client) => {
                if !said.is_empty() {
                    tell(inbox, Event::FaultCleared(FaultKind::DeliveryFailed));
                }
                return client;
            }
            Err(why) => why,
        };
        if why != said {
            tracing::error!("not delivered: {why}");
            tell(inbox, Event::FaultRaised(Fault { kind: FaultKind::DeliveryFailed, detail: why.clone() }));
        }
        said = why;
        tokio::time::sleep(MAX_BACK_OFF).await;
    }
}

/// Tells the shell.
pub(super) fn tell(inbox: &Inbox, event: Event) {
    if let Err(e) = inbox.try_send(Stamped::now(event)) {
        tracing::error!("the inbox takes nothing: {e}");
    }
}
