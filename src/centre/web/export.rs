//! The export of an incident: one zip with all that proves it, written while it is read
//! (`docs/decisions/0014-evidence.md`).
//!
//! Nothing is compressed (the media are already), one fragment at a time is in memory, and a reader that is slow holds
//! up nobody but itself.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};

use super::Web;
use super::error::Failure;
use super::incidents::incident_id;
use super::session::Officer;
use crate::centre::archive::Archive;
use crate::centre::clock::wall_us;
use crate::centre::page::IncidentView;
use crate::centre::store::incidents::{self, JournalEntry};
use crate::centre::store::recordings::{self, FragmentRow};
use crate::centre::store::{StoreError, evidence};
use crate::evidence::chain::{Chain, Head};
use crate::evidence::{Link, PublicKey, Subject, What, names};
use crate::wire::IncidentId;

/// Exports under way at once: each reads as fast as its reader takes it.
pub(super) const AT_ONCE: usize = 4;
/// Bytes that are handed on together.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait for the reader.
const WAITING: usize = 8;
/// How to check it, for people.
const PAGE: &str = include_str!("how-to-check.html");

/// What is known of an incident when its export begins.
struct Known {
    view: IncidentView,
    journal: Vec<JournalEntry>,
    fragments: Vec<FragmentRow>,
    chain: Option<(PublicKey, Vec<Link>)>,
    heads: Vec<(i64, Option<u64>, String)>,
}

/// `GET /api/incidents/{id}/export.zip`.
pub(super) async fn export(
    officer: Officer,
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = incident_id(&id)?;
    let known = web.store.read(move |db| look(db, id)).await?.ok_or_else(|| Failure::missing("incident"))?;
    let turn = Arc::clone(&web.exports).try_acquire_owned();
    let busy = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, format!("{AT_ONCE} exports are under way already"));
    let turn = turn.map_err(|_| busy())?;
    web.audit(officer.name.clone(), "exported the recording".to_owned(), Some(id));
    let (to, pieces) = mpsc::channel(WAITING);
    let (archive, handle) = (web.archive.clone(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let out = BufWriter::with_capacity(PIECE, Outlet(to.clone()));
        let mut writing = Writing { zip: ZipWriter::new_stream(out), root: format!("incident-{id}"), archive, handle };
        if let Err(why) = writing.all(&known, &officer.name).and_then(|()| writing.end()) {
            tracing::warn!(incident = %id, %why, "an export broke off");
            // The reader's connection breaks, so that half a file is not taken for a whole one.
            let _ = to.blocking_send(Err(why));
        }
    });
    let body = stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) });
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"incident-{id}.zip\"")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

fn look(db: &rusqlite::Connection, id: IncidentId) -> Result<Option<Known>, StoreError> {
    let Some(record) = incidents::load(db, id)? else { return Ok(None) };
    Ok(Some(Known {
        view: record.shown(),
        journal: incidents::journal(db, Some(id))?,
        fragments: recordings::fragments(db, id)?,
        chain: evidence::chain(db, id)?,
        heads: evidence::heads(db, id)?,
    }))
}

/// Where the zip's bytes go: to whoever reads the answer.
struct Outlet(mpsc::Sender<io::Result<Bytes>>);

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the export any more");
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A zip being written, on a thread that may wait.
struct Writing {
    zip: ZipWriter<StreamWriter<BufWriter<Outlet>>>,
    root: String,
    archive: Archive,
    handle: Handle,
}

impl Writing {
    fn all(&mut self, known: &Known, officer: &str) -> io::Result<()> {
        let mut lost = Vec::new();
        let size = known.fragments.iter().map(|row| row.size).sum();
        self.begin(names::JOINED, size)?;
        for row in &known.fragments {
            match self.read(row) {
                Some(bytes) => self.zip.write_all(&bytes)?,
                None => lost.push(row.index),
            }
        }
        for row in known.fragments.iter().filter(|row| !lost.contains(&row.index)) {
            let Some(bytes) = self.read(row) else { continue };
            self.file(&format!("{}/{}", names::FRAGMENTS, names::fragment(row.index)), &bytes)?;
        }
        self.evidence(known)?;
        self.file("journal.txt", journal(&known.journal).as_bytes())?;
        self.file("manifest.json", manifest(known, officer, &lost).as_bytes())?;
        self.file("how-to-check.html", page(known).as_bytes())
    }

