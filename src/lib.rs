//! The street emergency-call kiosk and the centre it calls: the map.
//!
//! ```text
//!   press                                                                             officer's page
//!     |                                                                                  ^      |
//!  adapter/panel          kiosk/ (shell) -- owns --> machine/ (pure)                      | ws   | WebRTC
//!     |  events ---------> inbox   | effects                                              |      |
//!     |                            v                                                   centre/web, centre/desk (pure)
//!  adapter/media <----- ports: media, leg, link, store                                    ^      |
//!     | units    | live            |          |                                           |  centre/gateway
//!     v          v                 |          +-- adapter/link == MQTT (mqtt/) ===> centre/inbound   ^
//!  ring, recorder   adapter/leg ===|============ WebRTC (rtc/): stands before the press =============+
//!     v                            |
//!  adapter/store -> adapter/upload =+=========== HTTPS, fragment by fragment =====> centre/web/delivery -> archive
//! ```
//!
//! **Rule of dependence** (held by `tests/house.rs`): `wire <- machine <- kiosk <- adapter <- bin`,
//! `wire <- centre <- bin` (a `<-` b: b may use a). `rtc`, `mqtt`, `tls` and `evidence` are small shared rooms
//! beside `wire`; `config` is read by `bin` and handed down as plain values.
//!
//! **Invariants** (each with its test):
//! 1. A press becomes an alarm that is sent until the centre's acknowledgement, over any crash once it was
//!    kept, and exactly one incident is opened at the centre.
//! 2. No effect waits for another's success unless the machine says so.
//! 3. A sealed fragment is whole, its hash true, its place in the chain provable (`evidence/`).
//! 4. No fragment is deleted before the centre's receipt (nothing deletes any yet).
//! 5. The watchdog is fed only while the button, the link loop, the camera frames and the sound make progress.
//! 6. The machine reads no clock and does no IO.
//! 7. Topic strings live in `wire/topic.rs` alone.
//! 8. No queue is unbounded.
//! 9. Microphone and camera leave the kiosk only in an alarm; outside it the ring stays in RAM.
//! 10. Nothing listens on the kiosk's network side: it dials out.
//!
//! **To change X go to Y:** what crosses between kiosk and centre: `wire/` (then `UPDATE_DOCS=1` for
//! `docs/asyncapi.json`); what happens at a press: `machine/call.rs`; a configuration key: `config/kiosk.rs`,
//! `config/centre.rs`; picture and sound: `adapter/media/`; buttons, lamps, outputs: `adapter/panel/`; who answers
//! what: `centre/desk/`; what is signed and how it is verified: `evidence/`; what crosses between legs:
//! `centre/gateway/`; the page: `centre/console/`; words of the page: `centre/console/src/i18n/`.

#[cfg(feature = "kiosk")]
pub mod adapter;
#[cfg(feature = "centre")]
pub mod centre;
pub mod config;
pub mod control;
pub mod ctl;
pub mod durable;
pub mod evidence;
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
