//! A key frame at once: when the gate opens, the last frame goes through the encoder again as a key
//! frame, instead of waiting up to a frame's period for the next one.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::clock::{MS, Running, Timeline};
use super::lock;

/// Closer to the next frame than this, a repetition would only delay it.
const CLOSE: Running = 6 * MS;

/// The frame that went into the encoder last.
#[derive(Debug, Default)]
struct Last {
    frame: Option<gst::Buffer>,
    at: Running,
}

/// Repeats the last frame on request, on a thread of its own (encoding takes milliseconds).
#[derive(Debug)]
pub struct Repeater {
    ask: SyncSender<()>,
}

impl Repeater {
    /// Watches the encoder's sink pad. `period` is the time between frames. The thread ends when the
    /// repeater is dropped.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn watch(encoder: &gst::Pad, period: Running, timeline: Timeline) -> std::io::Result<Self> {
        let last = Arc::new(Mutex::new(Last::default()));
        let seen = Arc::clone(&last);
        encoder.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(frame) = info.buffer() else { return gst::PadProbeReturn::Ok };
            let at = frame.pts().map_or(0, gst::ClockTime::nseconds);
            let mut last = lock(&seen);
            // After a repetition a frame that was late already: the encoder takes only growing times. "Handled" and not
            // "Drop": on a sink pad GStreamer 1.22 would let go a second time of what this has let go already.
            if last.frame.is_some() && at <= last.at {
                return gst::PadProbeReturn::Handled;
            }
            *last = Last { frame: Some(frame.clone()), at };
            gst::PadProbeReturn::Ok
        });
        let (ask, asked) = sync_channel::<()>(1);
        let encoder = encoder.downgrade();
        std::thread::Builder::new().name("key-frame".into()).spawn(move || {
            while asked.recv().is_ok() {
                let Some(encoder) = encoder.upgrade() else { return };
                repeat(&encoder, &last, period, &timeline);
            }
        })?;
        Ok(Self { ask })
    }

    /// Repeats the last frame now. Never waits; asked twice at once, it repeats once.
    pub fn repeat(&self) {
        let _ = self.ask.try_send(());
    }
}

fn repeat(encoder: &gst::Pad, last: &Mutex<Last>, period: Running, timeline: &Timeline) {
    let now = timeline.now();
    let frame = {
        let last = lock(last);
        let room = now > last.at && now + CLOSE < last.at + period;
        last.frame.clone().filter(|_| room)
    };
    if let Some(mut frame) = frame {
        // Shares the pixels; only the time is another.
        frame.make_mut().set_pts(gst::ClockTime::from_nseconds(now));
        // Refused while the pipeline goes down: then there is no picture to hurry.
        let _ = encoder.chain(frame);
    }
}
