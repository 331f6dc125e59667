//! The control socket: `sos-ctl` asks the daemon here. Local, bounded in every direction, and no way to stop it.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::ports::{Configured, Hand, Input};
use super::selftest::Suite;
use super::{Ask, Inbox, Stamped};
use crate::control::{Answer, MAX_LINE, Request, Status, TestPart};
use crate::machine::Event;
use crate::wire::IncidentId;
use crate::wire::up::PressOrigin;

/// Connections at a time; a further one is turned away.
const MAX_CONNECTIONS: usize = 8;
/// A connection that says nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(30);
/// The core answers within microseconds, or not at all.
const CORE_WITHIN: Duration = Duration::from_secs(1);
/// How often is looked whether a press shows.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Lines of a self-test that may wait for who asked for it.
const STEPS: usize = 16;

/// Whom the questions go to. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// What happens goes here.
    pub inbox: Inbox,
    /// The core.
    pub asks: mpsc::Sender<Ask>,
    /// The configuration's keeper.
    pub config: Arc<dyn Configured>,
    /// The self-tests.
    pub suite: Arc<Suite>,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon listens there.
    #[error("{}: another daemon answers on this socket", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// It could not be made.
    #[error("{}: {step}: {source}", path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// Which step.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// The control socket, bound. The file goes when it is dropped.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    hand: Option<Arc<dyn Hand>>,
}

impl Control {
    /// Binds `path` (mode 0660), in the place of a socket that a killed daemon left behind.
    ///
    /// # Errors
    /// [`ControlError`] names the path and the step.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let failed = |step| move |source| ControlError::Bind { path: path.to_owned(), step, source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed("make its directory"))?;
        }
        let stale = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
        if stale {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(ControlError::Taken { path: path.to_owned() });
            }
            std::fs::remove_file(path).map_err(failed("remove the stale socket"))?;
        }
        let listener = UnixListener::bind(path).map_err(failed("bind"))?;
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(path, mode).map_err(failed("set its mode"))?;
        Ok(Self { listener, path: path.to_owned(), hand: None })
    }

    /// What moves the simulated panel; without it such requests are refused.
    #[must_use]
    pub fn with_hand(mut self, hand: Option<Arc<dyn Hand>>) -> Self {
        self.hand = hand;
        self
    }

    /// Answers until it is dropped.
    pub async fn serve(self, services: Services) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: others will free some.
                    warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(CORE_WITHIN).await;
                    continue;
                }
            };
            let slot = Arc::clone(&slots).try_acquire_owned();
            let (services, hand) = (services.clone(), self.hand.clone());
            connections.spawn(async move {
                let Ok(_slot) = slot else {
                    let answer = Answer::refused(format!("expected at most {MAX_CONNECTIONS} connections"));
                    return drop(write(&mut { stream }, &answer).await);
                };
                if let Err(error) = converse(stream, &services, hand.as_ref()).await {
                    debug!(%error, "a control connection ended");
                }
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, services: &Services, hand: Option<&Arc<dyn Hand>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let limit = MAX_LINE as u64 + 1;
        let mut bounded = (&mut stream).take(limit);
        match timeout(IDLE, bounded.read_until(b'\n', &mut line)).await {
            Err(_) | Ok(Ok(0)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) => {}
        }
        if line.len() > MAX_LINE {
            let answer = Answer::refused(format!("expected a line of at most {MAX_LINE} bytes"));
            return write(stream.get_mut(), &answer).await;
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(Request::Selftest { parts, learn: false }) if parts.is_empty() => {
                full_test(&mut stream, &services.asks).await?
            }
            Ok(Request::Selftest { parts, learn }) => test(&mut stream, &services.suite, &parts, learn).await?,
            Ok(request) => answer(request, services, hand).await,
            Err(error) => Answer::refused(format!("not a request: {error}")),
        };
        write(stream.get_mut(), &answer).await?;
    }
}

async fn write(stream: &mut UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(IDLE, stream.write_all(&line)).await.map_err(std::io::Error::from)?
}

