//! Datagrams of sessions over UDP, and over TCP where UDP is blocked (RFC 4571 framing).
//!
//! Every way in has a task of its own that reads and hands over through one bounded channel; every TCP
//! way out has a bounded queue. When a queue is full the datagram is lost, as it would be on the wire.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Candidate;
use str0m::net::{Protocol, TcpType, Transmit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::debug;

use super::candidates::tcp_candidate;
use super::sites::{MAX_TCP, Sites};

/// Datagrams that may wait for the owner.
const INBOX: usize = 2048;
/// Datagrams that may wait for one TCP connection.
const TCP_QUEUE: usize = 256;
/// Largest datagram read.
const LARGEST: usize = 2048;
/// A dial that takes longer has failed.
const DIAL_WITHIN: Duration = Duration::from_secs(3);

/// A datagram that came.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The other side's address.
    pub source: SocketAddr,
    /// This side's address.
    pub destination: SocketAddr,
    /// When it was read.
    pub at: Instant,
    /// What.
    pub bytes: Vec<u8>,
}

/// What the sockets report. Give each to [`Sockets::note`] first.
#[derive(Debug)]
pub enum Incoming {
    /// A datagram.
    Datagram(Datagram),
    /// A TCP connection stands, dialled or accepted.
    Open {
        /// This side's address.
        local: SocketAddr,
        /// The other side's.
        remote: SocketAddr,
        /// Whether this side dialled.
        dialled: bool,
        /// Its queue.
        queue: mpsc::Sender<Vec<u8>>,
    },
    /// A TCP connection is gone.
    Closed {
        /// This side's address.
        local: SocketAddr,
        /// The other side's.
        remote: SocketAddr,
    },
}

/// A socket could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{protocol} {address}: {source}")]
pub struct SocketsError {
    /// "udp" or "tcp".
    protocol: &'static str,
    /// Which address.
    pub address: SocketAddr,
    /// Why.
    source: io::Error,
}

/// What to open.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// Addresses to bind, each concretely (a wildcard address makes no candidate).
    pub addresses: &'a [IpAddr],
    /// Port; 0 lets the system choose, one for each address.
    pub port: u16,
    /// Whether to use UDP at all.
    pub udp: bool,
    /// Whether to listen on TCP.
    pub tcp_listen: bool,
}

/// All sockets of one end.
pub struct Sockets {
    udp: HashMap<SocketAddr, Arc<UdpSocket>>,
    listening: Vec<SocketAddr>,
    /// By this side's and the other side's address.
    streams: HashMap<(SocketAddr, SocketAddr), Stream>,
    inbox: mpsc::Sender<Incoming>,
    /// What reads and accepts at each address.
    bound: HashMap<IpAddr, Vec<JoinHandle<()>>>,
    dials: Vec<JoinHandle<()>>,
}

/// A TCP connection; it ends when this is dropped, once what waits has gone out.
struct Stream {
    queue: mpsc::Sender<Vec<u8>>,
    since: Instant,
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.bound.values().flatten().chain(&self.dials).for_each(JoinHandle::abort);
    }
}

impl Sockets {
    /// Opens them all.
    ///
    /// # Errors
    /// [`SocketsError`] names the address.
    pub async fn open(opening: &Opening<'_>) -> Result<(Self, mpsc::Receiver<Incoming>), SocketsError> {
        let (inbox, incoming) = mpsc::channel(INBOX);
        let mut sockets = Self {
            udp: HashMap::new(),
            listening: vec![],
            streams: HashMap::new(),
            inbox,
            bound: HashMap::new(),
            dials: vec![],
        };
        for &ip in opening.addresses {
            sockets.bind(ip, opening).await?;
        }
        Ok((sockets, incoming))
    }

    /// Opens what is new among the addresses, closes what is not among them any more. An address that cannot be
    /// bound, perhaps not yet, is left out and given back; the next call tries it again.
    pub async fn follow(&mut self, opening: &Opening<'_>) -> Vec<SocketsError> {
        let gone: Vec<IpAddr> = self.bound.keys().copied().filter(|ip| !opening.addresses.contains(ip)).collect();
        gone.into_iter().for_each(|ip| self.unbind(ip));
        let mut failed = vec![];
        for &ip in opening.addresses {
            if !self.bound.contains_key(&ip)
                && let Err(error) = self.bind(ip, opening).await
            {
                self.unbind(ip);
                failed.push(error);
            }
        }
        failed
    }

