//! The contract between kiosk and centre: types, topics, sizes, delivery. No IO, no clock.
//!
//! Everything that crosses the network between the two is declared here and nowhere else.
//! Unknown fields are accepted (an older side must understand a newer one), unknown message
//! types are an error the receiver reports and survives.

pub mod asyncapi;
pub mod delivery;
pub mod down;
pub mod envelope;
pub mod evidence;
pub mod ids;
pub mod limits;
mod medium;
mod output;
pub mod selftest;
pub mod topic;
pub mod up;

pub use envelope::{Decoded, Envelope, WireError, decode, encode};
pub use ids::{BootId, IncidentId, KioskId, MessageId, SessionId};
pub use medium::Medium;
pub use output::{Output, OutputState};
