//! The kiosk's evidence key: made on the kiosk, kept on the kiosk; and its public half, which anyone may have.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::FromDer;

use super::{NotHex, Signature, as_hex};
use crate::durable::{self, Like};

/// What its file is called in the store's directory.
pub const FILE: &str = "evidence.key";

/// Ed25519 in an algorithm identifier (RFC 8410).
const ED25519_OID: &str = "1.3.101.112";
/// DER of a SubjectPublicKeyInfo of Ed25519 up to the 32 bytes of the key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{what}: expected {expected}, found {found}")]
    Other {
        /// What was looked at.
        what: String,
        /// What it should hold.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// The private half.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

impl SigningKey {
    /// The key in `path`, which is made durably with mode 0600 where there is none. Tells whether it was made.
    ///
    /// # Errors
    /// [`KeyError`]; a file that holds something else is left alone.
    pub fn load_or_make(path: &Path) -> Result<(Self, bool), KeyError> {
        let at = |source| KeyError::Io { path: path.to_owned(), source };
        if let Some(pem) = durable::read(path).map_err(at)? {
            return Self::from_pem(&pem, &path.display().to_string()).map(|key| (key, false));
        }
        let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519);
        let pem = made.map_err(|e| at(io::Error::other(e)))?.serialize_pem();
        // Root enrols, the daemon reads: the file is of whoever has the directory.
        let owner = path.parent().and_then(|dir| Like::file(dir, 0o700).owner);
        durable::replace(path, pem.as_bytes(), Like { mode: 0o600, owner }).map_err(at)?;
        Self::from_pem(&pem, &path.display().to_string()).map(|key| (key, true))
    }

    fn from_pem(pem: &str, what: &str) -> Result<Self, KeyError> {
        let other = |found: String| KeyError::Other { what: what.to_owned(), expected: "an Ed25519 key in PEM", found };
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| other(e.to_string()))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_der());
        pair.map(Self).map_err(|e| other(e.to_string()))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs; the same bytes always get the same signature.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(bytes).as_ref());
        Signature(signature)
    }
}

/// The public half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);
as_hex!(PublicKey, 32);

impl PublicKey {
    /// From PEM: a public key, or a certificate of one.
    ///
    /// # Errors
    /// [`KeyError::Other`] with what is there instead.
    pub fn from_pem(pem: &[u8], what: &str) -> Result<Self, KeyError> {
        let other = |found: String| {
            let expected = "an Ed25519 public key or a certificate of one, in PEM";
            KeyError::Other { what: what.to_owned(), expected, found }
        };
        let spki = match CertificateDer::from_pem_slice(pem) {
            Ok(certificate) => {
                let (_, parsed) =
                    x509_parser::parse_x509_certificate(&certificate).map_err(|e| other(e.to_string()))?;
                parsed.public_key().raw.to_vec()
            }
            Err(_) => match SubjectPublicKeyInfoDer::from_pem_slice(pem) {
                Ok(spki) => spki.to_vec(),
                Err(e) => return Err(other(e.to_string())),
            },
        };
        let (_, parsed) = x509_parser::x509::SubjectPublicKeyInfo::from_der(&spki).map_err(|e| other(e.to_string()))?;
        let algorithm = parsed.algorithm.algorithm.to_id_string();
        if algorithm != ED25519_OID {
            return Err(other(format!("a key of the algorithm {algorithm}")));
        }
        let bytes = <[u8; 32]>::try_from(parsed.subject_public_key.data.as_ref());
        bytes.map(Self).map_err(|_| other(format!("{} bytes", parsed.subject_public_key.data.len())))
    }

    /// As PEM, for people and for openssl.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode(self.spki());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// SHA-256 of its DER, as people compare it and as `openssl pkey -pubin -outform DER | sha256sum` gives it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.spki()))
    }

    fn spki(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }

    /// Whether its private half has signed these bytes.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, &signature.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_reads_it() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("evidence.key");
        let (first, made) = SigningKey::load_or_make(&path).unwrap();
        assert!(made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (second, made) = SigningKey::load_or_make(&path).unwrap();
        assert!(!made);
        assert_eq!(first.public(), second.public());
        let signature = first.sign(b"text");
        assert_eq!(signature, second.sign(b"text"), "no lot is drawn");
        assert!(second.public().verifies(b"text", &signature));
        assert!(!second.public().verifies(b"texts", &signature));
        assert!(!format!("{first:?}").contains("PRIVATE"));

        std::fs::write(&path, "torn").unwrap();
        let why = SigningKey::load_or_make(&path).unwrap_err().to_string();
        assert!(why.contains("evidence.key: expected an Ed25519 key"), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "torn");
    }

    #[test]
    fn a_public_key_is_read_from_its_pem_and_from_a_certificate() {
        let dir = tempfile::TempDir::new().unwrap();
        let (key, _) = SigningKey::load_or_make(&dir.path().join("k")).unwrap();
        let public = key.public();
        assert_eq!(PublicKey::from_pem(public.to_pem().as_bytes(), "k").unwrap(), public);
        assert_eq!(public.to_string().parse(), Ok(public));

        let pem = std::fs::read_to_string(dir.path().join("k")).unwrap();
        let pair = rcgen::KeyPair::from_pem(&pem).unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&pair).unwrap();
        assert_eq!(PublicKey::from_pem(certificate.pem().as_bytes(), "c").unwrap(), public);

        let other = rcgen::KeyPair::generate().unwrap();
        let why = PublicKey::from_pem(other.public_key_pem().as_bytes(), "o").unwrap_err().to_string();
        assert!(why.starts_with("o: expected an Ed25519 public key") && why.contains("1.2.840.10045.2.1"), "{why}");
        assert!(PublicKey::from_pem(b"nonsense", "n").is_err());
    }
}
