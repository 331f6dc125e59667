//! Whether there is room for one more fragment. Recordings must not take what the alarms need.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use super::Web;
use super::error::Failure;
use crate::centre::settings;
use crate::centre::store::recordings;
use crate::wire::{IncidentId, KioskId};

/// A full disk is entered in the journal once in this time.
const TELL_EVERY: Duration = Duration::from_secs(3600);

/// What there is room for, and when it was last told that there is none.
pub(super) struct Room {
    limits: settings::Room,
    told: Mutex<Option<Instant>>,
}

impl Room {
    pub fn new(limits: settings::Room) -> Self {
        Self { limits, told: Mutex::default() }
    }

    fn is_to_be_told(&self, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY);
        if due {
            *told = Some(now);
        }
        due
    }
}

/// The kiosk keeps what is not taken and tries again.
pub(super) async fn demand(web: &Web, kiosk: &KioskId, incident: IncidentId) -> Result<(), Failure> {
    let limits @ settings::Room { reserve, unknown } = web.room.limits;
    let free = web.archive.free();
    if limits.is_full(free) {
        if web.room.is_to_be_told(Instant::now()) {
            tracing::error!(free, reserve, "archive: no recordings are taken, the disk is nearly full");
            web.audit("centre".to_owned(), "no recordings are taken: the disk is nearly full".to_owned(), None);
        }
        return Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, "the archive is full"));
    }
    let owner = kiosk.clone();
    if web.store.read(move |db| recordings::without_alarm(db, incident, &owner)).await? >= unknown {
        let why = format!("{} MiB are here already for incidents without an alarm", unknown >> 20);
        tracing::warn!(%kiosk, %incident, why, "archive");
        return Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, why));
    }
    Ok(())
}
