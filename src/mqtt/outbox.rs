//! Messages kept until the broker has them, and the matching of packet ids to them.

use std::collections::VecDeque;

use super::{Kind, OUTBOX, Post};

/// Kept messages in order. The broker acknowledges packet ids; rumqttc tells them in the order in
/// which messages were handed over, which is all there is to match them by.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Entry>,
    /// Dropped because too many waited.
    pub dropped: u64,
}

#[derive(Debug)]
struct Entry {
    post: Post,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    HandedOver,
    Sent(u16),
    /// The broker has taken it and had nobody to give it to.
    Unheard,
}

impl Outbox {
    /// Takes a message. Beyond the bound the oldest goes that is not under way: the ids of those that are come back
    /// in their order. Where all are, the new one is not taken.
    pub fn push(&mut self, post: Post) {
        if self.waiting.len() >= OUTBOX {
            self.dropped += 1;
            let rests = |entry: &Entry| matches!(entry.state, State::Waiting | State::Unheard);
            let Some(oldest) = self.waiting.iter().position(rests) else { return };
            self.waiting.remove(oldest);
        }
        self.waiting.push_back(Entry { post, state: State::Waiting });
    }

    /// Hands over what still waits, in order, until `hand_over` refuses.
    pub fn hand_over(&mut self, mut hand_over: impl FnMut(&Post) -> bool) {
        for entry in self.waiting.iter_mut().filter(|entry| entry.state == State::Waiting) {
            if !hand_over(&entry.post) {
                return;
            }
            entry.state = State::HandedOver;
        }
    }

    /// The oldest message handed over went out under `packet`.
    pub fn sent(&mut self, packet: u16) {
        if let Some(entry) = self.waiting.iter_mut().find(|entry| entry.state == State::HandedOver) {
            entry.state = State::Sent(packet);
        }
    }

    /// The broker has `packet`. If somebody had to hear it, somebody is there: the others follow.
    pub fn acknowledged(&mut self, packet: u16) {
        let Some(at) = self.waiting.iter().position(|entry| entry.state == State::Sent(packet)) else { return };
        let heard = self.waiting.remove(at).is_some_and(|entry| entry.post.kind == Kind::Heard);
        for entry in self.waiting.iter_mut().filter(|entry| heard && entry.state == State::Unheard) {
            entry.state = State::Waiting;
        }
    }

    /// The broker has `packet`, and nobody is subscribed.
    pub fn unheard(&mut self, packet: u16) {
        let Some(at) = self.waiting.iter().position(|entry| entry.state == State::Sent(packet)) else { return };
        match self.waiting.get_mut(at) {
            Some(entry) if entry.post.kind == Kind::Heard => entry.state = State::Unheard,
            _ => drop(self.waiting.remove(at)),
        }
    }

    /// The oldest nobody heard is tried again; the others wait for what comes of it.
    pub fn ask_again(&mut self) {
        if let Some(entry) = self.waiting.iter_mut().find(|entry| entry.state == State::Unheard) {
            entry.state = State::Waiting;
        }
    }

    /// The connection is gone: everything waits again.
    pub fn reset(&mut self) {
        for entry in &mut self.waiting {
            entry.state = State::Waiting;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(name: &str) -> Post {
        Post { topic: name.to_owned(), payload: vec![], retain: false, kind: Kind::Kept }
    }

    fn handed_over(outbox: &mut Outbox, room: usize) -> Vec<String> {
        let mut names = vec![];
        outbox.hand_over(|post| {
            let fits = names.len() < room;
            if fits {
                names.push(post.topic.clone());
            }
            fits
        });
        names
    }

    #[test]
    fn what_the_broker_did_not_acknowledge_goes_out_again_in_order() {
        let mut outbox = Outbox::default();
        for name in ["a", "b", "c"] {
            outbox.push(post(name));
        }
        assert_eq!(handed_over(&mut outbox, 9), ["a", "b", "c"]);
        outbox.sent(1);
        outbox.sent(2);
        outbox.sent(3);
        outbox.acknowledged(2);
        outbox.reset();
        assert_eq!(handed_over(&mut outbox, 9), ["a", "c"]);
    }

    #[test]
    fn a_full_line_gets_the_rest_later() {
        let mut outbox = Outbox::default();
        for name in ["a", "b", "c"] {
            outbox.push(post(name));
        }
        assert_eq!(handed_over(&mut outbox, 2), ["a", "b"]);
        assert_eq!(handed_over(&mut outbox, 9), ["c"]);
    }

    #[test]
    fn the_outbox_is_bounded_and_says_what_it_dropped() {
        let mut outbox = Outbox::default();
        for n in 0..OUTBOX + 3 {
            outbox.push(post(&n.to_string()));
        }
        assert_eq!(outbox.dropped, 3);
        assert_eq!(handed_over(&mut outbox, 1), ["3"]);
    }

    #[test]
    fn a_full_outbox_leaves_alone_what_is_under_way() {
        let mut outbox = Outbox::default();
        for n in 0..OUTBOX {
            outbox.push(post(&n.to_string()));
        }
        handed_over(&mut outbox, 2);
        outbox.push(post("new"));
        outbox.sent(1);
        outbox.acknowledged(1);
        outbox.sent(2);
        outbox.acknowledged(2);
        outbox.reset();
        let left = handed_over(&mut outbox, OUTBOX);
        assert_eq!((left[0].as_str(), left[1].as_str(), left.len()), ("3", "4", OUTBOX - 2), "2 made room, not 0");
        // All under way: there is nothing to drop but the new one.
        let mut outbox = Outbox::default();
        for n in 0..OUTBOX {
            outbox.push(post(&n.to_string()));
        }
        handed_over(&mut outbox, OUTBOX);
        outbox.push(post("new"));
        outbox.reset();
        let left = handed_over(&mut outbox, OUTBOX + 1);
        assert_eq!((left[0].as_str(), left.len(), outbox.dropped), ("0", OUTBOX, 1));
    }

    #[test]
    fn what_somebody_must_hear_waits_for_somebody() {
        let mut outbox = Outbox::default();
        let heard = |name: &str| Post { kind: Kind::Heard, ..post(name) };
        for one in [heard("a"), post("b"), heard("c")] {
            outbox.push(one);
        }
        assert_eq!(handed_over(&mut outbox, 9), ["a", "b", "c"]);
        for packet in 1..=3 {
            outbox.sent(packet);
            outbox.unheard(packet);
        }
        assert!(handed_over(&mut outbox, 9).is_empty(), "not at once, or the two would spin");
        outbox.ask_again();
        assert_eq!(handed_over(&mut outbox, 9), ["a"], "one asks for all");
        outbox.sent(4);
        outbox.acknowledged(4);
        assert_eq!(handed_over(&mut outbox, 9), ["c"]);
    }
}
