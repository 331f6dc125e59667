//! The line's task: one connection after another, each with a rumqttc event loop of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Filter, LastWill, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::outbox::Outbox;
use super::{Happening, Kind, Post, Settings, back_off};
use crate::tls::ClientFiles;
use crate::wire::limits;

/// rumqttc panics below this; the application's own heartbeat is faster anyway.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Nothing at all from the broker for this long, though it must answer each keep-alive: the connection is dead.
const SILENCE: Duration = Duration::from_secs(11);
/// Connect, TLS and CONNACK together.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// While nobody is subscribed, one of the messages that somebody must hear is sent again this often.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// Requests rumqttc holds.
const REQUESTS: usize = 128;

/// Runs until the last [`super::Client`] is dropped.
pub(super) async fn run(settings: Settings, mut posts: mpsc::Receiver<Post>, happenings: mpsc::Sender<Happening>) {
    let mut outbox = Outbox::default();
    let mut failures = 0;
    let mut said = String::new();
    let mut files = settings.tls.clone().map(Files::new);
    loop {
        let (end, was_up) = match Files::transport(&mut files).await {
            Err(why) => (End::Lost(why), false),
            Ok(transport) => {
                let mut connection = Connection::open(&settings, transport);
                let end = connection.serve(&settings, &mut posts, &mut outbox, &happenings).await;
                connection.poller.abort();
                outbox.reset();
                (end, connection.up)
            }
        };
        match end {
            End::NoMoreHandles => {
                debug!("mqtt: last handle dropped");
                return;
            }
            End::Lost(why) => {
                failures = if was_up { 0 } else { failures + 1 };
                if was_up || failures == 1 {
                    info!(broker = %settings.host, %why, "mqtt: link down");
                }
                // What is said once need not be said at every attempt.
                if (was_up || why != said) && happenings.send(Happening::Down { why: why.clone() }).await.is_err() {
                    return;
                }
                said = why;
            }
        }
        if !wait(back_off(failures), &mut posts, &mut outbox).await {
            return;
        }
    }
}

/// Waits, taking what is to be kept meanwhile. False when nobody is left to serve.
async fn wait(pause: Duration, posts: &mut mpsc::Receiver<Post>, outbox: &mut Outbox) -> bool {
    let until = tokio::time::sleep(pause);
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return true,
            post = posts.recv() => match post {
                None => return false,
                Some(post) if post.kind == Kind::Fresh => {}
                Some(post) => outbox.push(post),
            },
        }
    }
}

/// The files of the certificate, as they can be had.
struct Files {
    files: ClientFiles,
    /// A disk that hangs costs one thread, not one at each attempt.
    reading: Option<JoinHandle<Result<Arc<ClientConfig>, String>>>,
    /// What served last: a renewal that went wrong does not take the link away.
    last: Option<Arc<ClientConfig>>,
}

impl Files {
    fn new(files: ClientFiles) -> Self {
        Self { files, reading: None, last: None }
    }

    /// The way to the broker, encrypted if there are files.
    async fn transport(files: &mut Option<Self>) -> Result<Transport, String> {
        match files {
            None => Ok(Transport::Tcp),
            Some(files) => Ok(Transport::tls_with_config(TlsConfiguration::Rustls(files.read().await?))),
        }
    }

    async fn read(&mut self) -> Result<Arc<ClientConfig>, String> {
        let files = self.files.clone();
        let read = move || files.read().map_err(|e| e.to_string());
        let reading = self.reading.get_or_insert_with(|| tokio::task::spawn_blocking(read));
        let why = match tokio::time::timeout(CONNECT_WITHIN, &mut *reading).await {
            Err(_) => {
                format!("{}: not read within {} s", self.files.identity.cert.display(), CONNECT_WITHIN.as_secs())
            }
            Ok(read) => {
                self.reading = None;
                match read.unwrap_or_else(|e| Err(e.to_string())) {
                    Ok(config) => return Ok(Arc::clone(self.last.insert(config))),
                    Err(why) => why,
                }
            }
        };
        match &self.last {
            None => Err(why),
            Some(last) => {
                warn!(why, "mqtt: the certificate that served last is used");
                Ok(Arc::clone(last))
            }
        }
    }
}