    /// Chain, statements, signatures, key and witness.
    fn evidence(&mut self, known: &Known) -> io::Result<()> {
        let Some((key, links)) = &known.chain else { return Ok(()) };
        let subject = Subject { kiosk: known.view.kiosk.clone(), incident: known.view.id };
        let chain = Chain::write(&Head { subject: subject.clone(), key: *key }, links);
        self.file(&format!("{}/{}", names::FRAGMENTS, crate::evidence::chain::FILE), chain.as_bytes())?;
        for link in links {
            let index = match link.what {
                What::Fragment(stated) => Some(stated.index),
                What::Sealed(fragments) => {
                    self.file(&format!("{}/{}", names::FRAGMENTS, names::SEAL), format!("{fragments}\n").as_bytes())?;
                    None
                }
            };
            let (statement, signature) = names::signed(index);
            self.file(&format!("{}/{statement}", names::SIGNATURES), link.statement(&subject).as_bytes())?;
            self.file(&format!("{}/{signature}", names::SIGNATURES), &link.proof.signature.0)?;
        }
        self.file(names::KEY, key.to_pem().as_bytes())?;
        let mut text = "# centre's clock (microseconds since 1970 UTC), fragment, digest of its statement\n".to_owned();
        for (at_us, index, digest) in &known.heads {
            let index = index.map_or_else(|| names::SEAL.to_owned(), |index| index.to_string());
            text.push_str(&format!("{at_us} {index} {digest}\n"));
        }
        self.file(names::WITNESS, text.as_bytes())
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(name, bytes.len() as u64)?;
        self.zip.write_all(bytes)
    }

    fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(size >= u64::from(u32::MAX))
            .unix_permissions(0o644);
        self.zip.start_file(format!("{}/{name}", self.root), options).map_err(io::Error::other)
    }

    /// What the archive has, whatever it is by now: whether it is what was signed, everyone can tell.
    fn read(&self, row: &FragmentRow) -> Option<Bytes> {
        let bytes = self.handle.block_on(self.archive.get(&row.object));
        let bytes =
            bytes.inspect_err(|why| tracing::error!(object = row.object, %why, "an object cannot be read")).ok()?;
        if hex::encode(Sha256::digest(&bytes)) != row.sha256 {
            tracing::error!(object = row.object, "archive: an object has changed");
        }
        Some(bytes)
    }

    fn end(self) -> io::Result<()> {
        let out = self.zip.finish().map_err(io::Error::other)?;
        out.into_inner().into_inner().map(drop).map_err(|e| io::Error::other(e.to_string()))
    }
}

fn time(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |at| at.to_string())
}

fn journal(entries: &[JournalEntry]) -> String {
    entries.iter().map(|entry| format!("{}\t{}\t{}\n", time(entry.at_us), entry.who, entry.what)).collect()
}

fn manifest(known: &Known, officer: &str, lost: &[u64]) -> String {
    let manifest = json!({
        "incident": known.view,
        "key": known.chain.as_ref().map(|(key, _)| key.fingerprint()),
        "fragments": known.fragments,
        "unreadable_at_the_centre": lost,
        "exported_by": officer,
        "exported_at": time(wall_us()),
        "version": env!("CARGO_PKG_VERSION"),
    });
    // Plain values: it can always be written.
    serde_json::to_string_pretty(&manifest).unwrap_or_default()
}

fn page(known: &Known) -> String {
    let fingerprint = known.chain.as_ref().map_or_else(|| "-".to_owned(), |(key, _)| key.fingerprint());
    PAGE.replace("{{KIOSK}}", known.view.kiosk.as_str())
        .replace("{{INCIDENT}}", &known.view.id.to_string())
        .replace("{{FINGERPRINT}}", &fingerprint)
        .replace("{{SIGNED}}", if known.chain.is_some() { "signed" } else { "unsigned" })
}
