//! The canceller's reference: what the loudspeaker was given, a block for each that the microphone gives.

use std::collections::VecDeque;

use super::PERIOD;

/// Blocks that may wait for the microphone.
const MOST: usize = 8;

/// What the loudspeaker plays, laid on what the microphone hears: one block for each of the microphone's.
#[derive(Debug, Default)]
pub struct Reference {
    blocks: VecDeque<[i16; PERIOD]>,
    /// Blocks the microphone was ahead by: their reference came too late to be used.
    owed: usize,
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

    /// Number of the microphone's next block, from 0 on.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Number of the microphone's block that the loudspeaker's next one goes with, in time or too late.
    pub fn place(&self) -> u64 {
        (self.taken + self.blocks.len() as u64).saturating_sub(self.owed as u64)
    }

    /// What goes with the microphone's next block.
    pub fn next(&mut self) -> [i16; PERIOD] {
        self.taken += 1;
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

    #[test]
    fn a_microphone_that_stops_bounds_the_loudspeaker() {
        let mut reference = Reference::default();
        (0..1000).for_each(|_| reference.played(&[1; PERIOD]));
        assert_eq!(reference.blocks.len(), MOST);
    }
}
