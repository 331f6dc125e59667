//! Adapters: each file one port and one library, no decisions.

pub mod store;
pub mod upload;
