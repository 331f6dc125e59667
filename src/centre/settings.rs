//! What the centre is told, as plain values; the binary reads them from the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::gateway::GatewaySettings;
use crate::tls::Identity;

/// Everything a centre needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of this instance.
    pub instance: String,
    /// The broker.
    pub broker: Broker,
    /// The officers' listener, over TLS.
    pub console: Listen,
    /// A second one without TLS, on this machine alone.
    pub loopback: Option<SocketAddr>,
    /// The kiosks' listener, over mutual TLS.
    pub delivery: Listen,
    /// The authority that signs kiosks' certificates.
    pub kiosks_ca: PathBuf,
    /// The media gateway's sockets. No addresses: every one this machine has.
    pub gateway: GatewaySettings,
    /// The database's file.
    pub database: PathBuf,
    /// A directory, or a URL that names an object store.
    pub archive: String,
}

/// The broker, over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Host, as its certificate names it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The authority that signed its certificate.
    pub ca: PathBuf,
    /// What the centre shows.
    pub identity: Identity,
}

/// A listener over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// What it shows.
    pub identity: Identity,
}
