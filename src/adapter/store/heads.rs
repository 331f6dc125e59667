//! Heads of chains on their way to the centre.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::wire::IncidentId;
use crate::wire::evidence::ChainHead;

/// Heads that may wait to be said, one for each incident: more recordings than ever run at once.
const MAX_HEADS: usize = 16;

/// Newest heads that were not said yet, one for each incident: a small, bounded place.
#[derive(Default)]
pub struct Heads {
    waiting: Mutex<BTreeMap<IncidentId, ChainHead>>,
    more: Notify,
}

impl Heads {
    pub(super) fn put(&self, head: ChainHead) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_HEADS && !waiting.contains_key(&head.incident) {
            waiting.pop_first();
        }
        waiting.insert(head.incident, head);
        drop(waiting);
        self.more.notify_one();
    }

    /// Waits until there is something to say.
    pub async fn next(&self) -> Vec<ChainHead> {
        loop {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !waiting.is_empty() {
                return waiting.into_values().collect();
            }
            self.more.notified().await;
        }
    }
}
