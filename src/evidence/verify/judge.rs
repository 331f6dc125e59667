//! Fragments, links and seal against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{CHAIN, Finding, Found, Outcome, Read, Report, VerifyError, Wrong, read};
use crate::evidence::chain::Head;
use crate::evidence::{Digest, Link, PublicKey, Stated, What, names};

/// A seal of nonsense must not make a list of nonsense: no recording has more than a few days.
const MOST_MISSING: u64 = 1_000_000;

/// A fragment's link, judged.
struct Judged {
    link: Link,
    stated: Stated,
    signed: bool,
    digest: Digest,
}

pub(super) fn judge(found: &Found, key: &PublicKey) -> Result<Report, VerifyError> {
    let mut report = Report {
        outcome: Outcome::Unsigned,
        kiosk: None,
        incident: None,
        other_key: None,
        proven: Vec::new(),
        findings: Vec::new(),
    };
    for name in &found.foreign {
        report.findings.push(wrong(None, Wrong::Added, format!("{name} is no file of a recording")));
    }
    let Some(chain) = &found.chain else { return Ok(report) };
    let Some(head) = &chain.head else {
        report.findings.push(wrong(None, Wrong::Signature, format!("line 1 of {CHAIN} does not say whose it is")));
        return Ok(report);
    };
    report.kiosk = Some(head.subject.kiosk.to_string());
    report.incident = Some(head.subject.incident.to_string());
    if head.key != *key {
        let other = head.key.fingerprint();
        let detail = format!("line 1 of {CHAIN} names the key {other}, the one given is {}", key.fingerprint());
        report.findings.push(wrong(None, Wrong::Signature, detail));
        report.other_key = Some(other);
    }
    for line in &chain.strange {
        report.findings.push(wrong(None, Wrong::Added, format!("line {line} of {CHAIN} is no link")));
    }
    let links = fragments(head, &chain.links, key, &mut report.findings);
    let sealed = seal(found, head, key, &links, &mut report.findings);
    contents(found, &links, sealed, &mut report)?;
    report.outcome = if sealed.is_some() { Outcome::Verified } else { Outcome::Open };
    Ok(report)
}

fn wrong(fragment: Option<u64>, wrong: Wrong, detail: impl Into<String>) -> Finding {
    Finding { fragment, wrong, detail: detail.into() }
}

/// The link of each fragment, and what is wrong with it.
fn fragments(head: &Head, all: &[Link], key: &PublicKey, findings: &mut Vec<Finding>) -> BTreeMap<u64, Judged> {
    let mut links: BTreeMap<u64, Judged> = BTreeMap::new();
    let mut highest = None;
    for link in all {
        let Some(stated) = link.fragment() else { continue };
        let index = stated.index;
        if highest.is_some_and(|highest| index < highest) {
            findings.push(wrong(
                Some(index),
                Wrong::Reordered,
                format!("its link stands behind a later one in {CHAIN}"),
            ));
        }
        highest = highest.max(Some(index));
        let signed = link.is_signed_by(key, &head.subject);
        let judged = Judged { link: *link, stated, signed, digest: link.digest(&head.subject) };
        if let Some(other) = links.get(&index) {
            findings.push(wrong(Some(index), Wrong::Added, format!("a second link in {CHAIN}")));
            if other.signed || !signed {
                continue;
            }
        }
        links.insert(index, judged);
    }
    for (index, judged) in &links {
        if !judged.signed {
            let detail = format!("the signature of its link in {CHAIN} does not hold");
            findings.push(wrong(Some(*index), Wrong::Signature, detail));
            continue;
        }
        let before = match index.checked_sub(1) {
            None => Some(Digest::default()),
            // One that is missing, or spoilt itself, is named for itself.
            Some(before) => links.get(&before).filter(|before| before.signed).map(|before| before.digest),
        };
        if before.is_some_and(|before| before != judged.link.proof.previous) {
            let detail = format!("its link names another predecessor, {}", judged.link.proof.previous);
            findings.push(wrong(Some(*index), Wrong::Link, detail));
        }
    }
    links
}

