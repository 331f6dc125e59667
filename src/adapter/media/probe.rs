//! The probe of a test call: chirps go out in the microphone's place, and what comes back from the centre is
//! searched for them instead of being played. The recording and the half minute before a press keep the microphone.

use std::sync::Arc;
use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::prelude::*;
use tracing::warn;

use super::chirp::{self, chirp};
use super::clock::{Running, SECOND};
use super::lock;
use super::pcm;
use super::stereo::RATE;
use crate::kiosk::Inbox;
use crate::machine::Event;
use crate::machine::selftest::{Heard, TestEvent};

/// A chirp begins every second.
const EVERY: Running = SECOND;
/// Searched at a time, samples: a chirp lies whole in it wherever it begins.
const SEARCHED: usize = RATE as usize * 13 / 10;
/// A fifth of full scale: the channel is tested, not the ear.
const LEVEL: f32 = 0.2;

/// The probe.
#[derive(Debug)]
pub struct Probe {
    state: Mutex<Option<State>>,
    chirp: Vec<i16>,
    inbox: Inbox,
}

#[derive(Debug)]
struct State {
    /// Of the first chirp.
    began: Option<Running>,
    /// What came back, and when its first sample did.
    back: Vec<i16>,
    back_at: Running,
    searching: bool,
}

impl Probe {
    /// Off.
    #[must_use]
    pub fn new(inbox: Inbox) -> Self {
        Self { state: Mutex::new(None), chirp: chirp(LEVEL), inbox }
    }

    /// Begins anew, or ends.
    pub fn set(&self, on: bool) {
        let fresh = || State { began: None, back: Vec::new(), back_at: 0, searching: false };
        *lock(&self.state) = on.then(fresh);
    }

    /// The block of the microphone's way to the centre that begins at `at`; untouched while off.
    fn fill(&self, at: Running, block: &mut [i16]) -> bool {
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return false };
        let since = at.saturating_sub(*state.began.get_or_insert(at)) % EVERY;
        let first = (since * Running::from(RATE) / SECOND) as usize;
        let period = (EVERY * Running::from(RATE) / SECOND) as usize;
        for (index, sample) in block.iter_mut().enumerate() {
            *sample = self.chirp.get((first + index) % period).copied().unwrap_or(0);
        }
        true
    }

    /// The officer's way's block that begins at `at`: taken, and made silent.
    fn take(self: &Arc<Self>, at: Running, block: &mut [i16]) -> bool {
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return false };
        if state.back.is_empty() {
            state.back_at = at;
        }
        if !state.searching {
            state.back.extend_from_slice(block);
        }
        block.fill(0);
        if let Some(began) = state.began.filter(|_| state.back.len() >= SEARCHED && !state.searching) {
            let (back, back_at) = (std::mem::take(&mut state.back), state.back_at);
            state.searching = true;
            let probe = Arc::clone(self);
            // Not on the sound's own thread: a search takes longer than a block lasts.
            let search = std::thread::Builder::new().name("chirp".into());
            if let Err(why) = search.spawn(move || probe.search(&back, back_at, began)) {
                warn!(%why, "no thread to search the chirp");
                state.searching = false;
            }
        }
        true
    }

    fn search(&self, back: &[i16], back_at: Running, began: Running) {
        let found = chirp::find(back);
        if let Some(state) = lock(&self.state).as_mut() {
            state.searching = false;
        }
        let Some(found) = found else { return };
        let at = back_at + found.at as Running * SECOND / Running::from(RATE);
        let delay = at.saturating_sub(began) % EVERY;
        let level_db = (found.level_db - 20.0 * LEVEL.log10()).round() as i32;
        let heard = Heard { level_db, delay_ms: u32::try_from(delay / 1_000_000).unwrap_or(u32::MAX) };
        super::report(&self.inbox, Event::Test(TestEvent::Heard(heard)));
    }

    /// Chirps in the place of what passes `pad` while the probe is on.
    pub fn on_the_way_out(self: &Arc<Self>, pad: &gst::Pad) {
        self.overwrite(pad, |probe, at, block| probe.fill(at, block));
    }

    /// Takes what passes `pad` while the probe is on.
    pub fn on_the_way_back(self: &Arc<Self>, pad: &gst::Pad) {
        self.overwrite(pad, |probe, at, block| probe.take(at, block));
    }

    /// Lets `change` change each block of S16 sound that passes a pad while the probe is on; true: it did.
    fn overwrite(self: &Arc<Self>, pad: &gst::Pad, change: fn(&Arc<Self>, Running, &mut [i16]) -> bool) {
        let probe = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if lock(&probe.state).is_none() {
                return gst::PadProbeReturn::Ok;
            }
            let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
            let Some(at) = buffer.pts() else { return gst::PadProbeReturn::Ok };
            let Ok(map) = buffer.map_readable() else { return gst::PadProbeReturn::Ok };
            let mut block: Vec<i16> = pcm::from_bytes(&map).collect();
            drop(map);
            if change(&probe, at.nseconds(), &mut block)
                && let Ok(mut map) = buffer.make_mut().map_writable()
            {
                for (pair, sample) in map.chunks_exact_mut(2).zip(&block) {
                    pair.copy_from_slice(&sample.to_le_bytes());
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
}
