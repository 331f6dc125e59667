//! The kiosk's life of an alarm as a pure machine: (event, now) -> effects. No clock, no IO, no randomness.

pub mod effect;
pub mod event;
pub mod words;

pub use effect::Effect;
pub use event::Event;
