//! A page's end of the WebSocket.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use futures_util::{SinkExt, StreamExt};
use sos::centre::page::{FromPage, IncidentView, ToPage};
use sos::tls;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::place::{Browser, Centre, soon};

pub struct Page {
    stream: WebSocketStream<TlsStream<TcpStream>>,
}

impl Page {
    /// Opens the WebSocket with the browser's cookie; the error carries the answer's status.
    pub async fn try_open(centre: &Centre, browser: &Browser, origin: Option<&str>) -> Result<Self, u16> {
        let config = tls::client(&centre.dir.join("ca.pem"), None).unwrap();
        let tcp = TcpStream::connect(centre.at.console).await.unwrap();
        let tls = TlsConnector::from(config).connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        let url = format!("wss://localhost:{}/ws", centre.at.console.port());
        let mut request = url.into_client_request().unwrap();
        if let Some(cookie) = &browser.cookie {
            request.headers_mut().insert("cookie", cookie.parse().unwrap());
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match soon("the WebSocket", client_async(request, tls)).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Opens the WebSocket and reads its first message.
    pub async fn open(centre: &Centre, browser: &Browser) -> (Self, ToPage) {
        let origin = format!("https://localhost:{}", centre.at.console.port());
        let mut page = Self::try_open(centre, browser, Some(&origin)).await.unwrap();
        let hello = page.hear().await;
        assert!(matches!(hello, ToPage::Hello { .. }), "{hello:?}");
        (page, hello)
    }

    pub async fn say(&mut self, said: &FromPage) {
        self.send(Message::Text(serde_json::to_string(said).unwrap().into())).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// As `send`, for what the centre may have hung up on already.
    pub async fn try_send(&mut self, message: Message) -> bool {
        self.stream.send(message).await.is_ok()
    }

    pub async fn hear(&mut self) -> ToPage {
        let message = soon("a message", self.stream.next()).await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap_or_else(|e| panic!("{message:?}: {e}"))
    }

    /// The first message that fits; those before it are skipped.
    pub async fn hear_when<T>(&mut self, what: &str, fits: impl Fn(&ToPage) -> Option<T>) -> T {
        let heard = async {
            loop {
                if let Some(found) = fits(&self.hear().await) {
                    return found;
                }
            }
        };
        soon(what, heard).await
    }

    /// The first news of an incident that fits.
    pub async fn incident_when(&mut self, what: &str, fits: impl Fn(&IncidentView) -> bool) -> IncidentView {
        self.hear_when(what, |message| match message {
            ToPage::Incident { incident } if fits(incident) => Some((**incident).clone()),
            _ => None,
        })
        .await
    }

    pub async fn refused(&mut self) -> (String, String) {
        self.hear_when("a refusal", |message| match message {
            ToPage::Refused { request, why } => Some((request.clone(), why.clone())),
            _ => None,
        })
        .await
    }

    /// Reads until the centre ends the connection: its close frame, if there was one.
    pub async fn end(&mut self) -> Option<CloseFrame> {
        let ended = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        soon("the end of the connection", ended).await
    }
}
