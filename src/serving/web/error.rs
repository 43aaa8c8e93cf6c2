//! Errors as the Connect protocol has them: a status of HTTP, and JSON that says more.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http_body_util::Full;
use prost::Message;
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderValue, Response, StatusCode};
use tonic::{Code, Status};
use tonic_types::pb;

/// The name of a code, and the status that goes with it.
fn code(code: Code) -> (&'static str, StatusCode) {
    match code {
        Code::Cancelled => ("canceled", StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
        Code::Ok | Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The status of HTTP that goes with what went wrong.
pub fn http_status(status: &Status) -> StatusCode {
    code(status.code()).1
}

/// The answer that says what went wrong.
pub fn response(status: &Status) -> Response<Body> {
    with_status(http_status(status), status)
}

/// The same with a status that says it better.
pub fn with_status(http: StatusCode, status: &Status) -> Response<Body> {
    let mut error = json!({ "code": code(status.code()).0, "message": status.message() });
    let details = pb::Status::decode(status.details()).map(|status| status.details).unwrap_or_default();
    if !details.is_empty() {
        let detail = |any: &prost_types::Any| {
            let name = any.type_url.rsplit('/').next();
            json!({ "type": name, "value": STANDARD_NO_PAD.encode(&any.value) })
        };
        error["details"] = Value::Array(details.iter().map(detail).collect());
    }
    let mut response = Response::new(Body::new(Full::from(error.to_string())));
    *response.status_mut() = http;
    *response.headers_mut() = status.metadata().clone().into_headers();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
