//! Incidents as the archive of the desk shows them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::Web;
use super::error::Failure;
use super::session::Officer;
use crate::centre::desk::on_centre_clock;
use crate::centre::page::IncidentView;
use crate::centre::store::incidents::{self, JournalEntry};
use crate::centre::store::recordings::{self, FragmentRow};
use crate::wire::IncidentId;

/// Most incidents in one answer.
const MOST: u32 = 200;
/// Incidents in an answer that was not told how many.
const USUAL: u32 = 50;

/// Which incidents.
#[derive(Deserialize)]
pub struct Page {
    limit: Option<u32>,
    /// Pressed before this instant, microseconds.
    before: Option<i64>,
}

/// All of one incident.
#[derive(Serialize)]
pub struct Whole {
    incident: IncidentView,
    journal: Vec<JournalEntry>,
    /// Starts on the centre's clock.
    fragments: Vec<FragmentRow>,
}

/// `GET /api/incidents`: newest press first.
pub async fn list(
    _: Officer,
    State(web): State<Arc<Web>>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<IncidentView>>, Failure> {
    let Query(page) = page.map_err(|e| Failure::bad(e.body_text()))?;
    let limit = page.limit.unwrap_or(USUAL).clamp(1, MOST);
    Ok(Json(web.store.read(move |db| incidents::list(db, limit, page.before)).await?))
}

/// `GET /api/incidents/{id}`.
pub async fn one(_: Officer, State(web): State<Arc<Web>>, Path(id): Path<String>) -> Result<Json<Whole>, Failure> {
    let id = incident_id(&id)?;
    let whole = web.store.read(move |db| {
        let Some(record) = incidents::load(db, id)? else { return Ok(None) };
        let mut fragments = recordings::fragments(db, id)?;
        for fragment in &mut fragments {
            fragment.start_wall_us = on_centre_clock(fragment.start_wall_us, record.clock_offset_us);
        }
        let journal = incidents::journal(db, Some(id))?;
        Ok(Some(Whole { incident: record.shown(), journal, fragments }))
    });
    Ok(Json(whole.await?.ok_or_else(|| Failure::missing("incident"))?))
}

/// An incident's id from a path.
pub fn incident_id(text: &str) -> Result<IncidentId, Failure> {
    text.parse().map_err(|_| Failure::bad("an incident id is a UUID"))
}
