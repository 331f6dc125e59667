//! Whether the picture shows anything: frozen, covered, out of focus. Pure: pictures and times in, verdicts out.
//!
//! - **Frozen**: not one of a hundred thousand pixels has changed. A real sensor has noise, so a still scene is never
//!   that still. What it cannot know: a camera that compresses by itself (RTSP) may send a still scene without its
//!   noise, or refresh a frozen one.
//! - **Covered**: no edges anywhere, or so few that nothing can be seen. It must have come within seconds, or be so
//!   from the start: what fades over minutes is dusk or fog. What it cannot know: a light that goes out at once at
//!   night looks like a hand; who covers a camera in the dark hides nothing that could be seen.
//! - **Blurred**: the same scene as before (`still::compare`) with nearly half its fine detail gone. What fades over hours
//!   (dirt, heat) is followed as a change of light would be; that is for a comparison with a stored still.

use std::collections::VecDeque;

use super::clock::{MS, Running, SECOND};
use super::still::{ACROSS, HEIGHT, Inside, PATCHES, Still, WIDTH, compare, inside};

/// How often a picture is looked at.
pub const EVERY: Running = 250 * MS;

/// A picture, boiled down.
#[derive(Debug, Clone)]
pub struct Glance {
    /// Small.
    pub still: Still,
    /// Of the pixels looked at: differs if one of them does.
    pub signature: u64,
}

