//! The street emergency-call kiosk and the centre it calls.

#[cfg(feature = "kiosk")]
pub mod adapter;
#[cfg(feature = "centre")]
pub mod centre;
pub mod config;
pub mod control;
pub mod ctl;
#[cfg(feature = "kiosk")]
pub mod kiosk;
// The machine reads no clock, does no IO and draws no lots (invariant 6); clippy.toml holds the list, each with its reason.
#[deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants
)]
pub mod machine;
pub mod mqtt;
pub mod rtc;
pub mod tls;
pub mod wire;
