//! Big values, named by the SHA-256 of their bytes: written once, never changed, stored once however often
//! they are put. It does not know who refers to them.
//!
//! A put returns when the bytes and their name are on the disk: the object store's local backend is asked
//! to sync file and folders. Big values stream into a staging name while they are hashed and get their
//! final name when the hash is known. A crash can leave a half-written file behind: the staging folder is
//! cleared at the next start; beside a small value's name the rest has a `#` in its own and is never read.
//!
//! What nothing names any more is taken away by the collection, which knows who refers to what. Here it is only kept
//! from what is being put, or was put or found lately.

mod disk;
mod held;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use miteos_core::content::Sha256;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::{GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt};
use sha2::Digest;
use tokio::io::{AsyncRead, AsyncReadExt};

use disk::Disk;
pub use held::Hold;
use held::{Flight, Shared};

use crate::error::StoreError;

/// The biggest blob (bytes): with parts of [`PART_BYTES`] it stays below the 10,000 parts that S3-compatible
/// stores take.
pub const MAX_BLOB_BYTES: u64 = 64 * 1024 * 1024 * 1024;
/// The biggest blob that [`Blobs::get`] loads into memory (bytes); bigger ones are streamed.
pub const MAX_GET_BYTES: u64 = 64 * 1024 * 1024;

/// What is collected before it is written, and all the memory that a put takes (bytes). S3-compatible stores
/// want at least 5 MiB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// What is read at once (bytes).
const CHUNK_BYTES: usize = 256 * 1024;
/// Longer values are hashed off the async threads (bytes).
const HASH_INLINE_BYTES: usize = 64 * 1024;

const STAGING: &str = "staging";

/// A stored blob.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobRef {
    pub sha256: Sha256,
    pub bytes: u64,
}

/// A blob, or a part of one, on its way out.
pub struct BlobStream {
    /// The size of the whole blob.
    pub size: u64,
    /// The part that comes, within `0..size`.
    pub range: Range<u64>,
    pub chunks: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// A handle on the blob store; clones share it.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    shared: Arc<Shared>,
    disk: Arc<Disk>,
}

