//! A chain as a file: what is written beside the fragments of a recording.
//!
//! ```text
//! sos evidence 1 KIOSK INCIDENT PUBLIC_KEY
//! f INDEX START_US BYTES SHA256 PREVIOUS SIGNATURE       a line for each fragment, in order
//! s FRAGMENTS PREVIOUS SIGNATURE                         the seal, once the recording has ended
//! ```

use std::fmt::Write;

use super::{Link, Proof, PublicKey, Stated, Subject, VERSION_LINE, What};

/// What the file is called.
pub const FILE: &str = "chain";
/// Longest line that is looked at, bytes.
const MAX_LINE: usize = 1024;

/// The first line: whose chain it is, and who says that he signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub subject: Subject,
    /// Which key.
    pub key: PublicKey,
}

impl Head {
    /// As a line.
    #[must_use]
    pub fn line(&self) -> String {
        let Subject { kiosk, incident } = &self.subject;
        format!("{VERSION_LINE} {kiosk} {incident} {}\n", self.key)
    }

    /// From a line without its end; none if it is something else.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(VERSION_LINE)?.strip_prefix(' ')?.split(' ');
        let kiosk = words.next()?.parse().ok()?;
        let incident = words.next()?.parse().ok()?;
        let head = Self { subject: Subject { kiosk, incident }, key: words.next()?.parse().ok()? };
        // One way to write it.
        (words.next().is_none() && head.line().trim_end() == line).then_some(head)
    }
}

/// A link as a line.
#[must_use]
pub fn line(link: &Link) -> String {
    let Proof { previous, signature } = link.proof;
    match link.what {
        What::Fragment(Stated { index, start_us, size, sha256 }) => {
            format!("f {index} {start_us} {size} {sha256} {previous} {signature}\n")
        }
        What::Sealed(fragments) => format!("s {fragments} {previous} {signature}\n"),
    }
}

/// A link from a line without its end; none if it is something else.
#[must_use]
pub fn parse(text: &str) -> Option<Link> {
    if text.len() > MAX_LINE {
        return None;
    }
    let words: Vec<&str> = text.split(' ').collect();
    let link = match words.as_slice() {
        ["f", index, start_us, size, sha256, previous, signature] => Link {
            what: What::Fragment(Stated {
                index: index.parse().ok()?,
                start_us: start_us.parse().ok()?,
                size: size.parse().ok()?,
                sha256: sha256.parse().ok()?,
            }),
            proof: Proof { previous: previous.parse().ok()?, signature: signature.parse().ok()? },
        },
        ["s", fragments, previous, signature] => Link {
            what: What::Sealed(fragments.parse().ok()?),
            proof: Proof { previous: previous.parse().ok()?, signature: signature.parse().ok()? },
        },
        _ => return None,
    };
    (line(&link).trim_end() == text).then_some(link)
}

/// A chain as far as its file can be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// The first line; none: there is none that can be read.
    pub head: Option<Head>,
    /// Every link that can be read, in the order of the lines.
    pub links: Vec<Link>,
    /// Lines that are no link, counted from 1.
    pub strange: Vec<usize>,
}

impl Chain {
    /// Reads a file's bytes, whatever they are.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut chain = Self::default();
        let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        // What follows the last end of a line is no line: nothing, or one that was cut off.
        let cut_off = lines.pop().is_some_and(|rest| !rest.is_empty());
        let last = lines.len() + 1;
        for (number, text) in (1..).zip(lines) {
            let text = std::str::from_utf8(text).unwrap_or_default();
            if number == 1 {
                chain.head = Head::parse(text);
            } else if let Some(link) = parse(text) {
                chain.links.push(link);
            } else {
                chain.strange.push(number);
            }
        }
        if cut_off {
            chain.strange.push(last);
        }
        chain
    }

    /// As a file.
    #[must_use]
    pub fn write(head: &Head, links: &[Link]) -> String {
        links.iter().fold(head.line(), |mut text, link| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}", line(link));
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Digest, Signature};
    use super::*;

    fn link(what: What) -> Link {
        Link { what, proof: Proof { previous: Digest([1; 32]), signature: Signature([2; 64]) } }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let subject = Subject {
            kiosk: "north".parse().unwrap(),
            incident: "018bcfe5-6800-7000-8000-000000000001".parse().unwrap(),
        };
        let head = Head { subject, key: "03".repeat(32).parse().unwrap() };
        let stated = Stated { index: 0, start_us: -5, size: 7, sha256: Digest([4; 32]) };
        let links = vec![link(What::Fragment(stated)), link(What::Sealed(0))];
        let text = Chain::write(&head, &links);
        let read = Chain::read(text.as_bytes());
        assert_eq!(read, Chain { head: Some(head), links: links.clone(), strange: vec![] });

        let torn = &text.as_bytes()[..text.len() - 1];
        assert_eq!((Chain::read(torn).links.len(), Chain::read(torn).strange), (1, vec![3]));
        for bad in ["f 00 5 7", "f +1", "", "x", "s 1  2"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let twice_written = line(&links[0]).replace("f 0 ", "f 00 ");
        assert_eq!(parse(twice_written.trim_end()), None, "one way to write it");
        assert_eq!(Chain::read(b"").head, None);
        assert_eq!(Chain::read(&[0xff; 4000]).strange, [1]);
    }
}
