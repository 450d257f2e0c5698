//! Calls on deliverables, and the download that picks up where it was cut.

use miteos_api::{Deliverable, ListShares, Share, ShareDeliverable, ShareList};
use reqwest::{Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::client::{Call, Client};
use crate::error::ClientError;

impl Client {
    /// `GET /tasks/{id}/deliverables`.
    pub async fn deliverables(&self, task_id: &str) -> Result<Vec<Deliverable>, ClientError> {
        self.json(&self.get(&["tasks", task_id, "deliverables"])?).await
    }

    /// Downloads a deliverable into `writer`, a chunk at a time, and returns how many bytes it was. A cut is
    /// resumed by `Range`; length and, where the listing has it, SHA-256 are checked at the end. On an error
    /// what was written so far is not the file.
    pub async fn download<W: AsyncWrite + Unpin + Send>(
        &self,
        task_id: &str,
        deliverable: &Deliverable,
        writer: &mut W,
    ) -> Result<u64, ClientError> {
        let call = self.get(&["tasks", task_id, "deliverables", &deliverable.id, "download"])?;
        let mut transfer = Transfer::new(self, call, writer);
        let bytes = transfer.run().await?;
        if bytes != deliverable.size_bytes {
            let what = format!("{} bytes came, {} were promised", bytes, deliverable.size_bytes);
            return Err(ClientError::protocol(what));
        }
        let digest = hex::encode(transfer.hash.finalize());
        match &deliverable.sha256 {
            Some(promised) if *promised != digest => Err(ClientError::protocol(format!(
                "the SHA-256 of the download is {digest}, {promised} was promised"
            ))),
            Some(_) | None => Ok(bytes),
        }
    }

    /// `POST /tasks/{id}/deliverables/{file_id}/share`.
    pub async fn share(
        &self,
        task_id: &str,
        file_id: &str,
        share: &ShareDeliverable,
    ) -> Result<Share, ClientError> {
        self.json(&self.post(&["tasks", task_id, "deliverables", file_id, "share"], share)?).await
    }

    /// `GET /shares`: the public links of the account that work, newest first.
    pub async fn list_shares(&self, query: &ListShares) -> Result<ShareList, ClientError> {
        self.json(&self.get(&["shares"])?.query(query)?).await
    }

    /// `DELETE /tasks/{id}/deliverables/{file_id}/share`: all links to a deliverable.
    pub async fn revoke_shares(&self, task_id: &str, file_id: &str) -> Result<(), ClientError> {
        self.delete(&["tasks", task_id, "deliverables", file_id, "share"]).await
    }

    /// `DELETE /shares/{id}`.
    pub async fn revoke_share(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["shares", id]).await
    }

    /// Any download, resumed like [`Self::download`], with nothing to check it against but its length.
    pub(crate) async fn download_to<W: AsyncWrite + Unpin + Send>(
        &self,
        call: Call,
        writer: &mut W,
    ) -> Result<u64, ClientError> {
        Transfer::new(self, call, writer).run().await
    }
}

/// A download under way.
struct Transfer<'a, W> {
    client: &'a Client,
    call: Call,
    writer: &'a mut W,
    written: u64,
    etag: Option<String>,
    hash: Sha256,
}

/// How far one connection got.
enum Leg {
    Whole,
    Cut(ClientError),
}

impl<'a, W: AsyncWrite + Unpin + Send> Transfer<'a, W> {
    fn new(client: &'a Client, call: Call, writer: &'a mut W) -> Self {
        Self { client, call, writer, written: 0, etag: None, hash: Sha256::new() }
    }

    async fn run(&mut self) -> Result<u64, ClientError> {
        let mut failed = 0;
        loop {
            let before = self.written;
            let error = match self.leg().await? {
                Leg::Whole => {
                    self.writer
                        .flush()
                        .await
                        .map_err(|error| ClientError::local("write the download", error))?;
                    return Ok(self.written);
                }
                Leg::Cut(error) => error,
            };
            failed = if self.written > before { 1 } else { failed + 1 };
            let policy = self.client.retry();
            if failed >= policy.attempts {
                return Err(error);
            }
            match policy.pause(failed, error.retry_after()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn leg(&mut self) -> Result<Leg, ClientError> {
        let mut call = self.call.clone();
        if self.written > 0 {
            call = call.header("range", format!("bytes={}-", self.written));
            if let Some(etag) = &self.etag {
                call = call.header("if-range", etag.clone());
            }
        }
        let response = match self.client.send_once(&call).await {
            Ok(response) => response,
            Err(error) if error.is_transient() => return Ok(Leg::Cut(error)),
            Err(error) => return Err(error),
        };
        let skip = self.skip(&response)?;
        self.copy(response, skip).await
    }

    /// How many bytes at the start of this answer are already written.
    fn skip(&mut self, response: &Response) -> Result<u64, ClientError> {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let etag = header("etag").map(str::to_owned);
        if self.written == 0 {
            self.etag = etag;
            return Ok(0);
        }
        if etag.is_some() && self.etag.is_some() && etag != self.etag {
            return Err(ClientError::protocol("the file changed while it was downloaded"));
        }
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Ok(self.written);
        }
        let start = header("content-range")
            .and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
        if start != Some(self.written) {
            return Err(ClientError::protocol("a part of the file was asked for and another came"));
        }
        Ok(0)
    }

    async fn copy(&mut self, mut response: Response, mut skip: u64) -> Result<Leg, ClientError> {
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(Leg::Whole),
                Err(error) => return Ok(Leg::Cut(self.client.unreachable(error))),
            };
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= known as u64;
            let fresh = &chunk[known..];
            self.writer
                .write_all(fresh)
                .await
                .map_err(|error| ClientError::local("write the download", error))?;
            self.hash.update(fresh);
            self.written += fresh.len() as u64;
        }
    }
}
