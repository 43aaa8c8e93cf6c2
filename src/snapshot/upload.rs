//! Snapshots that are too large for one request go to a bucket in parts.

use object_store::{MultipartUpload, PutPayload, WriteMultipart};

/// What goes to a bucket in one request. Larger snapshots go in parts, so that each request has the
/// whole of its time for so much.
pub(super) const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts on their way at once.
const PARTS: usize = 4;

/// Sends an object in parts. It is there once the bucket has put them together; if one is refused, the bucket is
/// told to forget the others, which it would keep and charge for without ever listing them.
///
/// # Errors
/// That of a part that was refused, or of putting them together. (Where the bucket can't be told to forget
/// the parts either, once all have been sent, object_store gives the error of that.)
pub(super) async fn send(upload: Box<dyn MultipartUpload>, payload: PutPayload) -> object_store::Result<()> {
    let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    for piece in payload {
        if let Err(error) = parts.wait_for_capacity(PARTS).await {
            // Where the bucket can't be told, that is no news beside this.
            let _ = parts.abort().await;
            return Err(error);
        }
        parts.put(piece);
    }
    parts.finish().await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use object_store::{Error, Extensions, PutResult, UploadPart};
    use parking_lot::Mutex;

    use super::*;

    /// What an upload was told, by a part's size and what came in the end.
    #[derive(Debug, Default, PartialEq)]
    struct Told {
        parts: Vec<usize>,
        ends: Vec<&'static str>,
    }

    /// An upload that refuses one of its parts.
    #[derive(Debug)]
    struct Bucket {
        refuses: Option<usize>,
        told: Arc<Mutex<Told>>,
    }

    #[tonic::async_trait]
    impl MultipartUpload for Bucket {
        fn put_part(&mut self, part: PutPayload) -> UploadPart {
            let mut told = self.told.lock();
            told.parts.push(part.content_length());
            let refused = self.refuses == Some(told.parts.len());
            let error = Error::Generic { store: "bucket", source: "this part is refused".into() };
            Box::pin(async move { if refused { Err(error) } else { Ok(()) } })
        }

        async fn complete(&mut self) -> object_store::Result<PutResult> {
            self.told.lock().ends.push("complete");
            Ok(PutResult { e_tag: None, version: None, extensions: Extensions::default() })
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            self.told.lock().ends.push("abort");
            Ok(())
        }
    }

    async fn sent(refuses: Option<usize>) -> (object_store::Result<()>, Told) {
        let told = Arc::<Mutex<Told>>::default();
        // Pieces do not end where parts do.
        let pieces = std::iter::repeat_n(Bytes::from_static(&[7; 3 * 1024 * 1024]), 30);
        let upload = Bucket { refuses, told: Arc::clone(&told) };
        let result = send(Box::new(upload), PutPayload::from_iter(pieces)).await;
        let told = std::mem::take(&mut *told.lock());
        (result, told)
    }

    #[tokio::test]
    async fn a_part_that_is_refused_ends_the_upload_with_its_own_error_and_nothing_is_left_of_it() {
        let (result, told) = sent(None).await;
        result.expect("all parts are taken");
        let rest = 90 % 8 * 1024 * 1024;
        let all: Vec<_> = std::iter::repeat_n(PART_BYTES, 90 / 8).chain([rest]).collect();
        assert_eq!(told, Told { parts: all, ends: vec!["complete"] });

        for refused in [1, 6, 12] {
            let (result, told) = sent(Some(refused)).await;
            let error = result.expect_err("a part was refused").to_string();
            assert!(error.contains("this part is refused"), "{error}");
            assert_eq!(told.ends, ["abort"], "part {refused}");
            assert!(told.parts.len() < refused + PARTS, "{} parts were sent", told.parts.len());
        }
    }
}
