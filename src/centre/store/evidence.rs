//! Links, seals, heads and keys as kiosks gave them, and what they prove (`docs/decisions/0014-evidence.md`).
//!
//! What a link itself says of its fragment is judged when it comes and kept; how it stands to its neighbours, to the
//! witness and to the accepted keys is asked of the tables, so that a key which is accepted later counts for all of it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::centre::page::{EvidenceStanding, EvidenceView, EvidenceWrong};
use crate::evidence::{Digest, Link, Offered, Proof, PublicKey, Stated, Subject, What};
use crate::wire::evidence::ChainHead;
use crate::wire::limits::MAX_INDEX;
use crate::wire::{IncidentId, KioskId};

use super::StoreError;
use super::recordings::FragmentRow;

/// Keys of one kiosk that are kept; one that offers more is not itself any more.
const MAX_KEYS: u32 = 16;
/// Different words about one fragment that are kept: two are enough to show that one is wrong.
const MAX_WORDS: u32 = 4;

/// A key as the centre knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Whose.
    pub kiosk: KioskId,
    /// Hex.
    pub key: String,
    /// As people compare it.
    pub fingerprint: String,
    /// When it was first seen, microseconds.
    pub first_us: i64,
    /// Since when it counts.
    pub accepted_us: Option<i64>,
}

/// What came of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// The first of this kiosk: it counts from now on.
    First,
    /// It counts.
    Accepted,
    /// Another than the one that counts, seen for the first time.
    Other,
    /// The same, seen before.
    Waits,
}

/// Notes a key of a kiosk; the first one counts.
///
/// # Errors
/// [`StoreError`], as everywhere here.
pub fn pin(db: &Connection, kiosk: &KioskId, key: &PublicKey, now_us: i64) -> Result<Pinned, StoreError> {
    let text = key.to_string();
    let accepted: Option<Option<i64>> = db
        .prepare_cached("SELECT accepted_us FROM evidence_keys WHERE kiosk = ?1 AND key = ?2")?
        .query_row(params![kiosk.as_str(), text], |row| row.get(0))
        .optional()?;
    match accepted {
        Some(Some(_)) => return Ok(Pinned::Accepted),
        Some(None) => return Ok(Pinned::Waits),
        None => {}
    }
    let others: u32 = db
        .prepare_cached("SELECT count(*) FROM evidence_keys WHERE kiosk = ?1")?
        .query_row([kiosk.as_str()], |row| row.get(0))?;
    if others >= MAX_KEYS {
        return Ok(Pinned::Waits);
    }
    let since = (others == 0).then_some(now_us);
    db.prepare_cached("INSERT INTO evidence_keys (kiosk, key, first_us, accepted_us) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![kiosk.as_str(), text, now_us, since])?;
    Ok(if others == 0 { Pinned::First } else { Pinned::Other })
}

/// Every key, by kiosk and in the order they came.
pub fn keys(db: &Connection) -> Result<Vec<KeyRow>, StoreError> {
    let mut statement =
        db.prepare("SELECT kiosk, key, first_us, accepted_us FROM evidence_keys ORDER BY kiosk, first_us, key")?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))?;
    rows.map(|row| {
        let (kiosk, key, first_us, accepted_us) = row?;
        let fingerprint = public(&key)?.fingerprint();
        Ok(KeyRow {
            kiosk: super::incidents::kiosk_id("evidence_keys.kiosk", kiosk)?,
            key,
            fingerprint,
            first_us,
            accepted_us,
        })
    })
    .collect()
}

/// A key counts from now on. False: the kiosk has offered none of this fingerprint.
pub fn accept(db: &Connection, kiosk: &KioskId, fingerprint: &str, now_us: i64) -> Result<bool, StoreError> {
    let wanted = fingerprint.to_ascii_lowercase().replace(':', "");
    let Some(row) = keys(db)?.into_iter().find(|row| row.kiosk == *kiosk && row.fingerprint == wanted) else {
        return Ok(false);
    };
    db.execute(
        "UPDATE evidence_keys SET accepted_us = coalesce(accepted_us, ?3) WHERE kiosk = ?1 AND key = ?2",
        params![kiosk.as_str(), row.key, now_us],
    )?;
    Ok(true)
}

