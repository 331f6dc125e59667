//! TLS from PEM files, for every connection of the project: MQTT, delivery, console.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Paths of a certificate chain and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Chain, leaf first.
    pub cert: PathBuf,
    /// PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

/// A client's files. They are read when it connects: what was renewed meanwhile counts, and a bad file is a reason
/// why there is no connection, not why there is no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// Certificate authority that is trusted, PEM.
    pub ca: PathBuf,
    /// What it shows of itself.
    pub identity: Identity,
}

impl ClientFiles {
    /// As they are now; reads from the disk.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn read(&self) -> Result<Arc<ClientConfig>, TlsError> {
        client(&self.ca, Some(&self.identity))
    }
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: expected {expected} in PEM: {detail}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What the reader says.
        detail: String,
    },
    /// The parts do not fit together.
    #[error("TLS: {0}")]
    Setup(String),
}

/// Installs the project's one crypto provider (ring). Call first in `main`; calling again does nothing.
pub fn install_provider() {
    // An error means that one is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that trusts `ca` alone and shows `identity`, if any.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn client(ca: &Path, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder().with_root_certificates(roots(ca)?);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(chain(&identity.cert)?, key(&identity.key)?)
            .map_err(|e| TlsError::Setup(format!("{}: {e}", identity.cert.display())))?,
    };
    Ok(Arc::new(config))
}

/// A server that shows `identity` and, with `client_ca`, demands a certificate of it.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn server(identity: &Identity, client_ca: Option<&Path>) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = match client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(ca) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots(ca)?))
                .build()
                .map_err(|e| TlsError::Setup(format!("{}: {e}", ca.display())))?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain(&identity.cert)?, key(&identity.key)?)
        .map_err(|e| TlsError::Setup(format!("{}: {e}", identity.cert.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The common name of a certificate's subject.
#[must_use]
pub fn common_name(cert: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(cert.as_ref()).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}

/// How long a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From, seconds since 1970 UTC.
    pub from_s: i64,
    /// Until, seconds since 1970 UTC.
    pub until_s: i64,
}

/// How long the first certificate of a file is valid.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn validity(path: &Path) -> Result<Validity, TlsError> {
    let leaf = first(path)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf.as_ref()).map_err(|e| TlsError::Pem {
        path: path.to_owned(),
        expected: "a certificate",
        detail: e.to_string(),
    })?;
    let validity = parsed.validity();
    Ok(Validity { from_s: validity.not_before.timestamp(), until_s: validity.not_after.timestamp() })
}

/// The first certificate of a file.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn first(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    let mut chain = chain(path)?;
    // Never empty: `chain` refuses a file without one.
    Ok(chain.swap_remove(0))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for cert in chain(path)? {
        store.add(cert).map_err(|e| TlsError::Pem {
            path: path.to_owned(),
            expected: "a certificate authority",
            detail: e.to_string(),
        })?;
    }
    Ok(store)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let bad = |detail: String| TlsError::Pem { path: path.to_owned(), expected: "a certificate", detail };
    match certs {
        Err(e) => Err(bad(e.to_string())),
        Ok(certs) if certs.is_empty() => Err(bad("none found".to_owned())),
        Ok(certs) => Ok(certs),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| TlsError::Pem {
        path: path.to_owned(),
        expected: "a private key",
        detail: e.to_string(),
    })
}
