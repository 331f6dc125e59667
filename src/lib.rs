//! The street emergency-call kiosk and the centre it calls.

#[cfg(feature = "kiosk")]
pub mod adapter;
#[cfg(feature = "centre")]
pub mod centre;
pub mod config;
pub mod ctl;
#[cfg(feature = "kiosk")]
pub mod kiosk;
pub mod machine;
pub mod mqtt;
pub mod rtc;
pub mod tls;
pub mod wire;
