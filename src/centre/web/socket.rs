//! The officers' WebSocket: one page's way to the desk and back.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Web;
use super::session::Officer;
use crate::centre::desk::Event;
use crate::centre::page::{FromPage, ToPage};
use crate::centre::shell::stopped;
use crate::wire::limits;

/// Largest message of a page: an offer and what is around it.
const MESSAGE_BYTES: usize = limits::MAX_MESSAGE;
/// A page that takes longer than this to read one message is gone.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// How often the session behind an open page is looked at, and prolonged.
const SESSION_EVERY: Duration = Duration::from_secs(60);
/// Bad messages after which a page is broken rather than mistaken.
const BAD_MESSAGES: u32 = 20;

/// `GET /ws`.
pub async fn upgrade(officer: Officer, State(web): State<Arc<Web>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
        .on_upgrade(move |socket| async move { talk(socket, officer, web).await })
}

async fn talk(socket: WebSocket, officer: Officer, web: Arc<Web>) {
    let Ok(mut line) = web.desk.open_page(officer.name.clone(), officer.session.clone()).await else { return };
    let page = line.page;
    let (mut sink, mut stream) = socket.split();
    let mut stop = web.stop.clone();
    let mut session = interval(SESSION_EVERY);
    session.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bad = 0;
    let farewell = loop {
        let to_page = tokio::select! {
            message = line.messages.recv() => match message {
                Some(text) => Some(Message::Text(text)),
                None => break Some((close_code::AGAIN, "connect again")),
            },
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str::<FromPage>(&text) {
                    Ok(said) => {
                        if web.desk.page_said(page, said).await.is_err() {
                            break Some((close_code::AWAY, "the centre is going down"));
                        }
                        None
                    }
                    Err(why) => {
                        bad += 1;
                        Some(refusal(&text, &why.to_string()))
                    }
                },
                Some(Ok(Message::Binary(_))) => {
                    bad += 1;
                    Some(refusal("", "a page speaks text"))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                Some(Ok(Message::Close(_))) | None => break None,
                // Too large, torn or not a WebSocket any more: nothing after it can be trusted.
                Some(Err(_)) => break Some((close_code::POLICY, "a message that cannot be read")),
            },
            _ = session.tick() => match Officer::of_session(&web, officer.session.clone()).await {
                Ok(officer) => {
                    let _ = officer.prolong(&web).await;
                    None
                }
                Err(_) => break Some((close_code::POLICY, "the session has ended")),
            },
            () = stopped(&mut stop) => break Some((close_code::RESTART, "the centre is going down")),
        };
        if bad >= BAD_MESSAGES {
            break Some((close_code::POLICY, "too many messages that cannot be read"));
        }
        if let Some(message) = to_page
            && !matches!(timeout(WRITE_TIME, sink.send(message)).await, Ok(Ok(())))
        {
            break None;
        }
    };
    if let Some((code, reason)) = farewell {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = timeout(WRITE_TIME, sink.send(close)).await;
    }
    // When the desk has ended there is nobody to tell.
    let _ = web.desk.tell(Event::PageClosed { page }).await;
}

/// What a page is told of a message that is not one.
fn refusal(text: &str, why: &str) -> Message {
    let named = serde_json::from_str::<serde_json::Value>(text).ok();
    let request = named.as_ref().and_then(|v| v.get("type")).and_then(|v| v.as_str()).unwrap_or_default();
    let why: String = why.chars().take(300).collect();
    let message = ToPage::Refused { request: request.chars().take(40).collect(), why };
    Message::Text(serde_json::to_string(&message).unwrap_or_default().into())
}