/// The number of media fragments that a seal, which holds, says there are.
fn seal(
    found: &Found,
    head: &Head,
    key: &PublicKey,
    links: &BTreeMap<u64, Judged>,
    findings: &mut Vec<Finding>,
) -> Option<u64> {
    let mut say = |detail: String| findings.push(wrong(None, Wrong::Seal, detail));
    let chain = found.chain.as_ref()?;
    let seals = chain.links.iter().enumerate().filter_map(|(at, link)| match link.what {
        What::Sealed(count) => Some((at, link, count)),
        What::Fragment(_) => None,
    });
    let mut sealed = None;
    for (at, link, count) in seals {
        if !link.is_signed_by(key, &head.subject) {
            say(format!("the seal in {CHAIN} is not signed by this key"));
        } else if sealed.replace(count).is_some() {
            say(format!("a second seal in {CHAIN}"));
        } else {
            if at + 1 != chain.links.len() {
                say(format!("links follow the seal in {CHAIN}"));
            }
            let last = links.get(&count).filter(|last| last.signed);
            if last.is_some_and(|last| last.digest != link.proof.previous) {
                say(format!("the seal does not follow fragment {count}"));
            }
        }
    }
    match (found.sealed, sealed) {
        (Some(said), Some(count)) if said != Some(count) => {
            say(format!(
                "the seal says {count}, {} says {}",
                names::SEAL,
                said.map_or("?".to_owned(), |n| n.to_string())
            ));
        }
        (Some(_), None) => say(format!("{} is there, and no seal in {CHAIN} that holds", names::SEAL)),
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
    sealed
}

/// Each fragment against its link.
fn contents(
    found: &Found,
    links: &BTreeMap<u64, Judged>,
    sealed: Option<u64>,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let owner: BTreeMap<Digest, u64> = links.values().rev().map(|l| (l.stated.sha256, l.stated.index)).collect();
    let linked = links.last_key_value().map_or(0, |(last, _)| last + 1);
    let end = linked.max(sealed.map_or(0, |count| count.min(linked.saturating_add(MOST_MISSING)) + 1));
    let every: BTreeSet<u64> = (0..end).chain(found.files.keys().copied()).collect();
    for index in every {
        let file = names::fragment(index);
        let (wrong_is, detail) = match (links.get(&index), found.files.get(&index)) {
            (Some(judged), Some(path)) => match compare(index, judged, &read(path)?, &owner) {
                None => {
                    if judged.signed {
                        report.proven.push(index);
                    }
                    continue;
                }
                Some((wrong_is, detail)) => (wrong_is, format!("{file}: {detail}")),
            },
            (Some(_), None) => (Wrong::Missing, format!("there is no {file}")),
            (None, Some(path)) => {
                let other = owner.get(&read(path)?.sha256).map(|other| format!("; it is fragment {other} once more"));
                (Wrong::Added, format!("{file} has no link in {CHAIN}{}", other.unwrap_or_default()))
            }
            (None, None) => (Wrong::Missing, format!("there is neither {file} nor its link in {CHAIN}")),
        };
        report.findings.push(wrong(Some(index), wrong_is, detail));
    }
    Ok(())
}

fn compare(index: u64, judged: &Judged, is: &Read, owner: &BTreeMap<Digest, u64>) -> Option<(Wrong, String)> {
    let was = &judged.stated;
    if is.sha256 == was.sha256 && is.size == was.size {
        return None;
    }
    if let Some(other) = owner.get(&is.sha256).filter(|other| **other != index) {
        return Some((Wrong::Reordered, format!("holds fragment {other}")));
    }
    if is.size < was.size {
        return Some((Wrong::Truncated, format!("{} bytes were signed, {} are there", was.size, is.size)));
    }
    if is.size > was.size {
        return Some((Wrong::Altered, format!("{} bytes were signed, {} are there", was.size, is.size)));
    }
    Some((Wrong::Altered, format!("SHA-256 {} was signed, it is {}", was.sha256, is.sha256)))
}
