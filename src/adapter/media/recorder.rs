//! The recorder: its own thread behind a bounded queue. Cuts the units of each incident into fragments,
//! builds them and hands them to the store, whose `write` returns when they are durable.
//!
//! A fragment that could not be written is kept (within [`KEEP`]) and tried again before the next one,
//! so that a disk that comes back loses nothing and the indices stay without a hole.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{info, warn};

use super::clock::{MS, Running, Timeline};
use super::cutter::{Cut, Cutter};
use super::fmp4::{self, PictureTrack};
use super::queue::{Message, Queue};
use super::report;
use super::ring::Unit;
use crate::kiosk::Inbox;
use crate::kiosk::ports::{Fragments, NewFragment};
use crate::machine::Event;
use crate::wire::IncidentId;
use crate::wire::up::FaultKind;

/// Fragments kept while the store does not write: a minute, half of which the press itself brings.
const KEEP: usize = 64;
/// The half minute before the press is written after the alarm, its acknowledgement and the first picture
/// are through: on a small board they would wait for it.
const ALARM_FIRST: Duration = Duration::from_millis(150);
/// The sound of the last moment is still in the encoder when a recording ends.
const LINGER: Duration = Duration::from_millis(600);
/// How often an ended recording whose fragments wait for the disk is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long such a recording is tried before it is given up (recovery seals it at the next start).
const GIVE_UP: Duration = Duration::from_secs(60);

/// What the recorder works with.
pub struct Desk {
    /// Where units and orders come from.
    pub queue: Arc<Queue>,
    /// The store.
    pub fragments: Arc<dyn Fragments>,
    /// Where outcomes go.
    pub inbox: Inbox,
    /// The common time.
    pub timeline: Timeline,
    /// Called once for every order to start whose recording is over.
    pub ended: Box<dyn Fn() + Send>,
}

/// Starts the recorder's thread.
///
/// # Errors
/// If the system gives no thread.
pub fn start(desk: Desk) -> std::io::Result<JoinHandle<()>> {
    let recorder = Recorder { desk, recordings: Vec::new(), failing: false };
    std::thread::Builder::new().name("recorder".into()).spawn(move || recorder.run())
}

struct Recorder {
    desk: Desk,
    recordings: Vec<Recording>,
    /// Whether one of them fails.
    failing: bool,
}

struct Recording {
    incident: IncidentId,
    cutter: Cutter,
    /// `None` once it is on disk.
    header: Option<Option<PictureTrack>>,
    next: u64,
    waiting: VecDeque<Built>,
    /// Nothing is written before.
    not_before: Instant,
    ending: Option<Ending>,
    told_started: bool,
    failing: bool,
}

struct Built {
    start: Running,
    duration: Running,
    cut: Cut,
}

#[derive(Clone, Copy)]
struct Ending {
    at: Running,
    linger: Instant,
    give_up: Instant,
}

impl Recorder {
    fn run(mut self) {
        loop {
            match self.desk.queue.next(self.deadline()) {
                Some(Message::Unit(unit)) => self.recordings.iter_mut().for_each(|r| r.take(unit.clone())),
                Some(Message::Start { incident, units, picture }) => self.begin(incident, units, picture),
                Some(Message::Stop { incident, at }) => self.end(incident, at),
                Some(Message::Shutdown) => return self.shut_down(),
                None => {}
            }
            self.advance();
        }
    }

    fn begin(&mut self, incident: IncidentId, units: Vec<Unit>, picture: Option<PictureTrack>) {
        if let Some(open) = self.recordings.iter_mut().find(|r| r.incident == incident) {
            open.ending = None;
            return (self.desk.ended)();
        }
        let next = self.desk.fragments.next_index(incident);
        let origin = (next > 1).then(|| self.origin(incident));
        info!(%incident, next, units = units.len(), "recording");
        let mut recording = Recording {
            incident,
            cutter: Cutter::new(origin.or_else(|| first_picture(&units))),
            header: (next == 0).then_some(picture),
            next: next.max(1),
            waiting: VecDeque::new(),
            not_before: Instant::now() + ALARM_FIRST,
            ending: None,
            told_started: false,
            failing: false,
        };
        units.into_iter().for_each(|unit| recording.take(unit));
        self.recordings.push(recording);
    }

    /// Running time of the incident's first sample, which an earlier run of the daemon captured.
    fn origin(&self, incident: IncidentId) -> i64 {
        let now = self.desk.timeline.now();
        let wall = self.desk.timeline.wall_us(now);
        let recorded = self.desk.fragments.recorded_wall_us(incident);
        let (first, end) = recorded.unwrap_or_else(|| (opened_wall_us(incident), wall));
        // A board without a battery wakes up in the past: never lay the new on top of the old.
        let age_us = wall.max(end).saturating_sub(first).max(0);
        i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(age_us.saturating_mul(1000))
    }

