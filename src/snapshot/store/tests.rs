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

/// Where something was done: whether outside of any runtime, and how much that thread matters less than others.
type Place = (bool, i32);

/// A folder that remembers where each thing was done.
#[derive(Clone, Debug)]
struct Watched {
    files: Arc<LocalFileSystem>,
    places: Arc<Mutex<Vec<Place>>>,
}

impl Watched {
    fn done(&self) -> &LocalFileSystem {
        let niceness = rustix::process::getpriority_process(None).expect("one may ask");
        self.places.lock().push((Handle::try_current().is_err(), niceness));
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
    let files = store.list(&in_folder(&store.root(), Partition(0))).await.expect("it can be read");
    let [(Offset(3), _)] = &files[..] else { panic!("the newest one is kept: {files:?}") };
    let places = watched.places.lock();
    let (asked, done) = places.split_last().expect("some");
    assert!(!asked.0, "this test has a runtime");
    // One is written, all are listed, those that are too old are removed.
    assert!(done.len() >= 3 + 3 + 2, "{done:?}");
    for (outside, niceness) in done {
        assert!(*outside, "{done:?}");
        // Where there are less important ones than that this is one of them already.
        assert!(!cfg!(target_os = "linux") || *niceness >= 10, "{done:?}");
    }
}
