//! Identifiers. Each is a type of its own, so that one is never taken for another.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(with = "String")] pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// One incident: a press and everything that follows from it. Chosen by the kiosk (UUIDv7).
    IncidentId
}
uuid_id! {
    /// One run of a daemon: orders messages together with their sequence number when the clock is wrong.
    BootId
}
uuid_id! {
    /// One message. Receivers drop an id they have seen.
    MessageId
}
uuid_id! {
    /// One media session (an offer and its answer).
    SessionId
}

impl IncidentId {
    /// A new incident id.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}
impl BootId {
    /// A new boot id.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }
}
impl MessageId {
    /// A new message id.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }
}
impl SessionId {
    /// A new session id.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The CN of the centre's own certificate: a kiosk of that name would be the centre to the broker.
const CENTRE: &str = "centre";

/// A kiosk's name: 1 to 32 of `a-z`, `0-9` and `-`, not `centre`. It is the CN of its certificate and a level of its
/// topics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct KioskId(#[schemars(regex(pattern = r"^(?!centre$)[a-z0-9-]{1,32}$"))] String);

/// A name that is not a kiosk's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a kiosk id is 1 to 32 of a-z, 0-9 and '-', and not \"centre\", found {found:?}")]
pub struct BadKioskId {
    /// What was given.
    pub found: String,
}

impl KioskId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KioskId {
    type Err = BadKioskId;
    fn from_str(text: &str) -> Result<Self, BadKioskId> {
        let fits = (1..=32).contains(&text.len())
            && text != CENTRE
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(BadKioskId { found: text.chars().take(64).collect() }) }
    }
}

impl TryFrom<String> for KioskId {
    type Error = BadKioskId;
    fn try_from(text: String) -> Result<Self, BadKioskId> {
        text.parse()
    }
}

impl From<KioskId> for String {
    fn from(id: KioskId) -> Self {
        id.0
    }
}

impl fmt::Display for KioskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