fn public(text: &str) -> Result<PublicKey, StoreError> {
    text.parse().map_err(|_| StoreError::Odd { what: "evidence_keys.key", found: text.to_owned() })
}

/// Keeps the link that came with a fragment; the first one of a fragment stands. Tells whether its signature holds for
/// what was received.
pub fn enter_link(
    db: &Connection,
    subject: &Subject,
    row: &FragmentRow,
    offered: &Offered,
) -> Result<bool, StoreError> {
    let sha256: Digest = digest("fragments.sha256", &row.sha256)?;
    let stated = Stated { index: row.index, start_us: offered.start_us, size: row.size, sha256 };
    let link = Link { what: What::Fragment(stated), proof: offered.proof };
    let holds = link.is_signed_by(&offered.key, subject);
    db.prepare_cached(
        "INSERT OR IGNORE INTO links (incident, n, start_us, size, sha256, previous, signature, digest, key, holds) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        subject.incident.to_string(),
        row.index,
        offered.start_us,
        row.size,
        row.sha256,
        offered.proof.previous.to_string(),
        offered.proof.signature.to_string(),
        link.digest(subject).to_string(),
        offered.key.to_string(),
        holds
    ])?;
    Ok(holds)
}

/// Keeps the seal; the first one stands. Tells whether its signature holds.
pub fn enter_seal(
    db: &Connection,
    subject: &Subject,
    fragments: u64,
    proof: Proof,
    key: &PublicKey,
) -> Result<bool, StoreError> {
    let link = Link { what: What::Sealed(fragments), proof };
    let holds = link.is_signed_by(key, subject);
    db.prepare_cached(
        "INSERT OR IGNORE INTO seals (incident, fragments, previous, signature, digest, key, holds) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        subject.incident.to_string(),
        fragments,
        proof.previous.to_string(),
        proof.signature.to_string(),
        link.digest(subject).to_string(),
        key.to_string(),
        holds
    ])?;
    Ok(holds)
}

/// Keeps what was heard of a chain, with the centre's own time. Another word about the same fragment stays beside it,
/// up to [`MAX_WORDS`]; of a place that no recording has nothing is kept.
pub fn keep_head(db: &Connection, head: &ChainHead, received_us: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO heads (incident, sealed, n, digest, received_us) SELECT ?1, ?2, ?3, ?4, ?5 \
         WHERE ?3 <= ?6 AND (SELECT count(*) FROM heads WHERE incident = ?1 AND sealed = ?2 AND n = ?3) < ?7",
    )?
    .execute(params![
        head.incident.to_string(),
        head.sealed,
        head.fragment,
        head.digest,
        received_us,
        MAX_INDEX,
        MAX_WORDS
    ])?;
    Ok(())
}