/// Says every step of a self-test as it happens; returns the last line. A person who goes away ends it.
async fn test(
    stream: &mut BufReader<UnixStream>,
    suite: &Suite,
    parts: &[TestPart],
    learn: bool,
) -> std::io::Result<Answer> {
    let (to, mut steps) = mpsc::channel(STEPS);
    let run = suite.run(parts, learn, to);
    tokio::pin!(run);
    let mut outcome = None;
    loop {
        tokio::select! {
            // In this order: what was said comes before the end.
            biased;
            step = steps.recv() => match step {
                Some(step) => {
                    let line = Answer { test: Some(step), more: true, ..Answer::done() };
                    if write(stream.get_mut(), &line).await.is_err() {
                        drop(steps);
                        _ = run.await;
                        return Err(std::io::ErrorKind::BrokenPipe.into());
                    }
                }
                None => break,
            },
            ended = &mut run, if outcome.is_none() => outcome = Some(ended),
            () = gone(stream.get_ref()), if outcome.is_none() => {
                // It ends by itself when nobody listens, and is logged as broken off.
                drop(steps);
                _ = run.await;
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
        }
    }
    Ok(match outcome {
        Some(Err(why)) => Answer::refused(why),
        Some(Ok(())) | None => Answer::done(),
    })
}

/// Says every step of the full self-test, which goes on when nobody listens any more.
async fn full_test(stream: &mut BufReader<UnixStream>, asks: &mpsc::Sender<Ask>) -> std::io::Result<Answer> {
    let (to, mut steps) = mpsc::channel(STEPS);
    if asks.send(Ask::SelfTest(to)).await.is_err() {
        return Ok(Answer::refused("the daemon is stopping"));
    }
    let mut said = false;
    while let Some(step) = steps.recv().await {
        said = true;
        let line = Answer { test: Some(step), more: true, ..Answer::done() };
        write(stream.get_mut(), &line).await?;
    }
    Ok(if said { Answer::done() } else { Answer::refused("an alarm is open: nothing is tested") })
}

/// Returns when the other end has closed.
async fn gone(stream: &UnixStream) {
    loop {
        // Readable, with nothing to read: closed. What it says meanwhile waits for its turn.
        let closed = match stream.ready(tokio::io::Interest::READABLE).await {
            Ok(ready) => ready.is_read_closed(),
            Err(_) => true,
        };
        if closed {
            return;
        }
        tokio::time::sleep(CORE_WITHIN).await;
    }
}

async fn answer(request: Request, services: &Services, hand: Option<&Arc<dyn Hand>>) -> Answer {
    let Services { inbox, asks, config, suite: _ } = services;
    let done = match request {
        Request::Press { hold, second } => press(hold, second, services, hand).await,
        Request::Release { second: false } => {
            report(inbox, Event::Released { origin: PressOrigin::Control }).map(|()| Answer::done())
        }
        Request::Release { second: true } => move_by_hand(hand, Input::SecondButton, false).map(|()| Answer::done()),
        Request::Tamper { open } => move_by_hand(hand, Input::Tamper, open).map(|()| Answer::done()),
        Request::Status => status(asks).await.map(|mut status| {
            status.config = config.state();
            Answer { status: Some(status), ..Answer::done() }
        }),
        Request::Config => Ok(Answer { config: Some(Box::new(config.state())), ..Answer::done() }),
        Request::ConfigChanged => {
            config.look();
            Ok(Answer { config: Some(Box::new(config.state())), ..Answer::done() })
        }
        Request::Selftest { .. } => Err("a self-test is answered line by line".to_owned()),
        Request::Ring => ask(asks, Ask::Ring).await.map(|ring| Answer { ring, ..Answer::done() }),
    };
    done.unwrap_or_else(Answer::refused)
}

fn move_by_hand(hand: Option<&Arc<dyn Hand>>, input: Input, active: bool) -> Result<(), String> {
    let hand = hand.ok_or("expected panel.driver = \"sim\", found a real panel: nobody moves it here")?;
    hand.set(input, active);
    Ok(())
}

async fn press(hold: bool, second: bool, services: &Services, hand: Option<&Arc<dyn Hand>>) -> Result<Answer, String> {
    let presses = |status: &Status| status.incident.as_ref().map_or(0, |open| open.presses);
    let before = presses(&*status(&services.asks).await?);
    if second {
        move_by_hand(hand, Input::SecondButton, true)?;
        if !hold {
            move_by_hand(hand, Input::SecondButton, false)?;
        }
    } else {
        let origin = PressOrigin::Control;
        report(&services.inbox, Event::Pressed { origin, incident: IncidentId::fresh() })?;
        if !hold {
            report(&services.inbox, Event::Released { origin })?;
        }
    }
    // It shows when the panel's thread and the shell have had their turn.
    let until = tokio::time::Instant::now() + CORE_WITHIN;
    while tokio::time::Instant::now() < until {
        let status = status(&services.asks).await?;
        if let Some(open) = status.incident.as_ref().filter(|_| presses(&status) > before) {
            return Ok(Answer { incident: Some(open.id), ..Answer::done() });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err("the press was taken, and no incident shows it: closed already, or the line chatters?".to_owned())
}

fn report(inbox: &Inbox, event: Event) -> Result<(), String> {
    inbox.try_send(Stamped::now(event)).map_err(|_| "the daemon's inbox takes nothing more".to_owned())
}

/// How the kiosk is, as the core knows it.
///
/// # Errors
/// The core does not answer.
pub async fn status(asks: &mpsc::Sender<Ask>) -> Result<Box<Status>, String> {
    ask(asks, Ask::Status).await
}

/// Asks the core.
///
/// # Errors
/// The core does not answer.
pub async fn ask<T>(asks: &mpsc::Sender<Ask>, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, String> {
    let silent = || format!("the daemon's core did not answer within {} s", CORE_WITHIN.as_secs());
    let (to, answer) = oneshot::channel();
    let told = timeout(CORE_WITHIN, asks.send(question(to)));
    told.await.map_err(|_| silent())?.map_err(|_| "the daemon is stopping".to_owned())?;
    timeout(CORE_WITHIN, answer).await.map_err(|_| silent())?.map_err(|_| "the daemon is stopping".to_owned())
}
