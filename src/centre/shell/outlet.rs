//! One page's way out: a bounded queue, and beside it the newest views of kiosks for which it has no room now.
//!
//! When the broker goes or comes back, every kiosk changes at once. A page is not behind for that: of each kiosk only
//! the newest view matters. A page that does not take anything else is.

use std::collections::BTreeMap;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;

use crate::wire::KioskId;

/// What may wait for one page; a page that does not read is dropped.
pub(super) const PAGE_QUEUE: usize = 256;
/// Room that views of kiosks leave to everything else.
const LEFT_FREE: usize = PAGE_QUEUE / 2;

/// A page's way out.
pub(super) struct Outlet {
    pub session: String,
    line: mpsc::Sender<Utf8Bytes>,
    /// The newest view of each kiosk that found no room; at most one a kiosk.
    behind: BTreeMap<KioskId, Utf8Bytes>,
}

impl Outlet {
    pub fn new(session: String, line: mpsc::Sender<Utf8Bytes>) -> Self {
        Self { session, line, behind: BTreeMap::new() }
    }

    /// Says it. False: the page does not read.
    pub fn say(&self, text: Utf8Bytes) -> bool {
        self.line.try_send(text).is_ok()
    }

    /// Shows how a kiosk is, now or when there is room. False: the page is gone.
    pub fn show_kiosk(&mut self, kiosk: &KioskId, text: Utf8Bytes) -> bool {
        self.behind.insert(kiosk.clone(), text);
        self.catch_up()
    }

    /// Whether something waits for room.
    pub fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Hands on what there is room for. False: the page is gone.
    pub fn catch_up(&mut self) -> bool {
        while self.line.capacity() > LEFT_FREE
            && let Some((_, text)) = self.behind.pop_first()
        {
            if self.line.try_send(text).is_err() {
                return false;
            }
        }
        !self.line.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_that_changes_at_once_throws_nobody_off() {
        let (line, mut read) = mpsc::channel(PAGE_QUEUE);
        let mut page = Outlet::new(String::new(), line);
        for round in 0..3 {
            for n in 0..2_000 {
                let kiosk = format!("k{n:04}").parse().unwrap();
                assert!(page.show_kiosk(&kiosk, format!("{kiosk} {round}").into()));
            }
        }
        assert!(page.say("alarm".into()), "and what matters still finds room");
        let mut newest = BTreeMap::new();
        loop {
            assert!(page.catch_up());
            let Ok(text) = read.try_recv() else { break };
            let text = text.to_string();
            let (kiosk, round) = text.split_once(' ').unwrap_or((text.as_str(), ""));
            newest.insert(kiosk.to_owned(), round.to_owned());
        }
        assert!(!page.is_behind());
        assert_eq!(newest.remove("alarm").as_deref(), Some(""));
        assert_eq!(newest.len(), 2_000);
        assert!(newest.values().all(|round| round == "2"), "each as it is now");
    }

    #[test]
    fn a_page_that_does_not_read_is_told_by_what_is_not_a_kiosk() {
        let (line, read) = mpsc::channel(PAGE_QUEUE);
        let mut page = Outlet::new(String::new(), line);
        assert!((0..PAGE_QUEUE).all(|_| page.say("alarm".into())));
        assert!(!page.say("alarm".into()));
        drop(read);
        assert!(!page.show_kiosk(&"north".parse().unwrap(), "north".into()), "it is gone");
    }
}
