//! The chains of signed links beside the fragments (`docs/decisions/0014-evidence.md`): made with each fragment, and
//! made one again with the files and the index after whatever took the end of them away.
//!
//! Called by the recorder's thread and by the one that looks at recordings after a start; each chain has its own lock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use tracing::{error, info, warn};

use super::heads::Heads;
use super::index::Entry;
use super::layout::{self, Kind};
use crate::evidence::chain::{self, Chain, Head};
use crate::evidence::{Digest, Link, Proof, PublicKey, SigningKey, Stated, Subject, What};
use crate::wire::evidence::ChainHead;
use crate::wire::{IncidentId, KioskId};

/// A chain that could not be written so often in a row is not gone on with: a recording without links is one, too.
const GIVE_UP: u32 = 5;

/// A fragment's proof as the index keeps it: the start it states, and link and signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The start that was signed, microseconds since 1970 UTC.
    pub start_us: i64,
    /// Its proof.
    pub proof: Proof,
}

/// Every chain of this kiosk.
pub struct Chains {
    dir: PathBuf,
    kiosk: KioskId,
    key: SigningKey,
    /// Those that this run has written to or looked at, until their seal.
    open: Mutex<BTreeMap<IncidentId, Arc<Mutex<Open>>>>,
    /// What is to be said to the centre.
    pub heads: Heads,
}

/// A chain as this run knows it, and how often in a row it could not be written.
#[derive(Default)]
struct Open {
    state: State,
    failures: u32,
}

#[derive(Default)]
enum State {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// The recording is of a time before there were links, or its chain cannot be gone on with.
    Unsigned,
    /// Its file, up to here.
    Known(Box<Tail>),
}

/// The end of a chain.
#[derive(Debug, Clone, Copy)]
struct Tail {
    /// Bytes of the file that are links.
    length: u64,
    /// What the next link names as its predecessor.
    previous: Digest,
    last: Option<Link>,
    sealed: bool,
}

