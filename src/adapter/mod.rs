//! One file a port and a library; no decisions. What happens comes back through the shell's inbox.

pub mod board;
pub mod leg;
pub mod link;
pub mod media;
pub mod panel;
pub mod proof;
pub mod store;
pub mod systemd;
pub mod upload;
