//! One peer connection without IO.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, MediaTime, Mid, Pt};
use str0m::net::{Receive, Transmit};
use str0m::rtp::{Extension, ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

use super::{Datagram, Medium, Packet};
use crate::wire::limits;

/// Where a session's outgoing sequence numbers begin.
const FIRST_SEQUENCE: u64 = 1;
/// RTP header extension id of the playout delay.
const PLAYOUT_DELAY_ID: u8 = 5;

/// A peer connection: picture one way, sound both ways at most.
pub struct Session {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    lines: Vec<Line>,
    connected: bool,
}

struct Line {
    medium: Medium,
    mid: Mid,
    /// Known once both sides' descriptions are.
    payload_type: Option<Pt>,
}

/// Why a session cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The description is too large to be read.
    #[error("session description of {found} bytes, at most {} are read", limits::MAX_SDP)]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// The description is not one.
    #[error("not a session description: {0}")]
    Malformed(String),
    /// str0m refuses.
    #[error("session: {0}")]
    Refused(#[from] str0m::RtcError),
    /// An answer came for which there is no offer.
    #[error("an answer without an open offer")]
    NoOffer,
}

/// What a session reports.
#[derive(Debug)]
pub enum Happening {
    /// ICE and DTLS are through: media can flow.
    Connected,
    /// The other side is gone; the session is of no use any more.
    Gone(&'static str),
    /// A packet came.
    Packet(Packet),
    /// The other side has lost its picture.
    KeyFrameWanted,
}

/// Makes str0m's crypto the process's, once.
pub(super) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| str0m::crypto::from_feature_flags().install_process_default());
}

fn config() -> RtcConfig {
    install_crypto();
    let mut config = Rtc::builder()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .set_extension(PLAYOUT_DELAY_ID, Extension::PlayoutDelay);
    // One profile, what every browser decodes: constrained baseline, packetisation mode 1.
    config.codec_config().add_h264(108.into(), Some(109.into()), true, 0x42_e0_1f);
    // A vanished peer shows within about four seconds instead of twenty.
    config.set_initial_stun_rto(Duration::from_millis(100));
    config.set_max_stun_rto(Duration::from_millis(800));
    config.set_max_stun_retransmits(5);
    config
}

impl Session {
    /// The kiosk's side: offers its picture and sound both ways. Returns the offer's SDP.
    ///
    /// # Errors
    /// [`SessionError::Refused`] if str0m cannot make it.
    pub fn offer(now: Instant, candidates: &[Candidate]) -> Result<(Self, String), SessionError> {
        let mut rtc = config().build(now);
        for candidate in candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        let mut change = rtc.sdp_api();
        let picture = change.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let sound = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().ok_or(SessionError::NoOffer)?;
        let lines = vec![Line::new(Medium::Picture, picture), Line::new(Medium::Sound, sound)];
        Ok((Self { rtc, pending: Some(pending), lines, connected: false }, offer.to_sdp_string()))
    }

