//! `sos-ctl enrol`: the kiosk's key, made on the kiosk and never leaving it, a request for its certificate, and the
//! certificate itself, checked against key, authority and name before it is put into place.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sha2::{Digest, Sha256};

use super::absent::set_up;
use super::cli::EnrolArguments;
use super::{Exit, Failure};
use crate::config::{KioskConfig, Layers};
use crate::durable::{self, Like};
use crate::evidence::{SigningKey, key};
use crate::tls;

fn failed(why: impl Into<String>) -> Failure {
    Failure::new(Exit::Enrol, why)
}

/// Makes key and request, or installs the certificate. Returns what is data: the request, or nothing.
///
/// # Errors
/// What was expected and what was found; nothing is half done.
pub fn run(layers: &Layers, arguments: &EnrolArguments, say: &mut dyn FnMut(&str)) -> Result<String, Failure> {
    tls::install_provider();
    let config = set_up(layers)?;
    if let Some(file) = &arguments.install {
        return install(&config, &read(file)?, say).map(|()| String::new());
    }
    if let Some(ca) = &arguments.ca {
        trust(&config, &read(ca)?, arguments.fingerprint.as_deref(), say)?;
    } else {
        say(&format!("the authority stays as it is: SHA-256 {}", fingerprint(&authority(&config)?)));
    }
    evidence_key(&config, say);
    request(&config, say)
}

/// The key that signs recordings: made now rather than at the first start, so that its fingerprint can be told. The
/// daemon makes it where this could not.
fn evidence_key(config: &KioskConfig, say: &mut dyn FnMut(&str)) {
    let path = config.store_dir.join(key::FILE);
    // The directory itself is the service's to make: it must not become root's.
    match SigningKey::load_or_make(&path) {
        Ok((key, _)) => say(&format!("{}: signs recordings, SHA-256 {}", path.display(), key.public().fingerprint())),
        Err(why) => say(&format!("the key that signs recordings is made at the first start: {why}")),
    }
}

/// Puts the authority's certificate into place, once somebody has compared its fingerprint.
fn trust(config: &KioskConfig, pem: &str, told: Option<&str>, say: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let ca = one_certificate(pem, "the authority")?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(&ca).map_err(|error| failed(format!("the authority: {error}")))?;
    if !parsed.is_ca() {
        return Err(failed("expected the certificate of an authority (CA:TRUE), found another"));
    }
    let found = fingerprint(&ca);
    say(&format!("authority {}", parsed.subject()));
    say(&format!("SHA-256   {found}"));
    match told {
        Some(told) if hex_of(told) == hex_of(&found) => {}
        Some(told) => return Err(failed(format!("expected the fingerprint {told}, found {found}"))),
        None => agreed()?,
    }
    let path = &config.centre.ca;
    // Whoever may read the configuration may read it: it is no secret.
    put(path, pem, Like::mode(0o644))?;
    say(&format!("{}: trusted from now on", path.display()));
    Ok(())
}

/// A person says that it is the one the owner told.
fn agreed() -> Result<(), Failure> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    let not = || failed("the fingerprint was not compared").hint("--fingerprint HEX, as the owner told it");
    if !stdin.is_terminal() {
        return Err(not());
    }
    let _ = write!(stderr, "Is this what the owner told you? Type yes: ");
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(|error| failed(format!("terminal: {error}")))?;
    if line.trim() == "yes" { Ok(()) } else { Err(not()) }
}

fn request(config: &KioskConfig, say: &mut dyn FnMut(&str)) -> Result<String, Failure> {
    let path = &config.centre.identity.key;
    let rcgen = |error: rcgen::Error| failed(format!("{}: {error}", path.display()));
    let found = durable::read(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    let key = match found {
        Some(pem) => {
            say(&format!("{}: there already, and kept; remove it to have another made", path.display()));
            KeyPair::from_pem(&pem).map_err(rcgen)?
        }
        None => {
            let key = KeyPair::generate().map_err(rcgen)?;
            // The daemon reads it as the owner of its directory; nobody else does.
            let owner = path.parent().and_then(|dir| Like::file(dir, 0o700).owner);
            put(path, &key.serialize_pem(), Like { mode: 0o600, owner })?;
            say(&format!("{}: made, mode 0600; it never leaves this kiosk", path.display()));
            key
        }
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, config.id.as_str());
    let request = params.serialize_request(&key).and_then(|request| request.pem()).map_err(rcgen)?;
    say(&format!(
        "a request for \"{}\" follows; the owner signs it (sos-centre sign-kiosk), then: sos-ctl enrol --install FILE",
        config.id
    ));
    Ok(request.trim_end().to_owned())
}

fn install(config: &KioskConfig, pem: &str, say: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let identity = &config.centre.identity;
    let leaf = one_certificate(pem, "the certificate")?;
    let name = tls::common_name(&leaf).unwrap_or_default();
    if name != config.id.as_str() {
        return Err(failed(format!("expected a certificate for \"{}\", found one for \"{name}\"", config.id)));
    }
    let key = read(&identity.key)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| failed(format!("{}: {error}", identity.key.display())))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|error| failed(format!("{}: {error}", identity.key.display())))?;
    rustls::sign::CertifiedKey::new(vec![leaf.clone()], key).keys_match().map_err(|_| {
        failed("expected a certificate of this kiosk's key, found one of another")
            .hint("was it made from another kiosk's request, or was the key made anew since?")
    })?;
    // Judged just as the broker will.
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority(config)?).map_err(|error| failed(format!("{}: {error}", config.centre.ca.display())))?;
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
        .build()
        .map_err(|error| failed(format!("{}: {error}", config.centre.ca.display())))?;
    verifier.verify_client_cert(&leaf, &[], UnixTime::now()).map_err(|error| {
        failed(format!("the centre would not accept it: {error}")).hint("is the clock right? was it signed by this CA?")
    })?;
    put(&identity.cert, pem, Like::mode(0o644))?;
    say(&format!(
        "{}: in place, valid; now: systemctl restart sos-kiosk, then sos-ctl status",
        identity.cert.display()
    ));
    Ok(())
}

fn authority(config: &KioskConfig) -> Result<CertificateDer<'static>, Failure> {
    tls::first(&config.centre.ca).map_err(|error| failed(error.to_string()).hint("--ca FILE puts it into place"))
}

fn one_certificate(pem: &str, what: &str) -> Result<CertificateDer<'static>, Failure> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| failed(format!("{what}: expected a certificate in PEM: {error}")))
}

fn put(path: &Path, text: &str, like: Like) -> Result<(), Failure> {
    let at = |error: std::io::Error| failed(format!("{}: {error}", path.display()));
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(at)?;
    }
    durable::replace(path, text.as_bytes(), like).map_err(at)
}

fn read(file: &Path) -> Result<String, Failure> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| failed(format!("stdin: {error}")))?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| failed(format!("{}: {error}", file.display())))
}

/// As people compare it: `AB:CD:...`.
fn fingerprint(der: &[u8]) -> String {
    let bytes: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

fn hex_of(fingerprint: &str) -> String {
    let hex = fingerprint.chars().filter(char::is_ascii_hexdigit);
    hex.map(|c| c.to_ascii_lowercase()).collect()
}
