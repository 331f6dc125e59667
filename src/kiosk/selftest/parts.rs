//! The tests that need nothing but the core: lamps, the way to the centre, the button.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{interval, sleep};

use super::{Found, How, PartTest, Say, Testing};
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

    fn run(&self, _how: How, say: Say) -> Testing<'_> {
        Box::pin(async move {
            // Dropped in the middle, the lamps go back to the machine all the same.
            let _back = AtEnd::say(&self.asks, || Ask::Lamp(None, tokio::sync::oneshot::channel().0));
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

/// Says the last word of a test when it is dropped, however it ends: what was switched on is switched off.
struct AtEnd<T: Send + 'static, F: FnOnce() -> T> {
    to: mpsc::Sender<T>,
    last: Option<F>,
}

impl<T: Send + 'static, F: FnOnce() -> T> AtEnd<T, F> {
    fn say(to: &mpsc::Sender<T>, last: F) -> Self {
        Self { to: to.clone(), last: Some(last) }
    }
}

impl<T: Send + 'static, F: FnOnce() -> T> Drop for AtEnd<T, F> {
    fn drop(&mut self) {
        let Some(last) = self.last.take() else { return };
        if let Err(full) = self.to.try_send(last()) {
            let to = self.to.clone();
            tokio::spawn(async move { _ = to.send(full.into_inner()).await });
        }
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

    fn run(&self, _how: How, say: Say) -> Testing<'_> {
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

    fn run(&self, _how: How, say: Say) -> Testing<'_> {
        Box::pin(async move {
            let (to, pressed) = tokio::sync::oneshot::channel();
            // Dropped in the middle, the button is an alarm's again.
            let _over = AtEnd::say(&self.inbox, || Stamped::now(Event::ButtonTestOver));
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
