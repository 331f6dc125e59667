//! The sound card: one thread owns both its directions, so that nothing else can hold the device when a call needs
//! it, and what the microphone hears can be laid on what the loudspeaker plays, sample by sample, on one clock.
//!
//! ```text
//! mixer --play--> [wait, bent to the card's clock] --+--> card's loudspeaker
//!                                                   +--> reference --+
//! ears <--- [bent to our time line] <-- clean <------- canceller <---+
//!                                   <-- raw   <--------------------------- card's microphone
//! ```
//!
//! A direction that fails (unplugged, stalled) is closed and opened again with back-off, while the other goes on.
//! Nothing here is waited for by anybody: the mixer's blocks go into a bounded queue, and whoever listens is called
//! from this thread and must not wait.

mod bend;
mod capture;
mod levels;
mod pcm;
mod play;
mod playback;
mod reference;
mod slot;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::info;

use self::capture::Capture;
use self::play::Play;
use self::playback::Playback;
use self::reference::Reference;
use self::slot::{FIRST_WAIT, Slot, close, due, fail};
use super::clock::{MS, Running, Timeline};
use super::echo::{Canceller, EchoSettings};
use super::loudness::{Loudness, LoudnessSettings};
use super::{join_within, lock};

/// Samples of a period: 10 ms.
pub const PERIOD: usize = 480;
/// Length of a period on the time line.
pub const SPAN: Running = 10 * MS;
/// A direction without a period for this long has stalled.
const STALLED: Duration = Duration::from_secs(1);

/// What the card is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct CardSettings {
    /// ALSA's name of it.
    pub name: String,
    /// Whether it is the microphone.
    pub capture: bool,
    /// Whether it is the loudspeaker.
    pub playback: bool,
    /// How much sound waits in the card's loudspeaker buffer, milliseconds.
    pub buffer_ms: u32,
    /// Playback volume of the card's own mixer, per cent of its range; `None`: left as it is.
    pub volume: Option<u32>,
    /// Recording volume of the card's own mixer, per cent of its range; `None`: left as it is.
    pub capture_volume: Option<u32>,
    /// What is done to the microphone's sound for the call.
    pub echo: EchoSettings,
    /// How the loudspeaker follows the noise.
    pub loudness: LoudnessSettings,
}

/// A block from the microphone.
#[derive(Debug)]
pub struct Heard<'a> {
    /// When its first sample sounded.
    pub at: Running,
    /// As the microphone gave it.
    pub raw: &'a [i16; PERIOD],
    /// For the call: without echo and noise. The same as `raw` while no call is on.
    pub clean: &'a [i16; PERIOD],
}

/// One direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The microphone.
    In,
    /// The loudspeaker.
    Out,
}

