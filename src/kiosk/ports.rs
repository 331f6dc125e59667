//! The ports: what the kiosk's shell asks of the world. Each has a real adapter and a simulated
//! twin in the same binary, chosen by configuration.
//!
//! No call here blocks, waits or fails loudly: an adapter takes the request, does it on a task or
//! thread of its own, and what comes of it arrives as an event in the shell's inbox. So no effect
//! can hold up another (invariant 2).

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::machine::words::{Lamp, Light, Prompt};
use crate::wire::IncidentId;

/// Lamps, and in the real adapters the button (whose edges come as events).
pub trait Panel: Send {
    /// Sets a lamp.
    fn lamp(&mut self, lamp: Lamp, light: Light);
}

/// What kind of medium a packet or unit is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    /// H.264.
    Picture,
    /// Opus.
    Sound,
}

/// One RTP packet's worth of live media.
#[derive(Debug, Clone)]
pub struct LivePacket {
    /// Picture or sound.
    pub medium: Medium,
    /// RTP payload (not the header).
    pub payload: Bytes,
    /// RTP timestamp in the medium's clock: 90 kHz picture, 48 kHz sound.
    pub timestamp: u32,
    /// RTP marker: the last packet of a frame.
    pub marker: bool,
}

/// What the media pipeline can prove about itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MediaHealth {
    /// Age of the newest frame; `None` before the first.
    pub frame_age: Option<Duration>,
    /// Age of the newest microphone period.
    pub sound_age: Option<Duration>,
    /// Level of the last second, dB below full scale.
    pub mic_dbfs: Option<f32>,
}

/// The always-on pipeline: gates, the officer's voice, prompts, recording.
pub trait Media: Send + Sync {
    /// Lets live packets out into `to` and forces a key frame at once. A full channel drops packets
    /// (and counts them), it never holds the pipeline.
    fn open_gate(&self, to: mpsc::Sender<LivePacket>);
    /// No live packet leaves the pipeline any more.
    fn close_gate(&self);
    /// A key frame at once.
    fn force_key_frame(&self);
    /// One RTP packet (whole, header included, Opus) of the officer's voice.
    fn voice(&self, rtp: Bytes);
    /// Opens or closes the way of the officer's voice to the loudspeaker; closed, packets are dropped.
    fn open_voice(&self, open: bool);
    /// Speaks a prompt, mixed with the call.
    fn prompt(&self, prompt: Prompt);
    /// Records `incident`, from `before` ago. Fragments go to the store; the outcome comes as events.
    fn start_recording(&self, incident: IncidentId, before: Duration);
    /// Ends the recording after the fragment under way.
    fn stop_recording(&self, incident: IncidentId);
    /// What can be proved now.
    fn health(&self) -> MediaHealth;
}

/// The media leg to the centre's gateway. Its state comes as events.
pub trait Leg: Send + Sync {
    /// Dials, and keeps dialling with back-off, until told otherwise.
    fn stand_by(&self);
    /// Makes an offer at once, to travel inside an alarm; arrives as an event.
    fn make_offer(&self);
    /// An answer has come.
    fn answer(&self, session: crate::wire::SessionId, sdp: String);
    /// The gateway does not know the session: dial anew.
    fn reoffer(&self);
    /// Where the gate's live packets go.
    fn packets(&self) -> mpsc::Sender<LivePacket>;
}
