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

pub use kiosk::KioskConfig;
pub use load::{ConfigError, ConfigErrors, Key, Layers, Reader};

/// A value that may be a number or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// A whole number.
    Number(u32),
    /// Text, not empty.
    Text(String),
}
