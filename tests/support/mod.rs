//! A whole world on loopback: real mosquitto, real centre, real kiosk, real Chromium.
//!
//! The demo, the end-to-end tests and the campaigns all start the same world.
#![allow(dead_code, reason = "each of the programs that share this uses a part of it")]

pub mod centre_side;
pub mod officer;
pub mod process;
pub mod wav;
pub mod way;
pub mod world;

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};

/// Asks `ready` every 20 ms until it has something, at most `bound`.
pub async fn until<T, F>(what: &str, bound: Duration, mut ready: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let started = std::time::Instant::now();
    while started.elapsed() < bound {
        look.tick().await;
        if let Some(found) = ready().await {
            return Ok(found);
        }
    }
    bail!("{what}: not within {bound:?}")
}

/// Wall clock, microseconds since 1970 UTC.
pub fn wall_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("before the year 290000")
}