/// Looks at a picture: every fourth row or so, each pixel of it.
#[must_use]
pub fn glance(luma: &[u8], stride: usize, width: usize, height: usize) -> Glance {
    let rows = |line: usize| {
        let y = (line * height / (2 * HEIGHT)).min(height.saturating_sub(1));
        luma.get(y * stride..).and_then(|rest| rest.get(..width))
    };
    let mut signature = 0xcbf2_9ce4_8422_2325u64;
    let mut small = vec![0u8; WIDTH * HEIGHT];
    let mut sums = [0u32; WIDTH];
    for line in 0..2 * HEIGHT {
        let Some(row) = rows(line) else { continue };
        for bytes in row.chunks_exact(8) {
            let word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
            signature = (signature ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        for (x, sum) in sums.iter_mut().enumerate() {
            let (from, to) = (x * width / WIDTH, ((x + 1) * width / WIDTH).max(x * width / WIDTH + 1));
            let block = &row[from..to.min(width)];
            *sum += block.iter().map(|level| u32::from(*level)).sum::<u32>() / block.len().max(1) as u32;
        }
        if line % 2 == 1 {
            let out = &mut small[line / 2 * WIDTH..][..WIDTH];
            out.iter_mut().zip(&mut sums).for_each(|(small, sum)| *small = (std::mem::take(sum) / 2) as u8);
        }
    }
    let Inside { left, right, top, bottom } = inside(&small);
    let mut sharpness = Sharpness::default();
    for line in 2 * top..2 * bottom {
        let part = rows(line).and_then(|row| row.get(left * width / WIDTH..right * width / WIDTH));
        let patch_row = (line - 2 * top) * PATCHES / ACROSS / (2 * (bottom - top));
        part.into_iter().for_each(|part| sharpness.row(part, (width / BLOCKS).max(1), patch_row));
    }
    Glance { still: Still { luma: small, detail: sharpness.detail() }, signature }
}

/// Fine and coarse detail of each patch: how far a block of four pixels or so is off the line between its neighbours,
/// and off that between its eighth neighbours. Their ratio falls with the focus, and contrast drops out of it.
#[derive(Default)]
struct Sharpness {
    patches: [(u64, u64, u64); PATCHES],
    blocks: Vec<i32>,
}

/// Blocks in a row of the whole picture.
const BLOCKS: usize = 320;
const FAR: usize = 8;
/// With less coarse detail than this (levels) a patch is too faint.
const FAINT: f32 = 6.0;

impl Sharpness {
    fn row(&mut self, row: &[u8], size: usize, patch_row: usize) {
        self.blocks.clear();
        // Sums, not means: four times as fine, and the ratio does not mind.
        self.blocks
            .extend(row.chunks_exact(size).map(|block| block.iter().map(|level| i32::from(*level)).sum::<i32>()));
        let blocks = &self.blocks;
        for at in FAR..blocks.len().saturating_sub(FAR) {
            let off = |distance: usize| (2 * blocks[at] - blocks[at - distance] - blocks[at + distance]).unsigned_abs();
            let patch = &mut self.patches[patch_row * ACROSS + at * ACROSS / blocks.len()];
            patch.0 += u64::from(off(1));
            patch.1 += u64::from(off(FAR));
            patch.2 += size as u64;
        }
    }

    fn detail(&self) -> [f32; PATCHES] {
        self.patches.map(|(fine, coarse, pixels)| {
            let seen = coarse as f32 > FAINT * pixels as f32;
            if seen { (fine as f32 / coarse as f32).max(f32::MIN_POSITIVE) } else { 0.0 }
        })
    }
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The same picture again and again.
    Frozen,
    /// Nothing to be seen.
    Covered,
    /// Out of focus.
    Blurred,
}

/// A verdict that needs time to be reached and to be taken back.
#[derive(Debug, Default)]
struct Steady {
    stands: bool,
    since: Option<Running>,
}

impl Steady {
    fn update(&mut self, wrong: bool, at: Running, after: Running) {
        if wrong == self.stands {
            self.since = None;
        } else if at - *self.since.get_or_insert(at) >= after {
            (self.stands, self.since) = (wrong, None);
        }
    }
}

/// Wrong for this long is a fault; with frames missing, the next look, and the way to the centre: within 5 s.
const FROZEN_AFTER: Running = 3500 * MS;
const COVERED_AFTER: Running = 2500 * MS;
const BLURRED_AFTER: Running = 3000 * MS;
/// Right for this long is healed.
const HEALED_AFTER: Running = 1500 * MS;
/// Looks further apart than this have nothing to do with each other.
const GAP: Running = 1500 * MS;

/// Neighbours that differ by this many levels are an edge.
const EDGE: u8 = 12;
/// With fewer edges (share of the pixels) nothing can be seen.
const NOTHING: f32 = 0.003;
/// With so many, there is a scene.
const SCENE: f32 = 0.012;
/// A picture whose brightness spread (standard deviation, levels) halves within so many looks was covered; what
/// takes longer is dusk.
const SUDDEN: usize = 60;
/// Within so many looks after the edges went it is decided which of the two it was.
const DECIDED: u16 = 12;
/// A spread below this is noise.
const NOISE: f32 = 2.5;

/// The same scene, whatever stands in front of it.
const SAME_SCENE: f32 = 0.6;
/// So much of the detail is left: out of focus. Hysteresis between the two.
const BLURRED: f32 = 0.6;
const SHARP: f32 = 0.75;
/// The reference follows the light at this rate.
const FOLLOW: Running = 60 * SECOND;
/// Who hides most of the scene for less than this does not make what was seen before and after it unseen.
const PASSING: Running = SECOND;
/// Another scene (the camera was turned) becomes the reference after this long.
const RELEARN: Running = 20 * SECOND;

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Look {
    last: Option<(Running, u64)>,
    frozen: Steady,
    covered: Steady,
    blurred: Steady,
    /// Whether there ever was a scene.
    scene: bool,
    /// Spread of the last looks.
    spreads: VecDeque<f32>,
    /// Looks without edges.
    dark: u16,
    /// Whether the edges went within seconds; while there are none.
    sudden: bool,
    reference: Option<Still>,
    /// Looks that have gone into the reference.
    learnt: u16,
    /// Since when the scene is another one.
    other_since: Option<Running>,
    focus: f32,
    level: u8,
}

impl Look {
    /// One that knows what the picture should be.
    #[must_use]
    pub fn with_reference(reference: Option<Still>) -> Self {
        let learnt = if reference.is_some() { u16::MAX } else { 0 };
        Self { reference, learnt, ..Self::default() }
    }

    /// Takes a look in. Times must grow.
    pub fn see(&mut self, at: Running, glance: &Glance) {
        let before = self.last.replace((at, glance.signature));
        let passed = before.map_or(Running::MAX, |(then, _)| at.saturating_sub(then));
        if passed > GAP {
            // The camera was away: what was about to be said is said anew.
            [&mut self.frozen, &mut self.covered, &mut self.blurred].into_iter().for_each(|one| one.since = None);
        }
        let nothing = self.nothing_seen(&glance.still.luma);
        // Without a scene ever: it was so from the start, and that is a fault.
        let covered = nothing && (self.sudden || !self.scene);
        self.covered.update(covered, at, if covered { COVERED_AFTER } else { HEALED_AFTER });
        // A dark picture may well be the same twice.
        let same = !nothing && before.is_some_and(|(_, signature)| signature == glance.signature);
        self.frozen.update(same, at, if same { FROZEN_AFTER } else { HEALED_AFTER });
        if nothing {
            self.blurred.since = None;
        } else {
            self.judge_focus(at, passed.min(GAP), &glance.still);
        }
    }

    fn nothing_seen(&mut self, luma: &[u8]) -> bool {
        let part = inside(luma);
        let edges = edges(luma, part);
        let (mean, spread) = spread(luma, part);
        self.level = mean;
        self.scene |= edges >= SCENE;
        let most = self.spreads.iter().copied().fold(0.0, f32::max);
        let nothing = edges < NOTHING;
        self.dark = if nothing { self.dark.saturating_add(1) } else { 0 };
        let fell = self.dark <= DECIDED && most > 2.0 * spread.max(NOISE);
        self.sudden = nothing && (self.sudden || fell);
        self.spreads.push_back(spread);
        if self.spreads.len() > SUDDEN {
            self.spreads.pop_front();
        }
        nothing
    }

    fn judge_focus(&mut self, at: Running, passed: Running, still: &Still) {
        let Some(reference) = &mut self.reference else {
            (self.reference, self.learnt) = (Some(still.clone()), 1);
            return;
        };
        let likeness = compare(reference, still);
        let same_scene = likeness.layout.is_none_or(|layout| layout >= SAME_SCENE);
        if !same_scene {
            let other_for = at - *self.other_since.get_or_insert(at);
            if other_for >= PASSING {
                self.blurred.since = None;
            }
            if other_for >= RELEARN {
                (self.reference, self.learnt) = (Some(still.clone()), 1);
                self.other_since = None;
                self.blurred.stands = false;
            }
            return;
        }
        self.other_since = None;
        let Some(focus) = likeness.focus else {
            self.blurred.since = None;
            return;
        };
        self.focus = focus;
        let limit = if self.blurred.stands { SHARP } else { BLURRED };
        let wrong = focus < limit;
        self.blurred.update(wrong, at, if wrong { BLURRED_AFTER } else { HEALED_AFTER });
        if focus >= SHARP {
            // At first the mean of all looks: the very first one may be out of focus or too dark yet.
            let share = (passed as f32 / FOLLOW as f32).max(1.0 / f32::from(self.learnt).max(1.0));
            self.learnt = self.learnt.saturating_add(1);
            for (old, new) in reference.detail.iter_mut().zip(&still.detail).filter(|(_, new)| **new > 0.0) {
                *old = if *old > 0.0 { *old + (new - *old) * share } else { *new };
            }
            for (old, new) in reference.luma.iter_mut().zip(&still.luma) {
                // Levels are whole: one step in as many looks as it takes to follow at this rate.
                let step = (f32::from(*new) - f32::from(*old)) * share;
                let step = if step.abs() < 1.0 && (at / EVERY).is_multiple_of(16) { step.signum() } else { step };
                *old = (f32::from(*old) + step).round().clamp(0.0, 255.0) as u8;
            }
        }
    }

    /// What stands, each with what was measured.
    #[must_use]
    pub fn troubles(&self) -> Vec<(Trouble, String)> {
        let mut stand = Vec::new();
        if self.frozen.stands {
            stand.push((Trouble::Frozen, "the same picture, to the last pixel, again and again".to_owned()));
        }
        if self.covered.stands {
            let level = self.level;
            let why = if level < 40 { "black: covered, or no light" } else { "covered, or nothing in front of it" };
            stand.push((Trouble::Covered, format!("nothing to be seen ({why}; brightness {level} of 255)")));
        }
        if self.blurred.stands {
            let percent = (self.focus * 100.0).round();
            stand.push((Trouble::Blurred, format!("{percent} % of the fine detail this scene had")));
        }
        stand
    }
}

fn lines(luma: &[u8], part: Inside) -> impl Iterator<Item = &[u8]> {
    luma.chunks_exact(WIDTH).take(part.bottom).skip(part.top).map(move |row| &row[part.left..part.right])
}

/// Mean and standard deviation.
fn spread(luma: &[u8], part: Inside) -> (u8, f32) {
    let (mut count, mut sum, mut squares) = (0u64, 0u64, 0u64);
    for level in lines(luma, part).flatten() {
        let level = u64::from(*level);
        (count, sum, squares) = (count + 1, sum + level, squares + level * level);
    }
    let mean = sum as f32 / count.max(1) as f32;
    (mean as u8, (squares as f32 / count.max(1) as f32 - mean * mean).max(0.0).sqrt())
}

/// Share of the pixels whose neighbour to the right or below differs visibly.
fn edges(luma: &[u8], part: Inside) -> f32 {
    let (mut found, mut count) = (0usize, 0usize);
    for (row, next) in lines(luma, part).zip(lines(luma, part).skip(1)) {
        let right = row.iter().zip(&row[1..]).filter(|(a, b)| a.abs_diff(**b) >= EDGE).count();
        let below = row.iter().zip(next).filter(|(a, b)| a.abs_diff(**b) >= EDGE).count();
        found += right.max(below);
        count += row.len();
    }
    found as f32 / count.max(1) as f32
}

#[cfg(test)]
#[path = "look/tests.rs"]
mod tests;
