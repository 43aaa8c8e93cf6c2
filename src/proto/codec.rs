//! How messages get into the buffers that are sent: by way of a vector that the thread keeps. And out of those
//! that were received: none that holds more than a request may (`bounds.rs`).
//!
//! prost writes a message in many small pieces, some 200 for a list of 20 items. A vector takes them inline,
//! tonic's buffer takes each by a call. As the vector grows by itself, the whole message is not counted beforehand;
//! those within it are, as prost writes their lengths before them.

use std::cell::RefCell;
use std::marker::PhantomData;

use bytes::{Buf, BufMut};
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::bounds;

/// What most requests fit in, in bytes. More is asked for when it is known how much there is.
const REQUEST: usize = 256;

/// What most answers fit in.
const ANSWER: usize = 1024;

/// As tonic has them, but for the 8 KiB that it asks for, for each request and for each answer: an allocator has
/// few places of that size at hand.
fn buffers(bytes: usize) -> BufferSettings {
    const YIELD_THRESHOLD: usize = 32 * 1024;
    BufferSettings::new(bytes, YIELD_THRESHOLD)
}

/// The most bytes that a thread keeps to encode answers in.
const KEPT: usize = 64 * 1024;

thread_local! {
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Calls with the bytes of a message.
fn encoded(message: &impl Message, with: impl FnOnce(&[u8])) {
    BYTES.with_borrow_mut(|bytes| {
        // After a panic there may be something of another message.
        bytes.clear();
        // As `encode` does once it has counted and found that there is room, which a vector makes by itself.
        message.encode_raw(bytes);
        with(bytes);
        bytes.clear();
        bytes.shrink_to(KEPT);
    });
}

/// Encodes `T` and decodes `U`.
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ByVector<T>;
    type Decoder = Bounded<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ByVector(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Bounded(PhantomData)
    }
}

/// Decodes messages that hold no more than they may.
pub struct Bounded<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for Bounded<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // What a server of ours answers is as large as it is.
        let is_request = U::NAME.ends_with("Request");
        if is_request {
            bounds::check::<U>(buffer.chunk())?;
        }
        U::decode(buffer).map(Some).map_err(|error| match is_request {
            true => Status::invalid_argument(format!("the message is not a {}: {error}", U::NAME)),
            false => Status::internal(error.to_string()),
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers(REQUEST)
    }
}

/// Encodes messages one by one.
pub struct ByVector<T>(PhantomData<T>);

impl<T: Message> Encoder for ByVector<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        encoded(&item, |bytes| {
            buffer.reserve(bytes.len());
            buffer.put_slice(bytes);
        });
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers(ANSWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_told_alone_and_a_large_one_leaves_little_behind() {
        for length in [3, 10 * KEPT, 0, 700] {
            let message = "x".repeat(length);
            let mut told = None;
            encoded(&message, |bytes| told = Some(bytes.to_vec()));
            assert_eq!(told, Some(message.encode_to_vec()));
            assert!(BYTES.with_borrow(Vec::capacity) <= KEPT);
        }
    }
}