    async fn bind(&mut self, ip: IpAddr, opening: &Opening<'_>) -> Result<(), SocketsError> {
        let address = SocketAddr::new(ip, opening.port);
        if opening.udp {
            self.open_udp(address).await.map_err(|source| SocketsError { protocol: "udp", address, source })?;
        }
        if opening.tcp_listen {
            self.listen(address).await.map_err(|source| SocketsError { protocol: "tcp", address, source })?;
        }
        Ok(())
    }

    fn unbind(&mut self, ip: IpAddr) {
        self.bound.remove(&ip).iter().flatten().for_each(JoinHandle::abort);
        self.udp.retain(|local, _| local.ip() != ip);
        self.listening.retain(|local| local.ip() != ip);
        self.streams.retain(|(local, _), _| local.ip() != ip);
    }

    async fn open_udp(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = Arc::new(UdpSocket::bind(address).await?);
        let local = socket.local_addr()?;
        self.udp.insert(local, Arc::clone(&socket));
        let reading = tokio::spawn(read_udp(socket, local, self.inbox.clone()));
        self.bound.entry(address.ip()).or_default().push(reading);
        Ok(())
    }

    async fn listen(&mut self, address: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        self.listening.push(listener.local_addr()?);
        let accepting = tokio::spawn(accept(listener, self.inbox.clone()));
        self.bound.entry(address.ip()).or_default().push(accepting);
        Ok(())
    }

    /// Host candidates of everything that is open.
    #[must_use]
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut udp: Vec<_> = self.udp.keys().copied().collect();
        udp.sort_unstable();
        let udp = udp.into_iter().filter_map(|address| Candidate::host(address, Protocol::Udp).ok());
        let tcp = self.listening.iter().filter_map(|&address| tcp_candidate(address, TcpType::Passive));
        udp.chain(tcp).collect()
    }

    /// Dials a TCP candidate of the other side; [`Incoming::Open`] comes if it stands.
    pub fn dial(&mut self, remote: SocketAddr) {
        self.dials.retain(|task| !task.is_finished());
        let inbox = self.inbox.clone();
        self.dials.push(tokio::spawn(async move {
            match tokio::time::timeout(DIAL_WITHIN, TcpStream::connect(remote)).await {
                Ok(Ok(stream)) => serve_tcp(stream, true, inbox).await,
                Ok(Err(error)) => debug!(%remote, %error, "ice-tcp: not connected"),
                Err(_) => debug!(%remote, "ice-tcp: no answer within {DIAL_WITHIN:?}"),
            }
        }));
    }

    /// Keeps account of TCP connections.
    pub fn note(&mut self, incoming: &Incoming) {
        match incoming {
            Incoming::Datagram(_) => {}
            Incoming::Open { local, remote, queue, .. } => {
                if self.streams.len() < MAX_TCP {
                    let stream = Stream { queue: queue.clone(), since: Instant::now() };
                    self.streams.insert((*local, *remote), stream);
                }
            }
            Incoming::Closed { local, remote } => {
                self.streams.remove(&(*local, *remote));
            }
        }
    }

    /// Sends a datagram, or loses it where it cannot be sent at once.
    pub fn send(&self, transmit: Transmit) {
        match transmit.proto {
            Protocol::Udp => {
                if let Some(socket) = self.udp.get(&transmit.source) {
                    // A full socket buffer or an unreachable address is loss; ICE and RTP live with loss.
                    let _ = socket.try_send_to(&transmit.contents, transmit.destination);
                }
            }
            Protocol::Tcp => {
                if let Some(stream) = self.streams.get(&(transmit.source, transmit.destination)) {
                    let _ = stream.queue.try_send(transmit.contents.into());
                }
            }
            Protocol::SslTcp | Protocol::Tls => {}
        }
    }

    /// Ends one TCP connection.
    pub fn hang_up_one(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.streams.remove(&(local, remote));
    }

    /// Ends the TCP connections that have stood for `patience` and are nobody's; `known` is asked with this side's and
    /// the other side's address.
    pub fn hang_up_strangers(&mut self, patience: Duration, known: impl Fn(SocketAddr, SocketAddr) -> bool) {
        self.streams.retain(|(local, remote), stream| stream.since.elapsed() < patience || known(*local, *remote));
    }

    /// Drops every TCP connection, for a session that starts over.
    pub fn hang_up(&mut self) {
        self.streams.clear();
    }
}