    fn end(&mut self, incident: IncidentId, at: Running) {
        let now = Instant::now();
        match self.recordings.iter_mut().find(|r| r.incident == incident) {
            Some(recording) if recording.ending.is_none() => {
                recording.ending = Some(Ending { at, linger: now + LINGER, give_up: now + GIVE_UP });
            }
            Some(_) => {}
            None => warn!(%incident, "asked to end a recording that is not under way"),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        let wake = |recording: &Recording| match recording.ending {
            Some(ending) if ending.linger > now => Some(ending.linger),
            Some(_) => Some(now + RETRY),
            // No unit may come any more, and what waits is written all the same.
            None => (!recording.waiting.is_empty()).then_some(now + RETRY),
        };
        self.recordings.iter().filter_map(wake).min()
    }

    fn advance(&mut self) {
        let desk = &self.desk;
        self.recordings.retain_mut(|recording| {
            let over = recording.advance(desk);
            if over {
                (desk.ended)();
            }
            !over
        });
        // A recording that is over, written whole or given up, fails no more.
        let failing = self.recordings.iter().any(|recording| recording.failing);
        if std::mem::replace(&mut self.failing, failing) && !failing {
            report(&self.desk.inbox, Event::FaultCleared(FaultKind::RecordingFailed));
        }
    }

    fn shut_down(mut self) {
        let now = self.desk.timeline.now();
        for recording in &mut self.recordings {
            recording.build(recording_end(recording.ending, now));
            recording.write(&self.desk);
            // Not sealed: the incident is open, and the next run goes on with it.
        }
    }
}

fn recording_end(ending: Option<Ending>, now: Running) -> Running {
    ending.map_or(now, |ending| ending.at)
}

fn first_picture(units: &[Unit]) -> Option<i64> {
    let first = units.iter().find(|unit| unit.medium == crate::kiosk::ports::Medium::Picture)?;
    i64::try_from(first.at).ok()
}

/// An incident's id (UUIDv7) tells when it was opened; its recording begins at most this much earlier.
fn opened_wall_us(incident: IncidentId) -> i64 {
    const LONGEST_PRE_EVENT_US: i64 = 60_000_000;
    let stamp = incident.0.get_timestamp().map(|stamp| stamp.to_unix());
    let us = stamp.map_or(0, |(seconds, nanos)| seconds.saturating_mul(1_000_000) + u64::from(nanos / 1000));
    i64::try_from(us).unwrap_or(i64::MAX).saturating_sub(LONGEST_PRE_EVENT_US)
}

impl Recording {
    fn take(&mut self, unit: Unit) {
        if self.ending.is_none_or(|ending| unit.at < ending.at) {
            self.cutter.push(unit);
        } else if let Some(ending) = &mut self.ending {
            // Sound beyond the end shows that all of it has come.
            if unit.medium == crate::kiosk::ports::Medium::Sound {
                ending.linger = Instant::now();
            }
        }
    }

    /// Cuts, writes, and says whether the recording is over.
    fn advance(&mut self, desk: &Desk) -> bool {
        while let Some(cut) = self.cutter.next_cut() {
            self.keep(cut);
        }
        let Some(ending) = self.ending else {
            self.write(desk);
            return false;
        };
        if self.cutter.sound_until() < ending.at && Instant::now() < ending.linger {
            self.write(desk);
            return false;
        }
        self.build(ending.at);
        self.write(desk);
        if self.waiting.is_empty() && self.seal(desk) {
            return true;
        }
        let given_up = Instant::now() >= ending.give_up;
        if given_up {
            warn!(incident = %self.incident, fragments = self.waiting.len(), "recording given up, fragments lost");
        }
        given_up
    }

    fn build(&mut self, end: Running) {
        if let Some(cut) = self.cutter.rest(end) {
            self.keep(cut);
        }
    }

    fn keep(&mut self, cut: Cut) {
        if cut.picture.samples.is_empty() && cut.sound.samples.is_empty() {
            return;
        }
        if self.waiting.len() >= KEEP {
            self.waiting.pop_front();
            warn!(incident = %self.incident, "the store does not write: a fragment is lost");
        }
        let duration = cut.end.saturating_sub(cut.start).max(MS);
        self.waiting.push_back(Built { start: cut.start, duration, cut });
    }

