//! Offers: a session is made, its answer goes out, the one before it ends.

use std::net::IpAddr;
use std::time::Instant;

use tracing::{debug, warn};

use super::pages::Page;
use super::task::{CONNECT_WITHIN, Peer, Task, Whose};
use super::{GatewayEvent, PageId};
use crate::rtc::Session;
use crate::wire::{KioskId, SessionId};

impl Task {
    pub(super) fn kiosk_offer(&mut self, kiosk: KioskId, session: SessionId, sdp: &str) {
        if self.kiosk(&kiosk).session == Some(session) {
            debug!(%kiosk, %session, "gateway: an offer that has come already");
            return;
        }
        match self.accept(Whose::Kiosk(kiosk.clone()), sdp) {
            Err(reason) => {
                warn!(%kiosk, %reason, "gateway: offer refused");
                self.report(GatewayEvent::KioskReoffer { kiosk, reason });
            }
            Ok((peer, sdp)) => {
                let slot = self.kiosk(&kiosk);
                let old = slot.peer.replace(peer);
                slot.session = Some(session);
                slot.counters.up = false;
                slot.forget_media();
                if let Some(old) = old {
                    self.remove(old);
                }
                for page in self.pages.values_mut().filter(|page| page.kiosk.as_ref() == Some(&kiosk)) {
                    let (kiosk, sound) = (page.kiosk.clone(), page.sound_on);
                    page.carry(None, false);
                    page.carry(kiosk, sound);
                }
                self.report(GatewayEvent::KioskAnswer { kiosk, session, sdp });
            }
        }
    }

    pub(super) fn page_offer(&mut self, page: PageId, sdp: &str) {
        match self.accept(Whose::Page(page), sdp) {
            Err(reason) => warn!(page, %reason, "gateway: a page's offer refused"),
            Ok((peer, sdp)) => {
                let slot = self.pages.entry(page).or_insert_with(Page::new);
                slot.restart();
                if let Some(old) = slot.peer.replace(peer) {
                    self.remove(old);
                }
                self.report(GatewayEvent::PageAnswer { page, sdp });
            }
        }
    }

    fn accept(&mut self, whose: Whose, sdp: &str) -> Result<(u64, String), String> {
        let now = Instant::now();
        let (session, answer) = Session::accept(now, sdp, &self.candidates).map_err(|e| e.to_string())?;
        self.last_peer += 1;
        let peer = Peer { session, whose, next_drive: now, give_up: Some(now + CONNECT_WITHIN) };
        self.peers.insert(self.last_peer, peer);
        Ok((self.last_peer, advertised(&answer, &self.advertise)))
    }
}

/// Adds the addresses the world knows this machine by to an answer's candidates.
fn advertised(sdp: &str, advertise: &[IpAddr]) -> String {
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive("\r\n") {
        out.push_str(line);
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let [_, _, _, _, ip, ..] = words[..] else { continue };
        if !line.starts_with("a=candidate:") {
            continue;
        }
        for address in advertise {
            out.push_str(&line.replacen(&format!(" {ip} "), &format!(" {address} "), 1));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_addresses_join_the_answers_candidates() {
        let sdp = "v=0\r\na=candidate:1 1 udp 2130706175 10.0.0.1 5000 typ host\r\na=end-of-candidates\r\n";
        let public = advertised(sdp, &["203.0.113.7".parse().unwrap()]);
        assert!(public.contains("10.0.0.1 5000 typ host\r\na=candidate:1 1 udp 2130706175 203.0.113.7 5000 typ host"));
        assert_eq!(advertised(sdp, &[]), sdp);
    }
}
