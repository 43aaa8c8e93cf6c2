//! How large a request may be.

use crate::proto::{catalog_service_server, event_service_server};

/// The largest batch: a full one of events with every field at its longest does not fit, one of
/// usual events does.
pub(super) const MAX_BATCH_BYTES: usize = 16 << 20;
/// The largest question: one with all its lists at their longest fits.
pub(super) const MAX_QUESTION_BYTES: usize = 1 << 20;
/// The largest question to health or reflection: a name.
pub(super) const MAX_OTHER_BYTES: usize = 4 << 10;

/// The most bytes that a request of a service may have.
pub(super) fn max_request_bytes(service: &str) -> usize {
    match service {
        event_service_server::SERVICE_NAME | catalog_service_server::SERVICE_NAME => MAX_BATCH_BYTES,
        _ => MAX_QUESTION_BYTES,
    }
}