enum End {
    Lost(String),
    NoMoreHandles,
}

struct Connection {
    client: AsyncClient,
    events: mpsc::Receiver<Result<Event, ConnectionError>>,
    poller: JoinHandle<()>,
    up: bool,
    opened: Instant,
    heard: Instant,
}

impl Connection {
    fn open(settings: &Settings, transport: Transport) -> Self {
        let (client, event_loop) = AsyncClient::new(options(settings, transport), REQUESTS);
        let (to, events) = mpsc::channel(REQUESTS);
        // A cancelled poll() never connects, and publishing from the polling task deadlocks: it only polls.
        let poller = tokio::spawn(poll(event_loop, to));
        let now = Instant::now();
        Self { client, events, poller, up: false, opened: now, heard: now }
    }

    async fn serve(
        &mut self,
        settings: &Settings,
        posts: &mut mpsc::Receiver<Post>,
        outbox: &mut Outbox,
        happenings: &mpsc::Sender<Happening>,
    ) -> End {
        let mut watch = tokio::time::interval(Duration::from_millis(500));
        let mut ask = tokio::time::interval(ASK_AGAIN);
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    None => return End::Lost("the connection's task ended".to_owned()),
                    Some(Err(error)) => return End::Lost(error.to_string()),
                    Some(Ok(event)) => {
                        if let Err(why) = self.take(event, settings, outbox, happenings).await {
                            return End::Lost(why);
                        }
                    }
                },
                post = posts.recv() => match post {
                    None => return End::NoMoreHandles,
                    Some(post) => if let Some(sent) = self.post(post, outbox)
                        && happenings.send(sent).await.is_err()
                    {
                        return End::Lost("nobody listens any more".to_owned());
                    },
                },
                _ = ask.tick() => {
                    outbox.ask_again();
                    self.drain(outbox);
                }
                _ = watch.tick() => if let Some(why) = self.overdue() { return End::Lost(why) },
            }
        }
    }

    fn overdue(&self) -> Option<String> {
        if !self.up && self.opened.elapsed() > CONNECT_WITHIN {
            return Some(format!("not connected and subscribed within {CONNECT_WITHIN:?}"));
        }
        (self.heard.elapsed() > SILENCE).then(|| format!("nothing heard for {:?}", self.heard.elapsed()))
    }

    async fn take(
        &mut self,
        event: Event,
        settings: &Settings,
        outbox: &mut Outbox,
        happenings: &mpsc::Sender<Happening>,
    ) -> Result<(), String> {
        match event {
            Event::Outgoing(Outgoing::Publish(packet)) if packet != 0 => outbox.sent(packet),
            Event::Outgoing(_) => {}
            Event::Incoming(packet) => {
                self.heard = Instant::now();
                self.take_packet(packet, settings, outbox, happenings).await?;
            }
        }
        Ok(())
    }

    async fn take_packet(
        &mut self,
        packet: Packet,
        settings: &Settings,
        outbox: &mut Outbox,
        happenings: &mpsc::Sender<Happening>,
    ) -> Result<(), String> {
        match packet {
            Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success => {
                self.subscribe(settings, outbox, happenings).await
            }
            Packet::ConnAck(ack) => Err(format!("the broker refused the connection: {:?}", ack.code)),
            Packet::SubAck(ack) => {
                let refused = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                match refused {
                    Some(code) => Err(format!("the broker refused a subscription: {code:?}")),
                    None => self.ready(settings, outbox, happenings).await,
                }
            }
            Packet::PubAck(ack) => {
                if !matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
                    warn!(packet = ack.pkid, reason = ?ack.reason, "mqtt: the broker did not take a message");
                }
                if ack.reason == PubAckReason::NoMatchingSubscribers {
                    outbox.unheard(ack.pkid);
                } else {
                    outbox.acknowledged(ack.pkid);
                }
                self.drain(outbox);
                Ok(())
            }
            Packet::Publish(publish) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let message = Happening::Message { topic, payload: publish.payload, retained: publish.retain };
                happenings.send(message).await.map_err(|_| "nobody listens any more".to_owned())
            }
            Packet::Disconnect(notice) => Err(format!("the broker said goodbye: {:?}", notice.reason_code)),
            // The rest carries nothing for this side beyond "heard".
            Packet::PingResp(_) | Packet::PingReq(_) | Packet::UnsubAck(_) => Ok(()),
            other => {
                debug!(?other, "mqtt: unexpected packet");
                Ok(())
            }
        }
    }

    async fn subscribe(
        &mut self,
        settings: &Settings,
        outbox: &mut Outbox,
        happenings: &mpsc::Sender<Happening>,
    ) -> Result<(), String> {
        if settings.subscriptions.is_empty() {
            return self.ready(settings, outbox, happenings).await;
        }
        let filters = settings.subscriptions.iter().map(|topic| Filter::new(topic.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|e| format!("subscribe: {e}"))
    }

    async fn ready(
        &mut self,
        settings: &Settings,
        outbox: &mut Outbox,
        happenings: &mpsc::Sender<Happening>,
    ) -> Result<(), String> {
        if let Some((topic, payload)) = &settings.birth {
            // QoS 0: it takes no packet id, which would upset the matching of the outbox; the
            // connection is ordered, so it is there before anything that follows.
            self.client
                .try_publish(topic.clone(), QoS::AtMostOnce, true, payload.clone())
                .map_err(|e| format!("birth: {e}"))?;
        }
        self.up = true;
        info!(broker = %settings.host, port = settings.port, "mqtt: link up");
        self.drain(outbox);
        happenings.send(Happening::Up).await.map_err(|_| "nobody listens any more".to_owned())
    }

    /// Sends it, keeps it, or drops it. What is to be told of it.
    fn post(&mut self, post: Post, outbox: &mut Outbox) -> Option<Happening> {
        let mark = match post.kind {
            Kind::Kept | Kind::Heard => {
                outbox.push(post);
                self.drain(outbox);
                return None;
            }
            Kind::Fresh => None,
            Kind::Marked(mark) => Some(mark),
        };
        if !self.up {
            return None;
        }
        if let Err(error) = self.client.try_publish(post.topic, QoS::AtMostOnce, post.retain, post.payload) {
            debug!(%error, "mqtt: dropped a fresh message");
            return None;
        }
        mark.map(|mark| Happening::Sent { mark, at: Instant::now() })
    }

    fn drain(&mut self, outbox: &mut Outbox) {
        if !self.up {
            return;
        }
        outbox.hand_over(|post| {
            self.client.try_publish(post.topic.clone(), QoS::AtLeastOnce, post.retain, post.payload.clone()).is_ok()
        });
    }
}

async fn poll(mut event_loop: EventLoop, to: mpsc::Sender<Result<Event, ConnectionError>>) {
    loop {
        let event = event_loop.poll().await;
        let failed = event.is_err();
        if to.send(event).await.is_err() || failed {
            return;
        }
    }
}

fn options(settings: &Settings, transport: Transport) -> MqttOptions {
    let mut options = MqttOptions::new(&settings.client_id, &settings.host, settings.port);
    options.set_keep_alive(KEEP_ALIVE);
    options.set_clean_start(true);
    options.set_connection_timeout(CONNECT_WITHIN.as_secs());
    let largest = u32::try_from(limits::MAX_MESSAGE + 4096).expect("a small constant");
    options.set_max_packet_size(Some(largest));
    let mut network = options.network_options();
    // Without it one press in a few waits 40 ms for Nagle and the delayed acknowledgement.
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if let Some((topic, payload)) = &settings.will {
        options.set_last_will(LastWill::new(topic.clone(), payload.clone(), QoS::AtLeastOnce, true, None));
    }
    options.set_transport(transport);
    options
}