    /// Writes what waits, oldest first, until something fails. While units come, one fragment for each of
    /// them: what the press brings at once is spread over half a second.
    fn write(&mut self, desk: &Desk) {
        let at_once =
            if self.ending.is_some() { self.waiting.len() } else { usize::from(Instant::now() >= self.not_before) };
        for _ in 0..at_once.min(self.waiting.len()) {
            let written = self.write_header(desk).and_then(|()| self.write_oldest(desk));
            match written {
                Ok(()) => self.succeeded(desk),
                Err(why) => return self.failed(desk, why),
            }
        }
    }

    fn write_header(&mut self, desk: &Desk) -> Result<(), String> {
        let (Some(picture), Some(first)) = (&self.header, self.waiting.front()) else { return Ok(()) };
        let bytes = fmp4::header(picture.as_ref()).map_err(|error| error.to_string())?;
        self.hand_over(desk, 0, first.start, 0, bytes)?;
        self.header = None;
        Ok(())
    }

    fn write_oldest(&mut self, desk: &Desk) -> Result<(), String> {
        let Some(built) = self.waiting.front() else { return Ok(()) };
        let sequence = u32::try_from(self.next).unwrap_or(u32::MAX);
        let bytes = fmp4::fragment(sequence, &built.cut.picture, &built.cut.sound).map_err(|e| e.to_string())?;
        self.hand_over(desk, self.next, built.start, built.duration, bytes)?;
        self.waiting.pop_front();
        self.next += 1;
        Ok(())
    }

    fn hand_over(&self, desk: &Desk, index: u64, start: Running, length: Running, bytes: Bytes) -> Result<(), String> {
        let fragment = NewFragment {
            incident: self.incident,
            index,
            start_wall_us: desk.timeline.wall_us(start),
            duration_us: length / 1000,
            bytes,
        };
        desk.fragments.write(fragment).map_err(|error| error.to_string())
    }

    fn succeeded(&mut self, desk: &Desk) {
        desk.queue.answered(true);
        self.failing = false;
        if !std::mem::replace(&mut self.told_started, true) {
            report(&desk.inbox, Event::RecordingStarted { incident: self.incident });
        }
    }

    fn failed(&mut self, desk: &Desk, why: String) {
        desk.queue.answered(false);
        if !std::mem::replace(&mut self.failing, true) {
            warn!(incident = %self.incident, why, "recording fails");
            report(&desk.inbox, Event::RecordingFailed { incident: self.incident, why });
        }
    }

    fn seal(&mut self, desk: &Desk) -> bool {
        let fragments = self.next - 1;
        match desk.fragments.seal(self.incident, fragments) {
            Ok(()) => {
                info!(incident = %self.incident, fragments, "recording sealed");
                report(&desk.inbox, Event::RecordingSealed { incident: self.incident, fragments });
                true
            }
            Err(error) => {
                self.failed(desk, error.to_string());
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kiosk::INBOX_SIZE;
    use crate::kiosk::ports::{FragmentError, NewFragment};

    /// A disk that takes nothing.
    struct NoDisk;

    fn refused(incident: IncidentId, index: u64) -> FragmentError {
        FragmentError { incident, index, step: "create", why: "no space left".to_owned() }
    }

    impl Fragments for NoDisk {
        fn write(&self, fragment: NewFragment) -> Result<(), FragmentError> {
            Err(refused(fragment.incident, fragment.index))
        }
        fn next_index(&self, _: IncidentId) -> u64 {
            0
        }
        fn seal(&self, incident: IncidentId, fragments: u64) -> Result<(), FragmentError> {
            Err(refused(incident, fragments))
        }
    }

    #[test]
    fn a_recording_that_was_given_up_is_no_fault_for_ever() {
        gstreamer::init().unwrap();
        let (inbox, mut events) = tokio::sync::mpsc::channel(INBOX_SIZE);
        let fragments = Arc::new(NoDisk);
        let desk =
            Desk { queue: Arc::default(), fragments, inbox, timeline: Timeline::begin(), ended: Box::new(|| {}) };
        let mut recorder = Recorder { desk, recordings: Vec::new(), failing: false };
        let incident = IncidentId::fresh();
        recorder.begin(incident, vec![], None);
        recorder.end(incident, 0);
        recorder.recordings[0].ending.as_mut().unwrap().linger = Instant::now();
        recorder.advance();
        recorder.recordings[0].ending.as_mut().unwrap().give_up = Instant::now();
        recorder.advance();
        assert!(recorder.recordings.is_empty());
        let told: Vec<Event> = std::iter::from_fn(|| events.try_recv().ok()).map(|stamped| stamped.event).collect();
        let failed = told.iter().position(|event| matches!(event, Event::RecordingFailed { .. }));
        assert!(failed.is_some(), "{told:?}");
        assert_eq!(told.last(), Some(&Event::FaultCleared(FaultKind::RecordingFailed)));
    }
}
