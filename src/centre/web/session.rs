//! Officers' sessions: login, logout, who is it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Web;
use super::error::Failure;
use crate::centre::clock::wall_us;
use crate::centre::password;
use crate::centre::store::accounts::{self, Role};

/// Name of the session's cookie.
pub const COOKIE: &str = "sos_session";
/// How long a session lasts without being used: a shift.
const LIFE_US: i64 = 12 * 3600 * 1_000_000;
/// Longest login request, bytes.
const LOGIN_BYTES: usize = 4096;
/// How long a login may take to arrive.
const LOGIN_TIME: Duration = Duration::from_secs(10);

/// Whether the listener speaks TLS, so that its cookies may be bound to it.
#[derive(Debug, Clone, Copy)]
pub struct Secure(pub bool);

/// The officer whose session a request carries. As an argument of a route it demands one.
#[derive(Debug, Clone)]
pub struct Officer {
    /// Login name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Hash of the session's token.
    pub session: String,
}

impl FromRequestParts<Arc<Web>> for Officer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Failure> {
        let jar = CookieJar::from_headers(&parts.headers);
        let session = jar.get(COOKIE).map(|cookie| token_hash(cookie.value()));
        let session = session.ok_or_else(|| Failure::new(StatusCode::UNAUTHORIZED, "log in first"))?;
        Self::of_session(web, session).await
    }
}

impl Officer {
    /// The officer of a session that stands.
    pub async fn of_session(web: &Web, session: String) -> Result<Self, Failure> {
        let key = session.clone();
        let found = web.store.read(move |db| accounts::session(db, &key, wall_us())).await?;
        let (name, role) = found.ok_or_else(|| Failure::new(StatusCode::UNAUTHORIZED, "log in first"))?;
        Ok(Self { name, role, session })
    }

    /// The session is used: it lasts a shift from now.
    pub async fn prolong(&self, web: &Web) -> Result<(), Failure> {
        let key = self.session.clone();
        Ok(web.store.write(move |db| accounts::prolong_session(db, &key, wall_us() + LIFE_US)).await?)
    }
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

/// `POST /api/login`.
pub async fn login(
    State(web): State<Arc<Web>>,
    Extension(Secure(secure)): Extension<Secure>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    jar: CookieJar,
    body: Body,
) -> Result<Response, Failure> {
    let login = read_login(body).await?;
    let address = from.ip();
    enter_strangers(&web);
    if let Some(wait) = begin(&web, &login.name, address) {
        let seconds = wait.as_secs() + 1;
        let why = format!("too many tries: wait {seconds} seconds");
        let refusal = Failure::new(StatusCode::TOO_MANY_REQUESTS, why);
        return Ok(([(header::RETRY_AFTER, seconds.to_string())], refusal).into_response());
    }
    let Some(officer) = check(&web, login).await? else {
        return Err(Failure::new(StatusCode::UNAUTHORIZED, "name or password is wrong"));
    };
    web.logins.lock().unwrap_or_else(PoisonError::into_inner).succeeded(&officer, address);
    let token = hex::encode(rand::random::<[u8; 32]>());
    let (hash, name) = (token_hash(&token), officer.clone());
    web.store
        .write(move |db| {
            let now = wall_us();
            crate::centre::store::incidents::audit(db, now, &name, &format!("logged in from {address}"), None)?;
            accounts::begin_session(db, &hash, &name, now, now + LIFE_US)
        })
        .await?;
    let cookie = Cookie::build((COOKIE, token)).path("/").http_only(true).same_site(SameSite::Strict).secure(secure);
    Ok((jar.add(cookie), Json(json!({ "officer": officer }))).into_response())
}

/// How long to wait, or `None` and the try is counted.
fn begin(web: &Web, name: &str, address: IpAddr) -> Option<Duration> {
    let mut logins = web.logins.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let wait = logins.wait(name, address, now);
    if wait.is_none() {
        logins.begin(name, address, now);
    } else {
        drop(logins);
        tracing::warn!(%address, "login refused: too many tries");
    }
    wait
}

async fn read_login(body: Body) -> Result<Login, Failure> {
    let bytes = tokio::time::timeout(LOGIN_TIME, axum::body::to_bytes(body, LOGIN_BYTES))
        .await
        .map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the login did not arrive"))?
        .map_err(|_| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {LOGIN_BYTES} bytes are read")))?;
    let login: Login = serde_json::from_slice(&bytes).map_err(|e| Failure::bad(format!("not a login: {e}")))?;
    if login.name.len() > 64 || login.password.len() > password::LONGEST {
        return Err(Failure::bad("name or password is too long"));
    }
    Ok(login)
}

/// The officer's name if the password is right.
async fn check(web: &Web, login: Login) -> Result<Option<String>, Failure> {
    let Login { name, password } = login;
    let key = name.clone();
    let account = web.store.read(move |db| accounts::account(db, &key)).await?;
    let _turn = tokio::time::timeout(LOGIN_TIME, web.hashes.acquire())
        .await
        .map_err(|_| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too many logins at once: try again"))?;
    let kept = account.as_ref().map(|account| account.password.clone());
    let right = tokio::task::spawn_blocking(move || password::verify(&password, kept.as_deref()))
        .await
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the password could not be checked"))?;
    if right {
        return Ok(Some(name));
    }
    if account.is_some() {
        web.audit(name, "failed to log in".to_owned(), None);
    } else {
        web.strangers.lock().unwrap_or_else(PoisonError::into_inner).failed();
        enter_strangers(web);
    }
    Ok(None)
}

/// A name nobody has may be a password typed into the wrong field: it is not written down.
fn enter_strangers(web: &Web) {
    let due = web.strangers.lock().unwrap_or_else(PoisonError::into_inner).due(Instant::now());
    if let Some(times) = due {
        let what = if times == 1 { "failed to log in".to_owned() } else { format!("failed to log in, {times} times") };
        web.audit("unknown name".to_owned(), what, None);
    }
}

/// `POST /api/logout`.
pub async fn logout(officer: Officer, State(web): State<Arc<Web>>, jar: CookieJar) -> Result<Response, Failure> {
    let key = officer.session.clone();
    web.store.write(move |db| accounts::end_session(db, &key)).await?;
    web.desk.session_ended(officer.session).await?;
    web.audit(officer.name, "logged out".to_owned(), None);
    Ok((jar.remove(Cookie::build(COOKIE).path("/")), Json(json!({}))).into_response())
}

/// `GET /api/me`.
pub async fn me(officer: Officer, State(web): State<Arc<Web>>) -> Result<Response, Failure> {
    officer.prolong(&web).await?;
    Ok(Json(json!({ "officer": officer.name, "role": officer.role })).into_response())
}

/// What is kept of a token: who reads the database cannot take over a session.
fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
