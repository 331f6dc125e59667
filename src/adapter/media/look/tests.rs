//! The judge of the picture, on pictures made by rule: what real films say is in `tests/media_look.rs`.

use super::*;
use std::collections::BTreeSet;

const SIZE: (usize, usize) = (640, 360);

/// Repeatable noise.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Two dice: of about two levels.
        i32::from((self.0 >> 24) as u8 % 4) + i32::from((self.0 >> 16) as u8 % 4) - 3
    }
}

/// A street of a kind: `gain` is the light, `soft` the radius of the lens's blur.
fn street(gain: f32, soft: i32, noise: Option<&mut Noise>) -> Vec<u8> {
    let (width, height) = SIZE;
    let sharp = |x: i32, y: i32| {
        let wall = if (x / 37 + y / 29) % 2 == 0 { 150 } else { 70 };
        let bricks = if x % 6 < 2 || y % 8 < 2 { -30 } else { 0 };
        wall + bricks
    };
    let mut noise = noise;
    let mut picture = Vec::with_capacity(width * height);
    for y in 0..height as i32 {
        for x in 0..width as i32 {
            let (mut sum, mut count) = (0, 0);
            for dx in -soft..=soft {
                sum += sharp((x + dx).max(0), y);
                count += 1;
            }
            let grain = noise.as_mut().map_or(0, |noise| noise.next());
            let level = 16.0 + gain * sum as f32 / count as f32;
            picture.push((level as i32 + grain).clamp(0, 255) as u8);
        }
    }
    picture
}

struct Show {
    look: Look,
    at: Running,
    noise: Noise,
}

impl Show {
    fn new() -> Self {
        Self { look: Look::default(), at: 0, noise: Noise(1) }
    }

    /// Shows pictures for some seconds; what stood at any time, and when (s from the beginning of this showing) the
    /// first came.
    fn show(&mut self, seconds: u32, mut picture: impl FnMut(&mut Noise, f32) -> Vec<u8>) -> (BTreeSet<Trouble>, f32) {
        let (mut seen, mut first) = (BTreeSet::new(), f32::NAN);
        for n in 0..seconds * 4 {
            let luma = picture(&mut self.noise, n as f32 / 4.0);
            self.look.see(self.at, &glance(&luma, SIZE.0, SIZE.0, SIZE.1));
            for (trouble, _) in self.look.troubles() {
                seen.insert(trouble);
                first = if first.is_nan() { n as f32 / 4.0 } else { first };
            }
            self.at += EVERY;
        }
        (seen, first)
    }

    fn stands(&self) -> BTreeSet<Trouble> {
        self.look.troubles().into_iter().map(|(trouble, _)| trouble).collect()
    }
}

fn only(trouble: Trouble) -> BTreeSet<Trouble> {
    BTreeSet::from([trouble])
}

#[test]
fn a_still_scene_is_not_frozen_and_a_repeated_picture_is() {
    let mut show = Show::new();
    assert_eq!(show.show(30, |noise, _| street(1.0, 0, Some(noise))).0, BTreeSet::new());
    let (seen, after) = show.show(6, |_, _| street(1.0, 0, None));
    assert_eq!(seen, only(Trouble::Frozen));
    assert!(after <= 4.0, "{after} s");
    show.show(3, |noise, _| street(1.0, 0, Some(noise)));
    assert_eq!(show.stands(), BTreeSet::new());
}

#[test]
fn a_hand_before_the_lens_is_a_fault_and_dusk_is_not() {
    let mut show = Show::new();
    show.show(5, |noise, _| street(1.0, 0, Some(noise)));
    let (seen, after) = show.show(6, |noise, _| street(0.02, 0, Some(noise)));
    assert_eq!(seen, only(Trouble::Covered));
    assert!(after <= 3.5, "{after} s");
    assert_eq!(show.show(1, |noise, _| street(1.0, 0, Some(noise))).0, only(Trouble::Covered), "not on first sight");
    show.show(3, |noise, _| street(1.0, 0, Some(noise)));
    assert_eq!(show.stands(), BTreeSet::new());
    // Dusk: the light fades over four minutes, and it stays dark.
    let (seen, _) = show.show(240, |noise, t| street(1.0 - t / 240.0, 0, Some(noise)));
    assert_eq!(seen, BTreeSet::new());
    assert_eq!(show.show(60, |noise, _| street(0.0, 0, Some(noise))).0, BTreeSet::new());
    // Black to the last pixel, as some cameras give at night, is no frozen picture.
    assert_eq!(show.show(10, |_, _| street(0.0, 0, None)).0, BTreeSet::new());
    assert_eq!(show.show(60, |noise, t| street(t / 60.0, 0, Some(noise))).0, BTreeSet::new(), "dawn");
}

#[test]
fn a_camera_that_never_saw_anything_is_covered() {
    let (seen, after) = Show::new().show(6, |noise, _| street(0.0, 0, Some(noise)));
    assert_eq!(seen, only(Trouble::Covered));
    assert!(after <= 4.0, "{after} s");
}

#[test]
fn a_lens_out_of_focus_is_a_fault_and_another_light_or_scene_is_not() {
    let mut show = Show::new();
    assert_eq!(show.show(10, |noise, _| street(1.0, 0, Some(noise))).0, BTreeSet::new());
    let (seen, after) = show.show(6, |noise, _| street(1.0, 6, Some(noise)));
    assert_eq!(seen, only(Trouble::Blurred));
    assert!(after <= 4.5, "{after} s");
    show.show(4, |noise, _| street(1.0, 0, Some(noise)));
    assert_eq!(show.stands(), BTreeSet::new());
    assert_eq!(show.show(60, |noise, t| street(1.0 - t / 80.0, 0, Some(noise))).0, BTreeSet::new(), "less light");
    // The camera is turned to a scene that has less detail by nature.
    let plain = |noise: &mut Noise| {
        let column = |x: usize| 60.0 + 60.0 * (x as f32 / 55.0).sin();
        (0..SIZE.0 * SIZE.1)
            .map(|n| (column(n % SIZE.0 + n / SIZE.0) as i32 + noise.next() / 2).clamp(0, 255) as u8)
            .map(|level| if level > 100 { level + 60 } else { level })
            .collect::<Vec<u8>>()
    };
    assert_eq!(show.show(60, |noise, _| plain(noise)).0, BTreeSet::new());
}
