//! Adapters: each one port and one library, no decisions; and the simulated twin of each.

pub mod media;
