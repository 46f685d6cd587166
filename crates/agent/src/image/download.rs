//! Brings one blob from a registry to the disk.
//!
//! Decides when a transfer is worth continuing: one that breaks off is resumed a few times where it stopped, one
//! that stalls or is refused is reported. What arrives is hashed and counted on its way and gets its final name only
//! if it is what was asked for.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::blobs::Temp;
use super::digest::Hasher;
use super::error::{PullError, shown};
use super::manifest::Descriptor;
use super::progress::{Meter, Phase};
use super::registry::{Registries, Source};
use super::store::Inner;
use super::sync::blocking;

/// How often one blob is asked for in all.
const ATTEMPTS_MAX: u32 = 4;
/// The pause before the second attempt; it doubles with each one.
const PAUSE: Duration = Duration::from_millis(250);

impl Inner {
    /// Makes sure that the blob of `layer` is in the store. Callers who want the same one share the transfer.
    pub async fn download(
        self: Arc<Self>,
        source: Arc<Source>,
        layer: Descriptor,
        meter: Arc<Meter>,
    ) -> Result<(), PullError> {
        let key = format!("{} {}", source.identity(), layer.digest);
        let inner = Arc::clone(&self);
        let transfer = || async move { inner.transfer(&source, &layer, &meter).await }.boxed();
        self.transfers.join(key, transfer).await
    }

    async fn transfer(
        self: Arc<Self>,
        source: &Source,
        layer: &Descriptor,
        meter: &Meter,
    ) -> Result<(), PullError> {
        let permit = self.downloads.acquire().await.expect("the semaphore is never closed");
        if self.blobs.exists(layer.digest) {
            return Ok(());
        }
        meter.enter(Phase::Downloading, layer.size);
        let mut sink = Sink::create(self.temps.file()).await?;
        let mut pause = PAUSE;
        for attempt in 1.. {
            match sink.fill(&self.registries, source, layer, meter).await {
                Ok(()) => break,
                Err(error) if attempt < ATTEMPTS_MAX && is_worth_another(&error) => {
                    tracing::debug!(layer.digest = %layer.digest, %error, attempt, "resuming a transfer");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        }
        meter.enter(Phase::Verifying, 0);
        let temp = sink.finish(layer).await?;
        drop(permit);
        let digest = layer.digest;
        blocking(move || self.blobs.adopt(temp, digest)).await?;
        meter.enter(Phase::Downloaded, 0);
        Ok(())
    }
}

/// What a busy server or a broken connection causes; silence has cost enough time already.
fn is_worth_another(error: &PullError) -> bool {
    matches!(error, PullError::Interrupted { .. } | PullError::Status { .. }) && error.is_retryable()
}

/// A file that fills up.
struct Sink {
    temp: Temp,
    file: File,
    hasher: Hasher,
    len: u64,
}

impl Sink {
    async fn create(temp: Temp) -> Result<Self, PullError> {
        let file = File::create_new(temp.path()).await.map_err(PullError::storage("create", temp.path()))?;
        Ok(Self { temp, file, hasher: Hasher::default(), len: 0 })
    }

    /// Adds what is missing of `layer`.
    async fn fill(
        &mut self,
        registries: &Registries,
        source: &Source,
        layer: &Descriptor,
        meter: &Meter,
    ) -> Result<(), PullError> {
        if self.len == layer.size && self.len > 0 {
            return Ok(());
        }
        let mut response = registries.blob(source, layer.digest, self.len).await?;
        let url = response.url().clone();
        self.align(&response).await?;
        meter.set(self.len);
        loop {
            let chunk = response.chunk().await;
            let chunk =
                chunk.map_err(|error| PullError::transport(&url, &error, registries.stall_after()))?;
            let Some(chunk) = chunk else { break };
            self.len += chunk.len() as u64;
            if self.len > layer.size {
                let reason = format!("more than the {} bytes of the manifest", layer.size);
                return Err(PullError::CorruptLayer { digest: layer.digest, reason });
            }
            meter.add(chunk.len() as u64);
            self.hasher.update(&chunk);
            self.file.write_all(&chunk).await.map_err(PullError::storage("write", self.temp.path()))?;
        }
        if self.len < layer.size {
            // The answer is complete in the registry's eyes; one that breaks off has failed above.
            let reason = format!("{} of the {} bytes of the manifest", self.len, layer.size);
            return Err(PullError::CorruptLayer { digest: layer.digest, reason });
        }
        Ok(())
    }

    /// Continues at the end of what is there if the registry does, and starts over if not.
    async fn align(&mut self, response: &Response) -> Result<(), PullError> {
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let continues = range.is_some_and(|range| range.starts_with(&format!("bytes {}-", self.len)));
            return match continues {
                true => Ok(()),
                false => {
                    let reason = "the answer does not continue where the last one stopped";
                    Err(PullError::Protocol { url: shown(response.url()), reason })
                }
            };
        }
        if self.len > 0 {
            let failed = || PullError::storage("write", self.temp.path());
            self.file.flush().await.map_err(failed())?;
            self.file.set_len(0).await.map_err(failed())?;
            self.file.rewind().await.map_err(failed())?;
            (self.hasher, self.len) = (Hasher::default(), 0);
        }
        Ok(())
    }

    /// Waits until everything is on disk and compares it with what was asked for.
    async fn finish(mut self, layer: &Descriptor) -> Result<Temp, PullError> {
        let found = self.hasher.finish();
        if found != layer.digest {
            let reason = format!("received {found}");
            return Err(PullError::CorruptLayer { digest: layer.digest, reason });
        }
        let failed = || PullError::storage("write", self.temp.path());
        self.file.flush().await.map_err(failed())?;
        self.file.sync_all().await.map_err(failed())?;
        Ok(self.temp)
    }
}
