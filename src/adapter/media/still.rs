//! A small still of the camera's picture, and how alike two of them are. Pure, but for reading and writing a file.
//!
//! Alike means: the same things stand in the same places, whatever the light. So each patch of the picture is
//! compared by the pattern in it, its own brightness and contrast left out, and enough patches must agree: a person or
//! a shadow in the others does not matter.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Pixels of a still.
pub const WIDTH: usize = 160;
/// Pixels of a still.
pub const HEIGHT: usize = 90;

/// What is compared is coarser: it must not depend on focus, or on a branch in the wind.
const GRID: (usize, usize) = (32, 18);
/// Cells of the grid in a patch.
const PATCH: (usize, usize) = (8, 6);
/// Patches of a picture, row by row.
pub const PATCHES: usize = (GRID.0 / PATCH.0) * (GRID.1 / PATCH.1);
/// Patches in a row.
pub const ACROSS: usize = GRID.0 / PATCH.0;
/// With fewer patches nothing is said about the focus.
const ENOUGH: usize = 3;
/// A patch with less pattern than this (standard deviation, levels) says nothing.
const PLAIN: f32 = 2.0;

/// Brightness of a picture, small.
#[derive(Debug, Clone, PartialEq)]
pub struct Still {
    /// [`WIDTH`] x [`HEIGHT`] levels, rows from the top.
    pub luma: Vec<u8>,
    /// How much fine detail each patch has for its coarse detail (see `look`); falls with the focus. 0: too faint.
    pub detail: [f32; PATCHES],
}

/// How alike a picture is to its reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// 1: the same things in the same places, 0: nothing in common. `None`: the reference shows nothing.
    pub layout: Option<f32>,
    /// Fine detail over the reference's: about 1, about a half when out of focus. `None`: too faint to say.
    pub focus: Option<f32>,
}

/// The part of a still that is picture, and not the bars that fill up another shape. Ends are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// Pixels from the left.
    pub left: usize,
    /// Pixels from the left.
    pub right: usize,
    /// Pixels from the top.
    pub top: usize,
    /// Pixels from the top.
    pub bottom: usize,
}

/// Leaves out the columns and rows at the sides that are as even as nothing but a bar is, and the one next to them,
/// where bar and picture mix.
#[must_use]
pub fn inside(luma: &[u8]) -> Inside {
    let bar = luma.first().copied().unwrap_or_default();
    let even = |level: &u8| level.abs_diff(bar) <= 1;
    let column = |x: &usize| luma.iter().skip(*x).step_by(WIDTH).all(even);
    let row = |y: &usize| luma[y * WIDTH..(y + 1) * WIDTH].iter().all(even);
    let whole = Inside { left: 0, right: WIDTH, top: 0, bottom: HEIGHT };
    let beside = |bars: usize| if bars > 0 { bars + 1 } else { 0 };
    let found = Inside {
        left: beside((0..WIDTH).take_while(column).count()),
        right: WIDTH.saturating_sub(beside((0..WIDTH).rev().take_while(column).count())),
        top: beside((0..HEIGHT).take_while(row).count()),
        bottom: HEIGHT.saturating_sub(beside((0..HEIGHT).rev().take_while(row).count())),
    };
    // A picture that is even all over has no bars; and nobody films through a slit.
    let slit = found.left + GRID.0 > found.right || found.top + GRID.1 > found.bottom;
    if slit { whole } else { found }
}

/// Compares a picture with its reference.
#[must_use]
pub fn compare(reference: &Still, now: &Still) -> Likeness {
    let part = inside(&reference.luma);
    let (a, b) = (coarse(&reference.luma, part), coarse(&now.luma, part));
    let patches = corners().filter_map(|(left, top)| patch(&a, &b, left, top)).collect();
    let both = now.detail.iter().zip(&reference.detail).filter(|(now, then)| **now > 0.0 && **then > 0.0);
    let ratios: Vec<f32> = both.map(|(now, then)| now / then).collect();
    let focus = if ratios.len() < ENOUGH { None } else { median(ratios) };
    Likeness { layout: standing(patches), focus }
}

