//! The centre as a whole: its parts made, tied together, and ended in order.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::archive::{Archive, ArchiveError};
use super::clock::Clock;
use super::counters::Counters;
use super::desk::{CLOSED_KEPT, CLOSED_SHOWN, Desk, Effect, Event};
use super::gateway;
use super::inbound::Inbound;
use super::settings::{Room, Settings};
use super::shell::{DeskHandle, Envelopes, Parts, Shell, stopped};
use super::store::{Store, StoreError, incidents};
use super::web::{self, Web, listen::Listener};
use crate::mqtt::{self, Client};
use crate::tls::{self, ClientFiles, TlsError};
use crate::wire::down::CentreState;
use crate::wire::{encode, topic};

/// What the broker's line reports and may wait for the desk.
const HAPPENINGS: usize = 256;
/// What the gateway reports and may wait for the desk.
const GATEWAY_EVENTS: usize = 1024;

/// How often the archive's disk is looked at.
const LOOK_AT_ROOM: std::time::Duration = std::time::Duration::from_secs(10);

/// How long the last message gets to leave.
const GOODBYE: std::time::Duration = std::time::Duration::from_millis(100);

/// Why the centre could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Keys and certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener.
    #[error("{listener} cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        listener: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The media gateway.
    #[error("media gateway: {0}")]
    Gateway(#[from] crate::rtc::SocketsError),
    /// The directory of the database.
    #[error("{}: cannot be made: {source}", path.display())]
    Directory {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The centre's own state.
    #[error(transparent)]
    Wire(#[from] crate::wire::WireError),
}

impl StartError {
    /// Whether the configuration is to blame: trying again without changing it is of no use.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            StartError::Tls(_) | StartError::Archive(_) => true,
            StartError::Store(_)
            | StartError::Listen { .. }
            | StartError::Gateway(_)
            | StartError::Directory { .. }
            | StartError::Wire(_) => false,
        }
    }
}

/// Where a running centre is reached; the ports the system chose included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Officers, over TLS.
    pub console: SocketAddr,
    /// Officers on this machine, without.
    pub loopback: Option<SocketAddr>,
    /// Kiosks' deliveries.
    pub delivery: SocketAddr,
}

/// Runs the centre until `stop` is done; `ready` is called once everything listens.
///
/// # Errors
/// [`StartError`] when it could not start.
pub async fn run(
    settings: Settings,
    ready: impl FnOnce(&Addresses),
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let clock = Clock::start();
    let (stop_all, stopping) = watch::channel(false);
    let store = open_store(&settings.database)?;
    let archive = Archive::open(&settings.archive)?;
    let counters = Arc::new(Counters::default());
    let (desk, first) = restore(&store, &settings.instance, clock).await?;

    let (events, gateway_events) = mpsc::channel(GATEWAY_EVENTS);
    let gateway = gateway::start(settings.gateway.clone(), events).await?;
    let (happenings, queue) = mpsc::channel(HAPPENINGS);
    let client = connect(&settings, clock, happenings)?;
    let publish = {
        let client = client.clone();
        Box::new(move |p: super::shell::Publication| client.publish(p.topic, p.payload, false, p.kind))
    };
    let (shell, desk) = Shell::new(Parts {
        desk,
        first,
        store: store.clone(),
        gateway: gateway.commands.clone(),
        gateway_events,
        publish,
        counters: Arc::clone(&counters),
        clock,
    });
    let watched = archive.clone();
    let web =
        Web::new(store.clone(), archive, &settings, desk.clone(), gateway, Arc::clone(&counters), stopping.clone());
    let (listeners, addresses) = listen(&settings, &web).await?;

    let mut tasks = JoinSet::new();
    tasks.spawn(watch_room(watched, settings.room, desk.clone(), stopping.clone()));
    for listener in listeners {
        tasks.spawn(listener.serve(stopping.clone()));
    }
    let reader =
        tokio::spawn(read(queue, Inbound::new(counters, settings.refused_kiosks.clone()), desk, stopping.clone()));
    let shell = tokio::spawn(shell.run(stopping));
    ready(&addresses);
    stop.await;
    // Nobody new comes in, requests under way end, then the desk, then the last writes.
    let _ = stop_all.send(true);
    while tasks.join_next().await.is_some() {}
    let _ = reader.await;
    let _ = shell.await;
    say_goodbye(&client, &settings.instance, clock).await;
    store.settle().await;
    Ok(())
}

