//! A centre for the delivery's tests: a real HTTPS server that demands the kiosk's certificate, speaks
//! `wire::delivery`, and misbehaves when told to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sha2::{Digest, Sha256};
use sos::tls::{self, Identity};
use sos::wire::IncidentId;
use sos::wire::delivery::{DURATION_HEADER, Inventory, Receipt, SHA256_HEADER, START_HEADER, Sealed};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How the centre misbehaves.
pub enum Trouble {
    /// Answers with this status.
    Status(u16),
    /// A receipt for something else.
    WrongReceipt,
    /// No answer at all.
    Stall,
}

/// Decides about the `attempt`th request ("fragment 3", "inventory", "sealed") from 1 on.
pub type Script = Box<dyn FnMut(&str, usize) -> Option<Trouble> + Send>;

/// What the centre has and has seen.
pub struct Held {
    pub fragments: BTreeMap<(IncidentId, u64), Vec<u8>>,
    pub times: BTreeMap<(IncidentId, u64), (i64, u64)>,
    pub sealed: BTreeMap<IncidentId, u64>,
    pub script: Script,
    /// Whether inventories carry hashes.
    pub hashes: bool,
    attempts: BTreeMap<String, usize>,
    log: mpsc::UnboundedSender<(IncidentId, String)>,
}

/// The running server; dropped, it is cut off with all its connections.
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Cuts it off and returns when its port is free.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Shared = Arc<Mutex<Held>>;

/// A centre that has nothing, and the requests it sees as they come.
pub fn held() -> (Shared, mpsc::UnboundedReceiver<(IncidentId, String)>) {
    let (log, seen) = mpsc::unbounded_channel();
    let held = Held {
        fragments: BTreeMap::new(),
        times: BTreeMap::new(),
        sealed: BTreeMap::new(),
        script: Box::new(|_, _| None),
        hashes: true,
        attempts: BTreeMap::new(),
        log,
    };
    (Arc::new(Mutex::new(held)), seen)
}

/// Serves on `address` (port 0: any free one).
pub async fn serve(keys: &Path, address: SocketAddr, held: Shared) -> Server {
    let identity = identity(keys, "server");
    let acceptor = TlsAcceptor::from(tls::server(&identity, Some(&keys.join("ca.pem"))).unwrap());
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/kiosk/v1/recordings/{incident}/fragments/{index}", put(fragment))
        .route("/kiosk/v1/recordings/{incident}", get(inventory))
        .route("/kiosk/v1/recordings/{incident}/sealed", put(sealed))
        .with_state(held);
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, router) = (acceptor.clone(), router.clone());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = TowerToHyperService::new(router);
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Server { address, task }
}

/// Makes a throw-away authority with certificates for the server and for one kiosk.
pub fn make_keys(dir: &Path) {
    tls::install_provider();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    std::fs::write(dir.join("ca.pem"), params.self_signed(&ca_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, ca_key);
    for (name, hosts) in [("server", vec!["localhost".to_owned(), "127.0.0.1".to_owned()]), ("kiosk-1", vec![])] {
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// The identity of a name.
pub fn identity(keys: &Path, name: &str) -> Identity {
    Identity { cert: keys.join(format!("{name}.pem")), key: keys.join(format!("{name}.key")) }
}

fn trouble(held: &Shared, incident: IncidentId, what: &str) -> Option<Trouble> {
    let mut held = held.lock().unwrap();
    let attempt = held.attempts.entry(format!("{incident} {what}")).or_default();
    *attempt += 1;
    let attempt = *attempt;
    let _ = held.log.send((incident, what.to_owned()));
    (held.script)(what, attempt)
}

async fn misbehave(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Status(status) => (StatusCode::from_u16(status).unwrap(), "as the script says").into_response(),
        Trouble::Stall => std::future::pending().await,
        Trouble::WrongReceipt => {
            let receipt = Receipt { incident: IncidentId::fresh(), index: 0, sha256: "00".repeat(32) };
            Json(receipt).into_response()
        }
    }
}

async fn fragment(
    State(held): State<Shared>,
    UrlPath((incident, index)): UrlPath<(IncidentId, u64)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(trouble) = trouble(&held, incident, &format!("fragment {index}")) {
        return misbehave(trouble).await;
    }
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let sha256 = hex::encode(Sha256::digest(&body));
    if text(SHA256_HEADER) != sha256 {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    let mut held = held.lock().unwrap();
    let times = (text(START_HEADER).parse().unwrap(), text(DURATION_HEADER).parse().unwrap());
    held.times.insert((incident, index), times);
    let kept = held.fragments.entry((incident, index)).or_insert_with(|| body.to_vec());
    if *kept != body {
        return StatusCode::CONFLICT.into_response();
    }
    Json(Receipt { incident, index, sha256 }).into_response()
}

async fn inventory(State(held): State<Shared>, UrlPath(incident): UrlPath<IncidentId>) -> Response {
    if let Some(trouble) = trouble(&held, incident, "inventory") {
        return misbehave(trouble).await;
    }
    Json(listed(&held.lock().unwrap(), incident)).into_response()
}

async fn sealed(
    State(held): State<Shared>,
    UrlPath(incident): UrlPath<IncidentId>,
    Json(seal): Json<Sealed>,
) -> Response {
    if let Some(trouble) = trouble(&held, incident, "sealed") {
        return misbehave(trouble).await;
    }
    let mut held = held.lock().unwrap();
    held.sealed.insert(incident, seal.fragments);
    Json(listed(&held, incident)).into_response()
}

fn listed(held: &Held, incident: IncidentId) -> Inventory {
    let own = |hash: bool| {
        held.fragments
            .iter()
            .filter(move |((of, _), _)| *of == incident && hash)
            .map(|((_, index), bytes)| (*index, bytes))
    };
    let have: BTreeSet<u64> = own(true).map(|(index, _)| index).collect();
    let sha256 = own(held.hashes).map(|(index, bytes)| (index, hex::encode(Sha256::digest(bytes)))).collect();
    Inventory { incident, have: have.into_iter().collect(), sha256, sealed: held.sealed.contains_key(&incident) }
}
