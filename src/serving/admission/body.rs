//! The body of a request, with an eye on how much it will be.
//!
//! A gRPC message says its length first, and the decoder makes room for all of it at once. So that is
//! where a large one takes its part of the budget, or is refused before the rest of it is read. Small
//! ones are bounded by how many requests there may be. A body that has to be waited for is listed until it
//! has ended (`bodies.rs`).
//!
//! The first message keeps its part until the request ends: it is what the request is about. What
//! comes after it, in a stream or where one message was expected, keeps it until the decoder asks for
//! more, which it does when it is done with all that it was given.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use super::Refusal;
use super::permit::Permit;

/// The flag for compression and four bytes of length.
const HEAD: usize = 5;
/// From here on a message is large.
const LARGE: u64 = 64 << 10;

/// A body on its way to the decoder.
pub(super) struct MeteredBody<B> {
    body: B,
    permit: Arc<Permit>,
    messages: Messages,
    /// What is held for the message that is being received; none for the first.
    receiving: u64,
    /// What is held for messages that the decoder has been given whole.
    given: u64,
}

impl<B> MeteredBody<B> {
    pub(super) fn new(body: B, permit: Arc<Permit>) -> Self {
        Self { body, permit, messages: Messages::default(), receiving: 0, given: 0 }
    }

    fn weigh(&mut self, mut data: &[u8]) -> Result<(), Status> {
        while let Some((place, length)) = self.messages.next(&mut data) {
            self.given += std::mem::take(&mut self.receiving);
            if length < LARGE {
                continue;
            }
            self.permit.reserve(length).map_err(|refusal| refusal.status())?;
            if place > 0 {
                self.receiving = length;
            }
        }
        Ok(())
    }

    /// The decoder is done with what it was given.
    fn release_decoded(&mut self) {
        if self.messages.is_between() {
            self.given += std::mem::take(&mut self.receiving);
        }
        if self.given > 0 {
            self.permit.release(std::mem::take(&mut self.given));
        }
    }
}

impl<B> Body for MeteredBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.release_decoded();
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            self.permit.await_body(context.waker());
            return Poll::Pending;
        };
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.permit.receive(data.len());
            self.weigh(data)?;
        }
        if frame.is_none() || self.body.is_end_stream() {
            self.permit.body_received().map_err(Refusal::status)?;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Where in the messages of a body it is, whatever parts they come in.
#[derive(Debug, Default)]
struct Messages {
    head: [u8; HEAD],
    /// How many bytes of the head are known.
    known: usize,
    /// How much of the message behind the head is still to come.
    left: u64,
    /// How many messages have begun.
    begun: u64,
}

impl Messages {
    /// Goes on to where the next message's head ends: which one it is, from 0, and how long it will
    /// be. `None` when the data does not reach that far.
    fn next(&mut self, data: &mut &[u8]) -> Option<(u64, u64)> {
        let skipped = self.left.min(data.len() as u64);
        self.left -= skipped;
        *data = data.get(skipped as usize..)?;
        let missing = self.head.iter_mut().skip(self.known);
        let copied = missing.zip(*data).map(|(head, byte)| *head = *byte).count();
        self.known += copied;
        *data = data.get(copied..)?;
        if self.known < HEAD {
            return None;
        }
        let [_, length @ ..] = self.head;
        self.known = 0;
        self.left = u64::from(u32::from_be_bytes(length));
        self.begun += 1;
        Some((self.begun - 1, self.left))
    }

    /// Whether all messages that have begun are there.
    fn is_between(&self) -> bool {
        self.left == 0 && self.known == 0
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use http_body_util::{BodyExt, StreamBody};

    use super::super::shares::Peer;
    use super::super::{Admission, AdmissionSettings};
    use super::*;
    use crate::telemetry::ShedRequests;

    const KIB: usize = 1 << 10;

    fn message(bytes: usize) -> Vec<u8> {
        [&[0], (bytes as u32).to_be_bytes().as_slice(), &vec![7; bytes]].concat()
    }

    fn in_parts(whole: &[u8], size: usize) -> Vec<(u64, u64)> {
        let mut messages = Messages::default();
        let mut found = Vec::new();
        for mut part in whole.chunks(size) {
            while let Some(head) = messages.next(&mut part) {
                found.push(head);
            }
        }
        assert!(messages.is_between());
        found
    }

    #[test]
    fn each_message_is_found_whatever_parts_the_body_comes_in() {
        let lengths = [0, 3, 0, 0, 70_000, 1, 300];
        let whole: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
        let expected: Vec<(u64, u64)> = (0..).zip(lengths.map(|length| length as u64)).collect();
        for size in [1, 2, 4, 5, 6, 7, 64, 1000, 16_384, whole.len()] {
            assert_eq!(in_parts(&whole, size), expected, "in parts of {size}");
        }
    }

    fn admission(most: usize) -> Arc<Admission> {
        let settings = AdmissionSettings { max_upload_bytes: most as u64, ..Default::default() };
        Arc::new(Admission::new(settings, &ShedRequests::default()))
    }

    fn held(admission: &Admission) -> usize {
        admission.upload_bytes.load(std::sync::atomic::Ordering::Relaxed) as usize
    }

    /// A body of these messages, in parts of 16 KiB as HTTP/2 has them.
    fn metered(
        admission: &Arc<Admission>,
        lengths: &[usize],
    ) -> MeteredBody<impl Body<Data = Bytes, Error = Infallible> + Unpin> {
        let whole: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
        let parts: Vec<_> =
            whole.chunks(16 * KIB).map(|part| Ok(Frame::data(Bytes::copy_from_slice(part)))).collect();
        let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), connection: 1 };
        let permit =
            Permit::new(admission, peer, Instant::now(), Duration::from_secs(60)).expect("there is room");
        MeteredBody::new(StreamBody::new(tokio_stream::iter(parts)), Arc::new(permit))
    }

    #[tokio::test]
    async fn a_large_message_behind_others_is_weighed_as_the_first_one_is() {
        let admission = admission(1 << 20);
        for lengths in [&[2 * KIB * KIB][..], &[0, 2 * KIB * KIB], &[0, 100 * KIB, 3, 2 * KIB * KIB]] {
            let refused = metered(&admission, lengths).collect().await.expect_err("there is no room");
            let status = refused.downcast::<Status>().expect("a status");
            assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{lengths:?}");
            assert_eq!(held(&admission), 0, "{lengths:?}: it is given back");
        }
    }

    #[tokio::test]
    async fn the_first_message_is_held_to_the_end_and_others_until_they_are_decoded() {
        let admission = admission(1100 * KIB);
        // Each fits beside the first one, and beside a part that holds its end and the next one's head;
        // all together do not.
        let mut body = metered(&admission, &[400 * KIB, 600 * KIB, 70 * KIB, 3, 600 * KIB]);
        let mut most = 0;
        while let Some(frame) = body.frame().await {
            frame.expect("it fits");
            assert!(held(&admission) >= 400 * KIB);
            most = most.max(held(&admission));
        }
        assert_eq!(most, 1070 * KIB);
        assert_eq!(held(&admission), 400 * KIB);
        drop(body);
        assert_eq!((held(&admission), admission.in_flight()), (0, 0));
    }
}
