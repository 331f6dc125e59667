//! Test calls: a kiosk's own sound goes back to it, its pictures are counted.

use std::time::Instant;

use super::GatewayEvent;
use super::task::Task;
use crate::rtc::{Medium, Packet};
use crate::wire::KioskId;

impl Task {
    pub(super) fn set_test(&mut self, kiosk: KioskId, open: bool) {
        let slot = self.kiosk(&kiosk);
        if open {
            slot.voice.cut();
        }
        if let Some(seen) = slot.set_test(open, Instant::now()) {
            self.report(GatewayEvent::KioskTested { kiosk, seen });
        }
    }

    /// A packet that no page gets.
    pub(super) fn test_packet(&mut self, peer: u64, kiosk: KioskId, packet: &Packet, now: Instant) {
        let slot = self.kiosk(&kiosk);
        if !slot.loops() {
            return;
        }
        let enough = slot.tested_enough();
        if packet.medium == Medium::Sound
            && let Some((sequence, timestamp)) = slot.voice.place(packet.sequence, packet.timestamp, now)
            && let Some(peer) = self.peers.get_mut(&peer)
        {
            peer.session.send(now, &Packet { sequence, timestamp, ..packet.clone() });
            peer.next_drive = now;
        }
        if enough {
            self.set_test(kiosk, false);
        }
    }
}
