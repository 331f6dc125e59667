//! The daemon's side of a change: takes it up, waits for the centre's echo, and keeps or undoes it.
//!
//! It looks every second, whether or not anybody told it to: a technician whose SSH session is gone has not told it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::super::kiosk::KioskConfig;
use super::super::load::Layers;
use super::start::Start;
use super::trial::{Incident, Trial, Verdict};
use super::{FileError, Home, Pending, Stage, differences, sha256, values};
use crate::control::{Changed, ConfigStage, ConfigState};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the keeper asks of the daemon.
pub trait Daemon: Send + Sync {
    /// Age of the centre's last echo.
    fn echo_age(&self) -> Option<Duration>;
    /// What it is in the middle of.
    fn incident(&self) -> impl Future<Output = Incident> + Send;
    /// Takes over the values of live keys.
    fn apply(&self, config: &KioskConfig) -> impl Future<Output = ()> + Send;
    /// The fault of a broken configuration stands, or does not.
    fn broken(&self, why: Option<&str>);
}

/// What others see of it, and how they wake it.
#[derive(Debug, Clone, Default)]
pub struct View {
    state: Arc<Mutex<ConfigState>>,
    wake: Arc<Notify>,
}

impl View {
    /// As it is now.
    #[must_use]
    pub fn state(&self) -> ConfigState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody has changed the file: look now.
    pub fn look(&self) {
        self.wake.notify_one();
    }

    fn set(&self, state: ConfigState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// The daemon is to be started anew, with what is on disk now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// Why, for the log.
    pub why: String,
}

/// The keeper.
pub struct Keeper<D> {
    home: Home,
    /// Where a change is read from: the files as they should be.
    layers: Layers,
    /// What the daemon runs with.
    running: BTreeMap<&'static str, String>,
    /// The text it was read from, if that may become the last good one.
    text: Option<String>,
    broken: Option<String>,
    /// What the disk does not take just now.
    complaint: Option<String>,
    trial: Option<(Pending, Trial)>,
    waiting: Option<Pending>,
    proved: bool,
    /// Since when the daemon runs with `text`: an older echo proves nothing of it.
    since: Duration,
    /// Whether the daemon runs with something else than what its files hold.
    elsewhere: bool,
    began: Instant,
    view: View,
    daemon: D,
}

impl<D: Daemon> Keeper<D> {
    /// A keeper of `layers`, with which the daemon was to start, and of what it did start with. `None` where there
    /// is no file to keep.
    #[must_use]
    pub fn new(layers: &Layers, start: &Start, view: View, daemon: D) -> Option<Self> {
        let home = Home::of(layers)?;
        let began = Instant::now();
        let mut keeper = Self {
            running: values(&start.layers, None),
            proved: false,
            since: Duration::ZERO,
            elsewhere: start.layers != *layers,
            text: start.text.clone(),
            broken: start.broken.clone(),
            complaint: None,
            trial: None,
            waiting: None,
            layers: layers.clone(),
            home,
            began,
            view,
            daemon,
        };
        if let Some(pending) = &start.trial {
            keeper.try_out(pending.clone());
        }
        if let Some(why) = &keeper.broken {
            keeper.daemon.broken(Some(why));
        }
        keeper.show();
        Some(keeper)
    }

