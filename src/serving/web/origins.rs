//! Which web sites may call, as browsers ask it: CORS.

use std::time::Duration;

use tonic::Status;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderName, ORIGIN};
use tonic::codegen::http::{HeaderMap, HeaderValue, Method};
use tower_http::cors::CorsLayer;

/// What a page may say with a call.
const ASKED: [&str; 5] =
    ["connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web", "x-user-agent"];
/// What a page may read of an answer's head.
const TOLD: [&str; 5] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-retry-pushback-ms",
    crate::serving::OWNER,
];
/// For how long a browser need not ask again. No browser waits for longer than two hours.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// What browsers are told for pages of these web sites.
pub fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let names = |names: [&'static str; 5]| names.map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::POST])
        .allow_headers(names(ASKED).into_iter().chain([CONTENT_TYPE]).collect::<Vec<_>>())
        .expose_headers(names(TOLD))
        .max_age(MAX_AGE)
}

/// Whether a request may come from where it comes from. Only browsers say so, also with requests to the page's own
/// site: a page that has been given the name of our address by its DNS (rebinding) is told apart by this alone.
///
/// # Errors
/// `PERMISSION_DENIED`: it comes from a page of another site.
pub fn check(headers: &HeaderMap, origins: &[HeaderValue]) -> Result<(), Status> {
    match headers.get(ORIGIN) {
        Some(origin) if !origins.contains(origin) => Err(Status::permission_denied(
            "pages of this `origin` may not call: name it in `server.cors_origins` if they should",
        )),
        _ => Ok(()),
    }
}