impl Blobs {
    /// Opens a folder of this machine, makes it if missing, and throws away what a crash left half-written.
    /// Files and streams are refused when less than `keeps_free_bytes` would be left on its disk.
    pub(crate) fn open(folder: &Path, keeps_free_bytes: u64) -> Result<Self, StoreError> {
        let failed = |source: std::io::Error| {
            StoreError::io("open the blob folder", folder.display().to_string(), source)
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        match std::fs::remove_dir_all(folder.join(STAGING)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|source| StoreError::io("open the blob folder", folder.display().to_string(), source))?
            .with_fsync(true);
        let disk = Arc::new(Disk { folder: folder.to_owned(), keeps_free_bytes });
        Ok(Self { store: Arc::new(store), shared: Arc::default(), disk })
    }

    /// Stores bytes that are in memory already.
    pub async fn put_bytes(&self, bytes: &[u8]) -> Result<BlobRef, StoreError> {
        let bytes = Bytes::copy_from_slice(bytes);
        let sha256 = hash(bytes.clone()).await?;
        self.put_whole(sha256, bytes).await.map(|(blob, _)| blob)
    }

    /// Stores a file of this machine; its bytes stream.
    pub async fn put_file(&self, path: &Path) -> Result<BlobRef, StoreError> {
        let file = tokio::fs::File::open(path)
            .await
            .map_err(|source| StoreError::io("read", path.display().to_string(), source))?;
        self.put_reader(file).await
    }

    /// Stores what a reader yields.
    pub async fn put_reader(&self, reader: impl AsyncRead + Unpin + Send) -> Result<BlobRef, StoreError> {
        self.put_stream(chunks_of(reader)).await
    }

    /// Stores what a stream yields. If the stream fails, or the caller stops waiting, nothing is stored.
    pub async fn put_stream(
        &self,
        chunks: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<BlobRef, StoreError> {
        let taken = self.take_in(chunks).await?;
        self.keep(taken).await.map(|(blob, _)| blob)
    }

    /// Stores what a reader yields if it is the blob that was named; false, and nothing is stored, if it is another.
    pub async fn put_named(
        &self,
        named: &BlobRef,
        reader: impl AsyncRead + Unpin + Send,
    ) -> Result<bool, StoreError> {
        // One more than named shows that there is more.
        let reader = reader.take(named.bytes.saturating_add(1));
        let taken = self.take_in(chunks_of(reader)).await?;
        if taken.sha256 != named.sha256 || taken.bytes != named.bytes {
            return Ok(false);
        }
        self.keep(taken).await?;
        Ok(true)
    }

    /// Whether the blob is here to stay, so that it need not be put again.
    pub async fn holds(&self, named: &BlobRef) -> Result<bool, StoreError> {
        self.is_durable(&named.sha256, named.bytes).await
    }

    /// Reads and hashes; what does not fit into one part is staged meanwhile.
    async fn take_in(
        &self,
        chunks: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<TakenIn, StoreError> {
        let mut chunks = std::pin::pin!(chunks);
        let mut buffer = BytesMut::new();
        let mut hasher = sha2::Sha256::new();
        let mut bytes = 0_u64;
        let mut staged: Option<Staged> = None;
        self.disk.check()?;
        while let Some(chunk) = chunks.next().await {
            let mut chunk = chunk.map_err(|source| StoreError::io("read", "the bytes of a blob", source))?;
            bytes = bytes.saturating_add(chunk.len() as u64);
            if bytes > MAX_BLOB_BYTES {
                return Err(StoreError::TooLarge { what: "the blob", actual: bytes, limit: MAX_BLOB_BYTES });
            }
            while !chunk.is_empty() {
                let taken = chunk.split_to(chunk.len().min(CHUNK_BYTES).min(PART_BYTES - buffer.len()));
                hasher.update(&taken);
                buffer.extend_from_slice(&taken);
                if buffer.len() == PART_BYTES {
                    self.disk.check()?;
                    let upload = match &mut staged {
                        Some(staged) => staged,
                        None => staged.insert(self.stage().await?),
                    };
                    upload.write(buffer.split().freeze()).await?;
                }
            }
        }
        let sha256 = Sha256::from_digest(&hasher.finalize());
        Ok(TakenIn { sha256, bytes, staged, rest: buffer.freeze() })
    }

    /// Gives what was read its name. Says, too, whether it is new.
    async fn keep(&self, taken: TakenIn) -> Result<(BlobRef, bool), StoreError> {
        let TakenIn { sha256, bytes, staged, rest } = taken;
        match staged {
            None => self.put_whole(sha256, rest).await,
            Some(mut upload) => {
                if !rest.is_empty() {
                    upload.write(rest).await?;
                }
                self.publish(upload, sha256, bytes).await
            }
        }
    }

    /// The whole blob, checked against its hash; `None` if there is none. Refuses blobs over
    /// [`MAX_GET_BYTES`].
    pub async fn get(&self, sha256: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(found) = self.open_range(sha256, None).await? else { return Ok(None) };
        if found.meta.size > MAX_GET_BYTES {
            let (actual, limit) = (found.meta.size, MAX_GET_BYTES);
            return Err(StoreError::TooLarge { what: "the blob to load", actual, limit });
        }
        let bytes = found.bytes().await.map_err(|source| failed("read", sha256, source))?;
        if hash(bytes.clone()).await? != *sha256 {
            let why = "its bytes do not have its hash".to_owned();
            return Err(StoreError::Damaged { what: format!("the blob {sha256}"), why });
        }
        Ok(Some(bytes.into()))
    }

    /// The blob, or the part in `range` (its end may lie beyond the blob's), in chunks; `None` if there is
    /// none. A range that begins at or after the end is [`StoreError::Invalid`].
    pub async fn stream(
        &self,
        sha256: &Sha256,
        range: Option<Range<u64>>,
    ) -> Result<Option<BlobStream>, StoreError> {
        if let Some(asked) = &range {
            let Some(size) = self.size(sha256).await? else { return Ok(None) };
            if asked.start >= size || asked.is_empty() {
                let why = format!("the range {}..{} is not within its {size} bytes", asked.start, asked.end);
                return Err(StoreError::Invalid { doing: "read a part of a blob", why });
            }
        }
        let Some(found) = self.open_range(sha256, range).await? else { return Ok(None) };
        let (size, range) = (found.meta.size, found.range.clone());
        let name = sha256.clone();
        let chunks = match found.payload {
            GetResultPayload::File(file, _) => read_file(file, range.clone(), name),
            GetResultPayload::Stream(chunks) => {
                chunks.map_err(move |source| failed("read", &name, source)).boxed()
            }
        };
        Ok(Some(BlobStream { size, range, chunks }))
    }

    /// The size in bytes; `None` if there is no such blob.
    pub async fn size(&self, sha256: &Sha256) -> Result<Option<u64>, StoreError> {
        match self.store.head(&name(sha256)?).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed("look for", sha256, source)),
        }
    }

    async fn open_range(
        &self,
        sha256: &Sha256,
        range: Option<Range<u64>>,
    ) -> Result<Option<object_store::GetResult>, StoreError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.store.get_opts(&name(sha256)?, options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed("read", sha256, source)),
        }
    }

    async fn put_whole(&self, sha256: Sha256, bytes: Bytes) -> Result<(BlobRef, bool), StoreError> {
        let size = bytes.len() as u64;
        let is_new = !self.is_durable(&sha256, size).await?;
        if is_new {
            let (store, to, flight) =
                (Arc::clone(&self.store), name(&sha256)?, self.shared.take_off(&sha256));
            land(flight, async move { store.put(&to, bytes.into()).await.map(drop) }).await?;
        }
        Ok((BlobRef { sha256, bytes: size }, is_new))
    }

    async fn stage(&self) -> Result<Staged, StoreError> {
        let name = self.temporary();
        let upload = self
            .store
            .put_multipart(&name)
            .await
            .map_err(|source| StoreError::io("write", name.to_string(), source))?;
        Ok(Staged { name, upload })
    }

    /// A name that nobody has.
    fn temporary(&self) -> Name {
        Name::from(format!("{STAGING}/{}-{}", std::process::id(), self.shared.number()))
    }

    /// Gives a staged blob its final name.
    async fn publish(
        &self,
        mut staged: Staged,
        sha256: Sha256,
        size: u64,
    ) -> Result<(BlobRef, bool), StoreError> {
        if self.is_durable(&sha256, size).await? {
            // It is here already; what was staged is waste, and if it stays the next start removes it.
            if let Err(error) = staged.upload.abort().await {
                tracing::warn!(%error, name = %staged.name, "a staged blob could not be removed");
            }
            return Ok((BlobRef { sha256, bytes: size }, false));
        }
        let (store, to, flight) = (Arc::clone(&self.store), name(&sha256)?, self.shared.take_off(&sha256));
        land(flight, async move {
            staged.upload.complete().await?;
            store.rename(&staged.name, &to).await
        })
        .await?;
        Ok((BlobRef { sha256, bytes: size }, true))
    }

    /// What is put or found from now on stays until this is dropped, although nothing names it yet. For who needs longer
    /// than a moment to name what it has put.
    pub fn hold(&self) -> Hold {
        self.shared.hold()
    }

    /// Time has passed: what was wanted two calls ago may be collected.
    pub(crate) fn age(&self) {
        self.shared.age();
    }

    /// Whether somebody is putting the blob, or has put or found it lately.
    pub(crate) fn is_wanted(&self, sha256: &Sha256) -> bool {
        self.shared.is_wanted(sha256)
    }

    /// The blobs whose names begin with these two digits.
    pub(crate) async fn beginning_with(&self, start: &str) -> Result<Vec<BlobRef>, StoreError> {
        let folder = Name::from_iter(["sha256", start]);
        let failed = |source| StoreError::io("list", format!("the blobs in {start}"), source);
        let mut found = Vec::new();
        let mut listed = self.store.list(Some(&folder));
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(failed)?;
            let rest = meta.location.filename().unwrap_or_default();
            let Some(sha256) = Sha256::parse(&format!("{start}{rest}")) else { continue };
            found.push(BlobRef { sha256, bytes: meta.size });
        }
        Ok(found)
    }

    /// Takes a blob away, unless somebody has wanted it lately. False if it stays, or is not there.
    pub(crate) async fn remove(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        let away = self.temporary();
        {
            let _gate = self.shared.gate.write().await;
            if self.shared.is_wanted(sha256) {
                return Ok(false);
            }
            // A name is given up in a moment, whatever the size: nobody waits for the rest.
            match self.store.rename(&name(sha256)?, &away).await {
                Ok(()) => {}
                Err(object_store::Error::NotFound { .. }) => return Ok(false),
                Err(source) => return Err(failed("remove", sha256, source)),
            }
        }
        self.store.delete(&away).await.map_err(|source| failed("remove", sha256, source))?;
        Ok(true)
    }

    /// Whether the blob is here to stay. One that somebody is still writing does not count, as its name
    /// may not be on the disk yet; writing it twice does no harm.
    async fn is_durable(&self, sha256: &Sha256, size: u64) -> Result<bool, StoreError> {
        // Nothing is taken away between this word and the look.
        let _gate = self.shared.gate.read().await;
        self.shared.want(sha256);
        let found = self.size(sha256).await?;
        // Asked after the look: who has landed by now was durable before.
        Ok(found == Some(size) && !self.shared.is_in_flight(sha256))
    }
}

