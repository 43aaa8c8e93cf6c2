//! The body of an answer, counted until it has been sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

use super::connection::UnderWay;

/// How much the transport is given at a time. It takes it as soon as the caller has room for one byte of it, and
/// as long as it keeps less than [`KEPT`] of the stream; what it keeps is not counted.
const PIECE: usize = 4 << 10;
/// What the transport may keep of a stream's answer.
pub const KEPT: usize = 8 << 10;

/// A body on its way to the caller. The transport lets go of it when all of it has been given to it, or when
/// the connection ends.
struct AnswerBody {
    /// What has been made and not been given to the transport.
    made: Option<Frame<Bytes>>,
    /// What comes after that.
    rest: Body,
    /// How much data the transport was given last.
    given: usize,
    under_way: UnderWay,
}

/// Counts an answer from now on. It is made at once: so it is known how large it is, and the list that it is
/// made of is not kept until the caller reads.
pub(super) fn counted(
    answer: Response<Body>,
    mut under_way: UnderWay,
    context: &mut Context<'_>,
) -> Response<Body> {
    if answer.body().is_end_stream() {
        return answer;
    }
    answer.map(|mut rest| {
        let made = match Pin::new(&mut rest).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Some(frame),
            // A stream that has nothing to tell yet; or nothing more. (tonic gives its errors as trailers.)
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => None,
        };
        under_way.answered(made.as_ref().map_or(0, length));
        Body::new(AnswerBody { made, rest, given: 0, under_way })
    })
}

fn length(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}

impl AnswerBody {
    /// As much of a frame as is given at a time.
    fn piece(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) => {
                let piece = data.split_to(data.len().min(PIECE));
                self.made = (!data.is_empty()).then(|| Frame::data(data));
                self.given = piece.len();
                Frame::data(piece)
            }
            Err(trailers) => trailers,
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let given = std::mem::take(&mut self.given);
        self.under_way.sent(given);
        let frame = match self.made.take() {
            Some(frame) => frame,
            None => match ready!(Pin::new(&mut self.rest).poll_frame(context)) {
                Some(Ok(frame)) => {
                    self.under_way.answered(length(&frame));
                    frame
                }
                end => return Poll::Ready(end),
            },
        };
        Poll::Ready(Some(Ok(self.piece(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.made.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use http_body_util::{BodyExt, StreamBody};
    use tonic::codegen::http::{HeaderMap, HeaderName};

    use super::super::connection::Connections;
    use super::*;

    #[tokio::test]
    async fn an_answer_is_counted_until_its_last_piece_has_been_taken_and_comes_out_as_it_went_in() {
        let connections = Arc::new(Connections::new(u64::MAX));
        let connection = connections.open(Ipv4Addr::LOCALHOST.into(), 1).expect("there is room");
        let whole: Vec<u8> = (0..20 * 1024_u32).map(|number| number as u8).collect();
        let count = async || {
            let frames = [
                Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(&whole))),
                Ok(Frame::trailers(HeaderMap::from_iter([(
                    HeaderName::from_static("grpc-status"),
                    0.into(),
                )]))),
            ];
            let mut answer = Some(Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames)))));
            let counted = std::future::poll_fn(|context| {
                let answer = answer.take().expect("it is asked once");
                Poll::Ready(counted(answer, UnderWay::new(&connection, true), context))
            });
            counted.await.into_body()
        };
        let mut body = count().await;
        let (mut came, mut unsent, mut trailers) = (Vec::new(), vec![connections.unsent_bytes()], 0);
        while let Some(frame) = body.frame().await {
            match frame.expect("a frame").into_data() {
                Ok(data) => came.extend_from_slice(&data),
                Err(_) => trailers += 1,
            }
            unsent.push(connections.unsent_bytes());
        }
        assert_eq!((came, trailers), (whole.clone(), 1));
        assert_eq!(unsent, [20, 20, 16, 12, 8, 4, 0].map(|kib| kib * 1024));

        let body = count().await;
        assert_eq!(connections.unsent_bytes(), 20 * 1024);
        drop(body);
        assert_eq!(connections.unsent_bytes(), 0, "what is let go of is counted no more");
    }
}
