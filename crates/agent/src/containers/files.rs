//! The files of a container for `cp`, `diff` and sizes: the runtime's blocking work, as streams.

use std::io::{self, BufRead, BufReader, Read, Write};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use skep_runtime::{Change, PathStat, PutOptions, Size, Tree, TreeError};
use tokio::sync::mpsc;

use super::{ContainerError, Containers};

/// Parts of an archive on their way.
const PARTS_MAX: usize = 8;
/// Size of a part that goes out.
const PART_BYTES: usize = 64 << 10;

impl Containers {
    /// Lists what differs from the image, in the order of the paths.
    pub async fn changes(&self, id: &str) -> Result<Vec<Change>, ContainerError> {
        Ok(self.known(id)?.handle.changes().await?)
    }

    /// Measures a container's files; reads every directory of its layers.
    pub async fn size(&self, id: &str) -> Result<Size, ContainerError> {
        Ok(self.known(id)?.handle.size().await?)
    }

    /// Looks at a path. Links are resolved inside the container's root, never outside.
    pub async fn path_stat(&self, id: &str, path: &str) -> Result<PathStat, ContainerError> {
        let tree = self.known(id)?.handle.tree().await?;
        let path = path.to_owned();
        Ok(blocking(move || tree.stat(&path)).await?)
    }

    /// Packs a path into a tar archive. A failure on the way cuts the archive off.
    pub async fn archive(
        &self,
        id: &str,
        path: &str,
    ) -> Result<(PathStat, BoxStream<'static, io::Result<Bytes>>), ContainerError> {
        let tree = self.known(id)?.handle.tree().await?;
        let wanted = path.to_owned();
        let (tree, stat) = blocking(move || tree.stat(&wanted).map(|stat| (tree, stat))).await?;
        let (sender, receiver) = mpsc::channel(PARTS_MAX);
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || pack(&tree, &path, sender));
        Ok((stat, receive(receiver)))
    }

    /// Unpacks a tar archive, as it is or compressed by gzip or zstd, into a directory of the container.
    pub async fn put_archive(
        &self,
        id: &str,
        path: &str,
        options: PutOptions,
        mut archive: BoxStream<'static, io::Result<Bytes>>,
    ) -> Result<(), ContainerError> {
        let tree = self.known(id)?.handle.tree().await?;
        let (sender, receiver) = mpsc::channel(PARTS_MAX);
        let path = path.to_owned();
        let unpacking = blocking(move || {
            let archive = Incoming { parts: receiver, part: Bytes::new() };
            let mut archive = BufReader::new(archive);
            tree.unpack(&path, decompress(&mut archive)?, options)?;
            // What follows the end of the archive is padding, and whoever sends it waits until it is taken.
            io::copy(&mut archive, &mut io::sink()).map_err(TreeError::Archive)?;
            Ok(())
        });
        let sending = async move {
            while let Some(part) = archive.next().await {
                // The unpacking has failed, and says why.
                if sender.send(part).await.is_err() {
                    break;
                }
            }
        };
        let (result, ()) = tokio::join!(unpacking, sending);
        Ok(result?)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TreeError> + Send + 'static,
) -> Result<T, TreeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(TreeError::Interrupted(io::Error::other(error))),
    }
}

fn pack(tree: &Tree, path: &str, sender: mpsc::Sender<io::Result<Bytes>>) {
    let outgoing = Outgoing { parts: sender.clone(), part: Vec::with_capacity(PART_BYTES) };
    if let Err(error) = tree.pack(path, outgoing) {
        // Without a reader the packing has failed for want of one.
        let _ = sender.blocking_send(Err(io::Error::other(crate::chain(&error))));
    }
}

fn receive(receiver: mpsc::Receiver<io::Result<Bytes>>) -> BoxStream<'static, io::Result<Bytes>> {
    stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|part| (part, receiver)) })
        .boxed()
}

/// Looks at how an archive begins.
fn decompress<'a>(archive: &'a mut (impl BufRead + 'a)) -> Result<Box<dyn Read + 'a>, TreeError> {
    let begin = archive.fill_buf().map_err(TreeError::Archive)?;
    let foreign = |name: &str| {
        let text = format!("it is compressed by {name}; only gzip and zstd are understood");
        Err(TreeError::Archive(io::Error::new(io::ErrorKind::Unsupported, text)))
    };
    match begin {
        [0x1f, 0x8b, ..] => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(archive))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Ok(Box::new(zstd::Decoder::with_buffer(archive).map_err(TreeError::Archive)?))
        }
        [b'B', b'Z', b'h', ..] => foreign("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => foreign("xz"),
        _ => Ok(Box::new(archive)),
    }
}

/// Parts that come from a client, for a thread that reads.
struct Incoming {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    part: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.part.len());
        buffer[..count].copy_from_slice(&self.part.split_to(count));
        Ok(count)
    }
}

/// Parts that go to a client, from a thread that writes.
struct Outgoing {
    parts: mpsc::Sender<io::Result<Bytes>>,
    part: Vec<u8>,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = Bytes::from(std::mem::replace(&mut self.part, Vec::with_capacity(PART_BYTES)));
        self.parts.blocking_send(Ok(part)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_decompressed_by_how_they_begin() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"content").expect("compressed");
        let gzip = gzip.finish().expect("compressed");
        let zstd = zstd::encode_all(&b"content"[..], 1).expect("compressed");
        for bytes in [gzip, zstd, b"content".to_vec()] {
            let mut text = String::new();
            let mut reader = bytes.as_slice();
            decompress(&mut reader).expect("understood").read_to_string(&mut text).expect("readable");
            assert_eq!(text, "content");
        }
        let mut bzip2 = &b"BZh9..."[..];
        let Err(error) = decompress(&mut bzip2) else { panic!("understood") };
        assert!(crate::chain(&error).contains("bzip2"), "{error:?}");
    }
}
