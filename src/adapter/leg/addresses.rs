//! The addresses a leg can be dialled from.

use std::net::IpAddr;

/// Every address of this machine another one could reach, and loopback for a centre on the same machine.
pub(super) fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = if_addrs::get_if_addrs() else { return vec![] };
    let mut addresses: Vec<IpAddr> =
        interfaces.into_iter().filter(|interface| !interface.is_link_local()).map(|interface| interface.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
