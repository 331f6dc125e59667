//! The supervisor: builds each part, watches that it makes progress, and rebuilds a broken one with
//! back-off while the others go on. A part that fails is an event, never an exit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use tracing::{info, warn};

use super::card::Way;
use super::hub::{Hub, PARTS, Part};
use super::speaker::VoiceInput;
use super::{MediaError, MediaSettings, Speaker, join_within, lock, picture, pipeline, report, sound, speaker};
use crate::machine::Event;
use crate::wire::up::{Fault, FaultKind};

/// Without progress for this long, a part is broken.
const STALLED: Duration = Duration::from_secs(2);
/// First wait before a rebuild; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait before a rebuild.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A part that has worked for this long is healthy: its next fault waits the first wait again.
const HEALTHY: Duration = Duration::from_secs(10);
/// So many broken parts at most are being stopped while another is built.
const MOST_STOPPING: usize = 8;
/// A recording under way writes a fragment about every second, or the store says why not. A disk that hangs does neither.
const UNWRITTEN: Duration = Duration::from_secs(10);
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A part's pipelines and whatever must live as long as they do.
pub struct Built {
    pipelines: Vec<gst::Pipeline>,
    kept: Vec<Box<dyn Send>>,
}

impl Built {
    /// Of one pipeline.
    #[must_use]
    pub fn new(pipeline: gst::Pipeline) -> Self {
        Self { pipelines: vec![pipeline], kept: Vec::new() }
    }

    /// One more pipeline (it starts first), and something that lives as long.
    pub fn also(&mut self, pipeline: gst::Pipeline, kept: Box<dyn Send>) {
        self.pipelines.insert(0, pipeline);
        self.kept.push(kept);
    }
}

/// What the supervisor is told.
enum Note {
    Trouble { slot: usize, generation: u64, why: String },
    Latency { slot: usize, generation: u64 },
    End,
}

/// The handle of the supervisor's thread.
#[derive(Debug)]
pub struct Supervisor {
    to: SyncSender<Note>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Note")
    }
}

impl Supervisor {
    /// Starts it; the parts are built at once on its thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(settings: MediaSettings, hub: Arc<Hub>, input: Arc<VoiceInput>) -> std::io::Result<Self> {
        let (to, from) = sync_channel(256);
        let ending = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ending);
        let (slots, stopping) = (PARTS.map(Slot::new), Arc::new(()));
        let worker = Worker { settings, hub, input, to: to.clone(), slots, stopping, unwritten: false };
        let thread = std::thread::Builder::new().name("media".into()).spawn(move || worker.run(&from, &end))?;
        Ok(Self { to, ending, thread: Some(thread) })
    }

    /// Stops every part and the thread.
    pub fn stop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Only to be quicker: the thread looks by itself.
        let _ = self.to.try_send(Note::End);
        if let Some(thread) = self.thread.take() {
            join_within(thread, "media supervisor");
        }
    }
}

struct Slot {
    part: Part,
    state: State,
    generation: u64,
    wait: Duration,
    fault: Option<String>,
    /// Whether anything was told. Before, somebody else may have told the part to be lost (`late`).
    told: bool,
}

enum State {
    Down { until: Instant },
    Up { built: Built, since: Instant, since_running: u64 },
}

impl Slot {
    fn new(part: Part) -> Self {
        Self {
            part,
            state: State::Down { until: Instant::now() },
            generation: 0,
            wait: FIRST_WAIT,
            fault: None,
            told: false,
        }
    }

    /// It does not work; told once.
    fn lose(&mut self, hub: &Hub, why: String) {
        if self.fault.is_none() {
            warn!(part = ?self.part, why, "lost");
            self.told = true;
            report(&hub.inbox, Event::FaultRaised(Fault { kind: self.kind(), detail: why.clone() }));
        }
        self.fault = Some(why);
    }

    fn kind(&self) -> FaultKind {
        match self.part {
            Part::Picture => FaultKind::CameraLost,
            Part::Microphone => FaultKind::MicrophoneLost,
            Part::Speaker => FaultKind::SpeakerLost,
            Part::Track => FaultKind::RecordingSilent,
        }
    }
}

struct Worker {
    settings: MediaSettings,
    hub: Arc<Hub>,
    input: Arc<VoiceInput>,
    to: SyncSender<Note>,
    slots: [Slot; PARTS.len()],
    /// Held by every thread that stops a broken part.
    stopping: Arc<()>,
    /// Whether it was said that a recording does not go on.
    unwritten: bool,
}