impl Chains {
    /// Chains of the store in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf, kiosk: KioskId, key: SigningKey) -> Self {
        Self { dir, kiosk, key, open: Mutex::default(), heads: Heads::default() }
    }

    /// The key that verifies them.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    fn subject(&self, incident: IncidentId) -> Subject {
        Subject { kiosk: self.kiosk.clone(), incident }
    }

    fn of(&self, incident: IncidentId) -> Arc<Mutex<Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(incident).or_default())
    }

    /// Nobody asks about it for now; another look finds the same in its file.
    fn forget(&self, incident: IncidentId, of: &Arc<Mutex<Open>>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and ours: whoever else has it is in the middle of something.
        if Arc::strong_count(of) <= 2 {
            open.remove(&incident);
        }
    }

    /// Before a fragment is written: a recording whose header comes now is a signed one.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn begin(&self, incident: IncidentId, index: u64) -> io::Result<()> {
        let path = layout::chain(&self.dir, incident);
        if index != 0 || path.try_exists()? || layout::fragment(&self.dir, incident, 0).try_exists()? {
            return Ok(());
        }
        if let Some(dir) = path.parent()
            && !dir.try_exists()?
        {
            // The writer's procedure, for which the directory is new no more.
            fs::create_dir_all(dir)?;
            super::writer::sync_dir(&layout::recordings(&self.dir))?;
        }
        let head = Head { subject: self.subject(incident), key: self.public() };
        // The header's own sync of the directory makes the name durable; what is lost of the line is made again.
        File::options().write(true).create_new(true).open(&path)?.write_all(head.line().as_bytes())
    }

    /// After a fragment was written: its link. `None`: the recording is not signed. The same again gives the same.
    ///
    /// # Errors
    /// As the file system gives them; nothing of it was done, and it can be asked for again.
    pub fn link(&self, entry: &Entry, known: impl FnOnce() -> Vec<Entry>) -> io::Result<Option<Signed>> {
        let of = self.of(entry.incident);
        let mut open = of.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.linked(&mut open.state, entry, known);
        match &done {
            Ok(_) => open.failures = 0,
            Err(why) => {
                open.failures += 1;
                if open.failures >= GIVE_UP {
                    error!(incident = %entry.incident, %why, "the chain cannot be written: what follows is not signed");
                    open.state = State::Unsigned;
                }
            }
        }
        done
    }

    fn linked(
        &self,
        state: &mut State,
        entry: &Entry,
        known: impl FnOnce() -> Vec<Entry>,
    ) -> io::Result<Option<Signed>> {
        self.know(state, entry.incident, known)?;
        let State::Known(tail) = state else { return Ok(None) };
        if let Some(link) = tail.last
            && let Some(stated) = link.fragment()
            && stated.index == entry.index
        {
            // Found on the disk and linked before its writer came to it.
            return Ok((stated.sha256 == Digest(entry.sha256)).then_some(signed(&stated, &link)));
        }
        if tail.sealed {
            return Ok(None);
        }
        let stated = stated(entry);
        let link = self.append(tail, entry.incident, What::Fragment(stated))?;
        self.heads.put(self.head(entry.incident, &link));
        Ok(Some(signed(&stated, &link)))
    }

    /// The end of a recording: its seal, synced with everything before it. Nothing, where it is not signed.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn seal(&self, incident: IncidentId, fragments: u64, known: impl FnOnce() -> Vec<Entry>) -> io::Result<()> {
        let of = self.of(incident);
        let mut open = of.lock().unwrap_or_else(PoisonError::into_inner);
        self.know(&mut open.state, incident, known)?;
        if let State::Known(tail) = &mut open.state {
            if !tail.sealed {
                let link = self.append(tail, incident, What::Sealed(fragments))?;
                self.heads.put(self.head(incident, &link));
            }
            File::open(layout::chain(&self.dir, incident))?.sync_all()?;
        }
        drop(open);
        self.forget(incident, &of);
        Ok(())
    }

    /// The links of a recording, its end made one with files and index. Empty: the recording is not signed.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn links(&self, incident: IncidentId, known: impl FnOnce() -> Vec<Entry>) -> io::Result<BTreeMap<u64, Signed>> {
        let of = self.of(incident);
        let mut open = of.lock().unwrap_or_else(PoisonError::into_inner);
        self.know(&mut open.state, incident, known)?;
        let links = match &open.state {
            State::Known(tail) => {
                let found = Chain::read(&prefix(&layout::chain(&self.dir, incident), tail.length)?);
                let each = |link: &Link| link.fragment().map(|stated| (stated.index, signed(&stated, link)));
                found.links.iter().filter_map(each).collect()
            }
            State::Unknown | State::Unsigned => BTreeMap::new(),
        };
        drop(open);
        self.forget(incident, &of);
        Ok(links)
    }

    /// The seal's proof, once there is one.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn sealed(&self, incident: IncidentId) -> io::Result<Option<Proof>> {
        let bytes = match fs::read(layout::chain(&self.dir, incident)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let last = Chain::read(&bytes).links.last().copied();
        Ok(last.filter(|link| matches!(link.what, What::Sealed(_))).map(|link| link.proof))
    }

    fn head(&self, incident: IncidentId, link: &Link) -> ChainHead {
        let digest = link.digest(&self.subject(incident)).to_string();
        match link.what {
            What::Fragment(stated) => ChainHead { incident, fragment: stated.index, sealed: false, digest },
            What::Sealed(fragments) => ChainHead { incident, fragment: fragments, sealed: true, digest },
        }
    }

    fn append(&self, tail: &mut Tail, incident: IncidentId, what: What) -> io::Result<Link> {
        let subject = self.subject(incident);
        let link = Link::sign(&self.key, &subject, what, tail.previous);
        self.put(tail, incident, &subject, link)?;
        Ok(link)
    }

    fn put(&self, tail: &mut Tail, incident: IncidentId, subject: &Subject, link: Link) -> io::Result<()> {
        let line = chain::line(&link);
        // At its place, not at the end: half a line of an attempt that failed is written over.
        let file = File::options().write(true).open(layout::chain(&self.dir, incident))?;
        file.set_len(tail.length)?;
        file.write_all_at(line.as_bytes(), tail.length)?;
        tail.length += line.len() as u64;
        tail.previous = link.digest(subject);
        tail.last = Some(link);
        tail.sealed = matches!(link.what, What::Sealed(_));
        Ok(())
    }

    /// Looks at a chain for the first time in this run, and makes up for what its end has lost: from the index, then
    /// from the files.
    fn know(&self, state: &mut State, incident: IncidentId, known: impl FnOnce() -> Vec<Entry>) -> io::Result<()> {
        if !matches!(state, State::Unknown) {
            return Ok(());
        }
        let path = layout::chain(&self.dir, incident);
        if !path.try_exists()? {
            *state = State::Unsigned;
            return Ok(());
        }
        let Some(mut tail) = self.begun(incident, &path)? else {
            warn!(%incident, "the chain is another key's: what follows is not signed");
            *state = State::Unsigned;
            return Ok(());
        };
        let before = tail.length;
        let subject = self.subject(incident);
        let known: BTreeMap<u64, Entry> = known().into_iter().map(|entry| (entry.index, entry)).collect();
        let files: BTreeMap<u64, PathBuf> = layout::files(&self.dir, incident)?
            .into_iter()
            .filter_map(|(kind, path)| if let Kind::Fragment(index) = kind { Some((index, path)) } else { None })
            .collect();
        while !tail.sealed {
            let index = tail.last.as_ref().and_then(Link::fragment).map_or(0, |stated| stated.index + 1);
            let stated = match (known.get(&index), files.get(&index)) {
                (Some(entry), _) => match indexed(entry, tail.previous) {
                    Some(link) => {
                        self.put(&mut tail, incident, &subject, link)?;
                        continue;
                    }
                    None => stated(entry),
                },
                (None, Some(path)) => as_it_is(index, path)?,
                (None, None) => break,
            };
            self.append(&mut tail, incident, What::Fragment(stated))?;
        }
        if tail.length != before {
            info!(%incident, from = before, to = tail.length, "the chain was made whole again");
            File::open(&path)?.sync_all()?;
        }
        *state = State::Known(Box::new(tail));
        Ok(())
    }

    /// The links of a file that are this kiosk's, from the first on. What follows them was cut off, and is cut off.
    /// `None`: it is another key's.
    fn begun(&self, incident: IncidentId, path: &Path) -> io::Result<Option<Tail>> {
        let subject = self.subject(incident);
        let key = self.public();
        let line = Head { subject: subject.clone(), key }.line();
        let bytes = fs::read(path)?;
        let mut tail = Tail { length: line.len() as u64, previous: Digest::default(), last: None, sealed: false };
        if bytes.get(..line.len()) != Some(line.as_bytes()) {
            if Chain::read(&bytes).head.is_some() {
                return Ok(None);
            }
            // Cut off before its first line was written.
            let file = File::options().write(true).truncate(true).open(path)?;
            file.write_all_at(line.as_bytes(), 0)?;
            return Ok(Some(tail));
        }
        for text in bytes[line.len()..].split_inclusive(|b| *b == b'\n') {
            let whole = text.strip_suffix(b"\n").and_then(|text| std::str::from_utf8(text).ok());
            let Some(link) = whole.and_then(chain::parse) else { break };
            if tail.sealed || link.proof.previous != tail.previous || !link.is_signed_by(&key, &subject) {
                break;
            }
            tail.length += text.len() as u64;
            tail.previous = link.digest(&subject);
            tail.last = Some(link);
            tail.sealed = matches!(link.what, What::Sealed(_));
        }
        Ok(Some(tail))
    }
}

fn prefix(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = fs::read(path)?;
    bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    Ok(bytes)
}

fn signed(stated: &Stated, link: &Link) -> Signed {
    Signed { start_us: stated.start_us, proof: link.proof }
}

fn stated(entry: &Entry) -> Stated {
    // A file's time is not before 1970: it is what the link is made again from.
    Stated { index: entry.index, start_us: entry.start_wall_us.max(0), size: entry.size, sha256: Digest(entry.sha256) }
}

/// The link that the index has of a fragment, if it follows `previous`.
fn indexed(entry: &Entry, previous: Digest) -> Option<Link> {
    let Signed { start_us, proof } = entry.signed.filter(|signed| signed.proof.previous == previous)?;
    Some(Link { what: What::Fragment(Stated { start_us, ..stated(entry) }), proof })
}

fn as_it_is(index: u64, path: &Path) -> io::Result<Stated> {
    let bytes = fs::read(path)?;
    let since_1970 = fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Stated {
        index,
        start_us: i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX),
        size: bytes.len() as u64,
        sha256: Digest::of(&bytes),
    })
}
