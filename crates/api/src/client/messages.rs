//! Streams of JSON objects, one after the other: progress, events, statistics.

use std::marker::PhantomData;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::ClientError;
use super::call::decode;
use super::transport::Connection;

/// The longest object accepted. A sample of a container with hundreds of disks takes about 100 kB.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// An open stream of objects.
#[derive(Debug)]
pub struct Messages<T> {
    body: Incoming,
    path: String,
    buffer: BytesMut,
    kind: PhantomData<T>,
    /// Invariant: lives as long as the body, which ends when it is dropped.
    _connection: Connection,
}

impl<T: DeserializeOwned> Messages<T> {
    pub(super) fn new(path: String, (response, connection): (Response<Incoming>, Connection)) -> Messages<T> {
        let body = response.into_body();
        Messages { body, path, buffer: BytesMut::new(), kind: PhantomData, _connection: connection }
    }

    /// The next object; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(length) = self.first_object()? {
                let object = self.buffer.split_to(length);
                return decode(&object).map(Some).map_err(|source| self.malformed(source));
            }
            match self.body.frame().await {
                Some(Ok(chunk)) => {
                    if let Ok(data) = chunk.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(source)) => return Err(ClientError::Cut { path: self.path.clone(), source }),
                None if self.buffer.trim_ascii().is_empty() => return Ok(None),
                None => {
                    return decode(&self.buffer.split()).map(Some).map_err(|source| self.malformed(source));
                }
            }
        }
    }

    /// The length of the object that the buffer begins with, if all of it is there.
    fn first_object(&self) -> Result<Option<usize>, ClientError> {
        let mut objects = serde_json::Deserializer::from_slice(&self.buffer).into_iter::<IgnoredAny>();
        match objects.next() {
            Some(Ok(_)) => Ok(Some(objects.byte_offset())),
            Some(Err(error)) if !error.is_eof() => Err(self.malformed(error)),
            _ if self.buffer.len() > MESSAGE_BYTES_MAX => {
                Err(ClientError::TooLong { path: self.path.clone(), limit: MESSAGE_BYTES_MAX })
            }
            _ => Ok(None),
        }
    }

    fn malformed(&self, source: serde_json::Error) -> ClientError {
        ClientError::Decode { path: self.path.clone(), source }
    }
}
