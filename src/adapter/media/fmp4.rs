//! The recording's container: fragmented MP4 (ISO/IEC 14496-12), H.264 and Opus, written box by box.
//!
//! Header and fragments one after the other are an ordinary file; every fragment carries its place on
//! the time line (`tfdt`), so that any number of them from the start, and any gap between them, plays.

use bytes::Bytes;
use mp4_atom::{
    Atom as _, Audio, Avc1, Avcc, Codec, Dinf, Dops, Dref, DrefEntry, Encode as _, FixedPoint, FourCC, Ftyp, Hdlr,
    Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex, Mvhd, Opus, Smhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex,
    Trun, TrunEntry, Url, Visual, Vmhd,
};

/// Ticks per second of the picture track.
pub const PICTURE_RATE: u32 = 90_000;
/// Ticks per second of the sound track.
pub const SOUND_RATE: u32 = 48_000;

const PICTURE_TRACK: u32 = 1;
const SOUND_TRACK: u32 = 2;
/// Depends on no other sample.
const SYNC_FLAGS: u32 = 0x0200_0000;
/// Depends on others and is no place to begin.
const DELTA_FLAGS: u32 = 0x0101_0000;

/// A box could not be built: the encoder's configuration is not what it says it is.
#[derive(Debug, thiserror::Error)]
#[error("MP4: {0}")]
pub struct BoxError(#[from] mp4_atom::Error);

/// What the picture track is, as its decoder needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureTrack {
    /// The body of the `avcC` box: parameter sets and profile.
    pub avcc: Bytes,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

/// One sample of a fragment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Ticks of its track.
    pub duration: u32,
    /// Whether decoding can begin here.
    pub key: bool,
    /// The encoded unit.
    pub data: Bytes,
}

/// The samples of one track in one fragment.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Decode time of the first sample, ticks of the track since the incident's first sample.
    pub start: u64,
    /// In order; may be empty.
    pub samples: Vec<Sample>,
}

/// `ftyp` and `moov`. Without a picture track (no camera has ever been seen) there is sound alone.
///
/// # Errors
/// [`BoxError`] if the parameter sets cannot be read.
pub fn header(picture: Option<&PictureTrack>) -> Result<Bytes, BoxError> {
    let brands: [&[u8; 4]; 4] = [b"iso5", b"iso6", b"avc1", b"mp41"];
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso5"),
        minor_version: 0,
        compatible_brands: brands.iter().map(|brand| FourCC::new(brand)).collect(),
    };
    let mut trak = Vec::with_capacity(2);
    if let Some(picture) = picture {
        trak.push(picture_trak(picture)?);
    }
    trak.push(sound_trak());
    let trex = trak.iter().map(|trak| extends(trak.tkhd.track_id)).collect();
    let moov = Moov {
        mvhd: Mvhd { rate: 1.into(), volume: 1.into(), next_track_id: SOUND_TRACK + 1, ..Mvhd::default() },
        mvex: Some(Mvex { mehd: None, trex }),
        trak,
        ..Moov::default()
    };
    let mut out = Vec::with_capacity(1200);
    ftyp.encode(&mut out)?;
    moov.encode(&mut out)?;
    Ok(Bytes::from(out))
}

/// `moof` and `mdat` of one fragment. `sequence` counts the media fragments from 1.
///
/// # Errors
/// [`BoxError`] if a box cannot be built (a fragment over 2 GiB).
pub fn fragment(sequence: u32, picture: &Run, sound: &Run) -> Result<Bytes, BoxError> {
    // Only the numbers differ between the two passes, never the size.
    let mut measured = Vec::new();
    moof(sequence, picture, sound, 0).encode(&mut measured)?;
    let body: usize = picture.samples.iter().chain(&sound.samples).map(|sample| sample.data.len()).sum();
    let first = i32::try_from(measured.len() + MDAT_HEADER).map_err(|_| mp4_atom::Error::OutOfBounds)?;
    let mdat = u32::try_from(body + MDAT_HEADER).map_err(|_| mp4_atom::Error::OutOfBounds)?;

    let mut out = Vec::with_capacity(measured.len() + MDAT_HEADER + body);
    moof(sequence, picture, sound, first).encode(&mut out)?;
    out.extend_from_slice(&mdat.to_be_bytes());
    out.extend_from_slice(b"mdat");
    for sample in picture.samples.iter().chain(&sound.samples) {
        out.extend_from_slice(&sample.data);
    }
    Ok(Bytes::from(out))
}

