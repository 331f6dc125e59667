//! The tests that need nothing but the core: lamps, camera, the way to the centre, the button.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{interval, sleep};

use super::{Found, PartTest, Say, Testing};
use crate::control::{Status, TestPart};
use crate::kiosk::control::{ask, status};
use crate::kiosk::shell::Ask;
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::machine::words::{Lamp, Light};

/// A lamp shines for this long, so that a person can walk round to it.
const LAMP_FOR: Duration = Duration::from_secs(2);
/// The centre's echo comes within this.
const ECHO_WITHIN: Duration = Duration::from_secs(5);
/// A frame older than this is no live picture, ms.
const FRESH_MS: u64 = 1_000;
/// The camera is watched for this long.
const CAMERA_FOR: Duration = Duration::from_secs(3);

/// The core, as tests ask it.
pub type Asks = mpsc::Sender<Ask>;

/// Lamps on, one after the other. Whether they shone, the person who looks at them says.
pub struct LampTest {
    /// The core.
    pub asks: Asks,
}

impl PartTest for LampTest {
    fn part(&self) -> TestPart {
        TestPart::Lamp
    }

    fn run(&self, say: Say) -> Testing<'_> {
        Box::pin(async move {
            // Dropped in the middle, the lamps go back to the machine all the same.
            let _back = LampsBack(self.asks.clone());
            for (lamp, name) in [(Lamp::Sent, "sent"), (Lamp::Answered, "answered"), (Lamp::Fault, "fault")] {
                let set = ask(&self.asks, |to| Ask::Lamp(Some((lamp, Light::On)), to)).await;
                if let Err(why) = set.and_then(|done| done) {
                    return Found::not_tested(why);
                }
                say.step(format!("the lamp \"{name}\" shines for {} s, and no other", LAMP_FOR.as_secs())).await;
                sleep(LAMP_FOR).await;
                // An alarm takes its lamps: what comes after it would be a lie.
                if status(&self.asks).await.is_ok_and(|status| status.incident.is_some()) {
                    return Found::not_tested("broken off by an alarm");
                }
            }
            Found::passed("each lamp was switched on; whether it shone is for the person in front of it to say")
        })
    }
}

struct LampsBack(Asks);

impl Drop for LampsBack {
    fn drop(&mut self) {
        let (to, _) = tokio::sync::oneshot::channel();
        if let Err(full) = self.0.try_send(Ask::Lamp(None, to)) {
            let asks = self.0.clone();
            tokio::spawn(async move { _ = asks.send(full.into_inner()).await });
        }
    }
}

/// Frames come, and are fresh.
pub struct CameraTest {
    /// The core.
    pub asks: Asks,
}

impl PartTest for CameraTest {
    fn part(&self) -> TestPart {
        TestPart::Camera
    }

    fn run(&self, say: Say) -> Testing<'_> {
        Box::pin(async move {
            say.step(format!("watching for {} s", CAMERA_FOR.as_secs())).await;
            let (began, mut look) = (Instant::now(), interval(Duration::from_millis(100)));
            let mut oldest = 0;
            while began.elapsed() < CAMERA_FOR {
                look.tick().await;
                let age = match status(&self.asks).await {
                    Ok(status) => status.frame_age_ms,
                    Err(why) => return Found::failed(why),
                };
                match age {
                    None => return Found::failed("expected frames, found none since the daemon's start"),
                    Some(age) => oldest = oldest.max(age),
                }
            }
            let found = format!("the newest frame was never older than {oldest} ms");
            if oldest <= FRESH_MS {
                Found::passed(found)
            } else {
                Found::failed(format!("expected at most {FRESH_MS} ms, found that {found}"))
            }
        })
    }
}

/// A heartbeat to the centre, and its echo back; and the media leg.
pub struct LinkTest {
    /// The core.
    pub asks: Asks,
}

impl PartTest for LinkTest {
    fn part(&self) -> TestPart {
        TestPart::Link
    }

    fn run(&self, say: Say) -> Testing<'_> {
        Box::pin(async move {
            say.step("a heartbeat to the centre; its echo is awaited").await;
            let began = Instant::now();
            if let Err(why) = ask(&self.asks, Ask::Beat).await {
                return Found::failed(why);
            }
            let mut look = interval(Duration::from_millis(2));
            loop {
                look.tick().await;
                let status = match status(&self.asks).await {
                    Ok(status) => status,
                    Err(why) => return Found::failed(why),
                };
                let since = began.elapsed();
                // An echo of an earlier heartbeat is older than this test.
                if let Some(age) = status.echo_age_ms.map(Duration::from_millis).filter(|age| *age < since) {
                    return leg(&status, since.saturating_sub(age));
                }
                if since > ECHO_WITHIN {
                    let why = status.reasons().into_iter().next().unwrap_or_else(|| "the centre is silent".to_owned());
                    return Found::failed(format!("expected an echo within {} s: {why}", ECHO_WITHIN.as_secs()));
                }
            }
        })
    }
}

fn leg(status: &Status, took: Duration) -> Found {
    let echo = format!("echo of the centre after {} ms", took.as_millis());
    match (status.leg_up, status.standby) {
        (true, _) => Found::passed(format!("{echo}; the media leg is connected")),
        (false, false) => Found::passed(format!("{echo}; the media leg is dialled at the press only")),
        (false, true) => Found::failed(format!("{echo}, but the media leg is down")),
    }
}

/// The next press of the button is a test. A second one, and any other, is an alarm.
pub struct ButtonTest {
    /// The core.
    pub asks: Asks,
    /// Where its end is told.
    pub inbox: Inbox,
}

impl PartTest for ButtonTest {
    fn part(&self) -> TestPart {
        TestPart::Button
    }

    fn run(&self, say: Say) -> Testing<'_> {
        Box::pin(async move {
            let (to, pressed) = tokio::sync::oneshot::channel();
            // Dropped in the middle, the button is an alarm's again.
            let _over = ButtonOver(self.inbox.clone());
            if self.asks.send(Ask::Button(to)).await.is_err() {
                return Found::failed("the daemon is stopping");
            }
            say.step("press the button once, within half a minute: this one press is no alarm, the next one is").await;
            match pressed.await {
                Ok(true) => Found::passed("the button was pressed; no alarm was made of it"),
                Ok(false) => Found::failed(
                    "expected a press within half a minute, found none (or the button was down already, or an alarm \
                     came between)",
                ),
                Err(_) => Found::failed("the daemon is stopping"),
            }
        })
    }
}

struct ButtonOver(Inbox);

impl Drop for ButtonOver {
    fn drop(&mut self) {
        let over = Stamped::now(Event::ButtonTestOver);
        if let Err(full) = self.0.try_send(over) {
            let inbox = self.0.clone();
            tokio::spawn(async move { _ = inbox.send(full.into_inner()).await });
        }
    }
}
