//! Where the gateway is reached.

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::super::GatewaySettings;

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