/// Size and type of `mdat`.
const MDAT_HEADER: usize = 8;

fn moof(sequence: u32, picture: &Run, sound: &Run, first_byte: i32) -> Moof {
    let mut traf = Vec::with_capacity(2);
    let mut offset = first_byte;
    for (track, run) in [(PICTURE_TRACK, picture), (SOUND_TRACK, sound)] {
        if run.samples.is_empty() {
            continue;
        }
        traf.push(track_fragment(track, run, offset));
        let bytes: usize = run.samples.iter().map(|sample| sample.data.len()).sum();
        offset = offset.saturating_add(i32::try_from(bytes).unwrap_or(i32::MAX));
    }
    Moof { mfhd: Mfhd { sequence_number: sequence }, traf }
}

fn track_fragment(track: u32, run: &Run, data_offset: i32) -> Traf {
    let entries: Vec<TrunEntry> = run
        .samples
        .iter()
        .map(|sample| TrunEntry {
            duration: Some(sample.duration),
            size: u32::try_from(sample.data.len()).ok(),
            flags: Some(if sample.key { SYNC_FLAGS } else { DELTA_FLAGS }),
            cts: None,
        })
        .collect();
    Traf {
        tfhd: Tfhd { track_id: track, default_base_is_moof: true, ..Tfhd::default() },
        tfdt: Some(Tfdt { base_media_decode_time: run.start }),
        trun: vec![Trun { data_offset: Some(data_offset), samples: entries.into() }],
        ..Traf::default()
    }
}

fn picture_trak(picture: &PictureTrack) -> Result<Trak, BoxError> {
    let avcc = Avcc::decode_body(&mut picture.avcc.as_ref())?;
    let visual = Visual { data_reference_index: 1, width: picture.width, height: picture.height, ..Visual::default() };
    let avc1 = Avc1 { visual, avcc, ..Avc1::default() };
    let minf = Minf { vmhd: Some(Vmhd::default()), ..minf(Codec::Avc1(avc1)) };
    let tkhd = Tkhd { width: picture.width.into(), height: picture.height.into(), ..tkhd(PICTURE_TRACK) };
    Ok(Trak { tkhd, mdia: mdia(PICTURE_RATE, b"vide", "Camera", minf), ..Trak::default() })
}

fn sound_trak() -> Trak {
    let audio = Audio {
        data_reference_index: 1,
        channel_count: 2,
        sample_size: 16,
        // 48 kHz always: that is how Opus is stored, whatever the input's rate was.
        sample_rate: FixedPoint::from(48_000),
    };
    // No samples to skip: a recording begins in the middle of a running stream, and the encoder's
    // look-ahead is already taken off the units' times.
    let dops = Dops {
        output_channel_count: 2,
        pre_skip: 0,
        input_sample_rate: SOUND_RATE,
        output_gain: 0,
        channel_mapping: None,
    };
    let minf = Minf { smhd: Some(Smhd::default()), ..minf(Codec::Opus(Opus { audio, dops, btrt: None })) };
    let tkhd = Tkhd { volume: 1.into(), ..tkhd(SOUND_TRACK) };
    Trak { tkhd, mdia: mdia(SOUND_RATE, b"soun", "Person (left), officer (right)", minf), ..Trak::default() }
}

fn tkhd(track_id: u32) -> Tkhd {
    Tkhd { track_id, enabled: true, in_movie: true, ..Tkhd::default() }
}

fn mdia(timescale: u32, handler: &[u8; 4], name: &str, minf: Minf) -> Mdia {
    Mdia {
        mdhd: Mdhd { timescale, language: "und".into(), ..Mdhd::default() },
        hdlr: Hdlr { handler: FourCC::new(handler), name: name.into() },
        minf,
    }
}

fn minf(codec: Codec) -> Minf {
    // An empty location says that the samples are in this file.
    let here = DrefEntry::Url(Url { location: String::new() });
    Minf {
        dinf: Dinf { dref: Dref { entries: vec![here] } },
        stbl: Stbl { stsd: Stsd { codecs: vec![codec] }, stco: Some(Stco::default()), ..Stbl::default() },
        ..Minf::default()
    }
}

fn extends(track_id: u32) -> Trex {
    Trex { track_id, default_sample_description_index: 1, ..Trex::default() }
}
