//! The canceller's reference: what the loudspeaker was given, a block for each that the microphone gives.
//!
//! While both directions run, the card plays and hears equally many blocks, so that one for one is right, whoever of the
//! two is late. A direction that begins, or begins anew after it ran over or dry, breaks the count: then they are laid
//! on one another anew, by what waits in the card. So they are when the loudspeaker stays behind: it lost time, and the
//! card did not say so.

use std::collections::VecDeque;

use super::PERIOD;

/// Blocks that may wait for the microphone: more than both buffers of a card hold.
const MOST: usize = 64;
/// A loudspeaker that is behind for so many of the microphone's blocks stays behind (0.5 s). A microphone that gives
/// by bursts is ahead for as long as its buffer lasts, a fifth of a second.
const STAYS: usize = 50;

/// What the loudspeaker plays, laid on what the microphone hears: one block for each of the microphone's.
#[derive(Debug, Default)]
pub struct Reference {
    blocks: VecDeque<[i16; PERIOD]>,
    /// Blocks the microphone was ahead by: their reference came too late to be used.
    owed: usize,
    /// For how many of the microphone's blocks some were owed.
    behind: usize,
    /// Blocks the microphone has given so far.
    taken: u64,
}

impl Reference {
    /// The loudspeaker was given a block.
    pub fn played(&mut self, block: &[i16; PERIOD]) {
        if self.owed > 0 {
            self.owed -= 1;
            return;
        }
        self.blocks.push_back(*block);
        if self.blocks.len() > MOST {
            self.blocks.pop_front();
        }
    }

    /// Both directions run from here on: so many of the newest blocks are still to be heard, `unplayed` because they wait
    /// in the loudspeaker's buffer, `unread` because what the microphone heard since waits in its own.
    pub fn lay(&mut self, unplayed: usize, unread: usize) {
        (self.owed, self.behind) = (0, 0);
        let blocks = (unplayed + unread).min(MOST);
        self.blocks.drain(..self.blocks.len().saturating_sub(blocks));
        while self.blocks.len() < blocks {
            self.blocks.push_front([0; PERIOD]);
        }
    }

    /// Number of the microphone's next block, from 0 on.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Number of the microphone's block that the loudspeaker's next one goes with, in time or too late.
    pub fn place(&self) -> u64 {
        (self.taken + self.blocks.len() as u64).saturating_sub(self.owed as u64)
    }

    /// Whether the count is broken: to be laid anew.
    pub fn is_torn(&self) -> bool {
        self.behind >= STAYS
    }

    /// What goes with the microphone's next block.
    pub fn next(&mut self) -> [i16; PERIOD] {
        self.taken += 1;
        self.behind = if self.owed > 0 { self.behind + 1 } else { 0 };
        self.blocks.pop_front().unwrap_or_else(|| {
            self.owed = (self.owed + 1).min(MOST);
            [0; PERIOD]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_microphone_that_is_ahead_keeps_its_place() {
        let mut reference = Reference::default();
        (1..=3).for_each(|n| reference.played(&[n; PERIOD]));
        let heads: Vec<i16> = (0..5).map(|_| reference.next()[0]).collect();
        assert_eq!(heads, [1, 2, 3, 0, 0]);
        (4..=7).for_each(|n| reference.played(&[n; PERIOD]));
        assert_eq!(reference.next()[0], 6, "two came too late for their blocks");
    }

    #[test]
    fn each_block_has_its_place_whether_it_comes_in_time_or_too_late() {
        let mut reference = Reference::default();
        let mut places = Vec::new();
        for burst in [3, 0, 5, 1, 0, 4] {
            for _ in 0..burst {
                places.push(reference.place());
                reference.played(&[1; PERIOD]);
            }
            (0..2).for_each(|_| _ = reference.next());
        }
        assert_eq!(places, (0..13).collect::<Vec<u64>>(), "one after the other");
    }

    /// A card at work: the loudspeaker is given a block, the microphone gives one. The references it got.
    fn work(reference: &mut Reference, blocks: std::ops::Range<i16>) -> Vec<i16> {
        let turn = |n| {
            reference.played(&[n; PERIOD]);
            reference.next()[0]
        };
        blocks.map(turn).collect()
    }

    #[test]
    fn a_thread_that_was_late_for_both_directions_has_its_reference_again() {
        let mut reference = Reference::default();
        (1..=4).for_each(|n| reference.played(&[n; PERIOD]));
        work(&mut reference, 5..20);
        // The loudspeaker ran dry and is filled up; the microphone has kept what it heard meanwhile.
        (20..24).for_each(|n| reference.played(&[n; PERIOD]));
        reference.lay(4, 20);
        let kept: Vec<i16> = (0..20).map(|_| reference.next()[0]).collect();
        assert!(kept.iter().all(|n| *n < 20), "heard before they were played: {kept:?}");
        assert_eq!(work(&mut reference, 24..30), (20..26).collect::<Vec<i16>>());
    }

    #[test]
    fn a_loudspeaker_that_comes_after_the_microphone_is_its_reference() {
        let mut reference = Reference::default();
        (0..1000).for_each(|_| _ = reference.next());
        (1..=4).for_each(|n| reference.played(&[n; PERIOD]));
        // Blocks that were taken for late ones are silence, no more than what waits in the card.
        reference.lay(4, 1);
        reference.next();
        assert_eq!(work(&mut reference, 5..15)[4..], (5..11).collect::<Vec<i16>>());
        assert_eq!(reference.place(), reference.taken() + 4);
    }

    #[test]
    fn a_loudspeaker_that_lost_time_unsaid_is_noticed_and_bursts_are_not() {
        let mut reference = Reference::default();
        for n in 0..100_i16 {
            (0..20).for_each(|_| _ = reference.next());
            (0..20).for_each(|_| reference.played(&[n; PERIOD]));
            assert!(!reference.is_torn(), "by bursts");
        }
        (0..5).for_each(|_| _ = reference.next());
        work(&mut reference, 0..60);
        assert!(reference.is_torn());
        reference.lay(4, 1);
        assert!(!reference.is_torn());
    }

    #[test]
    fn a_microphone_that_stops_bounds_the_loudspeaker_and_goes_with_what_plays_when_it_is_back() {
        let mut reference = Reference::default();
        (0..1000).for_each(|n| reference.played(&[n; PERIOD]));
        assert_eq!(reference.blocks.len(), MOST);
        reference.lay(4, 0);
        assert_eq!(work(&mut reference, 1000..1003), [996, 997, 998]);
    }
}
