//! How the rest of the centre speaks to the desk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::centre::clock::Clock;
use crate::centre::desk::{Event, Now};
use crate::centre::gateway::PageId;
use crate::centre::page::{FromPage, KioskView};

use super::outlet::PAGE_QUEUE;

/// What reaches the shell.
pub(super) enum Input {
    /// Something happened, at that instant.
    Event { now: Now, event: Box<Event> },
    /// A page has connected.
    Open { now: Now, page: PageId, officer: String, session: String, line: mpsc::Sender<Utf8Bytes> },
    /// Somebody asks for the kiosks.
    Kiosks { reply: oneshot::Sender<Vec<KioskView>> },
    /// A session has ended: so do its pages.
    SessionEnded { session: String },
}

/// The desk has ended: the centre is going down.
#[derive(Debug, thiserror::Error)]
#[error("the desk has ended: the centre is going down")]
pub struct DeskGone;

/// A handle on the desk. Cheap to clone; waits while the desk's inbox is full.
#[derive(Clone)]
pub struct DeskHandle {
    inputs: mpsc::Sender<Input>,
    clock: Clock,
    pages: Arc<AtomicU64>,
}

/// A page's way to and from the desk.
pub struct PageLine {
    /// The page.
    pub page: PageId,
    /// Messages for it, JSON. Ends when the desk drops the page.
    pub messages: mpsc::Receiver<Utf8Bytes>,
}

impl DeskHandle {
    pub(super) fn new(inputs: mpsc::Sender<Input>, clock: Clock) -> Self {
        Self { inputs, clock, pages: Arc::new(AtomicU64::new(1)) }
    }

    /// Something happened now.
    ///
    /// # Errors
    /// [`DeskGone`].
    pub async fn tell(&self, event: Event) -> Result<(), DeskGone> {
        let now = self.clock.now();
        self.put(Input::Event { now, event: Box::new(event) }).await
    }

    /// An officer's page has connected.
    ///
    /// # Errors
    /// [`DeskGone`].
    pub async fn open_page(&self, officer: String, session: String) -> Result<PageLine, DeskGone> {
        let page = self.pages.fetch_add(1, Ordering::Relaxed);
        let (line, messages) = mpsc::channel(PAGE_QUEUE);
        self.put(Input::Open { now: self.clock.now(), page, officer, session, line }).await?;
        Ok(PageLine { page, messages })
    }

    /// A page has said something.
    ///
    /// # Errors
    /// [`DeskGone`].
    pub async fn page_said(&self, page: PageId, said: FromPage) -> Result<(), DeskGone> {
        self.tell(Event::PageSaid { page, said }).await
    }

    /// Every kiosk known.
    ///
    /// # Errors
    /// [`DeskGone`].
    pub async fn kiosks(&self) -> Result<Vec<KioskView>, DeskGone> {
        let (reply, answer) = oneshot::channel();
        self.put(Input::Kiosks { reply }).await?;
        answer.await.map_err(|_| DeskGone)
    }

    /// A session has ended: so do its pages.
    ///
    /// # Errors
    /// [`DeskGone`].
    pub async fn session_ended(&self, session: String) -> Result<(), DeskGone> {
        self.put(Input::SessionEnded { session }).await
    }

    async fn put(&self, input: Input) -> Result<(), DeskGone> {
        self.inputs.send(input).await.map_err(|_| DeskGone)
    }
}
