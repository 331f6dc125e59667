//! The centre as a whole over real sockets: TLS, HTTP, WebSocket, SQLite, files, and a real mosquitto.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cli;
mod delivery;
mod evidence;
mod login;
#[path = "../media_files/mod.rs"]
mod media_files;
mod mqtt;
mod place;
mod playback;
mod socket;
mod ws;
