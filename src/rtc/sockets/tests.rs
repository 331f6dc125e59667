//! Tests of the sockets.

use super::*;

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_left_out_where_another_can_be() {
    // TEST-NET-1 (RFC 5737): never this machine's.
    let there: IpAddr = "127.0.0.1".parse().unwrap();
    let gone: IpAddr = "192.0.2.1".parse().unwrap();
    let open = async |addresses: &[IpAddr], lenient| {
        let opening = Opening { addresses, port: 0, udp: true, tcp_listen: false, lenient };
        Sockets::open(&opening).await.map(|(sockets, _)| sockets.candidates().len()).map_err(|e| e.to_string())
    };
    assert_eq!(open(&[gone, there], true).await, Ok(1));
    for (addresses, lenient) in [(&[gone, there][..], false), (&[gone][..], true)] {
        let why = open(addresses, lenient).await.expect_err("nothing to bind");
        assert!(why.starts_with("udp 192.0.2.1:0: "), "{why}");
    }
}

#[tokio::test]
async fn sockets_kept_to_one_address_hear_nobody_else_and_one_without_a_way_is_closed() {
    let addresses: [IpAddr; 1] = ["127.0.0.1".parse().unwrap()];
    let opening = Opening { addresses: &addresses, port: 0, udp: true, tcp_listen: false, lenient: false };
    let (mut sockets, mut incoming) = Sockets::open(&opening).await.unwrap();
    let local = *sockets.udp.keys().next().unwrap();
    let bind = || UdpSocket::bind("127.0.0.1:0");
    let (friend, stranger) = (bind().await.unwrap(), bind().await.unwrap());
    sockets.keep_to(friend.local_addr().unwrap()).await;
    stranger.send_to(b"stranger", local).await.unwrap();
    friend.send_to(b"friend", local).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(5), incoming.recv()).await.unwrap();
    assert!(matches!(heard, Some(Incoming::Datagram(heard)) if heard.bytes == b"friend"));
    let answer = Transmit {
        proto: Protocol::Udp,
        source: local,
        destination: friend.local_addr().unwrap(),
        contents: b"answer".to_vec().into(),
    };
    sockets.send(answer);
    let mut bytes = [0; 16];
    let size = tokio::time::timeout(Duration::from_secs(5), friend.recv(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(&bytes[..size], b"answer");
    // From loopback no way leads there.
    sockets.keep_to("192.0.2.1:9".parse().unwrap()).await;
    assert!(sockets.udp.is_empty());
}

fn addresses(of: &Sockets) -> Vec<String> {
    let mut ips: Vec<_> = of.candidates().iter().map(|candidate| candidate.addr().ip().to_string()).collect();
    ips.sort();
    ips.dedup();
    ips
}

#[tokio::test]
async fn sockets_follow_the_addresses_of_the_machine() {
    let ips: Vec<IpAddr> = ["127.0.0.1", "127.0.0.2", "192.0.2.1"].map(|ip| ip.parse().unwrap()).into();
    let opening = |addresses| Opening { addresses, port: 0, udp: true, tcp_listen: true, lenient: false };
    let (mut sockets, mut incoming) = Sockets::open(&opening(&ips[..1])).await.unwrap();
    assert_eq!(addresses(&sockets), ["127.0.0.1"]);
    // The last is not this machine's: it is named, and the others are had all the same.
    let failed = sockets.follow(&opening(&ips)).await;
    assert_eq!(failed.iter().map(|error| error.address.ip()).collect::<Vec<_>>(), [ips[2]]);
    assert_eq!(addresses(&sockets), ["127.0.0.1", "127.0.0.2"]);
    let second = *sockets.udp.keys().find(|local| local.ip() == ips[1]).unwrap();
    let kept = *sockets.udp.keys().find(|local| local.ip() == ips[0]).unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    other.send_to(b"hello", second).await.unwrap();
    let came = tokio::time::timeout(Duration::from_secs(5), incoming.recv()).await.unwrap();
    assert!(matches!(came, Some(Incoming::Datagram(datagram)) if datagram.destination == second));
    assert!(sockets.follow(&opening(&ips[..1])).await.is_empty());
    assert_eq!(addresses(&sockets), ["127.0.0.1"]);
    assert!(sockets.udp.contains_key(&kept), "what stays is not opened anew");
}
