//! Evidence: what a kiosk signs of a recording, how it is written down, and whether it holds
//! (`docs/decisions/0014-evidence.md`).
//!
//! ```text
//!   statement 0 (header) <-- previous -- statement 1 <-- ... <-- statement n <-- seal (count)
//!        | signed                            | signed                              | signed
//! ```
//!
//! A small room that kiosk, centre and command line share. [`verify`] alone reads files.

pub mod chain;
pub mod key;
pub mod names;
pub mod verify;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::wire::{IncidentId, KioskId};

pub use key::{PublicKey, SigningKey};

/// First line of every statement and of every chain.
pub const VERSION_LINE: &str = "sos evidence 1";

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// Text that is not the hexadecimal digits of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hexadecimal digits")]
pub struct NotHex {
    /// How many there should be.
    pub digits: usize,
}

macro_rules! as_hex {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotHex;
            fn from_str(text: &str) -> Result<Self, NotHex> {
                let mut bytes = [0; $bytes];
                // One way to write it, so that one text has one digest.
                let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if lower => Ok(Self(bytes)),
                    Ok(()) | Err(_) => Err(NotHex { digits: 2 * $bytes }),
                }
            }
        }
    };
}
as_hex!(Digest, 32);
as_hex!(Signature, 64);
pub(crate) use as_hex;

/// Whose recording it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Of which kiosk.
    pub kiosk: KioskId,
    /// Of which incident.
    pub incident: IncidentId,
}

/// What a link says of its fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// 0 is the header.
    pub index: u64,
    /// Wall clock of its first sample, microseconds since 1970 UTC.
    pub start_us: i64,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Digest,
}

/// What is signed: a fragment's place and content, or the end of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A fragment.
    Fragment(Stated),
    /// The recording has ended with so many media fragments.
    Sealed(u64),
}

/// The text that is signed.
#[must_use]
pub fn statement(subject: &Subject, what: What, previous: Digest) -> String {
    let Subject { kiosk, incident } = subject;
    let what = match what {
        What::Fragment(Stated { index, start_us, size, sha256 }) => {
            format!("fragment {index}\nstart_us {start_us}\nbytes {size}\nsha256 {sha256}")
        }
        What::Sealed(fragments) => format!("sealed {fragments}"),
    };
    format!("{VERSION_LINE}\nkiosk {kiosk}\nincident {incident}\n{what}\nprevious {previous}\n")
}

/// A statement's link to the one before it, and the kiosk's signature under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// Of the statement before; zeros for the first.
    pub previous: Digest,
    /// Of this statement.
    pub signature: Signature,
}

/// A statement with its proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// What is stated.
    pub what: What,
    /// Its proof.
    pub proof: Proof,
}

impl Link {
    /// Signs.
    #[must_use]
    pub fn sign(key: &SigningKey, subject: &Subject, what: What, previous: Digest) -> Self {
        let signature = key.sign(statement(subject, what, previous).as_bytes());
        Self { what, proof: Proof { previous, signature } }
    }

    /// What is stated of a fragment; `None`: it is the seal.
    #[must_use]
    pub fn fragment(&self) -> Option<Stated> {
        match self.what {
            What::Fragment(stated) => Some(stated),
            What::Sealed(_) => None,
        }
    }

    /// The text that is signed.
    #[must_use]
    pub fn statement(&self, subject: &Subject) -> String {
        statement(subject, self.what, self.proof.previous)
    }

    /// What the next one calls `previous`.
    #[must_use]
    pub fn digest(&self, subject: &Subject) -> Digest {
        Digest::of(self.statement(subject).as_bytes())
    }

    /// Whether `key` has signed it.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey, subject: &Subject) -> bool {
        key.verifies(self.statement(subject).as_bytes(), &self.proof.signature)
    }
}

/// A fragment's link as it is delivered: beside what the fragment itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// The start that is stated.
    pub start_us: i64,
    /// Its proof.
    pub proof: Proof,
    /// Whose signature it is said to be.
    pub key: PublicKey,
}

impl fmt::Display for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start_us, proof: Proof { previous, signature }, key } = self;
        write!(f, "{start_us} {previous} {signature} {key}")
    }
}

impl FromStr for Offered {
    type Err = NotALink;
    fn from_str(text: &str) -> Result<Self, NotALink> {
        let words: Vec<&str> = text.split(' ').collect();
        let [start_us, previous, signature, key] = words.as_slice() else { return Err(NotALink) };
        let proof = Proof {
            previous: previous.parse().map_err(|_| NotALink)?,
            signature: signature.parse().map_err(|_| NotALink)?,
        };
        let start_us = start_us.parse().map_err(|_| NotALink)?;
        Ok(Self { start_us, proof, key: key.parse().map_err(|_| NotALink)? })
    }
}

/// Text that is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a start, a digest, a signature and a key")]
pub struct NotALink;

#[cfg(test)]
mod tests {
    use super::*;

    /// The kiosk's and the centre's programs, and the owner's openssl, must agree on it for ever.
    #[test]
    fn a_statement_is_these_bytes() {
        let subject = Subject {
            kiosk: "park-north-1".parse().unwrap(),
            incident: "018bcfe5-6800-7000-8000-000000000001".parse().unwrap(),
        };
        let stated = Stated { index: 12, start_us: 1_700_000_011_000_000, size: 183_204, sha256: Digest([0xab; 32]) };
        let text = statement(&subject, What::Fragment(stated), Digest([0xcd; 32]));
        let expected = format!(
            "sos evidence 1\nkiosk park-north-1\nincident 018bcfe5-6800-7000-8000-000000000001\nfragment 12\n\
             start_us 1700000011000000\nbytes 183204\nsha256 {}\nprevious {}\n",
            "ab".repeat(32),
            "cd".repeat(32)
        );
        assert_eq!(text, expected);
        let seal = statement(&subject, What::Sealed(41), Digest::of(text.as_bytes()));
        assert!(seal.contains("000001\nsealed 41\nprevious ") && seal.ends_with('\n'), "{seal}");
    }

    #[test]
    fn hexadecimal_has_one_way_to_be_written() {
        assert_eq!("ab".repeat(32).parse(), Ok(Digest([0xab; 32])));
        for bad in ["AB".repeat(32), "ab".repeat(31), "zz".repeat(32), String::new()] {
            assert_eq!(bad.parse::<Digest>(), Err(NotHex { digits: 64 }), "{bad}");
        }
    }
}
