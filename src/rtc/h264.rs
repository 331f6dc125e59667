//! Finding key frames in RTP payloads of H.264 (RFC 6184), so that a late page can be served from one.

const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Whether this payload begins a key frame: parameter sets or the start of an IDR picture.
#[must_use]
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    match first & 0x1f {
        NAL_IDR | NAL_SPS => true,
        STAP_A => aggregated(&payload[1..]).any(|kind| kind == NAL_SPS || kind == NAL_IDR),
        // A fragment starts its unit when the top bit of the second byte is set.
        FU_A => payload.get(1).is_some_and(|&header| header & 0x80 != 0 && header & 0x1f == NAL_IDR),
        _ => false,
    }
}

/// The kinds of the units in an aggregation packet; stops at the first that does not fit.
fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = u8> + '_ {
    std::iter::from_fn(move || {
        let (size, after) = rest.split_first_chunk::<2>()?;
        let size = usize::from(u16::from_be_bytes(*size));
        let kind = after.first()? & 0x1f;
        rest = after.get(size..)?;
        Some(kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_found_in_every_packing() {
        assert!(starts_key_frame(&[0x65, 1, 2]), "single IDR");
        assert!(starts_key_frame(&[0x67, 1, 2]), "parameter set");
        assert!(starts_key_frame(&[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1]), "aggregate with a parameter set");
        assert!(starts_key_frame(&[0x7c, 0x85, 1]), "first fragment of an IDR");
    }

    #[test]
    fn other_packets_are_not_taken_for_key_frames() {
        assert!(!starts_key_frame(&[]));
        assert!(!starts_key_frame(&[0x61, 1, 2]), "delta");
        assert!(!starts_key_frame(&[0x7c, 0x05, 1]), "later fragment of an IDR");
        assert!(!starts_key_frame(&[0x7c]), "fragment without its header");
        assert!(!starts_key_frame(&[0x78, 0, 200, 0x61]), "aggregate that lies about its length");
        assert!(!starts_key_frame(&[0x78, 0]), "torn aggregate");
    }
}