type Ears = Box<dyn FnMut(&Heard<'_>) + Send>;
type Mouth = Box<dyn FnMut() + Send>;
type Tap = Box<dyn FnMut(Way, u64, &[i16; PERIOD]) + Send>;
/// No delay of the echo was measured since the last one was taken over.
const NO_DELAY: u32 = u32::MAX;

struct Shared {
    timeline: Timeline,
    ending: AtomicBool,
    ears: Mutex<Option<Ears>>,
    mouth: Mutex<Option<Mouth>>,
    tap: Mutex<Option<Tap>>,
    /// Milliseconds, for the canceller.
    echo_delay: AtomicU32,
    trouble: [Mutex<Option<String>>; 2],
    play: Mutex<Play>,
    delay: AtomicU64,
    breaks: AtomicU64,
    noise: Mutex<Option<f64>>,
    call_on: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The handle of the card's thread. Dropping it stops it.
pub struct Card {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Card")
    }
}

impl Card {
    /// Starts the thread. The device may be missing: it is opened when it is there. `call_on` tells whether
    /// anybody listens to the microphone now; outside a call its sound is not worked on.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        settings: CardSettings,
        timeline: Timeline,
        call_on: impl Fn() -> bool + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            timeline,
            ending: AtomicBool::new(false),
            ears: Mutex::new(None),
            mouth: Mutex::new(None),
            tap: Mutex::new(None),
            echo_delay: AtomicU32::new(NO_DELAY),
            trouble: Default::default(),
            play: Mutex::default(),
            delay: AtomicU64::new(0),
            breaks: AtomicU64::new(0),
            noise: Mutex::new(None),
            call_on: Box::new(call_on),
        });
        let theirs = Arc::clone(&shared);
        // Made on its thread, which the canceller never leaves.
        let thread =
            std::thread::Builder::new().name("sound-card".into()).spawn(move || Worker::new(settings, theirs).run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Who is given the microphone's blocks from now on.
    pub fn listen(&self, ears: impl FnMut(&Heard<'_>) + Send + 'static) {
        *lock(&self.shared.ears) = Some(Box::new(ears));
    }

    /// Who is told of each period that the loudspeaker took.
    pub fn on_played(&self, mouth: impl FnMut() + Send + 'static) {
        *lock(&self.shared.mouth) = Some(Box::new(mouth));
    }

    /// Who is given what the loudspeaker plays and what the microphone hears, untouched, each block with its number:
    /// those with the same number go together into the canceller.
    pub fn on_block(&self, tap: impl FnMut(Way, u64, &[i16; PERIOD]) + Send + 'static) {
        *lock(&self.shared.tap) = Some(Box::new(tap));
    }

    /// The delay from the one to the other was measured, milliseconds: the canceller goes by it from the next call's
    /// first period on.
    pub fn seed_echo(&self, delay_ms: u32) {
        self.shared.echo_delay.store(delay_ms, Ordering::Relaxed);
    }

    /// A block for the loudspeaker. Never waits; what does not fit is dropped, the oldest first.
    pub fn play(&self, block: &[i16]) {
        lock(&self.shared.play).push(self.shared.timeline.now(), block);
    }

    /// From [`Card::play`] to the instant it is heard, as far as the card tells; smoothed.
    #[must_use]
    pub fn delay(&self) -> Running {
        self.shared.delay.load(Ordering::Relaxed)
    }

    /// Why a direction does not work; `None` if it does, or was not tried yet.
    #[must_use]
    pub fn trouble(&self, way: Way) -> Option<String> {
        lock(&self.shared.trouble[way as usize]).clone()
    }

    /// How often the card ran over or dry.
    #[must_use]
    pub fn breaks(&self) -> u64 {
        self.shared.breaks.load(Ordering::Relaxed)
    }

    /// Noise that the loudspeaker's level goes by, dB of full scale; `None` until enough of it was heard.
    #[must_use]
    pub fn noise_dbfs(&self) -> Option<f64> {
        *lock(&self.shared.noise)
    }

    /// Stops the thread and closes the device.
    pub fn stop(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = lock(&self.thread).take() {
            thread.thread().unpark();
            join_within(thread, "sound card");
        }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker {
    settings: CardSettings,
    shared: Arc<Shared>,
    capture: Slot<Capture>,
    playback: Slot<Playback>,
    reference: Reference,
    /// A direction began, or began anew: the reference is to be laid on the microphone once both run.
    torn: bool,
    canceller: Canceller,
    loudness: Loudness,
}

impl Worker {
    fn new(settings: CardSettings, shared: Arc<Shared>) -> Self {
        Self {
            capture: Slot::new(settings.capture),
            playback: Slot::new(settings.playback),
            reference: Reference::default(),
            torn: true,
            canceller: Canceller::new(&settings.echo),
            loudness: Loudness::new(settings.loudness),
            settings,
            shared,
        }
    }

    fn run(mut self) {
        while !self.shared.ending.load(Ordering::Relaxed) {
            self.open();
            let waited = self.wait();
            let spoke = self.speak();
            let heard = waited.and_then(|()| self.hear());
            if let Err(why) = spoke {
                close(&mut self.playback, &self.shared, Way::Out, why);
            }
            if let Err(why) = heard {
                close(&mut self.capture, &self.shared, Way::In, why);
            }
        }
    }

    fn open(&mut self) {
        let Self { settings, shared, .. } = self;
        let mut opened = false;
        if let Some(wait) = due(&self.capture) {
            match Capture::open(&settings.name) {
                Ok(way) => (self.capture, opened) = (Slot::Open { way, moved: Instant::now(), wait }, true),
                Err(why) => fail(&mut self.capture, shared, Way::In, why, wait),
            }
        }
        if let Some(wait) = due(&self.playback) {
            match Playback::open(&settings.name, settings.buffer_ms) {
                Ok(way) => (self.playback, opened) = (Slot::Open { way, moved: Instant::now(), wait }, true),
                Err(why) => fail(&mut self.playback, shared, Way::Out, why, wait),
            }
        }
        if opened {
            self.torn = true;
            info!(card = settings.name, "sound card opened");
            levels::set(settings);
        }
    }

    /// Waits for the card's next period, at most some milliseconds.
    fn wait(&mut self) -> Result<(), String> {
        const AT_MOST_MS: u32 = 50;
        if let Some(capture) = self.capture.open() {
            return capture.wait(AT_MOST_MS);
        }
        // What is wrong with the loudspeaker shows when it is written to.
        if self.playback.open().is_none_or(|playback| playback.wait(AT_MOST_MS).is_err()) {
            std::thread::park_timeout(Duration::from_millis(AT_MOST_MS.into()));
        }
        Ok(())
    }

    /// Fills the loudspeaker's buffer up.
    fn speak(&mut self) -> Result<(), String> {
        let Slot::Open { way, moved, wait } = &mut self.playback else { return Ok(()) };
        loop {
            let filled = way.room()?;
            if filled.broken {
                self.shared.breaks.fetch_add(1, Ordering::Relaxed);
                self.torn = true;
            }
            if !filled.wants {
                break;
            }
            let mut block = [0; PERIOD];
            let waits = lock(&self.shared.play).pull(self.shared.timeline.now(), &mut block);
            self.loudness.play(&mut block);
            if !way.write(&block)? {
                // It ran dry under our hands, or has less room than it said: the next round sees.
                self.torn = true;
                break;
            }
            if let Some(tap) = lock(&self.shared.tap).as_mut() {
                tap(Way::Out, self.reference.place(), &block);
            }
            self.reference.played(&block);
            *moved = Instant::now();
            *wait = FIRST_WAIT;
            lock(&self.shared.trouble[Way::Out as usize]).take();
            if let Some(mouth) = lock(&self.shared.mouth).as_mut() {
                mouth();
            }
            smooth(&self.shared.delay, waits + way.delay());
        }
        stalled(*moved)
    }

    /// Lays the reference on the microphone anew, if it is torn and both directions run.
    fn lay(&mut self) -> Result<(), String> {
        if let (true, Some(capture), Some(playback)) = (self.torn, self.capture.open(), self.playback.open())
            && playback.running()
        {
            self.reference.lay(playback.waits() / PERIOD, capture.waits()? / PERIOD);
            self.torn = false;
        }
        Ok(())
    }

    /// Takes what the microphone has.
    fn hear(&mut self) -> Result<(), String> {
        self.lay()?;
        let Slot::Open { way, moved, wait } = &mut self.capture else { return Ok(()) };
        let call_on = (self.shared.call_on)();
        let breaks = self.shared.breaks.load(Ordering::Relaxed);
        let (mut raw, mut clean) = ([0; PERIOD], [0; PERIOD]);
        while way.read(&mut raw, &self.shared.breaks)? {
            *moved = Instant::now();
            *wait = FIRST_WAIT;
            lock(&self.shared.trouble[Way::In as usize]).take();
            if self.loudness.hear(&raw) {
                *lock(&self.shared.noise) = self.loudness.noise_dbfs();
            }
            if let Some(tap) = lock(&self.shared.tap).as_mut() {
                tap(Way::In, self.reference.taken(), &raw);
            }
            let reference = self.reference.next();
            if call_on {
                let delay_ms = self.shared.echo_delay.swap(NO_DELAY, Ordering::Relaxed);
                if delay_ms != NO_DELAY {
                    self.canceller.set_delay(delay_ms);
                }
                self.canceller.process(&reference, &raw, &mut clean);
            } else {
                clean = raw;
            }
            let now = self.shared.timeline.now();
            let mut ears = lock(&self.shared.ears);
            way.give(now, &raw, &clean, |heard| {
                if let Some(ears) = ears.as_mut() {
                    ears(heard);
                }
            })?;
        }
        self.torn |= breaks != self.shared.breaks.load(Ordering::Relaxed) || self.reference.is_torn();
        stalled(*moved)
    }
}

fn stalled(moved: Instant) -> Result<(), String> {
    let still = moved.elapsed();
    if still > STALLED { Err(format!("no period for {} ms", still.as_millis())) } else { Ok(()) }
}

fn smooth(value: &AtomicU64, new: Running) {
    let old = value.load(Ordering::Relaxed);
    let next = if old == 0 { new } else { old - old / 32 + new / 32 };
    value.store(next, Ordering::Relaxed);
}
