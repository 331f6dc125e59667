//! What the centre is told, as plain values; the binary reads them from the configuration.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::gateway::GatewaySettings;
use crate::tls::Identity;
use crate::wire::KioskId;

/// Everything a centre needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of this instance.
    pub instance: String,
    /// Kiosks nothing is taken of, whatever certificate they show.
    pub refused_kiosks: BTreeSet<KioskId>,
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
    /// What recordings may take of the disk.
    pub room: Room,
}

/// What recordings may take of the disk, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Left free where the archive is a directory: the database of alarms lies beside it.
    pub reserve: u64,
    /// Taken of one kiosk for incidents without an alarm. An alarm may come after its recording, but not for ever.
    pub unknown: u64,
}

impl Room {
    /// Whether recordings are refused where so many bytes are free; never where nobody can tell.
    #[must_use]
    pub fn is_full(&self, free: Option<u64>) -> bool {
        free.is_some_and(|free| free < self.reserve)
    }
}

impl Default for Room {
    /// The database needs a few MiB a year; a call of two hours at 2 Mbit/s takes 1.8 GB.
    fn default() -> Self {
        Self { reserve: 1 << 30, unknown: 2 << 30 }
    }
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
