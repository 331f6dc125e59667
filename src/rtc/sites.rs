//! Places for TCP connections: so many together, so many of one site.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// TCP connections at once; more are refused.
pub(super) const MAX_TCP: usize = 512;
/// TCP connections of one site at once: a router may stand before many kiosks.
const MAX_TCP_PER_SITE: usize = 64;

/// Who counts as one: an IPv4 address, or an IPv6 network of 64 bits, which a single machine may have all to itself.
#[must_use]
pub fn site(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Connections that stand, by site.
#[derive(Default)]
pub(super) struct Sites(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place; given back when dropped.
pub(super) struct Place(Arc<Sites>, IpAddr);

impl Sites {
    /// None: this site, or all together, have as many as they may.
    pub fn place(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let site = site(ip);
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = sites.values().sum();
        let here = sites.entry(site).or_default();
        let fits = all < MAX_TCP && *here < MAX_TCP_PER_SITE;
        *here += usize::from(fits);
        sites.retain(|_, count| *count > 0);
        fits.then(|| Place(Arc::clone(self), site))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sites = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sites.get_mut(&self.1) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_site_cannot_take_every_place() {
        let sites = Arc::new(Sites::default());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let taken: Vec<_> = (0..MAX_TCP_PER_SITE as u128)
            .map(|n| sites.place(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n).into()).unwrap())
            .collect();
        assert!(sites.place(ip("2001:db8::ffff:1")).is_none(), "one network is one site");
        assert!(sites.place(ip("2001:db8:0:1::1")).is_some());
        assert!(sites.place(ip("192.0.2.1")).is_some());
        drop(taken);
        assert!(sites.place(ip("2001:db8::1")).is_some());
    }
}
