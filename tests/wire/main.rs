//! The frozen wire: golden bytes, the published document, and what is not a message.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod document;
mod golden;
mod samples;
mod topics;
