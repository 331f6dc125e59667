//! What every answer to a browser carries, and what no browser may send from elsewhere.

use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Failure;

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
         media-src 'self' blob: data:; connect-src 'self'; manifest-src 'self'; worker-src 'self' blob:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "microphone=(self), autoplay=(self), fullscreen=(self), camera=(), geolocation=()",
    ),
];

/// Adds the headers of safety.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Evidence and people: nothing of it stays in a cache. Files of the console say so themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses what another site's page sends. The cookie is `SameSite=Strict`; this is the second lock.
pub async fn same_origin(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD) && request.uri().path() != "/ws";
    if reads || is_same_origin(request.headers()) {
        return next.run(request).await;
    }
    Failure::new(StatusCode::FORBIDDEN, "sent from another site").into_response()
}

/// Whether the Origin, which every browser sends with what changes anything, is this host.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_is_the_same_origin() {
        let case = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("centre:8443"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            is_same_origin(&headers)
        };
        assert!(case(None), "not a browser: it needs the cookie like everybody");
        assert!(case(Some("https://centre:8443")));
        assert!(case(Some("https://CENTRE:8443")));
        for other in ["https://centre", "https://evil", "null", "https://centre:8443.evil", "centre:8443"] {
            assert!(!case(Some(other)), "{other}");
        }
    }
}