/// A blob being written under a temporary name; dropping it removes that.
struct Staged {
    name: Name,
    upload: Box<dyn MultipartUpload>,
}

impl Staged {
    async fn write(&mut self, part: Bytes) -> Result<(), StoreError> {
        let written = self.upload.put_part(part.into()).await;
        written.map_err(|source| StoreError::io("write", self.name.to_string(), source))
    }
}

/// A blob that was read and has no name yet.
struct TakenIn {
    sha256: Sha256,
    bytes: u64,
    /// All but the rest, if it is more than one part.
    staged: Option<Staged>,
    rest: Bytes,
}

/// What a reader yields, a piece at a time.
fn chunks_of(reader: impl AsyncRead + Unpin + Send) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::try_unfold(reader, |mut reader| async move {
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
        let read = reader.read_buf(&mut buffer).await?;
        Ok((read > 0).then(|| (buffer.freeze(), reader)))
    })
}

/// Finishes a put in a task of its own, so that a caller who stops waiting does not end the flight before the
/// blob is durable.
async fn land(
    flight: Flight,
    landing: impl Future<Output = object_store::Result<()>> + Send + 'static,
) -> Result<(), StoreError> {
    let landed =
        tokio::spawn(async move { landing.await.map_err(|source| failed("write", &flight.sha256, source)) });
    landed.await.unwrap_or(Err(StoreError::Panicked { doing: "write a blob" }))
}

