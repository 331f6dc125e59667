//! A whole centre in the test's process, on real sockets, with keys made for it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sos::centre::gateway::GatewaySettings;
use sos::centre::password;
use sos::centre::run::{Addresses, run};
use sos::centre::settings::{Broker, Listen, Room, Settings};
use sos::centre::store::accounts::{self, Account, Role};
use sos::centre::store::{Store, incidents};
use sos::tls::{self, Identity};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing in these tests takes longer.
pub const BOUND: Duration = Duration::from_secs(20);
/// What every centre here refuses.
pub const REFUSED: [&str; 1] = ["stolen"];
pub const PASSWORD: &str = "a long password";

/// Files of a centre: keys, configuration, database.
pub struct Place {
    pub dir: TempDir,
    broker_port: u16,
}

/// A running centre.
pub struct Centre {
    pub at: Addresses,
    pub dir: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// Awaits what must come soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what}: not within {BOUND:?}"))
}

impl Place {
    /// Makes keys for these kiosks and accounts for ana and bek. Nobody need listen on the broker's port.
    pub async fn new(kiosks: &[&str], broker_port: u16) -> Self {
        tls::install_provider();
        let dir = TempDir::new().unwrap();
        make_keys(dir.path(), kiosks);
        let place = Self { dir, broker_port };
        let store = Store::open(&place.dir.path().join("centre.sqlite")).unwrap();
        let hash = password::hash(PASSWORD).unwrap();
        for (name, role) in [("ana", Role::Officer), ("bek", Role::Supervisor)] {
            let account = Account { name: name.to_owned(), role, password: hash.clone() };
            store.write(move |db| accounts::put(db, &account, 0)).await.unwrap();
        }
        place
    }

    /// The configuration as a file.
    pub fn write(&self) -> PathBuf {
        let path = self.dir.path().join("centre.toml");
        std::fs::write(&path, self.text()).unwrap();
        path
    }

    fn text(&self) -> String {
        format!(
            "instance = \"test\"\n\
             [mqtt]\nbroker = \"localhost:{}\"\nca = \"ca.pem\"\ncert = \"centre.pem\"\nkey = \"centre.key\"\n\
             [console]\nlisten = \"127.0.0.1:0\"\ncert = \"server.pem\"\nkey = \"server.key\"\n\
             loopback_listen = \"127.0.0.1:0\"\n\
             [delivery]\nlisten = \"127.0.0.1:0\"\nca = \"ca.pem\"\ncert = \"server.pem\"\nkey = \"server.key\"\n\
             [media]\nlisten = [\"127.0.0.1\"]\nport = 0\n\
             [store]\ndatabase = \"centre.sqlite\"\narchive = \"archive\"\n",
            self.broker_port
        )
    }

    pub async fn start(&self) -> Centre {
        self.start_with(Room::default()).await
    }

    /// With so much room for recordings.
    pub async fn start_with(&self, room: Room) -> Centre {
        let dir = self.dir.path().to_owned();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            instance: "test".to_owned(),
            refused_kiosks: REFUSED.iter().map(|kiosk| kiosk.parse().unwrap()).collect(),
            broker: Broker {
                host: "localhost".to_owned(),
                port: self.broker_port,
                ca: dir.join("ca.pem"),
                identity: identity_of(&dir, "centre"),
            },
            console: Listen { address: any, identity: identity_of(&dir, "server") },
            loopback: Some(any),
            delivery: Listen { address: any, identity: identity_of(&dir, "server") },
            kiosks_ca: dir.join("ca.pem"),
            gateway: GatewaySettings { addresses: vec![any.ip()], port: 0, advertise: vec![], udp: true, tcp: true },
            database: dir.join("centre.sqlite"),
            archive: dir.join("archive").display().to_string(),
            room,
        };
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let running = tokio::spawn(async move {
            let ready = |at: &Addresses| ready.send(at.clone()).unwrap();
            run(settings, ready, async { drop(stopped.await) }).await.unwrap();
        });
        let at = soon("the centre's start", is_ready).await.unwrap();
        Centre { at, dir, stop: Some(stop), running }
    }
}

impl Centre {
    /// Ends it as SIGTERM does.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        soon("the centre's end", &mut self.running).await.unwrap();
    }

    /// A browser that is nobody yet.
    pub fn browser(&self) -> Browser {
        Browser { client: client(&self.dir, None), at: self.at.console, cookie: None }
    }

    pub async fn officer(&self, name: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.log_in(name, PASSWORD).await;
        assert_eq!(answer.status(), 200);
        browser
    }

    /// A kiosk's way to deliver, shown with this certificate.
    pub fn kiosk(&self, name: &str) -> Kiosk {
        Kiosk { client: client(&self.dir, Some(name)), at: self.at.delivery }
    }

    /// Everything in the journal, as "who: what".
    pub async fn journal(&self) -> Vec<String> {
        let store = Store::open(&self.dir.join("centre.sqlite")).unwrap();
        let entries = store.read(|db| incidents::journal(db, None)).await.unwrap();
        entries.into_iter().map(|entry| format!("{}: {}", entry.who, entry.what)).collect()
    }

    /// Waits until the journal has an entry.
    pub async fn journal_says(&self, entry: &str) {
        let looked = async {
            let mut look = tokio::time::interval(Duration::from_millis(10));
            while !self.journal().await.iter().any(|found| found == entry) {
                look.tick().await;
            }
        };
        if timeout(BOUND, looked).await.is_err() {
            panic!("the journal does not say {entry:?}: {:#?}", self.journal().await);
        }
    }
}

pub struct Browser {
    client: Client,
    pub at: SocketAddr,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("https://localhost:{}{path}", self.at.port()));
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    pub async fn log_in(&mut self, name: &str, password: &str) -> Response {
        let answer = self.post("/api/login", &json!({ "name": name, "password": password })).await;
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer
    }
}

pub struct Kiosk {
    client: Client,
    at: SocketAddr,
}

impl Kiosk {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("https://localhost:{}{path}", self.at.port()))
    }
}

fn client(dir: &Path, identity: Option<&str>) -> Client {
    let identity = identity.map(|name| identity_of(dir, name));
    let config = tls::client(&dir.join("ca.pem"), identity.as_ref()).unwrap();
    Client::builder().tls_backend_preconfigured(Arc::unwrap_or_clone(config)).timeout(BOUND).build().unwrap()
}

pub fn identity_of(dir: &Path, name: &str) -> Identity {
    Identity { cert: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) }
}

/// One authority, and what it signs: the server, the centre, and each kiosk by its name as CN.
fn make_keys(dir: &Path, kiosks: &[&str]) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test authority");
    let key = KeyPair::generate().unwrap();
    std::fs::write(dir.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let authority = Issuer::new(params, key);
    for name in ["server", "centre"].iter().chain(kiosks) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, *name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let Identity { cert, key: key_path } = identity_of(dir, name);
        std::fs::write(cert, params.signed_by(&key, &authority).unwrap().pem()).unwrap();
        std::fs::write(key_path, key.serialize_pem()).unwrap();
    }
}
