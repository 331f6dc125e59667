//! Configuration: TOML in layers to one validated type. Read by the binaries and handed down as plain values.
//!
//! A key is declared once, in its program's table ([`kiosk::KEYS`]), with its doc, default and example; reading,
//! refusing unknown keys and `sos-ctl config list --doc` all go by that table.

#[cfg(feature = "centre")]
pub mod centre;
pub mod change;
mod key;
pub mod kiosk;
pub mod load;
mod value;

pub use kiosk::KioskConfig;
pub use load::{ConfigError, ConfigErrors, Key, Layers, Reader};

/// `host:port`, `[v6]:port`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.unwrap_or(host);
    let odd =
        host.is_empty() || host.contains(['/', ' ', '@', '[', ']']) || (bracketed.is_none() && host.contains(':'));
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!odd).then(|| (host.to_owned(), port))
}

/// A value that may be a number or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// A whole number.
    Number(u32),
    /// Text, not empty.
    Text(String),
}