/// Where a blob lies. The text is checked again, because ids that come out of JSON are not.
fn name(sha256: &Sha256) -> Result<Name, StoreError> {
    let Some(valid) = Sha256::parse(sha256.as_str()) else {
        let why = format!("\"{}\" is no SHA-256", sha256.as_str().escape_debug());
        return Err(StoreError::Invalid { doing: "name a blob", why });
    };
    let (folder, rest) = valid.as_str().split_at(2);
    Ok(Name::from_iter(["sha256", folder, rest]))
}

async fn hash(bytes: Bytes) -> Result<Sha256, StoreError> {
    if bytes.len() <= HASH_INLINE_BYTES {
        return Ok(Sha256::of(&bytes));
    }
    let hashed = tokio::task::spawn_blocking(move || Sha256::of(&bytes)).await;
    hashed.map_err(|_| StoreError::Panicked { doing: "hash a blob" })
}

/// The part of a file in chunks, each read on a blocking thread.
fn read_file(
    file: std::fs::File,
    range: Range<u64>,
    sha256: Sha256,
) -> BoxStream<'static, Result<Bytes, StoreError>> {
    let state = (Arc::new(file), range, sha256);
    stream::try_unfold(state, |(file, range, sha256)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let end = range.end.min(range.start + CHUNK_BYTES as u64);
        let (reading, part) = (Arc::clone(&file), range.start..end);
        let read = tokio::task::spawn_blocking(move || read_part(&reading, part)).await;
        let chunk = match read {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(source)) => return Err(StoreError::io("read", format!("the blob {sha256}"), source)),
            Err(_) => return Err(StoreError::Panicked { doing: "read a blob" }),
        };
        Ok(Some((chunk, (file, end..range.end, sha256))))
    })
    .boxed()
}

fn read_part(mut file: &std::fs::File, part: Range<u64>) -> std::io::Result<Bytes> {
    use std::io::{Read, Seek, SeekFrom};
    let length = usize::try_from(part.end - part.start).map_err(std::io::Error::other)?;
    let mut buffer = vec![0; length];
    file.seek(SeekFrom::Start(part.start))?;
    file.read_exact(&mut buffer)?;
    Ok(buffer.into())
}

fn failed(doing: &'static str, sha256: &Sha256, source: object_store::Error) -> StoreError {
    StoreError::io(doing, format!("the blob {sha256}"), source)
}
