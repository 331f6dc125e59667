//! The media port before there are media: the button is armed first, and picture and sound follow.
//!
//! Loading plug-ins and warming up an encoder takes a second on a small board, and a part that is missing may keep
//! all media away. Neither is a reason for a button that does nothing. What is ordered meanwhile is kept as the state
//! it leads to (the gate open, the voice open, the recording under way, the last prompt) and given to the media when
//! they come; while they cannot come, each of their devices counts as lost, and they are tried again. An encoder whose
//! warm-up hangs is told the same way: a watchdog that is not fed for it would only take the button away, again and
//! again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use super::still::Still;
use super::{MediaAdapter, MediaError, MediaSettings, lock, report};
use crate::kiosk::Inbox;
use crate::kiosk::ports::{Chirped, Fragments, LivePacket, Media, MediaHealth, MediaInventory};
use crate::machine::Event;
use crate::machine::words::Prompt;
use crate::wire::IncidentId;
use crate::wire::up::{Fault, FaultKind};

/// From one try to the next.
const RETRY: Duration = Duration::from_secs(5);
/// Media that have not come by then are lost for now. The watchdog has patience for longer.
const COME_WITHIN: Duration = Duration::from_secs(20);
/// What is lost while there are no media.
const DEVICES: [FaultKind; 3] = [FaultKind::CameraLost, FaultKind::MicrophoneLost, FaultKind::SpeakerLost];

/// The media, now or soon.
#[derive(Debug)]
pub struct LateMedia {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether they are told to be lost.
    lost: AtomicBool,
}

#[derive(Debug)]
enum State {
    Awaited(Orders),
    Here(Arc<MediaAdapter>),
    Over,
}

/// What the media are to do when they come.
#[derive(Debug, Default)]
struct Orders {
    recording: Option<(IncidentId, Duration)>,
    gate: Option<mpsc::Sender<LivePacket>>,
    voice_open: bool,
    prompt: Option<Prompt>,
}

impl LateMedia {
    /// Starts the media on a thread of their own.
    ///
    /// # Errors
    /// [`MediaError::Thread`] if the system gives none.
    pub fn start(
        settings: MediaSettings,
        inbox: Inbox,
        fragments: Arc<dyn Fragments>,
    ) -> Result<Arc<Self>, MediaError> {
        let bring = move |late: &Self, inbox: &Inbox| {
            late.bring(inbox, || MediaAdapter::start(settings.clone(), inbox.clone(), Arc::clone(&fragments)));
        };
        Self::start_with(inbox, COME_WITHIN, bring)
    }

    fn start_with(
        inbox: Inbox,
        within: Duration,
        bring: impl FnOnce(&Self, &Inbox) + Send + 'static,
    ) -> Result<Arc<Self>, MediaError> {
        let state = Mutex::new(State::Awaited(Orders::default()));
        let late = Arc::new(Self { state, changed: Condvar::new(), lost: AtomicBool::new(false) });
        let (brings, watches, told) = (Arc::clone(&late), Arc::clone(&late), inbox.clone());
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        thread("media-start")
            .spawn(move || bring(&brings, &inbox))
            .and_then(|_| thread("media-late").spawn(move || watches.watch(within, &told)))
            .map_err(|why| MediaError::Thread { what: "start of the media", why })?;
        Ok(late)
    }

    /// Whoever brings them may hang in a library.
    fn watch(&self, within: Duration, inbox: &Inbox) {
        let awaited = |state: &mut State| matches!(state, State::Awaited(_));
        let waited = self.changed.wait_timeout_while(lock(&self.state), within, awaited);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if matches!(*state, State::Awaited(_)) {
            // While the state is held: what comes now tells its own after this.
            self.lose(inbox, &format!("expected picture and sound within {} s, found none", within.as_secs()));
        }
    }

    /// Tells it, once. Each part that works takes its own fault back when they have come.
    fn lose(&self, inbox: &Inbox, why: &str) {
        if self.lost.swap(true, Ordering::Relaxed) {
            return;
        }
        error!(why, "no picture and no sound; alarms go on");
        for kind in DEVICES {
            report(inbox, Event::FaultRaised(Fault { kind, detail: why.to_owned() }));
        }
    }

    fn bring(&self, inbox: &Inbox, mut start: impl FnMut() -> Result<Arc<MediaAdapter>, MediaError>) {
        while matches!(*lock(&self.state), State::Awaited(_)) {
            match start() {
                Ok(media) => return self.arrived(media),
                Err(why) => self.lose(inbox, &why.to_string()),
            }
            let awaited = |state: &mut State| matches!(state, State::Awaited(_));
            // Whichever way it ends, the loop looks again.
            drop(self.changed.wait_timeout_while(lock(&self.state), RETRY, awaited));
        }
    }

