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
    /// An address that cannot be bound is left out, as long as another can be: one that is not this machine's yet (IPv6
    /// that is still looked into for duplicates) or no more keeps no side from dialling.
    pub lenient: bool,
}

/// All sockets of one end.
pub struct Sockets {
    udp: HashMap<SocketAddr, Udp>,
    listening: Vec<SocketAddr>,
    /// By this side's and the other side's address.
    streams: HashMap<(SocketAddr, SocketAddr), Stream>,
    inbox: mpsc::Sender<Incoming>,
    /// What accepts at each address that is open.
    bound: HashMap<IpAddr, Vec<JoinHandle<()>>>,
    dials: Vec<JoinHandle<()>>,
}

/// A TCP connection; it ends when this is dropped, once what waits has gone out.
struct Stream {
    queue: mpsc::Sender<Vec<u8>>,
    since: Instant,
}

/// A UDP socket and the task that reads it; closed when dropped.
struct Udp {
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

impl Drop for Udp {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.bound.values().flatten().chain(&self.dials).for_each(JoinHandle::abort);
    }
}

impl Sockets {
    /// Opens them all, or, lenient, all that can be.
    ///
    /// # Errors
    /// [`SocketsError`] names the address; lenient, the last one of which none could be had.
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
        let mut refused = None;
        for &ip in opening.addresses {
            if let Err(error) = sockets.bind(ip, opening).await {
                sockets.unbind(ip);
                if !opening.lenient {
                    return Err(error);
                }
                debug!(%error, "left out");
                refused = Some(error);
            }
        }
        match refused {
            Some(error) if sockets.udp.is_empty() && sockets.listening.is_empty() => Err(error),
            _ => Ok((sockets, incoming)),
        }
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
        let reader = tokio::spawn(read_udp(Arc::clone(&socket), local, self.inbox.clone()));
        self.udp.insert(local, Udp { socket, reader });
        self.bound.entry(address.ip()).or_default();
        Ok(())
    }

    /// From now on UDP is for this address of the other side alone: what anybody else sends does not leave the kernel,
    /// and a socket that cannot reach it is closed.
    pub async fn keep_to(&mut self, remote: SocketAddr) {
        let mut deaf = Vec::new();
        for (&local, udp) in &self.udp {
            if let Err(error) = udp.socket.connect(remote).await {
                debug!(%local, %remote, %error, "udp: no way there");
                deaf.push(local);
            }
        }
        deaf.iter().for_each(|local| drop(self.udp.remove(local)));
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
                if let Some(udp) = self.udp.get(&transmit.source) {
                    // A full socket buffer or an unreachable address is loss; ICE and RTP live with loss.
                    let _ = udp.socket.try_send_to(&transmit.contents, transmit.destination);
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
mod tests;
