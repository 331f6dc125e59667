//! What an export has beside the fragments, against them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::{Finding, Found, VerifyError, Wrong, at};
use crate::evidence::{Digest, Link, PublicKey, names};

pub(super) fn check(
    dir: &Path,
    found: &Found,
    key: &PublicKey,
    findings: &mut Vec<Finding>,
) -> Result<(), VerifyError> {
    joined(&dir.join(names::JOINED), found, findings)?;
    signatures(&dir.join(names::SIGNATURES), found, findings)?;
    witness(&dir.join(names::WITNESS), found, findings)?;
    let path = dir.join(names::KEY);
    if let Some(pem) = read_if_there(&path)?
        && PublicKey::from_pem(&pem, names::KEY).ok() != Some(*key)
    {
        say(findings, None, Wrong::Signature, format!("{} is another key than the one given", names::KEY));
    }
    Ok(())
}

fn say(findings: &mut Vec<Finding>, fragment: Option<u64>, wrong: Wrong, detail: String) {
    findings.push(Finding { fragment, wrong, detail });
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, VerifyError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(at(path)(e)),
    }
}

/// The file that people play is the fragments, one after the other.
fn joined(path: &Path, found: &Found, findings: &mut Vec<Finding>) -> Result<(), VerifyError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at(path)(e)),
    };
    for (index, fragment) in &found.files {
        let expected = fs::read(fragment).map_err(at(fragment))?;
        let mut bytes = Vec::new();
        file.by_ref().take(expected.len() as u64).read_to_end(&mut bytes).map_err(at(path))?;
        if bytes != expected {
            let detail = format!("{} departs from {} here", names::JOINED, names::fragment(*index));
            say(findings, Some(*index), Wrong::Altered, detail);
            return Ok(());
        }
    }
    if file.read(&mut [0]).map_err(at(path))? > 0 {
        say(findings, None, Wrong::Added, format!("{} goes on behind the last fragment", names::JOINED));
    }
    Ok(())
}

/// Statements and signatures as files are those of the chain.
fn signatures(dir: &Path, found: &Found, findings: &mut Vec<Finding>) -> Result<(), VerifyError> {
    if !dir.is_dir() {
        return Ok(());
    }
    let Some((head, links)) = found.chain.as_ref().and_then(|chain| Some((chain.head.as_ref()?, &chain.links))) else {
        return Ok(());
    };
    let mut expected: BTreeMap<String, (Option<u64>, Vec<u8>)> = BTreeMap::new();
    for link in links {
        let index = index_of(link);
        let (statement, signature) = names::signed(index);
        expected.insert(statement, (index, link.statement(&head.subject).into_bytes()));
        expected.insert(signature, (index, link.proof.signature.0.to_vec()));
    }
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match expected.remove(&name) {
            Some((index, bytes)) if fs::read(&path).map_err(at(&path))? != bytes => {
                let detail = format!("{}/{name} is not what the chain has", names::SIGNATURES);
                say(findings, index, Wrong::Signature, detail);
            }
            Some(_) => {}
            None => say(findings, None, Wrong::Added, format!("{}/{name} belongs to no link", names::SIGNATURES)),
        }
    }
    for (name, (index, _)) in expected {
        say(findings, index, Wrong::Missing, format!("there is no {}/{name}", names::SIGNATURES));
    }
    Ok(())
}

fn index_of(link: &Link) -> Option<u64> {
    link.fragment().map(|stated| stated.index)
}

/// What the centre heard while it was recorded: lines of time, place (`sealed` for the end) and digest.
fn witness(path: &Path, found: &Found, findings: &mut Vec<Finding>) -> Result<(), VerifyError> {
    let Some(text) = read_if_there(path)? else { return Ok(()) };
    let Some((head, links)) = found.chain.as_ref().and_then(|chain| Some((chain.head.as_ref()?, &chain.links))) else {
        return Ok(());
    };
    let known: BTreeMap<Option<u64>, Digest> =
        links.iter().map(|link| (index_of(link), link.digest(&head.subject))).collect();
    for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let heard = match words.as_slice() {
            [_, "sealed", digest] => digest.parse::<Digest>().ok().map(|digest| (None, digest)),
            [_, index, digest] => index.parse().ok().zip(digest.parse().ok()).map(|(index, d)| (Some(index), d)),
            _ => None,
        };
        let Some((index, digest)) = heard else {
            say(findings, None, Wrong::Witness, format!("{}: {line:?} is no line of it", names::WITNESS));
            continue;
        };
        match known.get(&index) {
            Some(same) if *same == digest => {}
            Some(other) => {
                let detail = format!("it heard the statement {digest}, the chain has {other}");
                say(findings, index, Wrong::Witness, detail);
            }
            None => {
                say(findings, index, Wrong::Witness, format!("it heard the statement {digest}, the chain has none"))
            }
        }
    }
    Ok(())
}
