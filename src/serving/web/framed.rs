//! A body that is one message, as gRPC has it: with its length before it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// A flag for compression and four bytes of length.
pub const HEAD: usize = 5;

/// The head of a message of so many bytes.
pub fn head(length: u32) -> Bytes {
    let mut head = BytesMut::with_capacity(HEAD);
    head.put_u8(0);
    head.put_u32(length);
    head.freeze()
}

/// A body with a head before it.
pub struct Framed<B> {
    head: Option<Bytes>,
    body: B,
}

impl<B> Framed<B> {
    /// For a body of which it is known how long it is.
    pub fn new(length: u32, body: B) -> Self {
        Self { head: Some(head(length)), body }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Framed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.head.take() {
            Some(head) => Poll::Ready(Some(Ok(Frame::data(head)))),
            None => Pin::new(&mut self.body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, head) = (self.body.size_hint(), self.head.as_ref().map_or(0, Bytes::len) as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + head);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + head);
        }
        hint
    }
}
