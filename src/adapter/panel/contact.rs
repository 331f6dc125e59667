//! Levels and edges into what happened: each change once. Pure.
//!
//! A driver may tell an edge twice, and lines that were lost and found again may have changed meanwhile. A press
//! must be told exactly once whatever comes, with one exception: while a line is down since the start, nobody knows
//! whether that is a press, so an edge down then is one.

use std::collections::{BTreeMap, BTreeSet};

use crate::kiosk::ports::Input;

/// What is known of the inputs.
#[derive(Debug, Clone, Default)]
pub struct Contacts {
    known: BTreeMap<Input, Known>,
    /// Seen otherwise than known when all was quiet, once.
    doubted: BTreeSet<Input>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Rests,
    Active,
    /// Active when it was first looked at: no edge was seen.
    Found,
}

/// A change of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It became active.
    Active,
    /// It was active when it was first looked at.
    Found,
    /// It rests again.
    Rests,
}

impl Contacts {
    /// The level that was read when the lines were opened.
    pub fn opened(&mut self, input: Input, active: bool) -> Option<Change> {
        let before = self.known.get(&input).copied();
        match (before, active) {
            (Some(Known::Active | Known::Found), true) => None,
            (None | Some(Known::Rests), true) => {
                self.known.insert(input, Known::Found);
                Some(Change::Found)
            }
            (_, false) => self.rests(input),
        }
    }

    /// The level that was read when no edge had come for a while: one may have been lost. It counts when it is read once
    /// more, because not every driver debounces what it reads.
    pub fn looked_at(&mut self, input: Input, active: bool) -> Option<Change> {
        let news = self.is_active(input) != active;
        if news && self.doubted.insert(input) {
            return None;
        }
        self.doubted.remove(&input);
        self.opened(input, active)
    }

    /// An edge.
    pub fn edge(&mut self, input: Input, active: bool) -> Option<Change> {
        self.doubted.remove(&input);
        if !active {
            return self.rests(input);
        }
        let before = self.known.insert(input, Known::Active);
        (before != Some(Known::Active)).then_some(Change::Active)
    }

    /// Whether it is active, as far as is known.
    #[must_use]
    pub fn is_active(&self, input: Input) -> bool {
        self.known.get(&input).is_some_and(|known| *known != Known::Rests)
    }

    fn rests(&mut self, input: Input) -> Option<Change> {
        let before = self.known.insert(input, Known::Rests);
        before.is_some_and(|before| before != Known::Rests).then_some(Change::Rests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUTTON: Input = Input::Button;

    #[test]
    fn a_line_down_at_the_start_is_found_and_an_edge_down_then_is_a_press() {
        let mut contacts = Contacts::default();
        assert_eq!(contacts.opened(BUTTON, true), Some(Change::Found));
        assert_eq!(contacts.edge(BUTTON, true), Some(Change::Active));
        assert_eq!(contacts.edge(BUTTON, true), None, "told twice");
        assert_eq!(contacts.edge(BUTTON, false), Some(Change::Rests));
    }

    #[test]
    fn lines_lost_and_found_again_tell_what_changed_meanwhile_and_nothing_else() {
        let mut contacts = Contacts::default();
        assert_eq!(contacts.opened(BUTTON, false), None);
        assert_eq!(contacts.edge(BUTTON, true), Some(Change::Active));
        assert_eq!(contacts.opened(BUTTON, true), None, "still held");
        assert_eq!(contacts.opened(BUTTON, false), Some(Change::Rests), "let go meanwhile");
        assert_eq!(contacts.opened(BUTTON, true), Some(Change::Found), "pressed meanwhile: nobody saw the edge");
    }

    #[test]
    fn an_edge_that_was_lost_shows_in_two_looks_and_a_spike_in_none() {
        let mut contacts = Contacts::default();
        assert_eq!(contacts.opened(BUTTON, false), None);
        assert_eq!(contacts.edge(BUTTON, true), Some(Change::Active));
        assert_eq!(contacts.looked_at(BUTTON, false), None);
        assert_eq!(contacts.looked_at(BUTTON, false), Some(Change::Rests));
        assert_eq!(contacts.edge(BUTTON, true), Some(Change::Active), "a press, not told before");
        assert_eq!(contacts.edge(BUTTON, false), Some(Change::Rests));
        for active in [true, false, true, false] {
            assert_eq!(contacts.looked_at(BUTTON, active), None);
        }
        assert_eq!(contacts.looked_at(BUTTON, true), None);
        assert_eq!(contacts.edge(BUTTON, true), Some(Change::Active), "its edge was only late");
        assert_eq!(contacts.looked_at(BUTTON, false), None, "doubted once");
        assert_eq!(contacts.looked_at(BUTTON, true), None);
    }

    proptest! {
        /// Whatever edges come, doubled or not: what is told alternates, ends with the truth, and leaves out nothing.
        #[test]
        fn each_change_is_told_once(at_start: bool, edges in prop::collection::vec(any::<bool>(), 0..60)) {
            let mut contacts = Contacts::default();
            let mut told: Vec<Change> = contacts.opened(BUTTON, at_start).into_iter().collect();
            prop_assert_eq!(told.len(), usize::from(at_start));
            told.extend(edges.iter().filter_map(|active| contacts.edge(BUTTON, *active)));
            prop_assert_eq!(contacts.is_active(BUTTON), edges.last().copied().unwrap_or(at_start));
            let mut changes: Vec<bool> = vec![false];
            changes.extend(edges.iter().copied());
            changes.dedup();
            let presses = changes.iter().filter(|active| **active).count();
            prop_assert_eq!(told.iter().filter(|change| **change == Change::Active).count(), presses);
            let releases = told.iter().filter(|change| **change == Change::Rests).count();
            let doubled = told.windows(2).any(|two| two[0] == two[1]);
            prop_assert!(!doubled, "{:?}", told);
            prop_assert!(releases <= presses + usize::from(at_start));
        }
    }
}
