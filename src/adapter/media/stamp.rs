//! The test camera's pictures carry the wall clock, so that their age can be read wherever they arrive.
//!
//! The lowest 32 bits of the milliseconds since 1970 UTC stand in the top left corner as 32 squares of
//! 16x16 pixels, black for 0 and white for 1, the highest bit first: large enough for any encoder to keep.

use std::time::{SystemTime, UNIX_EPOCH};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Edge of a square, pixels.
const SQUARE: usize = 16;
const BITS: usize = 32;
/// Luma of 0 and of 1 (BT.601 video range).
const SHADES: [u8; 2] = [16, 235];
/// Chroma of no colour.
const GREY: u8 = 128;

/// Stamps every picture that leaves `pad`; the pictures are I420.
pub fn stamp(pad: &gst::Pad, width: usize, height: usize) {
    if width < SQUARE * BITS {
        return;
    }
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Ok(mut map) = buffer.make_mut().map_writable()
        {
            paint(map.as_mut_slice(), width, height, now_ms());
        }
        gst::PadProbeReturn::Ok
    });
}

fn now_ms() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u32::try_from(since & u128::from(u32::MAX)).expect("masked to 32 bits")
}

/// Paints into an I420 picture, whose rows GStreamer rounds up to four bytes and whose height to two.
fn paint(picture: &mut [u8], width: usize, height: usize, value: u32) {
    let stride = width.next_multiple_of(4);
    let (luma, chroma) = picture.split_at_mut((stride * height.next_multiple_of(2)).min(picture.len()));
    let mut row = [0; SQUARE * BITS];
    for (bit, square) in row.chunks_exact_mut(SQUARE).enumerate() {
        let one = value >> (BITS - 1 - bit) & 1 == 1;
        square.fill(SHADES[usize::from(one)]);
    }
    for line in luma.chunks_exact_mut(stride).take(SQUARE) {
        line[..row.len()].copy_from_slice(&row);
    }
    // Black and white without the colour of what was there.
    let chroma_stride = width.div_ceil(2).next_multiple_of(4);
    let plane = chroma_stride * height.div_ceil(2);
    for colour in chroma.chunks_mut(plane.max(1)).take(2) {
        for line in colour.chunks_exact_mut(chroma_stride).take(SQUARE / 2) {
            line[..row.len() / 2].fill(GREY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bit_comes_first_and_the_rest_of_the_picture_is_untouched() {
        let (luma, chroma) = (640 * 20, 320 * 10);
        let mut picture = vec![100; luma + 2 * chroma];
        paint(&mut picture, 640, 20, 0x8000_0001);
        let at = |n: usize| picture[n];
        assert_eq!([at(0), at(SQUARE), at(31 * SQUARE), at(32 * SQUARE)], [235, 16, 235, 100]);
        assert_eq!([at(640 * 15), at(640 * 16)], [235, 100]);
        assert_eq!([at(luma), at(luma + 256), at(luma + 320 * 8), at(luma + chroma)], [128, 100, 100, 128]);
    }
}
