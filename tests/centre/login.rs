//! Login, sessions, and what every answer to a browser carries.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reqwest::Method;
use serde_json::json;

use crate::place::{PASSWORD, Place};

/// Nobody listens there: the web side does not need the broker.
const NO_BROKER: u16 = 1;

#[tokio::test]
async fn an_officer_logs_in_is_known_and_logs_out() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let mut browser = centre.browser();
    let answer = browser.log_in("bek", PASSWORD).await;
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(part), "{part} is missing in {cookie}");
    }
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), json!({ "officer": "bek" }));
    assert_eq!(browser.json("/api/me").await, json!({ "officer": "bek", "role": "supervisor" }));
    assert_eq!(browser.post("/api/logout", &json!({})).await.status(), 200);
    assert_eq!(browser.get("/api/me").await.status(), 401, "the token is void, not only forgotten");
    for entry in ["bek: logged in from 127.0.0.1", "bek: logged out"] {
        centre.journal_says(entry).await;
    }
    centre.stop().await;
}

#[tokio::test]
async fn everything_but_the_login_and_the_page_demands_a_session() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let mut browser = centre.browser();
    let id = "018f0000-0000-7000-8000-000000000000";
    for cookie in [None, Some("sos_session=".to_owned()), Some("sos_session=forged".to_owned())] {
        browser.cookie = cookie;
        for path in [
            "/api/me".to_owned(),
            "/api/incidents".to_owned(),
            format!("/api/incidents/{id}"),
            format!("/api/incidents/{id}/fragments/0"),
            format!("/api/incidents/{id}/recording.mp4"),
            "/api/kiosks".to_owned(),
            "/api/gateway".to_owned(),
        ] {
            assert_eq!(browser.get(&path).await.status(), 401, "{path}");
        }
        assert_eq!(browser.post("/api/logout", &json!({})).await.status(), 401);
        assert_eq!(browser.get("/").await.status(), 200);
    }
    centre.stop().await;
}

#[tokio::test]
async fn wrong_passwords_are_refused_then_slowed_down() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let mut browser = centre.browser();
    for _ in 0..5 {
        assert_eq!(browser.log_in("ana", "not the password").await.status(), 401);
    }
    let slowed = browser.log_in("ana", PASSWORD).await;
    assert_eq!(slowed.status(), 429, "even the right one has to wait");
    let wait: u64 = slowed.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait));
    assert_eq!(browser.log_in("bek", PASSWORD).await.status(), 200, "another officer is not locked out");
    assert_eq!(browser.log_in("nobody", PASSWORD).await.status(), 401);
    centre.journal_says("ana: failed to log in").await;
    centre.journal_says("unknown name: failed to log in").await;
    centre.stop().await;
}

#[tokio::test]
async fn what_is_not_a_login_is_refused_and_harmless() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let browser = centre.browser();
    let send = async |body: Vec<u8>| {
        browser.request(Method::POST, "/api/login").body(body).send().await.unwrap().status().as_u16()
    };
    for bad in ["", "{", "[]", "null", "{\"name\":1,\"password\":2}", "{\"name\":\"ana\"}", "\u{0}\u{1}"] {
        assert_eq!(send(bad.into()).await, 400, "{bad:?}");
    }
    assert_eq!(send(vec![0xff, 0xfe]).await, 400);
    assert_eq!(send(vec![b'x'; 100_000]).await, 413);
    let long = json!({ "name": "ana", "password": "x".repeat(1000) });
    assert_eq!(browser.post("/api/login", &long).await.status(), 400);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = browser.request(method.clone(), "/api/login").send().await.unwrap();
        assert_eq!(answer.status(), 405, "{method}");
    }
    centre.stop().await;
}

#[tokio::test]
async fn requests_of_another_site_are_refused() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let browser = centre.officer("ana").await;
    let logout = async |origin: String| {
        let request = browser.request(Method::POST, "/api/logout").header("origin", origin);
        request.send().await.unwrap().status().as_u16()
    };
    for other in ["https://evil.example", "null", "https://localhost.evil.example"] {
        assert_eq!(logout(other.to_owned()).await, 403, "{other}");
    }
    assert_eq!(browser.get("/api/me").await.status(), 200);
    assert_eq!(logout(format!("https://localhost:{}", centre.at.console.port())).await, 200);
    centre.stop().await;
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_safety() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let browser = centre.browser();
    for path in ["/", "/api/me", "/no/such/file.js", "/api/no/such/route"] {
        let answer = browser.get(path).await;
        let headers = answer.headers();
        assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert!(headers.contains_key("cache-control"), "{path}");
    }
    assert_eq!(browser.get("/no/such/file.js").await.status(), 404);
    assert_eq!(browser.get("/api/no/such/route").await.status(), 404);
    centre.stop().await;
}

#[tokio::test]
async fn on_loopback_without_tls_the_cookie_works_and_is_not_secure() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let base = format!("http://{}", centre.at.loopback.expect("it is configured"));
    let client = reqwest::Client::new();
    let login = json!({ "name": "ana", "password": PASSWORD });
    let answer = client.post(format!("{base}/api/login")).json(&login).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(!cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let me = client.get(format!("{base}/api/me")).header("cookie", cookie).send().await.unwrap();
    assert_eq!(me.status(), 200);
    centre.stop().await;
}

#[tokio::test]
async fn a_removed_officer_is_out_at_once() {
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let browser = centre.officer("ana").await;
    assert_eq!(browser.get("/api/me").await.status(), 200);
    let store = sos::centre::store::Store::open(&centre.dir.join("centre.sqlite")).unwrap();
    assert!(store.write(|db| sos::centre::store::accounts::remove(db, "ana")).await.unwrap());
    assert_eq!(browser.get("/api/me").await.status(), 401);
    centre.stop().await;
}

#[tokio::test]
async fn a_silent_or_rude_connection_holds_up_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let place = Place::new(&[], NO_BROKER).await;
    let centre = place.start().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(tokio::net::TcpStream::connect(centre.at.console).await.unwrap());
    }
    let mut rude = tokio::net::TcpStream::connect(centre.at.console).await.unwrap();
    rude.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = crate::place::soon("the end of a rude connection", rude.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "plain HTTP on the TLS port is not answered");
    assert_eq!(centre.browser().get("/").await.status(), 200);
    centre.stop().await;
}