/// What the centre heard of a chain: time, fragment (none: the seal) and digest, as it came.
pub fn heads(db: &Connection, id: IncidentId) -> Result<Vec<(i64, Option<u64>, String)>, StoreError> {
    let sql = "SELECT received_us, CASE WHEN sealed = 0 THEN n END, digest FROM heads WHERE incident = ?1 \
               ORDER BY received_us, sealed, n";
    let rows = db
        .prepare(sql)?
        .query_map([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

/// The chain as it was delivered: key of the first link, links in order, the seal last. None: not signed.
pub fn chain(db: &Connection, id: IncidentId) -> Result<Option<(PublicKey, Vec<Link>)>, StoreError> {
    let sql = "SELECT n, start_us, size, sha256, previous, signature, key FROM links WHERE incident = ?1 ORDER BY n";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([id.to_string()])?;
    let (mut key, mut links) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        let stated = Stated {
            index: row.get(0)?,
            start_us: row.get(1)?,
            size: row.get(2)?,
            sha256: digest("links.sha256", &row.get::<_, String>(3)?)?,
        };
        key.get_or_insert(public(&row.get::<_, String>(6)?)?);
        links.push(Link { what: What::Fragment(stated), proof: proof(row, 4)? });
    }
    let seal = db
        .prepare("SELECT fragments, previous, signature FROM seals WHERE incident = ?1")?
        .query_row([id.to_string()], |row| Ok((row.get::<_, u64>(0)?, proof(row, 1))))
        .optional()?;
    if let Some((fragments, proof)) = seal {
        links.push(Link { what: What::Sealed(fragments), proof: proof? });
    }
    Ok(key.map(|key| (key, links)))
}

fn proof(row: &Row<'_>, at: usize) -> Result<Proof, StoreError> {
    let (previous, signature): (String, String) = (row.get(at)?, row.get(at + 1)?);
    let odd = StoreError::Odd { what: "links.signature", found: signature.clone() };
    Ok(Proof { previous: digest("links.previous", &previous)?, signature: signature.parse().map_err(|_| odd)? })
}

fn digest(what: &'static str, text: &str) -> Result<Digest, StoreError> {
    text.parse().map_err(|_| StoreError::Odd { what, found: text.to_owned() })
}

/// The first fragment of which something is wrong.
const FIRST_WRONG: &str = "
    SELECT n, why FROM (
        SELECT f.n AS n, CASE
            WHEN l.n IS NULL THEN 'unsigned'
            WHEN l.holds = 0 THEN 'signature'
            WHEN k.accepted_us IS NULL THEN 'key'
            WHEN f.n = 0 AND l.previous <> ?3 THEN 'link'
            WHEN p.digest IS NOT NULL AND p.holds AND p.digest <> l.previous THEN 'link'
            WHEN EXISTS (SELECT 1 FROM heads h WHERE h.incident = f.incident AND h.sealed = 0 AND h.n = f.n
                         AND h.digest <> l.digest) THEN 'witness'
        END AS why
        FROM fragments f
        LEFT JOIN links l ON l.incident = f.incident AND l.n = f.n
        LEFT JOIN links p ON p.incident = f.incident AND p.n = f.n - 1
        LEFT JOIN evidence_keys k ON k.kiosk = ?2 AND k.key = l.key
        WHERE f.incident = ?1 ORDER BY f.n
    ) WHERE why IS NOT NULL LIMIT 1";

/// What is wrong with the end of a recording that the kiosk has said to be over.
const SEAL_WRONG: &str = "
    SELECT CASE
        WHEN s.incident IS NULL OR s.holds = 0 OR k.accepted_us IS NULL OR s.fragments <> r.sealed THEN 'seal'
        WHEN l.digest <> s.previous THEN 'seal'
        WHEN EXISTS (SELECT 1 FROM heads h WHERE h.incident = r.incident AND (
                     (h.sealed = 1 AND h.digest <> s.digest) OR (h.sealed = 0 AND h.n > s.fragments))) THEN 'witness'
    END
    FROM recordings r
    LEFT JOIN seals s ON s.incident = r.incident
    LEFT JOIN links l ON l.incident = r.incident AND l.n = s.fragments
    LEFT JOIN evidence_keys k ON k.kiosk = ?2 AND k.key = s.key
    WHERE r.incident = ?1 AND r.sealed IS NOT NULL";

/// What the links of a recording prove. `complete`: all of it is here.
pub fn view(db: &Connection, id: IncidentId, kiosk: &KioskId, complete: bool) -> Result<EvidenceView, StoreError> {
    let (id, kiosk) = (id.to_string(), kiosk.as_str());
    let signed: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM links WHERE incident = ?1)")?
        .query_row([&id], |row| row.get(0))?;
    if !signed {
        return Ok(EvidenceView::default());
    }
    let broken = |fragment, why: String| {
        let why: EvidenceWrong = super::from_word("evidence", why)?;
        Ok(EvidenceView { standing: EvidenceStanding::Broken, fragment, why: Some(why) })
    };
    let first: Option<(u64, String)> = db
        .prepare_cached(FIRST_WRONG)?
        .query_row(params![id, kiosk, Digest::default().to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((fragment, why)) = first {
        return broken(Some(fragment), why);
    }
    let end: Option<Option<String>> =
        db.prepare_cached(SEAL_WRONG)?.query_row(params![id, kiosk], |row| row.get(0)).optional()?;
    match end {
        Some(Some(why)) => broken(None, why),
        Some(None) if complete => Ok(EvidenceView { standing: EvidenceStanding::Verified, ..EvidenceView::default() }),
        Some(None) | None => Ok(EvidenceView { standing: EvidenceStanding::Receiving, ..EvidenceView::default() }),
    }
}
