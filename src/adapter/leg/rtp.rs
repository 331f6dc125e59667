//! The officer's packets as GStreamer takes them.

use bytes::{BufMut, Bytes, BytesMut};

use crate::rtc::Packet;

/// A whole RTP packet (RFC 3550) again, as GStreamer's jitter buffer takes it: payload type 111, one SSRC.
pub(super) fn rtp(packet: &Packet) -> Bytes {
    const PAYLOAD_TYPE: u8 = 111;
    const SSRC: u32 = 0x50_53_4f_53;
    let mut bytes = BytesMut::with_capacity(12 + packet.payload.len());
    bytes.put_u8(0x80);
    bytes.put_u8(PAYLOAD_TYPE | if packet.marker { 0x80 } else { 0 });
    let [.., high, low] = packet.sequence.to_be_bytes();
    bytes.put_slice(&[high, low]);
    bytes.put_u32(packet.timestamp);
    bytes.put_u32(SSRC);
    bytes.put_slice(&packet.payload);
    bytes.freeze()
}
