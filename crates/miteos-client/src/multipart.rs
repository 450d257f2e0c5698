//! A multipart body that streams files from disk. Names are relative paths and are sent as they are.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio_util::io::ReaderStream;

use crate::client::invalid;
use crate::error::ClientError;

/// A file to put into a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where it goes, relative to the workspace, `/` between the parts.
    pub name: String,
    pub source: UploadSource,
}

/// Where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadSource {
    Path(PathBuf),
    Bytes(Bytes),
}

/// The name of every part; only its file name differs.
const PART_NAME: &str = "file";
/// The body is handed out in chunks of this size: each is a sign that the upload moves.
const CHUNK_BYTES: usize = 64 * 1024;

/// Makes the body's boundary, which must not occur in the files: 128 random bits do not.
pub(crate) fn boundary() -> Result<String, ClientError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|_| invalid("the system has no random numbers to give"))?;
    Ok(format!("miteos-{}", hex::encode(random)))
}

/// The body, as it would be read from the files now; may be made again for another attempt.
pub(crate) fn body(boundary: &str, uploads: &[Upload]) -> BoxStream<'static, io::Result<Bytes>> {
    let mut parts: Vec<BoxStream<'static, io::Result<Bytes>>> = Vec::with_capacity(uploads.len() * 3 + 1);
    for upload in uploads {
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{PART_NAME}\"; filename=\"{}\"\r\n\
             content-type: application/octet-stream\r\n\r\n",
            quoted(&upload.name)
        );
        parts.push(once(head));
        parts.push(match &upload.source {
            UploadSource::Bytes(bytes) => stream::iter(chunks(bytes.clone())).boxed(),
            UploadSource::Path(path) => stream::once(tokio::fs::File::open(path.clone()))
                .map_ok(|file| ReaderStream::with_capacity(file, CHUNK_BYTES))
                .try_flatten()
                .boxed(),
        });
        parts.push(once("\r\n".to_owned()));
    }
    parts.push(once(format!("--{boundary}--\r\n")));
    stream::iter(parts).flatten().boxed()
}

/// Slices of the same memory.
fn chunks(mut bytes: Bytes) -> impl Iterator<Item = io::Result<Bytes>> {
    std::iter::from_fn(move || {
        let next = bytes.split_to(bytes.len().min(CHUNK_BYTES));
        (!next.is_empty()).then_some(Ok(next))
    })
}

fn once(text: String) -> BoxStream<'static, io::Result<Bytes>> {
    stream::iter([Ok(Bytes::from(text))]).boxed()
}

/// As browsers do: only what would end the quotes or the line is escaped.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_keep_their_folders_and_cannot_break_out_of_the_header() {
        let uploads = [
            Upload { name: "a/ü \".txt".into(), source: UploadSource::Bytes("one".into()) },
            Upload { name: "x\r\ny".into(), source: UploadSource::Bytes(Bytes::new()) },
        ];
        let chunks: Vec<Bytes> = body("B", &uploads).try_collect().await.unwrap();
        let text = String::from_utf8(chunks.concat()).unwrap();
        assert_eq!(
            text,
            "--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a/ü %22.txt\"\r\ncontent-type: application/octet-stream\r\n\r\none\r\n\
             --B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x%0D%0Ay\"\r\ncontent-type: application/octet-stream\r\n\r\n\r\n\
             --B--\r\n"
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_an_error_and_no_empty_upload() {
        let uploads = [Upload { name: "a".into(), source: UploadSource::Path("/no/such/file".into()) }];
        assert!(body("B", &uploads).try_collect::<Vec<_>>().await.is_err());
    }
}
