//! The camera: frames come, are fresh, show something, and show what the reference still shows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::interval;

use super::parts::Asks;
use super::{Found, How, PartTest, Say, Testing};
use crate::control::{Status, TestPart, fault_name};
use crate::kiosk::control::status;
use crate::kiosk::ports::{Scenes, View};
use crate::wire::up::FaultKind;

/// A frame older than this is no live picture, ms.
const FRESH_MS: u64 = 1_000;
/// The camera is watched for this long.
const CAMERA_FOR: Duration = Duration::from_secs(3);
/// The age of the newest frame is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Every so many looks, what is seen is compared: the best of them counts, for people walk by.
const COMPARED: u32 = 5;
/// Less alike than this (the correlation that the best five patches in twelve reach, 0 to 1) is another view. The same
/// scene reaches more in any light that shows it, real films of other scenes less.
const SAME_VIEW: f32 = 0.6;
/// So little of the reference's fine detail left is out of focus, or dirt.
const SHARP: f32 = 0.6;

/// The test.
pub struct CameraTest {
    /// The core.
    pub asks: Asks,
    /// What the camera should see, and sees.
    pub scenes: Arc<dyn Scenes>,
}

impl PartTest for CameraTest {
    fn part(&self) -> TestPart {
        TestPart::Camera
    }

    fn learns(&self) -> bool {
        true
    }

    fn run(&self, how: How, say: Say) -> Testing<'_> {
        Box::pin(async move {
            say.step(format!("watching for {} s", CAMERA_FOR.as_secs())).await;
            let (oldest, view) = match self.watch().await {
                Ok(seen) => seen,
                Err(why) => return Found::failed(why),
            };
            let fresh = format!("the newest frame was never older than {oldest} ms");
            if oldest > FRESH_MS {
                return Found::failed(format!("expected at most {FRESH_MS} ms, found that {fresh}"));
            }
            if how == How::Learn {
                return match self.scenes.learn().await {
                    Ok(()) => Found::passed(format!("{fresh}; what it sees now is its reference still")),
                    Err(why) => Found::failed(format!("no reference still was kept: {why}")),
                };
            }
            match judge(&view) {
                Ok(sees) => Found::passed(format!("{fresh}; {sees}")),
                Err(why) => Found::failed(why),
            }
        })
    }
}

impl CameraTest {
    /// The oldest that a newest frame got, ms, and the view most like the reference.
    async fn watch(&self) -> Result<(u64, View), String> {
        let (began, mut look) = (Instant::now(), interval(LOOK_EVERY));
        let (mut oldest, mut best) = (0, View::NoReference);
        for n in 0.. {
            look.tick().await;
            let status = status(&self.asks).await?;
            let age = status.frame_age_ms.ok_or("expected frames, found none since the daemon's start")?;
            oldest = oldest.max(age);
            if n % COMPARED == 0 {
                best = better(best, self.scenes.compare().await?);
            }
            if began.elapsed() >= CAMERA_FOR {
                return standing(&status).map_or(Ok((oldest, best)), Err);
            }
        }
        Err("expected an end of the watch, found none".to_owned())
    }
}

/// What the watch over the picture has found already.
fn standing(status: &Status) -> Option<String> {
    let of_the_camera = |kind| {
        matches!(
            kind,
            FaultKind::CameraLost | FaultKind::CameraFrozen | FaultKind::CameraCovered | FaultKind::CameraBlurred
        )
    };
    let fault = status.faults.iter().find(|fault| of_the_camera(fault.kind))?;
    Some(format!("{}: {}", fault_name(fault.kind), fault.detail))
}

fn better(old: View, new: View) -> View {
    match (&old, &new) {
        (View::Seen { alike: then, .. }, View::Seen { alike: now, .. }) if then >= now => old,
        (View::Seen { .. }, View::NoReference | View::Plain | View::Dark | View::Nothing { .. }) => old,
        (_, _) => new,
    }
}

fn judge(view: &View) -> Result<String, String> {
    Ok(match *view {
        View::NoReference => "no reference still to compare with (sos-ctl selftest camera --learn)".to_owned(),
        View::Plain => "the reference still shows nothing to compare with: learn another".to_owned(),
        View::Dark => "too dark to be compared with the reference still".to_owned(),
        View::Nothing { level } => {
            return Err(format!(
                "expected the view of the reference still, found nothing to be seen (brightness {level} of 255): covered"
            ));
        }
        View::Seen { alike, .. } if alike < SAME_VIEW => {
            return Err(format!(
                "expected the view of the reference still (alike by {SAME_VIEW:.2} at least), found {alike:.2}: moved, turned or covered"
            ));
        }
        View::Seen { focus: Some(focus), .. } if focus < SHARP => {
            let percent = (focus * 100.0).round();
            return Err(format!(
                "expected the detail of the reference still, found {percent} % of it: out of focus, or dirt"
            ));
        }
        View::Seen { alike, .. } => format!("the view of the reference still (alike by {alike:.2})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(alike: f32, focus: Option<f32>) -> View {
        View::Seen { alike, focus }
    }

    #[test]
    fn another_view_a_covered_one_and_a_blurred_one_fail_with_figures() {
        let why = |view: &View| judge(view).expect_err("another view");
        assert!(why(&seen(0.59, None)).contains("0.60 at least), found 0.59: moved, turned or covered"));
        assert!(why(&seen(0.9, Some(0.4))).contains("found 40 % of it: out of focus"));
        assert!(why(&View::Nothing { level: 130 }).contains("brightness 130 of 255): covered"));
        assert_eq!(judge(&seen(0.83, Some(0.9))), Ok("the view of the reference still (alike by 0.83)".to_owned()));
    }

    #[test]
    fn without_a_reference_or_light_it_is_said_and_no_failure() {
        for view in [View::NoReference, View::Plain, View::Dark] {
            assert!(judge(&view).is_ok(), "{view:?}");
        }
    }

    #[test]
    fn the_best_look_counts() {
        assert_eq!(better(seen(0.9, None), seen(0.2, None)), seen(0.9, None));
        assert_eq!(better(seen(0.2, None), seen(0.9, None)), seen(0.9, None));
        assert_eq!(better(seen(0.2, None), View::Dark), seen(0.2, None));
        assert_eq!(better(View::Dark, seen(0.2, None)), seen(0.2, None));
    }
}
