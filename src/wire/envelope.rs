//! What wraps every MQTT message: identity, order and time.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ids::{BootId, MessageId};
use super::limits;

/// A message with what a receiver needs to order and de-duplicate it.
///
/// `boot` and `seq` give the order even when the wall clock is wrong; `wall_us` is what people read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<T> {
    /// Unique per message; a resend of the same content keeps it.
    pub id: MessageId,
    /// The sender's run.
    pub boot: BootId,
    /// Counts up by one per message of the sender's run.
    pub seq: u64,
    /// Wall clock at sending, microseconds since 1970 UTC.
    pub wall_us: i64,
    /// Monotonic clock at sending, microseconds since the sender's run began.
    pub mono_us: u64,
    /// Whether the sender's wall clock is synchronised.
    pub clock_synced: bool,
    /// The message.
    pub body: T,
}

/// What was read, its body taken apart from the rest.
pub type Decoded<T> = Envelope<T>;

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Over the limit.
    #[error("message of {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes given.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not the JSON that was expected.
    #[error("not a {expected} message: {source}")]
    Malformed {
        /// The type that was expected.
        expected: &'static str,
        /// What the JSON reader says, with line and column.
        source: serde_json::Error,
    },
}

/// Message to bytes.
///
/// # Errors
/// [`WireError::TooLarge`] if it would not be read by the other side.
pub fn encode<T: Serialize>(message: &Envelope<T>) -> Result<Vec<u8>, WireError> {
    let bytes =
        serde_json::to_vec(message).map_err(|source| WireError::Malformed { expected: short_name::<T>(), source })?;
    check_size(bytes.len())?;
    Ok(bytes)
}

/// Bytes to message.
///
/// # Errors
/// [`WireError`] names the type that was expected and where reading stopped.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Envelope<T>, WireError> {
    check_size(bytes.len())?;
    serde_json::from_slice(bytes).map_err(|source| WireError::Malformed { expected: short_name::<T>(), source })
}

fn check_size(found: usize) -> Result<(), WireError> {
    let limit = limits::MAX_MESSAGE;
    if found > limit { Err(WireError::TooLarge { found, limit }) } else { Ok(()) }
}

fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}
