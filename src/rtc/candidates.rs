//! Candidates: this machine's addresses, and what stands in a session description.

use std::io;
use std::net::{IpAddr, SocketAddr};

use str0m::Candidate;
use str0m::net::TcpType;

/// Every address of this machine another one could reach, and loopback for one on the same machine.
///
/// # Errors
/// What the system says.
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let reachable = if_addrs::get_if_addrs()?.into_iter().filter(|interface| !interface.is_link_local());
    let mut addresses: Vec<IpAddr> = reachable.map(|interface| interface.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// The candidate of a dialled TCP connection.
#[must_use]
pub fn dialled_candidate(local: SocketAddr) -> Option<Candidate> {
    tcp_candidate(local, TcpType::Active)
}

pub(super) fn tcp_candidate(address: SocketAddr, role: TcpType) -> Option<Candidate> {
    Candidate::builder().tcp().host(address).tcptype(role).build().ok()
}

/// Addresses of the passive TCP candidates in a session description.
#[must_use]
pub fn tcp_candidates(sdp: &str) -> Vec<SocketAddr> {
    candidates(sdp, |protocol, line| protocol.eq_ignore_ascii_case("tcp") && line.contains("tcptype passive"))
}

/// Addresses of the UDP candidates in a session description.
#[must_use]
pub fn udp_candidates(sdp: &str) -> Vec<SocketAddr> {
    candidates(sdp, |protocol, _| protocol.eq_ignore_ascii_case("udp"))
}

/// Addresses of the candidates that fit by their protocol and their line; each once.
fn candidates(sdp: &str, fits: impl Fn(&str, &str) -> bool) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = sdp
        .lines()
        .filter_map(|line| line.trim().strip_prefix("a=candidate:"))
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let protocol = words.nth(2)?;
            let (ip, port) = (words.nth(1)?, words.next()?);
            fits(protocol, line).then(|| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?)))?
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_read_from_a_description() {
        let sdp = "v=0\r\na=candidate:1 1 udp 2130706175 10.0.0.1 5000 typ host\r\n\
                   a=candidate:2 1 tcp 1671430143 10.0.0.1 5001 typ host tcptype passive\r\n\
                   a=candidate:3 1 tcp 1671430143 10.0.0.1 9 typ host tcptype active\r\n\
                   a=candidate:2 1 tcp 1671430143 10.0.0.1 5001 typ host tcptype passive\r\na=candidate:x\r\n";
        assert_eq!(tcp_candidates(sdp), ["10.0.0.1:5001".parse().unwrap()]);
        assert_eq!(udp_candidates(sdp), ["10.0.0.1:5000".parse().unwrap()]);
    }
}
