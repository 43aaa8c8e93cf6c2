//! A disk in memory that objects are on: what was not synced may be lost or torn when the plug is
//! pulled, and writing may fail.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use tokio_stream::{Stream, StreamExt};

use crate::simulation::faults::{Fault, FaultInjector};

type Listing<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// The disk. A clone is the same disk.
#[derive(Clone)]
pub struct SimDisk {
    files: Arc<InMemory>,
    /// Written, but only to the cache.
    cached: Arc<Mutex<Vec<Path>>>,
    synced: bool,
    faults: FaultInjector,
}

impl SimDisk {
    pub fn new(faults: FaultInjector, synced: bool) -> Self {
        Self { files: Arc::new(InMemory::new()), cached: Arc::default(), synced, faults }
    }

    /// What becomes of the cache when the plug was pulled.
    pub async fn lose_cache(&self) {
        let cached = std::mem::take(&mut *self.cached.lock());
        for path in cached {
            match self.faults.below(3) {
                0 => {}
                1 => self.tear(&path).await,
                // It may have been deleted since.
                _ => drop(self.files.delete(&path).await),
            }
        }
    }

    /// Each file and its bytes.
    pub async fn files(&self) -> Vec<(String, Bytes)> {
        let mut listing = self.files.list(None);
        let mut found = Vec::new();
        while let Some(file) = listing.next().await {
            let path = file.expect("memory can be listed").location;
            let bytes = self.files.get(&path).await.expect("it is there").bytes().await;
            found.push((path.to_string(), bytes.expect("memory can be read")));
        }
        found.sort_unstable();
        found
    }

    async fn tear(&self, path: &Path) {
        let Ok(whole) = self.files.get(path).await else { return };
        let bytes = whole.bytes().await.expect("memory can be read");
        let torn = self.torn(&bytes);
        self.files.put(path, torn.into()).await.expect("memory can be written");
    }

    /// Some of the bytes, or all but with one of them changed.
    fn torn(&self, bytes: &Bytes) -> Bytes {
        let place = self.faults.below(bytes.len().max(1) as u64) as usize;
        if self.faults.chance(0.5) {
            return bytes.slice(..place);
        }
        let mut changed = bytes.to_vec();
        changed[place] ^= 1 << self.faults.below(8);
        changed.into()
    }
}

fn full() -> Error {
    Error::Generic { store: "disk", source: "no space left".into() }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl fmt::Display for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("disk")
    }
}

#[tonic::async_trait]
impl ObjectStore for SimDisk {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.faults.draw() {
            Fault::None => {
                if !self.synced {
                    self.cached.lock().push(path.clone());
                }
                self.files.put_opts(path, payload, options).await
            }
            Fault::Transient | Fault::Down => Err(full()),
            Fault::Crash => {
                // Nothing of it, a part of it, or all of it and nobody was told.
                let torn = self.torn(&payload.clone().into());
                match self.faults.below(3) {
                    0 => {}
                    1 => drop(self.files.put(path, torn.into()).await?),
                    _ => drop(self.files.put_opts(path, payload, options).await?),
                }
                Err(full())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.faults.draw() {
            Fault::None => self.files.get_opts(path, options).await,
            _ => Err(full()),
        }
    }

    fn delete_stream(&self, paths: Listing<Path>) -> Listing<Path> {
        match self.faults.draw() {
            Fault::None => self.files.delete_stream(paths),
            _ => Box::pin(paths.map(|_| Err(full()))),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> Listing<ObjectMeta> {
        match self.faults.draw() {
            Fault::None => self.files.list(prefix),
            _ => Box::pin(tokio_stream::once(Err(full()))),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}
