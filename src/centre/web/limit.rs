//! How often somebody may try to log in.
//!
//! Three counts at once, each over a minute: of a name from one address (guessing), of an address
//! (trying many names), of a name (guessing from many addresses; wide, so that nobody can lock an
//! officer out by failing in their name). Only failures count. An IPv6 network of 64 bits is one address: a single
//! machine has all of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::rtc::site;

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
        let address = site(address);
        let pair = self.pairs.wait(&(name.to_owned(), address), PER_PAIR, now);
        let address = self.addresses.wait(&address, PER_ADDRESS, now);
        let name = self.names.wait(&name.to_owned(), PER_NAME, now);
        [pair, address, name].into_iter().flatten().max()
    }

    /// A try begins: it counts as failed until it is known not to be, so that many at once do not slip through.
    pub fn begin(&mut self, name: &str, address: IpAddr, now: Instant) {
        let address = site(address);
        self.pairs.add((name.to_owned(), address), now);
        self.addresses.add(address, now);
        self.names.add(name.to_owned(), now);
    }

    /// It succeeded after all.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        let address = site(address);
        self.pairs.0.remove(&(name.to_owned(), address));
        for count in [self.addresses.0.get_mut(&address), self.names.0.get_mut(name)].into_iter().flatten() {
            count.1 = count.1.saturating_sub(1);
        }
    }
}

/// Failures under names nobody has, for the journal: one entry a minute, however many there are.
#[derive(Debug, Default)]
pub struct Strangers {
    told: Option<Instant>,
    untold: u32,
}

impl Strangers {
    /// One more has failed.
    pub fn failed(&mut self) {
        self.untold = self.untold.saturating_add(1);
    }

    /// How many there were since the last entry, if one is due.
    pub fn due(&mut self, now: Instant) -> Option<u32> {
        let quiet = self.told.is_some_and(|at| now.saturating_duration_since(at) < WINDOW);
        if quiet || self.untold == 0 {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
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
    fn a_network_of_one_machine_is_one_address() {
        let (mut limit, start) = (LoginLimit::default(), Instant::now());
        let of = |network: u128, n: u128| std::net::Ipv6Addr::from_bits((network << 64) + n).into();
        for n in 0..20 {
            limit.begin(&format!("name{n}"), of(1, n), start);
        }
        assert!(limit.wait("another", of(1, 77), start).is_some());
        assert_eq!(limit.wait("another", of(2, 77), start), None);
    }

    #[test]
    fn strangers_do_not_fill_the_journal() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let mut entries = vec![];
        for second in 0..180 {
            for _ in 0..10 {
                strangers.failed();
                entries.extend(strangers.due(start + Duration::from_secs(second)));
            }
        }
        assert_eq!(entries, [1, 600, 600], "the first at once, then each minute");
        assert_eq!(strangers.due(start + Duration::from_secs(180)), Some(599));
        assert_eq!(strangers.due(start + Duration::from_secs(240)), None);
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
