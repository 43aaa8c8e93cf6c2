//! The Connect protocol of unary RPCs: a request's head becomes one of gRPC's, an error becomes one of Connect's.

use prost_reflect::MethodDescriptor;
use tonic::body::Body;
use tonic::codegen::Body as _;
use tonic::codegen::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE};
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tonic::{Code, Status};

use super::error;
use super::framed::Framed;
use super::messages::{Call, Codec};
use crate::serving::limits::max_request_bytes;

const VERSION: &str = "connect-protocol-version";
const TIMEOUT: &str = "connect-timeout-ms";
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The same request as one of gRPC, its body a message as yet written as it came. How long that is must be known: what
/// is too long is refused before any of it is read.
///
/// # Errors
/// Why it is none, and the status of HTTP for that.
pub fn into_grpc(
    request: Request<Body>,
    method: &MethodDescriptor,
    codec: Codec,
) -> Result<Request<Body>, (StatusCode, Status)> {
    let refused = |status: Status| (error::http_status(&status), status);
    let (mut parts, body) = request.into_parts();
    let headers = &mut parts.headers;
    let timeout = check_head(headers).map_err(refused)?;
    let Some(length) = body.size_hint().exact() else {
        let status = Status::invalid_argument("`content-length` is missing: a body may not come in chunks");
        return Err((StatusCode::LENGTH_REQUIRED, status));
    };
    let most = max_request_bytes(method.parent_service().full_name());
    let length = u32::try_from(length).ok().filter(|length| *length as usize <= most).ok_or_else(|| {
        let text = format!("the body has {length} bytes, {} takes at most {most}", method.full_name());
        refused(Status::out_of_range(text))
    })?;
    for name in [CONTENT_ENCODING.as_str(), CONTENT_LENGTH.as_str(), VERSION, TIMEOUT] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Some(timeout) = timeout {
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    parts.extensions.insert(Call { method: method.clone(), codec });
    Ok(Request::from_parts(parts, Body::new(Framed::new(length, body))))
}

/// Checks what a head says beside the type of the body, and gives the deadline as gRPC writes it.
fn check_head(headers: &HeaderMap) -> Result<Option<HeaderValue>, Status> {
    if headers.get(VERSION).is_some_and(|version| version != "1") {
        return Err(Status::invalid_argument(format!("`{VERSION}` must be 1")));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Status::unimplemented("`content-encoding` must be identity: send the body as it is"));
    }
    let Some(timeout) = headers.get(TIMEOUT) else { return Ok(None) };
    let digits = timeout.as_bytes();
    let wrong = || Status::invalid_argument(format!("`{TIMEOUT}` must be a number of ms of 1 to 10 digits"));
    if !(1..=10).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    // gRPC has eight digits.
    let timeout = match digits.split_at_checked(digits.len().saturating_sub(3)) {
        Some((seconds, _)) if digits.len() > 8 => [seconds, b"S"].concat(),
        _ => [digits, b"m"].concat(),
    };
    HeaderValue::from_bytes(&timeout).map(Some).map_err(|_| wrong())
}

/// The answer to a call as Connect has it.
pub fn from_grpc(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != Code::Ok => error::response(&status),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(headers: &[(&'static str, &'static str)]) -> Result<Option<String>, String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        let timeout = check_head(&headers.collect()).map_err(|status| status.message().to_owned())?;
        Ok(timeout.map(|timeout| timeout.to_str().expect("a text").to_owned()))
    }

    #[test]
    fn a_deadline_is_told_as_grpc_writes_it() {
        let expected = [
            ("0", "0m"),
            ("1500", "1500m"),
            ("99999999", "99999999m"),
            ("123456789", "123456S"),
            ("9999999999", "9999999S"),
        ];
        for (ms, timeout) in expected {
            assert_eq!(checked(&[(TIMEOUT, ms)]), Ok(Some(timeout.to_owned())), "{ms}");
        }
        assert_eq!(checked(&[(VERSION, "1"), ("content-encoding", "identity")]), Ok(None));
        for nonsense in ["", "-1", "1.5", "1s", "12345678901"] {
            assert!(checked(&[(TIMEOUT, nonsense)]).expect_err("nonsense").contains("1 to 10 digits"));
        }
        assert!(checked(&[(VERSION, "2")]).expect_err("another").contains("must be 1"));
        assert!(checked(&[("content-encoding", "gzip")]).expect_err("packed").contains("identity"));
    }
}
