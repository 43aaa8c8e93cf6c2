//! Where snapshots are written: on which thread.

use std::fmt;

use object_store::local::LocalFileSystem;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutResult, Result,
};
use tokio::runtime::Handle;
use tokio_stream::Stream;

use super::*;

type Listing<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// Where something was done.
#[derive(Clone, Copy, Debug)]
struct Place {
    in_runtime: bool,
    /// How much less that thread matters than others.
    niceness: i32,
}

/// A folder that remembers where each thing was done.
#[derive(Clone, Debug)]
struct Watched {
    files: Arc<LocalFileSystem>,
    places: Arc<Mutex<Vec<Place>>>,
}

impl Watched {
    fn done(&self) -> &LocalFileSystem {
        let niceness = rustix::process::getpriority_process(None).expect("one may ask");
        self.places.lock().push(Place { in_runtime: Handle::try_current().is_ok(), niceness });
        &self.files
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

#[tonic::async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.done().put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.done().put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.done().get_opts(path, options).await
    }

    fn delete_stream(&self, paths: Listing<Path>) -> Listing<Path> {
        self.done().delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> Listing<ObjectMeta> {
        self.done().list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.done().list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.done().copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn snapshots_are_written_to_a_folder_by_a_thread_that_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = LocalFileSystem::new_with_prefix(folder.path()).expect("it is there").with_fsync(true);
    let watched = Watched { files: Arc::new(files), places: Arc::default() };
    let (objects, location) = (Arc::new(watched.clone()), Location::Folder(folder.path().to_owned()));
    let store = SnapshotStore::new(objects, &location, "clicks", 1, Arc::default(), 1);
    for next_offset in 1..=3 {
        let header = store.header(Partition(0), Offset(next_offset), 0);
        store.put(&header, vec![Bytes::from_static(b"a state")]).await.expect("it is written");
    }
    let places = std::mem::take(&mut *watched.places.lock());
    // Each is written, all are listed, and the one before is removed.
    assert!(places.len() >= 3 + 3 + 2, "{places:?}");
    for Place { in_runtime, niceness } in &places {
        assert!(!in_runtime, "{places:?}");
        assert!(!cfg!(target_os = "linux") || *niceness >= 10, "{places:?}");
    }
    let kept = store.list(&in_folder(&store.root(), Partition(0))).await.expect("it can be read");
    let [(Offset(3), _)] = &kept[..] else { panic!("the newest one is kept: {kept:?}") };
    let [Place { in_runtime: true, .. }] = watched.places.lock()[..] else {
        panic!("this test has a runtime")
    };
}
