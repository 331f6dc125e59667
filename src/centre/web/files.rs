//! The console's files.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::Failure;
use crate::centre::assets::asset;

/// A file of the console; its page for every other path that names none.
pub async fn file(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Failure::new(StatusCode::METHOD_NOT_ALLOWED, "files are only read").into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let is_page = path.is_empty() || !path.rsplit('/').next().unwrap_or_default().contains('.');
    let path = if is_page { "index.html" } else { path };
    let Some((bytes, kind)) = asset(path) else { return Failure::missing("file").into_response() };
    // Built files carry a hash in their names and never change; the page that names them does.
    let keep = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let body = Body::from(bytes.into_owned());
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep.to_owned())], body).into_response()
}
