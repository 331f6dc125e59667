//! Self-tests on demand (`sos-ctl selftest`): one part after the other, each step said as it happens, and each test
//! logged at the centre.
//!
//! A part is tested by a [`PartTest`]; what a kiosk should hear and see is learnt by one that [`PartTest::learns`]. The parts list of `bin` makes the [`Suite`] of those that are fitted. Whatever
//! is under test, a press is an alarm: the one exception is [`parts::ButtonTest`], whose waiting the machine itself
//! ends at the first press, at an alarm, and after half a minute.

pub mod camera;
pub mod full;
pub mod hands;
pub mod parts;
pub mod sound;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use tracing::info;

use super::ports::{Link, Saying};
use crate::control::{TestOutcome, TestPart, TestStep};
use crate::wire::up::TestReport;

/// No test of a part takes longer.
const PART_WITHIN: Duration = Duration::from_secs(60);

/// What a test of a part found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How it ended.
    pub outcome: TestOutcome,
    /// What was expected and what was found, with figures.
    pub detail: String,
}

impl Found {
    /// The part does what it should.
    #[must_use]
    pub fn passed(detail: impl Into<String>) -> Self {
        Self { outcome: TestOutcome::Passed, detail: detail.into() }
    }

    /// It does not.
    #[must_use]
    pub fn failed(detail: impl Into<String>) -> Self {
        Self { outcome: TestOutcome::Failed, detail: detail.into() }
    }

    /// Nothing can be said.
    #[must_use]
    pub fn not_tested(detail: impl Into<String>) -> Self {
        Self { outcome: TestOutcome::NotTested, detail: detail.into() }
    }
}

/// Says what is under way, for the person who watches.
#[derive(Debug, Clone)]
pub struct Say {
    part: TestPart,
    to: mpsc::Sender<TestStep>,
}

impl Say {
    /// Nobody watches.
    #[must_use]
    pub fn to_nobody(part: TestPart) -> Self {
        Self { part, to: mpsc::channel(1).0 }
    }

    /// Says it. Whoever has gone does not want to know.
    pub async fn step(&self, detail: impl Into<String>) {
        _ = self.to.send(TestStep { part: self.part, outcome: None, detail: detail.into() }).await;
    }
}

/// On whose behalf a part is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By the full self-test.
    Full,
    /// By somebody who asks.
    Asked,
    /// By somebody who knows that it is right now: what is found is what is expected from now on.
    Learn,
}

/// What a test comes to.
pub type Testing<'a> = Pin<Box<dyn Future<Output = Found> + Send + 'a>>;

/// The test of one part.
pub trait PartTest: Send + Sync {
    /// Which.
    fn part(&self) -> TestPart;
    /// Whether it compares with what it has learnt.
    fn learns(&self) -> bool {
        false
    }
    /// Tests it. Dropped when nobody wants to know any more, or after a minute: it leaves nothing switched on.
    fn run(&self, how: How, say: Say) -> Testing<'_>;
}

/// The tests of the parts that are fitted.
pub struct Suite {
    tests: Vec<Box<dyn PartTest>>,
    link: Arc<dyn Link>,
    /// Two tests at a time would disturb each other.
    one: Mutex<()>,
}

impl Suite {
    /// These tests, in the order they are run in; each is logged over `link`.
    #[must_use]
    pub fn new(tests: Vec<Box<dyn PartTest>>, link: Arc<dyn Link>) -> Self {
        Self { tests, link, one: Mutex::new(()) }
    }

    /// Tests `parts`, or all, and says every step to `steps`; `learn`: as [`How::Learn`].
    ///
    /// # Errors
    /// Why nothing is tested.
    pub async fn run(&self, parts: &[TestPart], learn: bool, steps: mpsc::Sender<TestStep>) -> Result<(), String> {
        let learns = |part: &TestPart| self.tests.iter().any(|test| test.part() == *part && test.learns());
        if learn && (parts.is_empty() || !parts.iter().all(learns)) {
            return Err("expected parts that learn (sound, camera), found none or others".to_owned());
        }
        let how = if learn { How::Learn } else { How::Asked };
        let Ok(_one) = self.one.try_lock() else { return Err("another self-test is under way".to_owned()) };
        let all: Vec<TestPart> = self.tests.iter().map(|test| test.part()).collect();
        for part in if parts.is_empty() { &all } else { parts } {
            let found = match self.tests.iter().find(|test| test.part() == *part) {
                Some(test) => self.test(&**test, how, &steps).await,
                None => Found::not_tested("this kiosk has no test for it"),
            };
            let step = TestStep { part: *part, outcome: Some(found.outcome), detail: found.detail };
            if steps.send(step).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Tests a part for the full self-test, which logs it itself. Waits for a test that is under way.
    pub async fn find(&self, part: TestPart) -> Found {
        let _one = self.one.lock().await;
        let Some(test) = self.tests.iter().find(|test| test.part() == part) else {
            return Found::not_tested("this kiosk has no test for it");
        };
        bounded(&**test, How::Full, Say::to_nobody(part)).await
    }

    async fn test(&self, test: &dyn PartTest, how: How, steps: &mpsc::Sender<TestStep>) -> Found {
        let part = test.part();
        let learns = if how == How::Learn { ", to learn what is right" } else { "" };
        self.log(part, None, &format!("asked for from the command line{learns}"));
        let say = Say { part, to: steps.clone() };
        let found = tokio::select! {
            found = bounded(test, how, say) => found,
            () = steps.closed() => Found::not_tested("broken off: nobody waits for it any more"),
        };
        self.log(part, Some(found.outcome), &found.detail);
        found
    }

    fn log(&self, part: TestPart, outcome: Option<TestOutcome>, detail: &str) {
        info!(?part, ?outcome, detail, "self-test");
        self.link.say(Saying::Test(Box::new(TestReport { part, outcome, detail: detail.to_owned() })));
    }
}

/// A test that does not end has failed.
async fn bounded(test: &dyn PartTest, how: How, say: Say) -> Found {
    let found = timeout(PART_WITHIN, test.run(how, say)).await;
    found.unwrap_or_else(|_| Found::failed(format!("expected an end within {} s, found none", PART_WITHIN.as_secs())))
}