    /// The gateway's side: takes an offer. Returns the answer's SDP.
    ///
    /// # Errors
    /// [`SessionError`] says what is wrong with the offer.
    pub fn accept(now: Instant, sdp: &str, candidates: &[Candidate]) -> Result<(Self, String), SessionError> {
        check_size(sdp)?;
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|e| SessionError::Malformed(e.to_string()))?;
        let mut rtc = config().build(now);
        for candidate in candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        let answer = rtc.sdp_api().accept_offer(offer)?;
        Ok((Self { rtc, pending: None, lines: vec![], connected: false }, answer.to_sdp_string()))
    }

    /// The answer to this side's offer.
    ///
    /// # Errors
    /// [`SessionError`] says what is wrong with the answer.
    pub fn take_answer(&mut self, sdp: &str) -> Result<(), SessionError> {
        check_size(sdp)?;
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|e| SessionError::Malformed(e.to_string()))?;
        let pending = self.pending.take().ok_or(SessionError::NoOffer)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        Ok(())
    }

    /// Another way to this side.
    pub fn add_local_candidate(&mut self, candidate: Candidate) {
        self.rtc.add_local_candidate(candidate);
    }

    /// Whether media can flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether this datagram is of this session.
    #[must_use]
    pub fn accepts(&self, datagram: &Datagram) -> bool {
        match receive(datagram) {
            Some(receive) => self.rtc.accepts(&Input::Receive(datagram.at, receive)),
            None => false,
        }
    }

    /// Sends a packet; it leaves with the next [`Session::drive`]. False if this medium was not agreed on.
    pub fn send(&mut self, now: Instant, packet: &Packet) -> bool {
        let Some(line) = self.lines.iter_mut().find(|line| line.medium == packet.medium) else { return false };
        let Some(pt) = line.payload_type.or_else(|| payload_type(&self.rtc, line.medium, line.mid)) else {
            return false;
        };
        line.payload_type = Some(pt);
        let picture = packet.medium == Medium::Picture;
        let mut extensions = ExtensionValues::default();
        if picture {
            // "Show it at once": the browser's own jitter buffer would add some 30 ms.
            extensions.play_delay_min = Some(MediaTime::from_hundredths(0));
            extensions.play_delay_max = Some(MediaTime::from_hundredths(0));
        }
        let mid = line.mid;
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return false };
        stream.write_rtp(
            RtpWrite::new(
                pt,
                (FIRST_SEQUENCE + packet.sequence).into(),
                packet.timestamp,
                now,
                Arc::clone(&packet.payload),
            )
            .marker(packet.marker)
            .ext_vals(extensions)
            .nackable(picture),
        );
        true
    }

    /// Asks the other side for a key frame (RTCP PLI).
    pub fn ask_key_frame(&mut self) {
        let Some(line) = self.lines.iter().find(|line| line.medium == Medium::Picture) else { return };
        let mid = line.mid;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Says goodbye, so that the other side knows at once; drive once more after it.
    pub fn close(&mut self) {
        // An error means that there is nobody to say it to.
        let _ = self.rtc.close();
    }

    /// Takes a datagram in, if there is one (what is not WebRTC is dropped), moves time to `now`, and
    /// takes out everything there is: what is to be sent to `send`, what happened to `happened`. Returns
    /// when to drive again at the latest.
    ///
    /// One call for both on purpose: str0m holds one received packet at a time, and a second datagram
    /// taken in before the first is out would overwrite it.
    ///
    /// # Errors
    /// [`SessionError::Refused`]: the session is of no use any more.
    pub fn drive(
        &mut self,
        datagram: Option<&Datagram>,
        now: Instant,
        mut send: impl FnMut(Transmit),
        happened: &mut Vec<Happening>,
    ) -> Result<Instant, SessionError> {
        let input = match datagram.and_then(|datagram| Some((datagram.at, receive(datagram)?))) {
            Some((at, receive)) => Input::Receive(at, receive),
            None => Input::Timeout(now),
        };
        self.rtc.handle_input(input)?;
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(transmit) => send(transmit),
                Output::Event(event) => self.take(event, happened),
            }
        }
    }

    fn take(&mut self, event: Event, happened: &mut Vec<Happening>) {
        match event {
            Event::Connected => {
                self.connected = true;
                happened.push(Happening::Connected);
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.connected = false;
                happened.push(Happening::Gone("no answer to connectivity checks"));
            }
            Event::Closed => {
                self.connected = false;
                happened.push(Happening::Gone("closed by the other side"));
            }
            Event::MediaAdded(added) => {
                let medium = if added.kind == MediaKind::Video { Medium::Picture } else { Medium::Sound };
                self.lines.push(Line::new(medium, added.mid));
            }
            Event::RtpPacket(packet) => {
                if let Some(packet) = self.packet(packet) {
                    happened.push(Happening::Packet(packet));
                }
            }
            Event::KeyframeRequest(_) => happened.push(Happening::KeyFrameWanted),
            // Statistics, feedback and data channels are not used.
            _ => {}
        }
    }

    fn packet(&mut self, packet: RtpPacket) -> Option<Packet> {
        let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc)?.mid();
        let medium = self.lines.iter().find(|line| line.mid == mid)?.medium;
        Some(Packet {
            medium,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
        })
    }
}

impl Line {
    fn new(medium: Medium, mid: Mid) -> Self {
        Self { medium, mid, payload_type: None }
    }
}

fn payload_type(rtc: &Rtc, medium: Medium, mid: Mid) -> Option<Pt> {
    let wanted = match medium {
        Medium::Picture => Codec::H264,
        Medium::Sound => Codec::Opus,
    };
    let agreed = rtc.media(mid)?.remote_pts();
    rtc.codec_config()
        .params()
        .iter()
        .find(|params| params.spec().codec == wanted && agreed.contains(&params.pt()))
        .map(|params| params.pt())
}

fn receive(datagram: &Datagram) -> Option<Receive<'_>> {
    Receive::new(datagram.protocol, datagram.source, datagram.destination, &datagram.bytes).ok()
}

fn check_size(sdp: &str) -> Result<(), SessionError> {
    if sdp.len() > limits::MAX_SDP { Err(SessionError::TooLarge { found: sdp.len() }) } else { Ok(()) }
}
