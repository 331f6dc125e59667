//! The addresses a leg can be dialled from.

use std::net::IpAddr;

/// Those of this machine; none where the system does not tell them.
pub(super) fn own_addresses() -> Vec<IpAddr> {
    crate::rtc::own_addresses().unwrap_or_default()
}