impl Worker {
    fn run(mut self, from: &Receiver<Note>, ending: &AtomicBool) {
        while !ending.load(Ordering::Relaxed) {
            self.hub.supervise();
            (0..self.slots.len()).for_each(|slot| self.look(slot));
            self.look_at_recordings();
            match from.recv_timeout(LOOK) {
                Ok(Note::Trouble { slot, generation, why }) => self.trouble(slot, generation, why),
                Ok(Note::Latency { slot, generation }) => self.latency(slot, generation),
                Ok(Note::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.hub.set_encoder(None);
        for slot in &mut self.slots {
            if let State::Up { built, .. } = take(slot, Instant::now()) {
                stop(built);
            }
        }
    }

    fn look(&mut self, index: usize) {
        let may_build = self.may_build();
        let silent = self.silent(index);
        let slot = &mut self.slots[index];
        let progress = self.hub.last_progress(slot.part);
        match &slot.state {
            State::Down { until } if *until <= Instant::now() && may_build => self.bring_up(index),
            State::Down { .. } => {}
            State::Up { since, since_running, .. } => {
                let works = progress.is_some_and(|at| at > *since_running);
                let idle = if works { self.hub.age(slot.part).unwrap_or_default() } else { since.elapsed() };
                if since.elapsed() > HEALTHY {
                    slot.wait = FIRST_WAIT;
                }
                if idle > STALLED {
                    let why = self.card_trouble(index);
                    let why = why.unwrap_or_else(|| format!("nothing for {} ms", idle.as_millis()));
                    self.break_down(index, why);
                } else if let Some(still) = silent {
                    // The part itself goes on: it records the officer.
                    if still.unwrap_or_else(|| since.elapsed()) > STALLED {
                        let why = self.hub.card.get().and_then(|card| card.trouble(Way::Out));
                        slot.lose(&self.hub, why.unwrap_or_else(|| "the sound card takes nothing".to_owned()));
                    }
                } else if works && (slot.fault.take().is_some() || !slot.told) {
                    slot.told = true;
                    info!(part = ?slot.part, "works");
                    report(&self.hub.inbox, Event::FaultCleared(slot.kind()));
                }
            }
        }
    }

    /// A driver that hangs in each stop costs a thread and a pipeline each time: it is lost until some of them end.
    fn may_build(&self) -> bool {
        Arc::strong_count(&self.stopping) <= MOST_STOPPING
    }

    fn look_at_recordings(&mut self) {
        let still = self.hub.unanswered_for().is_some_and(|age| age > UNWRITTEN);
        if std::mem::replace(&mut self.unwritten, still) == still {
            return;
        }
        let kind = FaultKind::RecordingFailed;
        let event = if still {
            let detail = format!("expected a fragment every second, found none for {} s", UNWRITTEN.as_secs());
            warn!(detail, "recording");
            Event::FaultRaised(Fault { kind, detail })
        } else if self.hub.queue.taken() {
            Event::FaultCleared(kind)
        } else {
            // The recorder has said why not meanwhile.
            return;
        };
        report(&self.hub.inbox, event);
    }

    /// What the sound card says of a part that rests on it.
    fn card_trouble(&self, index: usize) -> Option<String> {
        match self.slots[index].part {
            Part::Microphone => self.hub.card.get()?.trouble(Way::In),
            Part::Picture | Part::Speaker | Part::Track => None,
        }
    }

    /// For how long the card's loudspeaker has taken nothing (`None`: never yet anything), where it does not work.
    fn silent(&self, index: usize) -> Option<Option<Duration>> {
        if self.slots[index].part != Part::Speaker || self.settings.speaker != Speaker::Card {
            return None;
        }
        let (trouble, age) = (self.hub.card.get()?.trouble(Way::Out), self.hub.card_played_age());
        (trouble.is_some() || age.is_none_or(|age| age > STALLED)).then_some(age)
    }

    fn bring_up(&mut self, index: usize) {
        self.slots[index].generation += 1;
        match self.build(self.slots[index].part).and_then(|built| self.play(index, built)) {
            Ok(built) => {
                let since_running = self.hub.timeline.now();
                self.slots[index].state = State::Up { built, since: Instant::now(), since_running };
            }
            Err(error) => self.break_down(index, error.to_string()),
        }
    }

    fn build(&self, part: Part) -> Result<Built, MediaError> {
        match part {
            Part::Picture => picture::build(&self.settings, &self.hub),
            Part::Microphone => sound::microphone(&self.settings, &self.hub),
            Part::Speaker => speaker::build(&self.settings, &self.hub, &self.input),
            Part::Track => sound::track(&self.hub),
        }
    }

    fn play(&self, index: usize, built: Built) -> Result<Built, MediaError> {
        let generation = self.slots[index].generation;
        let said = Arc::new(Mutex::new(None));
        for pipeline in &built.pipelines {
            let first = Arc::clone(&said);
            self.hub.timeline.carry(pipeline);
            let bus = pipeline.bus().expect("every pipeline has a bus");
            let to = self.to.clone();
            bus.set_sync_handler(move |_, message| {
                let note = match message.view() {
                    gst::MessageView::Error(_) => {
                        let why = pipeline::describe(message);
                        lock(&first).get_or_insert_with(|| why.clone());
                        Some(Note::Trouble { slot: index, generation, why })
                    }
                    gst::MessageView::Latency(_) => Some(Note::Latency { slot: index, generation }),
                    _ => None,
                };
                if let Some(note) = note {
                    // Full: the supervisor is behind, and the stall will tell it the same.
                    let _ = to.try_send(note);
                }
                gst::BusSyncReply::Drop
            });
        }
        let started = built.pipelines.iter().try_for_each(|p| p.set_state(gst::State::Playing).map(|_| ()));
        match started {
            Ok(()) => Ok(built),
            Err(error) => {
                stop(built);
                // What the element itself said tells more than that it did not start.
                let why = lock(&said).take().unwrap_or_else(|| error.to_string());
                Err(MediaError::Pipeline { why })
            }
        }
    }

    fn trouble(&mut self, index: usize, generation: u64, why: String) {
        if self.slots[index].generation == generation && matches!(self.slots[index].state, State::Up { .. }) {
            self.break_down(index, why);
        }
    }

    fn latency(&self, index: usize, generation: u64) {
        let slot = &self.slots[index];
        if let State::Up { built, .. } = &slot.state
            && slot.generation == generation
        {
            // Fails only while the pipeline goes down.
            built.pipelines.iter().for_each(|pipeline| drop(pipeline.recalculate_latency()));
        }
    }

    fn break_down(&mut self, index: usize, mut why: String) {
        let slot = &mut self.slots[index];
        if slot.part == Part::Picture {
            self.hub.encoders.broke(&why, self.hub.encoder_stuck());
            // What GStreamer says of a camera does not name it.
            if let Some(name) = self.settings.camera.name().filter(|name| !why.contains(name)) {
                why = format!("{name}: {why}");
            }
        }
        let until = Instant::now() + slot.wait;
        slot.wait = (slot.wait * 2).min(LONGEST_WAIT);
        if let State::Up { built, .. } = take(slot, until) {
            // A driver that hangs in its own stop must not stop the supervisor.
            let held = Arc::clone(&self.stopping);
            let stopper = std::thread::Builder::new().name("media-stop".into()).spawn(move || {
                stop(built);
                drop(held);
            });
            if let Err(error) = stopper {
                warn!(%error, "no thread to stop a broken part");
            }
        }
        if slot.part == Part::Picture {
            self.hub.set_encoder(None);
        }
        slot.lose(&self.hub, why);
    }
}

fn take(slot: &mut Slot, until: Instant) -> State {
    std::mem::replace(&mut slot.state, State::Down { until })
}

fn stop(built: Built) {
    for pipeline in &built.pipelines {
        let _ = pipeline.set_state(gst::State::Null);
        if let Some(bus) = pipeline.bus() {
            // The handler holds a sender to the supervisor.
            bus.unset_sync_handler();
        }
    }
    drop(built.kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_part_has_a_fault_of_its_own_that_nobody_else_clears() {
        let kinds: BTreeSet<FaultKind> = PARTS.map(|part| Slot::new(part).kind()).into();
        assert_eq!(kinds.len(), PARTS.len());
        assert!(!kinds.contains(&FaultKind::RecordingFailed), "the recorder's, cleared by the next recording");
    }
}
