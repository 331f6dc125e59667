//! The adapters: each file one port and one library, no decisions. Real ones and simulated twins are in the same
//! binary, chosen by configuration.

pub mod sim_panel;
pub mod systemd;