    fn arrived(&self, media: Arc<MediaAdapter>) {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Here(Arc::clone(&media))) {
            State::Awaited(orders) => {
                info!("picture and sound are there");
                // Under the lock: what is ordered from now on comes after what was ordered before.
                orders.give(&*media);
                drop(state);
                self.changed.notify_all();
            }
            State::Over => {
                *state = State::Over;
                drop(state);
                media.shut_down();
            }
            // One thread brings the media, once.
            State::Here(_) => {}
        }
    }

    /// Stops everything, or sees to it that nothing starts; see [`MediaAdapter::shut_down`].
    pub fn shut_down(&self) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Over);
        self.changed.notify_all();
        if let State::Here(media) = before {
            media.shut_down();
        }
    }

    /// The newest picture of the camera, small; `None` before the first.
    #[must_use]
    pub fn still(&self) -> Option<Still> {
        match &*lock(&self.state) {
            State::Here(media) => media.still(),
            State::Awaited(_) | State::Over => None,
        }
    }

    /// Does it now, or keeps it as the state it leads to.
    fn order(&self, now: impl FnOnce(&MediaAdapter), later: impl FnOnce(&mut Orders)) {
        let media = match &mut *lock(&self.state) {
            State::Awaited(orders) => return later(orders),
            State::Here(media) => Arc::clone(media),
            State::Over => return,
        };
        now(&media);
    }
}

impl Orders {
    fn give(self, media: &dyn Media) {
        if let Some((incident, before)) = self.recording {
            media.start_recording(incident, before);
        }
        if let Some(to) = self.gate {
            media.open_gate(to);
        }
        if self.voice_open {
            media.open_voice(true);
        }
        if let Some(prompt) = self.prompt {
            media.prompt(prompt);
        }
    }
}

impl Media for LateMedia {
    fn open_gate(&self, to: mpsc::Sender<LivePacket>) {
        let later = to.clone();
        self.order(|media| media.open_gate(to), |orders| orders.gate = Some(later));
    }

    fn close_gate(&self) {
        self.order(Media::close_gate, |orders| orders.gate = None);
    }

    fn force_key_frame(&self) {
        // The first frame is a key frame.
        self.order(Media::force_key_frame, |_| {});
    }

    fn voice(&self, rtp: Bytes) {
        self.order(|media| media.voice(rtp), |_| {});
    }

    fn open_voice(&self, open: bool) {
        self.order(|media| media.open_voice(open), |orders| orders.voice_open = open);
    }

    fn probe(&self, on: bool) {
        self.order(|media| media.probe(on), |_| {});
    }

    fn chirp(&self) -> oneshot::Receiver<Chirped> {
        if let State::Here(media) = &*lock(&self.state) {
            return media.chirp();
        }
        let (to, chirped) = oneshot::channel();
        _ = to.send(Chirped::Lost("expected loudspeaker and microphone, found neither yet".to_owned()));
        chirped
    }

    fn seed_echo(&self, delay_ms: u32) {
        self.order(|media| media.seed_echo(delay_ms), |_| {});
    }

    fn prompt(&self, prompt: Prompt) {
        self.order(|media| media.prompt(prompt), |orders| orders.prompt = Some(prompt));
    }

    fn hush(&self, prompt: Prompt) {
        self.order(|media| media.hush(prompt), |orders| _ = orders.prompt.take_if(|said| *said == prompt));
    }

    fn start_recording(&self, incident: IncidentId, before: Duration) {
        let later = |orders: &mut Orders| orders.recording = Some((incident, before));
        self.order(|media| media.start_recording(incident, before), later);
    }

    fn stop_recording(&self, incident: IncidentId) {
        let later = |orders: &mut Orders| orders.recording = orders.recording.filter(|(other, _)| *other != incident);
        self.order(|media| media.stop_recording(incident), later);
    }

    fn health(&self) -> MediaHealth {
        match &*lock(&self.state) {
            State::Here(media) => media.health(),
            State::Awaited(_) | State::Over => MediaHealth::default(),
        }
    }

    fn turn_age(&self) -> Option<Duration> {
        match &*lock(&self.state) {
            State::Here(media) => media.turn_age(),
            State::Awaited(_) | State::Over => None,
        }
    }

    fn inventory(&self) -> MediaInventory {
        match &*lock(&self.state) {
            State::Here(media) => media.inventory(),
            State::Awaited(_) | State::Over => MediaInventory::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kiosk::INBOX_SIZE;

    #[tokio::test]
    async fn media_that_hang_in_their_start_are_lost_and_tell_so() {
        let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
        let (free, hangs) = std::sync::mpsc::channel::<()>();
        let bring = move |_: &LateMedia, _: &Inbox| _ = hangs.recv();
        let media = LateMedia::start_with(inbox, Duration::from_millis(50), bring).unwrap();
        for kind in DEVICES {
            let told = tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap().event;
            let detail = "expected picture and sound within 0 s, found none".to_owned();
            assert_eq!(told, Event::FaultRaised(Fault { kind, detail }));
        }
        media.shut_down();
        drop(free);
    }
}
