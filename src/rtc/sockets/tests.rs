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

#[test]
fn candidates_are_read_from_a_description() {
    let sdp = "v=0\r\na=candidate:1 1 udp 2130706175 10.0.0.1 5000 typ host\r\n\
               a=candidate:2 1 tcp 1671430143 10.0.0.1 5001 typ host tcptype passive\r\n\
               a=candidate:3 1 tcp 1671430143 10.0.0.1 9 typ host tcptype active\r\n\
               a=candidate:2 1 tcp 1671430143 10.0.0.1 5001 typ host tcptype passive\r\na=candidate:x\r\n";
    assert_eq!(tcp_candidates(sdp), ["10.0.0.1:5001".parse().unwrap()]);
    assert_eq!(udp_candidates(sdp), ["10.0.0.1:5000".parse().unwrap()]);
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
