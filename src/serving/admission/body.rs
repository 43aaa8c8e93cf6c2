//! The body of a request, with an eye on how much it will be.
//!
//! A gRPC message says its length first, and the decoder makes room for all of it at once. So that is
//! where a large one takes its part of the budget, or is refused before the rest of it is read. Small
//! ones are bounded by how many requests there may be.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::entry::Ticket;

/// The flag for compression and four bytes of length.
const HEAD: usize = 5;
/// From here on a message is large.
const LARGE: u64 = 64 << 10;

/// A body on its way to the decoder.
pub(super) struct Weighed {
    body: Body,
    ticket: Arc<Ticket>,
    head: [u8; HEAD],
    known: usize,
}

impl Weighed {
    pub(super) fn new(body: Body, ticket: Arc<Ticket>) -> Self {
        Self { body, ticket, head: [0; HEAD], known: 0 }
    }

    fn weigh(&mut self, data: &[u8]) -> Result<(), Status> {
        let missing = self.head.iter_mut().skip(self.known);
        self.known += missing.zip(data).map(|(head, byte)| *head = *byte).count();
        let [_, length @ ..] = self.head;
        match u64::from(u32::from_be_bytes(length)) {
            bytes if self.known == HEAD && bytes >= LARGE => self.ticket.reserve(bytes),
            _ => Ok(()),
        }
    }
}

impl http_body::Body for Weighed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if self.known < HEAD
            && let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.weigh(data)?;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
