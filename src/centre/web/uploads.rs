//! Room for fragments under way: bounded in bytes for all, in number for each kiosk.
//!
//! A kiosk on a bad link sends slowly, and one that is not itself any more sends nothing: neither takes another's turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::wire::KioskId;

/// Fragments of one kiosk at once.
const PER_KIOSK: usize = 2;
/// Bytes of all together, counted in pieces.
const PIECES: usize = 64 * 1024 * 1024 / PIECE;
/// One piece, bytes.
const PIECE: usize = 4096;

/// The room, and who has how much of it.
pub(super) struct Uploads {
    room: Arc<Semaphore>,
    kiosks: Mutex<HashMap<KioskId, Arc<Semaphore>>>,
}

/// One fragment's room, from before its first byte is read until its receipt is written.
pub(super) struct Turn {
    _kiosk: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(PIECES)), kiosks: Mutex::default() }
    }
}

impl Uploads {
    /// Waits for room for `bytes` of `kiosk`. None: the centre is going down.
    pub async fn turn(&self, kiosk: &KioskId, bytes: usize) -> Option<Turn> {
        let kiosk = self.of(kiosk).acquire_owned().await.ok()?;
        let pieces = u32::try_from(bytes.div_ceil(PIECE).clamp(1, PIECES)).ok()?;
        let room = Arc::clone(&self.room).acquire_many_owned(pieces).await.ok()?;
        Some(Turn { _kiosk: kiosk, _room: room })
    }

    fn of(&self, kiosk: &KioskId) -> Arc<Semaphore> {
        let mut kiosks = self.kiosks.lock().unwrap_or_else(PoisonError::into_inner);
        // Who sends or waits holds its own.
        kiosks.retain(|_, turns| Arc::strong_count(turns) > 1);
        Arc::clone(kiosks.entry(kiosk.clone()).or_insert_with(|| Arc::new(Semaphore::new(PER_KIOSK))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn what_is_under_way_is_bounded_in_bytes_and_for_each_kiosk() {
        let uploads = Uploads::default();
        let kiosk = |n: usize| format!("k{n}").parse().unwrap();
        let mut turns = vec![];
        for _ in 0..PER_KIOSK {
            turns.push(at_once(uploads.turn(&kiosk(0), 1)).unwrap());
        }
        assert!(at_once(uploads.turn(&kiosk(0), 1)).is_none(), "one kiosk");
        let largest = crate::wire::limits::MAX_FRAGMENT;
        let fit = (1..200).map_while(|n| at_once(uploads.turn(&kiosk(n), largest)).flatten()).collect::<Vec<_>>();
        assert_eq!(fit.len(), PIECES * PIECE / largest - 1, "all together, two pieces gone");
        assert!(uploads.kiosks.lock().unwrap().len() <= fit.len() + 2);
        drop((turns, fit));
        assert!(at_once(uploads.turn(&kiosk(0), largest)).is_some());
        assert_eq!(uploads.kiosks.lock().unwrap().len(), 1, "who has nothing under way is forgotten");
    }
}
