//! The shell's side of the full self-test: what the machine asks for, told to the ports and to who waits for it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::info;

use super::Suite;
use crate::control::TestStep;
use crate::kiosk::ports::{Proof, Saying};
use crate::kiosk::shell::Parts;
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::machine::selftest::{TestEffect, TestEvent};
use crate::wire::selftest::{LastTest, TestCall};
use crate::wire::up::{SessionOffer, TestPart, TestReport};

/// Tests parts on a task of its own, and keeps the last result.
pub struct Tester {
    suite: Arc<Suite>,
    proof: Arc<dyn Proof>,
    inbox: Inbox,
}

impl Tester {
    /// The parts of `suite`; what is found comes to `inbox`, what is kept goes to `proof`.
    #[must_use]
    pub fn new(suite: Arc<Suite>, proof: Arc<dyn Proof>, inbox: Inbox) -> Self {
        Self { suite, proof, inbox }
    }

    /// What an earlier run kept.
    #[must_use]
    pub fn last(&self) -> Option<LastTest> {
        self.proof.last()
    }

    fn test(&self, part: TestPart) {
        let (suite, inbox) = (Arc::clone(&self.suite), self.inbox.clone());
        tokio::spawn(async move {
            let found = suite.find(part).await;
            let event = TestEvent::Found { part, outcome: found.outcome, detail: found.detail };
            // A daemon that stops needs no result.
            _ = inbox.send(Stamped::now(Event::Test(event))).await;
        });
    }
}

/// Who waits for the full self-test under way.
#[derive(Debug, Default)]
pub struct Watchers {
    steps: Option<mpsc::Sender<TestStep>>,
}

impl Watchers {
    /// Somebody asks; whoever asked before is not told any more.
    pub fn watch(&mut self, steps: mpsc::Sender<TestStep>) {
        self.steps = Some(steps);
    }

    /// Does what the machine asks for.
    pub fn perform(&mut self, effect: TestEffect, parts: &Parts) {
        match effect {
            TestEffect::Part(part) => parts.tester.test(part),
            TestEffect::Call { test, attempt, offer } => {
                let offer = offer.map(|(session, sdp)| SessionOffer { session, sdp });
                parts.link.say(Saying::TestCall(Box::new(TestCall { test, attempt, offer })));
            }
            TestEffect::Probe { on } => parts.media.probe(on),
            TestEffect::Step { part, outcome, detail } => {
                info!(?part, ?outcome, detail, "self-test");
                let report = TestReport { part, outcome, detail: detail.clone() };
                parts.link.say(Saying::Test(Box::new(report)));
                if let Some(steps) = &self.steps {
                    // Somebody who does not read is not waited for.
                    _ = steps.try_send(TestStep { part, outcome, detail });
                }
            }
            TestEffect::Ended(last) => {
                info!(good = last.good, failed = ?last.failed, "full self-test over");
                parts.tester.proof.keep(&last);
                self.steps = None;
            }
            TestEffect::BrokenOff => self.steps = None,
        }
    }
}
