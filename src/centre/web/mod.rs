//! The web side: officers (console, API, WebSocket) on one listener, kiosks (delivery) on another.

mod delivery;
mod error;
mod evidence;
mod export;
mod files;
mod guard;
mod incidents;
mod limit;
pub mod listen;
mod range;
mod recording;
mod room;
mod session;
mod socket;
mod uploads;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post, put};
use axum::{Json, Router, middleware};
use tokio::sync::{Semaphore, watch};

use error::Failure;
use session::Officer;

use super::archive::Archive;
use super::counters::Counters;
use super::desk::{Event, Rejection};
use super::gateway::{GatewayHandle, LegCounters};
use super::page::KioskView;
use super::settings::Settings;
use super::shell::DeskHandle;
use super::store::{Store, incidents as kept, recordings};
use crate::wire::delivery::EVIDENCE_KEY_PATH;
use crate::wire::{IncidentId, KioskId};

/// Password hashes under way at once: each takes 19 MiB and a core.
const HASHES: usize = 2;
/// Access of one officer to one incident's recording is entered in the journal once in this time.
const AUDIT_EVERY: Duration = Duration::from_secs(60);

/// What every request may need.
pub struct Web {
    pub(crate) store: Store,
    pub(crate) archive: Archive,
    pub(crate) desk: DeskHandle,
    gateway: GatewayHandle,
    counters: Arc<Counters>,
    logins: Mutex<limit::LoginLimit>,
    strangers: Mutex<limit::Strangers>,
    hashes: Semaphore,
    uploads: uploads::Uploads,
    exports: Arc<Semaphore>,
    room: room::Room,
    refused: BTreeSet<KioskId>,
    accesses: Mutex<HashMap<(String, IncidentId), std::time::Instant>>,
    stop: watch::Receiver<bool>,
}

impl Web {
    /// The web side of these.
    #[must_use]
    pub fn new(
        store: Store,
        archive: Archive,
        settings: &Settings,
        desk: DeskHandle,
        gateway: GatewayHandle,
        counters: Arc<Counters>,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            archive,
            desk,
            gateway,
            counters,
            logins: Mutex::default(),
            strangers: Mutex::default(),
            hashes: Semaphore::new(HASHES),
            uploads: uploads::Uploads::default(),
            exports: Arc::new(Semaphore::new(export::AT_ONCE)),
            room: room::Room::new(settings.room),
            refused: settings.refused_kiosks.clone(),
            accesses: Mutex::default(),
            stop,
        })
    }

    /// Enters something in the journal, without waiting for it to be durable.
    pub(crate) fn audit(&self, who: String, what: String, incident: Option<IncidentId>) {
        let at_us = super::clock::wall_us();
        let posted = self.store.post(
            move |db| kept::audit(db, at_us, &who, &what, incident),
            |outcome| {
                if let Err(why) = outcome {
                    tracing::error!(%why, "not in the journal");
                }
            },
        );
        if let Err(why) = posted {
            tracing::error!(%why, "not in the journal");
        }
    }

    /// Shows the desk what the centre has of a recording now.
    pub(crate) async fn recording_grew(&self, incident: IncidentId) -> Result<(), Failure> {
        let recording = self.store.read(move |db| recordings::view(db, incident)).await?;
        Ok(self.desk.tell(Event::Recording { incident, recording }).await?)
    }

    pub(crate) fn refuse_foreign(&self, kiosk: &str) {
        self.counters.refuse(super::counters::Refused::Desk(Rejection::Foreign), kiosk, "delivery");
    }
}

/// The officers' routes.
pub fn officers(web: Arc<Web>) -> Router {
    Router::new()
        .route("/api/login", post(session::login))
        .route("/api/logout", post(session::logout))
        .route("/api/me", get(session::me))
        .route("/api/incidents", get(incidents::list))
        .route("/api/incidents/{id}", get(incidents::one))
        .route("/api/incidents/{id}/fragments/{n}", get(recording::fragment))
        .route("/api/incidents/{id}/recording.mp4", get(recording::whole))
        .route("/api/incidents/{id}/export.zip", get(export::export))
        .route("/api/kiosks", get(kiosks))
        .route("/api/gateway", get(gateway))
        .route("/api/{*rest}", axum::routing::any(no_such_route))
        .route("/ws", get(socket::upgrade))
        .fallback(files::file)
        .layer(middleware::from_fn(guard::same_origin))
        .layer(middleware::from_fn(guard::headers))
        .with_state(web)
}

/// The kiosks' routes.
pub fn kiosk_routes(web: Arc<Web>) -> Router {
    Router::new()
        .route("/kiosk/v1/recordings/{incident}", get(delivery::inventory))
        .route("/kiosk/v1/recordings/{incident}/fragments/{n}", put(delivery::fragment))
        .route("/kiosk/v1/recordings/{incident}/sealed", put(delivery::sealed))
        .route(EVIDENCE_KEY_PATH, put(evidence::key))
        .fallback(no_such_route)
        .with_state(web)
}

async fn no_such_route() -> Failure {
    Failure::missing("route")
}

async fn kiosks(_: Officer, State(web): State<Arc<Web>>) -> Result<Json<Vec<KioskView>>, Failure> {
    Ok(Json(web.desk.kiosks().await?))
}

async fn gateway(_: Officer, State(web): State<Arc<Web>>) -> Json<Vec<LegCounters>> {
    Json(web.gateway.counters())
}
