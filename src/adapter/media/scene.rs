//! What the camera should see (port [`Scenes`]): the reference still in the store's directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::late::LateMedia;
use super::still::{Still, compare};
use crate::kiosk::ports::{Doing, Scenes, View};

/// Its name.
const FILE: &str = "camera-reference.pgm";
/// Where there is nothing to be seen in a picture darker than this (mean level), it may be the night.
const DARK: u8 = 40;

/// The reference still, and the media that see.
pub struct Reference {
    path: PathBuf,
    media: Arc<LateMedia>,
}

impl Reference {
    /// In the store's directory `dir`.
    #[must_use]
    pub fn new(dir: &Path, media: Arc<LateMedia>) -> Self {
        Self { path: dir.join(FILE), media }
    }

    /// What was kept in `dir`; one that cannot be read is said and not used.
    #[must_use]
    pub fn kept(dir: &Path) -> Option<Still> {
        let path = dir.join(FILE);
        load(&path).unwrap_or_else(|why| {
            warn!(why, "the camera's reference still is not used");
            None
        })
    }
}

impl Scenes for Reference {
    fn compare(&self) -> Doing<Result<View, String>> {
        let (path, now) = (self.path.clone(), self.media.still());
        on_a_thread(move || {
            let Some(reference) = load(&path)? else { return Ok(View::NoReference) };
            Ok(view(&reference, &now.ok_or("expected a picture, found none yet")?))
        })
    }

    fn learn(&self) -> Doing<Result<(), String>> {
        let (path, now) = (self.path.clone(), self.media.still());
        on_a_thread(move || {
            let now = now.ok_or("expected a picture, found none yet")?;
            if !now.shows() {
                return Err("expected a scene, found nothing to be seen: learn it by day".to_owned());
            }
            now.save(&path).map_err(|why| format!("{}: {why}", path.display()))
        })
    }
}

fn view(reference: &Still, now: &Still) -> View {
    if !reference.shows() {
        return View::Plain;
    }
    let level = now.level();
    match (now.shows(), level < DARK) {
        (false, true) => View::Dark,
        (false, false) => View::Nothing { level },
        (true, _) => {
            let likeness = compare(reference, now);
            likeness.layout.map_or(View::Plain, |alike| View::Seen { alike, focus: likeness.focus })
        }
    }
}

fn load(path: &Path) -> Result<Option<Still>, String> {
    match Still::load(path) {
        Ok(still) => Ok(Some(still)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Doing<Result<T, String>> {
    let working = tokio::task::spawn_blocking(work);
    Box::pin(async move { working.await.map_err(|why| why.to_string())? })
}

#[cfg(test)]
mod tests {
    use super::super::still::{HEIGHT, PATCHES, WIDTH};
    use super::*;

    fn still(level: impl Fn(f32, f32) -> f32) -> Still {
        let pixel = |n: usize| level((n % WIDTH) as f32, (n / WIDTH) as f32).round().clamp(0.0, 255.0) as u8;
        Still { luma: (0..WIDTH * HEIGHT).map(pixel).collect(), detail: [0.4; PATCHES] }
    }

    fn scene(x: f32, y: f32) -> f32 {
        110.0 + 40.0 * (x / 9.0).sin() * (y / 13.0).cos() + 25.0 * (x / 23.0 + y / 17.0).sin()
    }

    #[test]
    fn a_hand_a_night_a_turn_and_a_dull_day_are_told_apart() {
        let day = still(scene);
        let hand = still(|x, _| 120.0 + x / 100.0);
        assert_eq!(view(&day, &hand), View::Nothing { level: 120 });
        assert_eq!(view(&day, &still(|_, _| 9.0)), View::Dark);
        assert_eq!(view(&hand, &day), View::Plain);
        let alike = |now: &Still| match view(&day, now) {
            View::Seen { alike, .. } => alike,
            other => panic!("{other:?}"),
        };
        assert!(alike(&still(|x, y| scene(x + 25.0, y + 11.0))) < 0.5);
        assert!(alike(&still(|x, y| 20.0 + 0.3 * scene(x, y))) > 0.95);
    }
}
