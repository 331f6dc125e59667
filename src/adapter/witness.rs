//! What the store has signed is said to the centre as it is written, so that somebody else knows it.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::store::StoreAdapter;
use crate::kiosk::ports::{Link, Saying};

/// Says the head of each chain as it grows, on a task of the current runtime, for as long as the daemon runs.
pub fn start(store: impl Future<Output = Arc<StoreAdapter>> + Send + 'static, link: Arc<dyn Link>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let store = store.await;
        loop {
            for head in store.chains().heads.next().await {
                link.say(Saying::Head(Box::new(head)));
            }
        }
    })
}