/// How well the best five patches in twelve agree at least: a person before a kiosk hides more than half of what
/// stands behind them. Of the real films no two scenes agree so far in as many, and the same scene always does.
fn standing(mut patches: Vec<f32>) -> Option<f32> {
    patches.sort_by(f32::total_cmp);
    patches.get(patches.len() * 3 / 5).copied()
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Means of blocks of a part of the still.
fn coarse(luma: &[u8], part: Inside) -> Vec<f32> {
    let (width, height) = (part.right - part.left, part.bottom - part.top);
    let mut cells = vec![(0.0f32, 0.0f32); GRID.0 * GRID.1];
    for y in 0..height {
        let row = &luma[(part.top + y) * WIDTH + part.left..][..width];
        for (x, level) in row.iter().enumerate() {
            let cell = &mut cells[(y * GRID.1 / height) * GRID.0 + x * GRID.0 / width];
            *cell = (cell.0 + f32::from(*level), cell.1 + 1.0);
        }
    }
    cells.iter().map(|(sum, count)| sum / count.max(1.0)).collect()
}

/// The left upper corner of each patch.
fn corners() -> impl Iterator<Item = (usize, usize)> {
    (0..GRID.1).step_by(PATCH.1).flat_map(|top| (0..GRID.0).step_by(PATCH.0).map(move |left| (left, top)))
}

/// The cells of a patch.
fn cells(left: usize, top: usize) -> impl Iterator<Item = usize> {
    (top..top + PATCH.1).flat_map(move |y| (left..left + PATCH.0).map(move |x| y * GRID.0 + x))
}

/// Standard deviation of a patch, levels.
fn spread(of: &[f32], left: usize, top: usize) -> f32 {
    let count = (PATCH.0 * PATCH.1) as f32;
    let mean = cells(left, top).map(|n| of[n]).sum::<f32>() / count;
    (cells(left, top).map(|n| (of[n] - mean).powi(2)).sum::<f32>() / count).sqrt()
}

/// Correlation of one patch; `None` where the reference is plain.
fn patch(a: &[f32], b: &[f32], left: usize, top: usize) -> Option<f32> {
    let cells = || cells(left, top);
    let count = (PATCH.0 * PATCH.1) as f32;
    let mean = |of: &[f32]| cells().map(|n| of[n]).sum::<f32>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(usize) -> f32| cells().map(f).sum::<f32>() / count;
    let var_a = sum(&|n| (a[n] - mean_a).powi(2));
    let var_b = sum(&|n| (b[n] - mean_b).powi(2));
    if var_a.sqrt() < PLAIN {
        return None;
    }
    let both = sum(&|n| (a[n] - mean_a) * (b[n] - mean_b));
    // A patch that lost its pattern has nothing in common with it.
    Some(both / (var_a * var_b.max(0.25)).sqrt())
}

impl Still {
    /// Whether there is enough pattern in it to be compared.
    #[must_use]
    pub fn shows(&self) -> bool {
        let cells = coarse(&self.luma, inside(&self.luma));
        let with_pattern = |(left, top): &(usize, usize)| spread(&cells, *left, *top) >= PLAIN;
        corners().filter(with_pattern).count() >= ENOUGH
    }

    /// Mean brightness, 0 to 255.
    #[must_use]
    pub fn level(&self) -> u8 {
        let sum: usize = self.luma.iter().map(|level| usize::from(*level)).sum();
        u8::try_from(sum / self.luma.len().max(1)).unwrap_or(u8::MAX)
    }

    /// Reads what [`Still::save`] has written.
    ///
    /// # Errors
    /// If there is no such file, or it is something else.
    pub fn load(path: &Path) -> std::io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let wrong = || std::io::Error::new(std::io::ErrorKind::InvalidData, "expected a still of this kiosk's camera");
        let head = bytes.get(..bytes.len().saturating_sub(WIDTH * HEIGHT)).ok_or_else(wrong)?;
        let text = std::str::from_utf8(head).map_err(|_| wrong())?;
        let numbers = text.strip_prefix("P5\n# detail").and_then(|rest| rest.strip_suffix(&Self::shape()));
        let numbers: Option<Vec<f32>> = numbers.map(|text| text.split(' ').skip(1).flat_map(str::parse).collect());
        let detail = numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(wrong)?;
        Ok(Self { luma: bytes[head.len()..].to_vec(), detail })
    }

    /// Writes it as a PGM picture, whole or not at all, over any power cut.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let half = path.with_extension("tmp");
        let mut file = File::create(&half)?;
        let detail: String = self.detail.iter().map(|number| format!(" {number}")).collect();
        write!(file, "P5\n# detail{detail}{}", Self::shape())?;
        file.write_all(&self.luma)?;
        file.sync_all()?;
        std::fs::rename(&half, path)?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    fn shape() -> String {
        format!("\n{WIDTH} {HEIGHT}\n255\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn still(level: impl Fn(usize, usize) -> f32) -> Still {
        let pixel = |n: usize| level(n % WIDTH, n / WIDTH).round().clamp(0.0, 255.0) as u8;
        Still { luma: (0..WIDTH * HEIGHT).map(pixel).collect(), detail: [0.4; PATCHES] }
    }

    /// Trees and lamps, of a kind.
    fn scene(x: usize, y: usize) -> f32 {
        let (x, y) = (x as f32, y as f32);
        110.0 + 40.0 * (x / 9.0).sin() * (y / 13.0).cos() + 25.0 * (x / 23.0 + y / 17.0).sin()
    }

    #[test]
    fn the_same_place_in_another_light_is_alike_and_another_place_is_not() {
        let day = still(scene);
        let layout = |other: &Still| compare(&day, other).layout.unwrap();
        assert!(layout(&day) > 0.999);
        let dusk = still(|x, y| 20.0 + 0.3 * scene(x, y));
        assert!(layout(&dusk) > 0.95, "{}", layout(&dusk));
        let person = still(|x, y| if (40..80).contains(&x) { 200.0 } else { scene(x, y) });
        assert!(layout(&person) > 0.95, "{}", layout(&person));
        let turned = still(|x, y| scene(x + 25, y + 11));
        assert!(layout(&turned) < 0.5, "{}", layout(&turned));
        let covered = still(|x, _| 30.0 + x as f32 / 40.0);
        assert!(layout(&covered) < 0.3, "{}", layout(&covered));
        assert_eq!(compare(&covered, &day).layout, None, "a plain reference says nothing");
    }

    #[test]
    fn bars_at_the_sides_are_no_picture() {
        let narrow = still(|x, y| if (20..140).contains(&x) { scene(x, y) } else { 16.0 });
        assert_eq!(inside(&narrow.luma), Inside { left: 21, right: 139, top: 0, bottom: 90 });
        let other = still(|x, y| if (20..140).contains(&x) { scene(x + 25, y + 11) } else { 16.0 });
        assert!(compare(&narrow, &other).layout.unwrap() < 0.5, "the bars alone are alike");
        assert_eq!(inside(&still(|_, _| 16.0).luma), Inside { left: 0, right: 160, top: 0, bottom: 90 });
        assert_eq!(inside(&still(scene).luma), Inside { left: 0, right: 160, top: 0, bottom: 90 });
    }

    #[test]
    fn a_still_is_kept_as_a_picture_and_rubbish_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reference.pgm");
        let day = still(scene);
        day.save(&path).unwrap();
        assert_eq!(Still::load(&path).unwrap(), day);
        std::fs::write(&path, "P5\n160 90\n255\n").unwrap();
        assert_eq!(Still::load(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
}
