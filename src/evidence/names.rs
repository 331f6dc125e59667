//! Names of the files of a recording, on a kiosk and in an export. Nobody else puts such a name together.

use super::chain;

/// What a file is called while it is being written.
pub const TEMPORARY: &str = "tmp";
/// The file that says that a recording has ended: the number of media fragments.
pub const SEAL: &str = "sealed";
/// In an export: the folder that is as a recording's directory on the kiosk.
pub const FRAGMENTS: &str = "fragments";
/// In an export: the folder of statements and signatures.
pub const SIGNATURES: &str = "signatures";
/// In an export: the fragments joined.
pub const JOINED: &str = "recording.mp4";
/// In an export: the public key.
pub const KEY: &str = "evidence.pem";
/// In an export: what the centre heard of the chain, and when.
pub const WITNESS: &str = "witness.txt";

/// A fragment's file.
#[must_use]
pub fn fragment(index: u64) -> String {
    let extension = if index == 0 { "mp4" } else { "m4s" };
    format!("{index:06}.{extension}")
}

/// The files of a statement and of its signature; `None`: the seal's.
#[must_use]
pub fn signed(index: Option<u64>) -> (String, String) {
    let stem = index.map_or_else(|| SEAL.to_owned(), |index| format!("{index:06}"));
    (format!("{stem}.statement"), format!("{stem}.signature"))
}

/// What a file in a recording's directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A fragment, by its index.
    Fragment(u64),
    /// The chain of signed links.
    Chain,
    /// The seal.
    Seal,
    /// The rest of a write that was cut off.
    Temporary,
    /// Nothing of ours.
    Foreign,
}

/// What a file name means.
#[must_use]
pub fn kind(name: &str) -> Kind {
    if name == SEAL {
        return Kind::Seal;
    }
    if name == chain::FILE {
        return Kind::Chain;
    }
    match name.rsplit_once('.') {
        Some((_, TEMPORARY)) => Kind::Temporary,
        Some((digits, extension)) if digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            match (digits.parse(), extension) {
                (Ok(0), "mp4") => Kind::Fragment(0),
                (Ok(index), "m4s") if index > 0 => Kind::Fragment(index),
                _ => Kind::Foreign,
            }
        }
        _ => Kind::Foreign,
    }
}