    /// Runs until the daemon must be started anew.
    pub async fn run(mut self) -> Restart {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let wake = Arc::clone(&self.view.wake);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = wake.notified() => {}
            }
            let outcome = self.look().await;
            match outcome {
                Ok(None) => self.complain(None),
                Ok(Some(restart)) => return restart,
                Err(error) => self.complain(Some(format!("its files cannot be written: {error}"))),
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// When the centre's last echo came, on the clock of [`Self::now`].
    fn echo(&self) -> Option<Duration> {
        self.now().checked_sub(self.daemon.echo_age()?)
    }

    async fn look(&mut self) -> Result<Option<Restart>, FileError> {
        let Some(pending) = self.home.pending() else {
            self.trial = None;
            self.waiting = None;
            self.prove()?;
            return Ok(self.mended().await);
        };
        // Whoever else holds the lock is in the middle of a change.
        let Some(_lock) = self.home.lock()? else { return Ok(None) };
        match (pending.stage, self.trial.clone()) {
            // A further change, on top of one on trial or not, is tried with it.
            (Stage::Written, _) => self.take_up(pending).await,
            (Stage::Trying, Some((_, trial))) => self.judge(&pending, trial).await,
            // The start found somebody else's hand on it, and could not say so.
            (Stage::Trying, None) if !self.elsewhere => {
                self.try_out(pending);
                Ok(None)
            }
            // The start could not undo it: the next one will try again.
            (Stage::Trying, None) => Ok(None),
        }
    }

    /// Somebody has put right by hand what was broken by hand.
    async fn mended(&self) -> Option<Restart> {
        let broken = self.elsewhere && KioskConfig::load(&self.layers).is_ok();
        let free = broken && self.daemon.incident().await == Incident::None;
        free.then(|| Restart { why: "the configuration is right again".to_owned() })
    }

    /// A file that no change is on trial for is proved by an echo all the same.
    fn prove(&mut self) -> Result<(), FileError> {
        if !self.proved && self.echo() > Some(self.since) {
            if let Some(text) = &self.text {
                self.home.prove(text)?;
            }
            // Once a run; if the disk refuses it is said, and tried again.
            self.proved = true;
        }
        Ok(())
    }

    async fn take_up(&mut self, pending: Pending) -> Result<Option<Restart>, FileError> {
        let text = self.home.text()?;
        if text.as_deref().map(sha256) != Some(pending.sha256.clone()) {
            self.home.forget()?;
            return Ok(None);
        }
        let config = match KioskConfig::load(&self.layers) {
            Ok(config) => config,
            Err(errors) => {
                let why = errors.to_string().replace('\n', "; ");
                warn!(why, "a change of the configuration is not right, and is undone");
                self.home.undo(&pending, &why)?;
                return Ok(None);
            }
        };
        let values = values(&self.layers, None);
        let changes = differences(&self.running, &values);
        if changes.iter().all(|change| change.live) {
            info!(?changes, "a change of the configuration takes effect");
            self.home.mark_trying(&pending)?;
            self.daemon.apply(&config).await;
            self.running = values;
            self.text = text;
            self.heal();
            self.try_out(pending);
            return Ok(None);
        }
        if self.daemon.incident().await != Incident::None {
            self.waiting = Some(pending);
            return Ok(None);
        }
        // A disk that does not take the marker would have it tried again and again.
        self.home.mark(&pending)?;
        Ok(Some(Restart { why: format!("a change of the configuration: {}", names(&changes)) }))
    }

    fn try_out(&mut self, pending: Pending) {
        let undo = self.home.good().exists() && !pending.keep;
        self.waiting = None;
        self.trial = Some((pending, Trial { since: self.now(), undo }));
    }

    async fn judge(&mut self, pending: &Pending, trial: Trial) -> Result<Option<Restart>, FileError> {
        let text = self.home.text()?;
        if text.as_deref().map(sha256) != Some(pending.sha256.clone()) {
            // An editor has overtaken it; what is there now counts at the next start.
            self.trial = None;
            self.text = None;
            self.home.forget()?;
            return Ok(None);
        }
        let echo = self.echo();
        let incident = if echo > Some(trial.since) { Incident::None } else { self.daemon.incident().await };
        match trial.judge(self.now(), echo, incident) {
            Verdict::Wait => Ok(None),
            Verdict::Proved => {
                info!(changes = ?pending.changes, "the centre's echo came: the change stays");
                self.home.prove(&text.unwrap_or_default())?;
                self.trial = None;
                self.proved = true;
                Ok(None)
            }
            Verdict::Undo => {
                let why = format!("the centre's echo did not come within {} s", super::trial::WITHIN.as_secs());
                error!(changes = ?pending.changes, why, "a change of the configuration is undone");
                self.home.undo(pending, &why)?;
                self.trial = None;
                self.back(why).await
            }
        }
    }

    /// The old values count again: at once where all of them are live.
    async fn back(&mut self, why: String) -> Result<Option<Restart>, FileError> {
        match KioskConfig::load(&self.layers) {
            Ok(config) => {
                let values = values(&self.layers, None);
                if !differences(&self.running, &values).iter().all(|change| change.live) {
                    return Ok(Some(Restart { why }));
                }
                self.daemon.apply(&config).await;
                self.running = values;
                self.text = self.home.text()?;
                (self.proved, self.since) = (false, self.now());
                Ok(None)
            }
            // The next start knows what to do with it.
            Err(errors) => Ok(Some(Restart { why: errors.to_string() })),
        }
    }

    fn heal(&mut self) {
        self.broken = None;
        self.elsewhere = false;
        self.daemon.broken(None);
    }

    /// Says once what the disk does not take, and once that it does again.
    fn complain(&mut self, why: Option<String>) {
        if self.complaint != why {
            warn!(?why, "configuration");
            self.complaint = why;
            self.daemon.broken(self.complaint.as_deref().or(self.broken.as_deref()));
        }
        self.show();
    }

    fn show(&self) {
        let broken = self.complaint.as_ref().or(self.broken.as_ref());
        let (stage, changes, left) = match (broken, &self.trial, &self.waiting) {
            (_, Some((pending, trial)), _) => {
                let left = trial.undo.then(|| trial.left(self.now()).as_secs());
                (ConfigStage::OnTrial, pending.changes.clone(), left)
            }
            (_, None, Some(pending)) => (ConfigStage::Waiting, pending.changes.clone(), None),
            (Some(_), None, None) => (ConfigStage::Broken, Vec::new(), None),
            (None, None, None) if self.proved => (ConfigStage::Proved, Vec::new(), None),
            (None, None, None) => (ConfigStage::Unproved, Vec::new(), None),
        };
        self.view.set(ConfigState {
            file: self.home.file().to_owned(),
            layers: self.layers.files.clone(),
            must_exist: self.layers.must_exist,
            stage,
            changes,
            undone_in_s: left,
            broken: broken.cloned(),
            undone: self.home.undone().map(|undone| format!("{}: {}", names(&undone.changes), undone.why)),
        });
    }
}

fn names(changes: &[Changed]) -> String {
    let names: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    names.join(", ")
}
