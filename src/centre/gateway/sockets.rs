//! Where the gateway is reached: addresses come and go while it runs, and after a power cut it is up before the network.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::GatewaySettings;
use super::task::Task;
use crate::rtc::{self, Incoming, Opening, Sockets, SocketsError};

/// The machine's addresses are looked at this often.
pub(super) const FOLLOW_EVERY: Duration = Duration::from_secs(2);

/// What is followed, when the settings name no address.
pub(super) struct Following {
    port: u16,
    udp: bool,
    tcp: bool,
    /// Addresses that could not be bound, told once.
    failed: Vec<IpAddr>,
}

/// Opens what the settings say, or what the machine has now.
pub(super) async fn open(
    settings: &GatewaySettings,
) -> Result<(Sockets, mpsc::Receiver<Incoming>, Option<Following>), SocketsError> {
    let GatewaySettings { addresses, port, udp, tcp, .. } = settings;
    let named = Opening { addresses, port: *port, udp: *udp, tcp_listen: *tcp, lenient: false };
    let (mut sockets, incoming) = Sockets::open(&named).await?;
    if !addresses.is_empty() {
        return Ok((sockets, incoming, None));
    }
    let mut following = Following { port: *port, udp: *udp, tcp: *tcp, failed: vec![] };
    let mut failed = following.follow(&mut sockets, &own_addresses()).await;
    // None at all although there are some: the port is somebody else's.
    match failed.pop() {
        Some(error) if sockets.candidates().is_empty() => Err(error),
        _ => Ok((sockets, incoming, Some(following))),
    }
}

fn own_addresses() -> Vec<IpAddr> {
    rtc::own_addresses().unwrap_or_else(|error| {
        warn!(%error, "gateway: the addresses of this machine cannot be listed");
        vec![]
    })
}

impl Following {
    async fn follow(&mut self, sockets: &mut Sockets, addresses: &[IpAddr]) -> Vec<SocketsError> {
        let opening = Opening { addresses, port: self.port, udp: self.udp, tcp_listen: self.tcp, lenient: false };
        let errors = sockets.follow(&opening).await;
        for error in errors.iter().filter(|error| !self.failed.contains(&error.address.ip())) {
            warn!(%error, "gateway: not reached at this address");
        }
        self.failed = errors.iter().map(|error| error.address.ip()).collect();
        errors
    }
}

impl Task {
    /// Sessions made from now on name the addresses the machine has now; those of an address that is gone end by
    /// their silence, and are offered anew.
    pub(super) async fn follow(&mut self) {
        self.follow_to(&own_addresses()).await;
    }

    async fn follow_to(&mut self, addresses: &[IpAddr]) {
        let Some(following) = &mut self.following else { return };
        following.follow(&mut self.sockets, addresses).await;
        let candidates = self.sockets.candidates();
        if candidates != self.candidates {
            info!(candidates = candidates.len(), "gateway: the addresses of this machine have changed");
            self.candidates = candidates;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_tcp_connection_that_is_nobody_s_is_hung_up() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let settings = GatewaySettings { addresses: vec![ip], port, advertise: vec![], udp: false, tcp: true };
        let (events, _kept) = mpsc::channel(8);
        let _gateway = super::super::start(settings, events).await.unwrap();
        let mut idle = TcpStream::connect(SocketAddr::new(ip, port)).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), idle.read_u8()).await;
        assert!(ended.expect("it takes a place for ever").is_err());
    }
}
