//! How often somebody may try to log in.
//!
//! Three counts at once, each over a minute: of a name from one address (guessing), of an address
//! (trying many names), of a name (guessing from many addresses; wide, so that nobody can lock an
//! officer out by failing in their name). Only failures count.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
const PER_PAIR: u32 = 5;
const PER_ADDRESS: u32 = 20;
const PER_NAME: u32 = 100;
/// Names and addresses remembered; beyond, the map is emptied of what has expired, then wholly.
const REMEMBERED: usize = 10_000;

/// Failures of the last minute.
#[derive(Debug, Default)]
pub struct LoginLimit {
    pairs: Counts<(String, IpAddr)>,
    addresses: Counts<IpAddr>,
    names: Counts<String>,
}

#[derive(Debug)]
struct Counts<K>(HashMap<K, (Instant, u32)>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Counts<K> {
    fn wait(&self, key: &K, most: u32, now: Instant) -> Option<Duration> {
        let (since, count) = self.0.get(key)?;
        let left = WINDOW.checked_sub(now.saturating_duration_since(*since))?;
        (*count >= most && !left.is_zero()).then_some(left)
    }

    fn add(&mut self, key: K, now: Instant) {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, (since, _)| now.saturating_duration_since(*since) < WINDOW);
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
        }
        let (since, count) = self.0.entry(key).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }
}

impl LoginLimit {
    /// How long `name` from `address` has to wait before the next try, if it has to.
    #[must_use]
    pub fn wait(&self, name: &str, address: IpAddr, now: Instant) -> Option<Duration> {
        let pair = self.pairs.wait(&(name.to_owned(), address), PER_PAIR, now);
        let address = self.addresses.wait(&address, PER_ADDRESS, now);
        let name = self.names.wait(&name.to_owned(), PER_NAME, now);
        [pair, address, name].into_iter().flatten().max()
    }

    /// A try begins: it counts as failed until it is known not to be, so that many at once do not slip through.
    pub fn begin(&mut self, name: &str, address: IpAddr, now: Instant) {
        self.pairs.add((name.to_owned(), address), now);
        self.addresses.add(address, now);
        self.names.add(name.to_owned(), now);
    }

    /// It succeeded after all.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.pairs.0.remove(&(name.to_owned(), address));
        for count in [self.addresses.0.get_mut(&address), self.names.0.get_mut(name)].into_iter().flatten() {
            count.1 = count.1.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_of_a_name_from_an_address_close_it_for_a_minute() {
        let (mut limit, start) = (LoginLimit::default(), Instant::now());
        let here = IpAddr::from([127, 0, 0, 1]);
        let there = IpAddr::from([127, 0, 0, 2]);
        for _ in 0..5 {
            assert_eq!(limit.wait("ana", here, start), None);
            limit.begin("ana", here, start);
        }
        assert_eq!(limit.wait("ana", here, start), Some(WINDOW));
        assert_eq!(limit.wait("ana", there, start), None, "from elsewhere the officer still gets in");
        assert_eq!(limit.wait("bek", here, start), None);
        assert_eq!(limit.wait("ana", here, start + WINDOW), None);
    }

    #[test]
    fn a_success_is_not_counted() {
        let (mut limit, start) = (LoginLimit::default(), Instant::now());
        let here = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..200 {
            assert_eq!(limit.wait("ana", here, start), None);
            limit.begin("ana", here, start);
            limit.succeeded("ana", here);
        }
    }

    #[test]
    fn an_address_cannot_try_name_after_name() {
        let (mut limit, start) = (LoginLimit::default(), Instant::now());
        let here = IpAddr::from([127, 0, 0, 1]);
        for n in 0..20 {
            limit.begin(&format!("name{n}"), here, start);
        }
        assert!(limit.wait("another", here, start).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut limit, start) = (LoginLimit::default(), Instant::now());
        for n in 0..30_000u32 {
            limit.begin(&format!("name{n}"), IpAddr::from(n.to_be_bytes()), start);
        }
        assert!(limit.names.0.len() <= REMEMBERED && limit.addresses.0.len() <= REMEMBERED);
    }
}
