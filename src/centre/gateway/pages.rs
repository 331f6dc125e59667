//! One page's side of the gateway: which kiosk it is carried, and its two seamless streams.

use std::time::Instant;

use super::kiosks::Kiosk;
use crate::rtc::{Medium, Packet, Rebase, starts_key_frame};
use crate::wire::KioskId;

/// A page, with or without a connection.
pub(super) struct Page {
    pub peer: Option<u64>,
    pub kiosk: Option<KioskId>,
    pub sound_on: bool,
    picture: Rebase,
    sound: Rebase,
    /// Nothing can be decoded before the next key frame.
    pub wants_key: bool,
}

impl Page {
    pub fn new() -> Self {
        Self {
            peer: None,
            kiosk: None,
            sound_on: false,
            picture: Rebase::new(Medium::Picture, 1),
            sound: Rebase::new(Medium::Sound, 1),
            wants_key: false,
        }
    }

    /// A new connection begins new streams.
    pub fn restart(&mut self) {
        self.picture = Rebase::new(Medium::Picture, 1);
        self.sound = Rebase::new(Medium::Sound, 1);
        self.wants_key = true;
    }

    /// The desk's word. Returns whether the picture's source has changed.
    pub fn carry(&mut self, kiosk: Option<KioskId>, sound_on: bool) -> bool {
        let changed = self.kiosk != kiosk;
        if changed {
            self.picture.cut();
            self.wants_key = true;
        }
        if changed || self.sound_on != sound_on {
            self.sound.cut();
        }
        self.kiosk = kiosk;
        self.sound_on = sound_on;
        changed
    }

    /// What the page gets at once when it joins; false if a key frame must be asked for.
    pub fn join(&mut self, kiosk: &Kiosk, now: Instant, mut send: impl FnMut(Packet)) -> bool {
        let Some(replay) = kiosk.replay() else { return false };
        self.picture.cut();
        for packet in replay {
            if let Some(placed) = self.place(packet, now) {
                send(placed);
            }
        }
        !self.wants_key
    }

    /// A packet of the carried kiosk as this page gets it; `None` if it does not.
    pub fn place(&mut self, packet: &Packet, now: Instant) -> Option<Packet> {
        let line = match packet.medium {
            Medium::Sound if self.sound_on => &mut self.sound,
            Medium::Sound => return None,
            Medium::Picture => {
                if self.wants_key && !starts_key_frame(&packet.payload) {
                    return None;
                }
                self.wants_key = false;
                &mut self.picture
            }
        };
        let (sequence, timestamp) = line.place(packet.sequence, packet.timestamp, now)?;
        Some(Packet { sequence, timestamp, ..packet.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(medium: Medium, sequence: u64, key: bool) -> Packet {
        let payload: &[u8] = if key { &[0x65, 0] } else { &[0x61, 0] };
        Packet { medium, sequence, timestamp: 0, marker: true, payload: payload.into() }
    }

    #[test]
    fn a_page_gets_pictures_from_a_key_frame_on_and_sound_only_when_it_talks() {
        let (mut page, now) = (Page::new(), Instant::now());
        assert!(page.carry(Some("k1".parse().unwrap()), false));
        assert!(page.place(&packet(Medium::Picture, 7, false), now).is_none());
        assert_eq!(page.place(&packet(Medium::Picture, 8, true), now).map(|p| p.sequence), Some(1));
        assert_eq!(page.place(&packet(Medium::Picture, 9, false), now).map(|p| p.sequence), Some(2));
        assert!(page.place(&packet(Medium::Sound, 1, false), now).is_none());
        assert!(!page.carry(Some("k1".parse().unwrap()), true), "the picture goes on");
        assert!(page.place(&packet(Medium::Sound, 2, false), now).is_some());
        assert_eq!(page.place(&packet(Medium::Picture, 10, false), now).map(|p| p.sequence), Some(3));
        assert!(page.carry(Some("k2".parse().unwrap()), true));
        assert!(page.place(&packet(Medium::Picture, 500, false), now).is_none());
        assert_eq!(page.place(&packet(Medium::Picture, 501, true), now).map(|p| p.sequence), Some(4));
    }
}
