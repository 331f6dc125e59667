//! Signing a kiosk's request with the owner's authority: what the request asks for beside its key and name is ignored.

use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::wire::KioskId;

/// Clocks differ: a certificate is valid from this much before now.
const EARLIER: Duration = Duration::hours(1);

/// What to sign, and with what.
#[derive(Debug, Clone)]
pub struct Signing {
    /// The request, PEM.
    pub request: String,
    /// The kiosk it must be of.
    pub kiosk: KioskId,
    /// The authority's certificate, PEM.
    pub ca: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// How long it is valid.
    pub days: u32,
}

/// Why it is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {source}", path.display())]
    Authority {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rcgen::Error,
    },
    /// It is no request, or it is not signed by its own key.
    #[error("the request: {0}")]
    Request(rcgen::Error),
    /// It is another kiosk's.
    #[error("expected a request of \"{wanted}\", found one of \"{found}\"")]
    Other {
        /// Whose it should be.
        wanted: KioskId,
        /// Whose it says it is.
        found: String,
    },
}

/// The kiosk's certificate, PEM.
///
/// # Errors
/// [`SignError`]: nothing is signed.
pub fn sign(signing: &Signing) -> Result<String, SignError> {
    let request = CertificateSigningRequestParams::from_pem(&signing.request).map_err(SignError::Request)?;
    let found = match request.params.distinguished_name.get(&DnType::CommonName) {
        Some(DnValue::Utf8String(name)) => name.clone(),
        Some(DnValue::PrintableString(name)) => name.to_string(),
        Some(_) | None => String::new(),
    };
    if found != signing.kiosk.as_str() {
        return Err(SignError::Other { wanted: signing.kiosk.clone(), found });
    }
    let key = KeyPair::from_pem(&read(&signing.key)?)
        .map_err(|source| SignError::Authority { path: signing.key.clone(), source })?;
    let issuer = Issuer::from_ca_cert_pem(&read(&signing.ca)?, key)
        .map_err(|source| SignError::Authority { path: signing.ca.clone(), source })?;
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, signing.kiosk.as_str());
    params.not_before = now - EARLIER;
    params.not_after = now + Duration::days(signing.days.into());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let signed = params.signed_by(&request.public_key, &issuer);
    signed.map(|certificate| certificate.pem()).map_err(SignError::Request)
}

fn read(path: &Path) -> Result<String, SignError> {
    std::fs::read_to_string(path).map_err(|source| SignError::Read { path: path.to_owned(), source })
}
