//! (under construction)

#[cfg(feature = "kiosk")]
pub mod recordings;