async fn read_udp(socket: Arc<UdpSocket>, local: SocketAddr, inbox: mpsc::Sender<Incoming>) {
    let mut buffer = vec![0; LARGEST];
    loop {
        // An error here is an ICMP complaint about an earlier datagram; the socket lives on.
        let Ok((size, source)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = Datagram {
            protocol: Protocol::Udp,
            source,
            destination: local,
            at: Instant::now(),
            bytes: buffer[..size].to_vec(),
        };
        if let Err(mpsc::error::TrySendError::Closed(_)) = inbox.try_send(Incoming::Datagram(datagram)) {
            return;
        }
    }
}

async fn accept(listener: TcpListener, inbox: mpsc::Sender<Incoming>) {
    let sites = Arc::new(Sites::default());
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // Out of descriptors: wait for some to come back rather than spin.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(place) = sites.place(from.ip()) else { continue };
        let inbox = inbox.clone();
        tokio::spawn(async move {
            serve_tcp(stream, false, inbox).await;
            drop(place);
        });
    }
}

async fn serve_tcp(stream: TcpStream, dialled: bool, inbox: mpsc::Sender<Incoming>) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    // Small packets must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let (queue, posts) = mpsc::channel(TCP_QUEUE);
    if inbox.send(Incoming::Open { local, remote, dialled, queue }).await.is_err() {
        return;
    }
    let (reader, writer) = stream.into_split();
    tokio::select! {
        result = read_tcp(reader, local, remote, &inbox) => debug!(%remote, ?result, "ice-tcp: closed"),
        result = write_tcp(writer, posts) => debug!(%remote, ?result, "ice-tcp: closed"),
    }
    let _ = inbox.send(Incoming::Closed { local, remote }).await;
}

async fn read_tcp(
    mut reader: OwnedReadHalf,
    local: SocketAddr,
    remote: SocketAddr,
    inbox: &mpsc::Sender<Incoming>,
) -> io::Result<()> {
    loop {
        let size = usize::from(reader.read_u16().await?);
        if size > LARGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("frame of {size} bytes, at most {LARGEST}"),
            ));
        }
        let mut bytes = vec![0; size];
        reader.read_exact(&mut bytes).await?;
        let datagram =
            Datagram { protocol: Protocol::Tcp, source: remote, destination: local, at: Instant::now(), bytes };
        if inbox.send(Incoming::Datagram(datagram)).await.is_err() {
            return Ok(());
        }
    }
}

async fn write_tcp(mut writer: OwnedWriteHalf, mut posts: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(bytes) = posts.recv().await {
        let Ok(size) = u16::try_from(bytes.len()) else { continue };
        let mut framed = Vec::with_capacity(bytes.len() + 2);
        framed.extend_from_slice(&size.to_be_bytes());
        framed.extend_from_slice(&bytes);
        writer.write_all(&framed).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of: &Sockets) -> Vec<String> {
        let mut ips: Vec<_> = of.candidates().iter().map(|candidate| candidate.addr().ip().to_string()).collect();
        ips.sort();
        ips.dedup();
        ips
    }

    #[tokio::test]
    async fn sockets_follow_the_addresses_of_the_machine() {
        let ips: Vec<IpAddr> = ["127.0.0.1", "127.0.0.2", "192.0.2.1"].map(|ip| ip.parse().unwrap()).into();
        let opening = |addresses| Opening { addresses, port: 0, udp: true, tcp_listen: true };
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
}
