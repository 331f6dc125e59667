//! Listeners: connections accepted, TLS made, HTTP served, ended in time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::delivery::Peer;
use super::session::Secure;
use crate::centre::shell::stopped;
use crate::tls;

/// Connections of one listener at once.
const CONNECTIONS: usize = 1024;
/// How long TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a request's head may take, and how long a connection may rest between requests.
const HEAD: Duration = Duration::from_secs(60);
/// How long requests under way get to end when the centre goes down.
const FAREWELL: Duration = Duration::from_secs(3);

/// A bound socket, and what is served on it.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
}

impl Listener {
    /// Binds `address`; without TLS only for loopback, which the configuration has seen to.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>, router: Router) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, tls: tls.map(TlsAcceptor::from), router })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until told to stop; requests under way get [`FAREWELL`] to end.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let place = tokio::select! {
                place = Arc::clone(&room).acquire_owned() => place,
                () = stopped(&mut stop) => break,
            };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, from)) => {
                    let (tls, router, stop) = (self.tls.clone(), self.router.clone(), stop.clone());
                    connections.spawn(async move {
                        greet(stream, from, tls, router, stop).await;
                        drop(place);
                    });
                }
                Err(why) => {
                    // Most often too many open files: it passes, and trying at once would only spin.
                    tracing::warn!(%why, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, all).await.is_err() {
            connections.abort_all();
        }
    }
}

async fn greet(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: watch::Receiver<bool>,
) {
    // A small answer must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return serve(stream, Visitor { from, secure: false, peer: None }, router, stop).await;
    };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let name = certificates.and_then(<[_]>::first).and_then(tls::common_name);
            let peer = name.and_then(|name| name.parse().ok());
            serve(stream, Visitor { from, secure: true, peer }, router, stop).await;
        }
        Ok(Err(why)) => tracing::debug!(%from, %why, "no TLS"),
        Err(_) => tracing::debug!(%from, "TLS took too long"),
    }
}

/// Who is on the other end.
#[derive(Clone)]
struct Visitor {
    from: SocketAddr,
    secure: bool,
    peer: Option<crate::wire::KioskId>,
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    visitor: Visitor,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let from = visitor.from;
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request: Request = request.map(Body::new);
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(visitor.from));
        extensions.insert(Secure(visitor.secure));
        extensions.insert(Peer(visitor.peer.clone()));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut going = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(why) = ended {
                    tracing::debug!(%from, %why, "a connection broke");
                }
                return;
            }
            () = stopped(&mut stop), if !going => {
                going = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