fn open_store(database: &Path) -> Result<Store, StartError> {
    if let Some(directory) = database.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|source| StartError::Directory { path: directory.to_owned(), source })?;
    }
    Ok(Store::open(database)?)
}

/// A desk with what the store kept.
async fn restore(store: &Store, instance: &str, clock: Clock) -> Result<(Desk, Vec<Effect>), StoreError> {
    let (open, kiosks) =
        store.read(|db| Ok((incidents::load_for_desk(db, CLOSED_SHOWN, CLOSED_KEPT)?, incidents::kiosks(db)?))).await?;
    let now = clock.now();
    let mut desk = Desk::new(format!("{instance}/{}", now.wall_us));
    let first = desk.restore(open, kiosks, now);
    Ok((desk, first))
}

fn connect(settings: &Settings, clock: Clock, happenings: mpsc::Sender<mqtt::Happening>) -> Result<Client, StartError> {
    let (broker, instance) = (&settings.broker, &settings.instance);
    let files = ClientFiles { ca: broker.ca.clone(), identity: broker.identity.clone() };
    files.read()?;
    let line = mqtt::Settings {
        host: broker.host.clone(),
        port: broker.port,
        client_id: format!("centre-{instance}"),
        tls: Some(files),
        subscriptions: vec![topic::ALL_KIOSKS.to_owned()],
        will: Some((topic::CENTRE_STATE.to_owned(), presence(instance, false, clock)?)),
        birth: Some((topic::CENTRE_STATE.to_owned(), presence(instance, true, clock)?)),
    };
    Ok(mqtt::start(line, happenings))
}

fn presence(instance: &str, online: bool, clock: Clock) -> Result<Vec<u8>, crate::wire::WireError> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let state = CentreState { online, instance: instance.to_owned(), version };
    encode(&Envelopes::new(clock).wrap(state))
}

async fn listen(settings: &Settings, web: &Arc<Web>) -> Result<(Vec<Listener>, Addresses), StartError> {
    let officers = web::officers(Arc::clone(web));
    let tls = tls::server(&settings.console.identity, None)?;
    let console = bind("the console", settings.console.address, Some(tls), officers.clone()).await?;
    let tls = tls::server(&settings.delivery.identity, Some(&settings.kiosks_ca))?;
    let kiosks = web::kiosk_routes(Arc::clone(web));
    let delivery = bind("delivery", settings.delivery.address, Some(tls), kiosks).await?;
    let mut addresses = Addresses { console: console.1, loopback: None, delivery: delivery.1 };
    let mut listeners = vec![console.0, delivery.0];
    if let Some(address) = settings.loopback {
        let (listener, address) = bind("the console on loopback", address, None, officers).await?;
        addresses.loopback = Some(address);
        listeners.push(listener);
    }
    Ok((listeners, addresses))
}

async fn bind(
    listener: &'static str,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: axum::Router,
) -> Result<(Listener, SocketAddr), StartError> {
    let named = |source| StartError::Listen { listener, address, source };
    let bound = Listener::bind(address, tls, router).await.map_err(named)?;
    let at = bound.address().map_err(named)?;
    Ok((bound, at))
}

async fn read(
    queue: mpsc::Receiver<mqtt::Happening>,
    inbound: Inbound,
    desk: DeskHandle,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        () = inbound.read_all(queue, desk) => {}
        () = stopped(&mut stop) => {}
    }
}

/// Tells the desk whether there is room for recordings; the officers hear of it before a call is half lost.
async fn watch_room(archive: Archive, room: Room, desk: DeskHandle, mut stop: watch::Receiver<bool>) {
    let mut look = tokio::time::interval(LOOK_AT_ROOM);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stopped(&mut stop) => return,
        }
        let archive = archive.clone();
        // A disk that hangs keeps a thread of the pool, not this one.
        let Ok(free) = tokio::task::spawn_blocking(move || archive.free()).await else { continue };
        if desk.tell(Event::Archive { full: room.is_full(free) }).await.is_err() {
            return;
        }
    }
}

/// The broker would say so itself, but only when it has missed the centre.
async fn say_goodbye(client: &Client, instance: &str, clock: Clock) {
    if let Ok(payload) = presence(instance, false, clock) {
        let _ = client.publish(topic::CENTRE_STATE.to_owned(), payload, true, mqtt::Kind::Fresh);
        // The line has no way to tell when it is out; the will stands behind it.
        tokio::time::sleep(GOODBYE).await;
    }
}
