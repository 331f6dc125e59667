//! One small module over rumqttc (MQTT 5), for both ends.
//!
//! rumqttc 0.25 loses queued messages at a reconnect, jams after a collision and never times out a
//! flush. So its event loop lives for one connection only: at the first error, or when the broker has
//! been silent for too long, it is thrown away and a new one is made from this module's own outbox.
//! The application above acknowledges what matters itself; the broker's PUBACK only empties the outbox.

mod line;
mod outbox;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::tls::ClientFiles;

/// Messages that may wait between [`Client::publish`] and the line's task.
const COMMANDS: usize = 256;
/// Kept messages that may wait for the broker; beyond, the oldest that is not under way is dropped, and counted.
const OUTBOX: usize = 1024;

/// How to reach a broker and what to say at every connection.
#[derive(Clone)]
pub struct Settings {
    /// Host name or address, as in the broker's certificate.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Unique per client.
    pub client_id: String,
    /// None: plain TCP, for tests on loopback.
    pub tls: Option<ClientFiles>,
    /// Subscribed, at QoS 1, at every connection; [`Happening::Up`] comes after the broker granted them all.
    pub subscriptions: Vec<String>,
    /// Topic and payload the broker publishes, retained, when the client vanishes.
    pub will: Option<(String, Vec<u8>)>,
    /// Topic and payload published, retained, at every connection.
    pub birth: Option<(String, Vec<u8>)>,
}

/// What the line reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// Connected and subscribed.
    Up,
    /// Not connected (any more), said again when the reason is another; trying again by itself.
    Down {
        /// Why, for the log.
        why: String,
    },
    /// A connection has taken a message of [`Kind::Marked`].
    Sent {
        /// Its mark.
        mark: u64,
        /// When.
        at: Instant,
    },
    /// A message on a subscribed topic.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Bytes,
        /// Whether the broker had kept it from earlier.
        retained: bool,
    },
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True only now (QoS 0): dropped when the line is down.
    Fresh,
    /// The same, and [`Happening::Sent`] tells when a connection has taken it.
    Marked(u64),
    /// Kept in a bounded outbox and sent again until the broker has it (QoS 1).
    Kept,
    /// As [`Kind::Kept`], and until somebody has been subscribed when the broker took it: for what is said once.
    Heard,
}

/// The message was not taken: too many wait already, or it is too large to be read by anyone.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotTaken {
    /// The queue is full.
    #[error("{topic}: {COMMANDS} messages wait for the link already")]
    Full {
        /// Where it should have gone.
        topic: String,
    },
    /// Over the limit.
    #[error("{topic}: message of {found} bytes, at most {limit} are sent")]
    TooLarge {
        /// Where it should have gone.
        topic: String,
        /// Its size.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Post {
    topic: String,
    payload: Vec<u8>,
    retain: bool,
    kind: Kind,
}

/// A handle on the line; cheap to clone. The line ends when the last handle is dropped.
#[derive(Clone)]
pub struct Client {
    posts: mpsc::Sender<Post>,
}

impl Client {
    /// Hands a message to the line. Never blocks.
    ///
    /// # Errors
    /// [`NotTaken`] when it cannot be queued.
    pub fn publish(&self, topic: String, payload: Vec<u8>, retain: bool, kind: Kind) -> Result<(), NotTaken> {
        let limit = crate::wire::limits::MAX_MESSAGE;
        if payload.len() > limit {
            // rumqttc would reconnect for ever over it.
            return Err(NotTaken::TooLarge { topic, found: payload.len(), limit });
        }
        self.posts.try_send(Post { topic, payload, retain, kind }).map_err(|refused| {
            let (mpsc::error::TrySendError::Full(post) | mpsc::error::TrySendError::Closed(post)) = refused;
            NotTaken::Full { topic: post.topic }
        })
    }
}

/// Starts the line on a task of its own.
#[must_use]
pub fn start(settings: Settings, happenings: mpsc::Sender<Happening>) -> Client {
    let (posts, queue) = mpsc::channel(COMMANDS);
    tokio::spawn(line::run(settings, queue, happenings));
    Client { posts }
}

/// Wait before the next attempt: doubles from 100 ms to 2 s, with jitter, so that a fleet does not return as one.
#[must_use]
pub fn back_off(failures: u32) -> Duration {
    let ceiling = 100u64.saturating_mul(1 << failures.min(5)).min(2_000);
    Duration::from_millis(ceiling / 2 + rand::random_range(0..=ceiling / 2))
}
