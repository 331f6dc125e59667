//! Looks at the camera's picture a few times a second (`look`) and tells what stands as faults.

use std::collections::BTreeMap;
use std::sync::Mutex;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use tracing::{info, warn};

use super::clock::Running;
use super::lock;
use super::look::{EVERY, Look, Trouble, glance};
use super::still::Still;
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::up::{Fault, FaultKind};

/// The watch over the picture.
#[derive(Debug)]
pub struct Watch {
    judges: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    look: Look,
    next: Running,
    newest: Option<Still>,
    /// What the machine has been told stands.
    told: BTreeMap<Trouble, FaultKind>,
}

impl Watch {
    /// `judges`: raises faults; without, it only keeps the newest still.
    #[must_use]
    pub fn new(judges: bool, reference: Option<Still>) -> Self {
        let inner = Inner { look: Look::with_reference(reference), ..Inner::default() };
        Self { judges, inner: Mutex::new(inner) }
    }

    /// A frame on its way to the encoder. Looks at one in a quarter of a second; waits for nothing.
    pub fn frame(&self, buffer: &gst::BufferRef, info: &gst_video::VideoInfo, at: Running, inbox: &Inbox) {
        let mut inner = lock(&self.inner);
        if at < inner.next {
            return;
        }
        inner.next = at + EVERY;
        let Ok(frame) = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info) else { return };
        let (Ok(luma), Some(stride)) = (frame.plane_data(0), frame.plane_stride().first()) else { return };
        let stride = usize::try_from(*stride).unwrap_or_default();
        let seen = glance(luma, stride, info.width() as usize, info.height() as usize);
        drop(frame);
        if self.judges {
            inner.look.see(at, &seen);
            inner.tell(inbox);
        }
        inner.newest = Some(seen.still);
    }

    /// The newest small still.
    #[must_use]
    pub fn still(&self) -> Option<Still> {
        lock(&self.inner).newest.clone()
    }
}

impl Inner {
    /// Tells what is new; what finds the inbox full is told at the next look.
    fn tell(&mut self, inbox: &Inbox) {
        let stand = self.look.troubles();
        for (trouble, detail) in &stand {
            let kind = kind(*trouble);
            if !self.told.contains_key(trouble) {
                let fault = Fault { kind, detail: detail.clone() };
                if inbox.try_send(Stamped::now(Event::FaultRaised(fault))).is_ok() {
                    warn!(?trouble, detail, "camera");
                    self.told.insert(*trouble, kind);
                }
            }
        }
        self.told.retain(|trouble, kind| {
            let stands = stand.iter().any(|(standing, _)| standing == trouble);
            let told = !stands && inbox.try_send(Stamped::now(Event::FaultCleared(*kind))).is_ok();
            if told {
                info!(?trouble, "camera: sees again");
            }
            !told
        });
    }
}

fn kind(trouble: Trouble) -> FaultKind {
    match trouble {
        Trouble::Frozen => FaultKind::CameraFrozen,
        Trouble::Covered => FaultKind::CameraCovered,
        Trouble::Blurred => FaultKind::CameraBlurred,
    }
}
