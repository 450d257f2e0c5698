//! Fetches a model over HTTP, from where an earlier try ended.
//!
//! A part is resumed whatever source it came from: the size and the hash that the catalogue names are a stronger check
//! than any validator of a server.

use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, HeaderMap, LOCATION, RANGE};
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::time::{sleep, timeout};

use super::place::{Place, hex_of};
use super::{Progress, PullError, Step};
use crate::cloud::Http;

/// Addresses that a source may point on to, one after the other.
const MAX_REDIRECTS: usize = 8;
/// How often a cut download is taken up again in one pull. A try that brought nothing ends it at once.
const MAX_RESUMES: usize = 50;
/// How often in a row a source may say that it is busy (429) or in trouble (5xx).
const MAX_STUMBLES: u32 = 5;
/// How long to wait after the first such answer, twice as long after each further one. Tests have no time.
const FIRST_WAIT: Duration = if cfg!(test) { Duration::from_millis(1) } else { Duration::from_secs(1) };
/// How long a source may send nothing.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;
/// How often progress is told, in bytes.
const REPORT_BYTES: u64 = 1 << 20;

/// Fetches the model from an address and lets it appear. Returns the address.
pub async fn from(
    place: &Place,
    url: &str,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<String, PullError> {
    if place.part_bytes() > place.model.bytes {
        place.drop_part();
    }
    place.check_room(0)?;
    let mut download = Download { place, url, http: Http::default(), progress };
    let mut hasher = match place.part_bytes() {
        0 => Sha256::new(),
        _ => place.hasher_of(&place.part, url, download.progress).await?,
    };
    let (mut tries, mut stumbles) = (0, 0);
    while place.part_bytes() < place.model.bytes {
        let before = place.part_bytes();
        tries += 1;
        let outcome = download.attempt(&mut hasher).await;
        if place.part_bytes() > before {
            stumbles = 0;
        }
        match outcome {
            Ok(()) => {}
            Err(PullError::Http { .. }) if place.part_bytes() > before && tries < MAX_RESUMES => {}
            Err(PullError::Status { status, .. })
                if may_pass(status) && stumbles < MAX_STUMBLES && tries < MAX_RESUMES =>
            {
                sleep(FIRST_WAIT * 2_u32.pow(stumbles)).await;
                stumbles += 1;
            }
            Err(error) => return Err(error),
        }
    }
    place.finish(&place.part, url, &hex_of(hasher))?;
    Ok(url.to_owned())
}

struct Download<'a> {
    place: &'a Place,
    url: &'a str,
    http: Http,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl Download<'_> {
    fn error(&self, reason: impl Into<String>) -> PullError {
        PullError::Http { url: self.url.to_owned(), reason: reason.into() }
    }

    fn file_error(&self, error: std::io::Error) -> PullError {
        PullError::File { path: self.place.part.clone(), error }
    }

    /// One connection: takes what comes until the end or the cut. The hasher holds what the part holds.
    async fn attempt(&mut self, hasher: &mut Sha256) -> Result<(), PullError> {
        let have = self.place.part_bytes();
        let total = self.place.model.bytes;
        let mut response = self.ask(have).await?;
        let resumes = response.status() == StatusCode::PARTIAL_CONTENT;
        let start = if resumes { have } else { 0 };
        let declared = if resumes { declared_total(response.headers()) } else { response.content_length() };
        if resumes && range_start(response.headers()) != Some(have) {
            return Err(self.error(format!("it was asked for the bytes from {have} on and sent others")));
        }
        if let Some(got) = declared {
            self.place.check_size(self.url, got)?;
        }
        if start == 0 {
            *hasher = Sha256::new();
        }
        let mut file = BufWriter::with_capacity(WRITE_BYTES, self.open(start).await?);
        let (mut done, mut told) = (start, None);
        let ended = loop {
            match timeout(STALL_TIMEOUT, response.chunk()).await {
                Err(_) => {
                    break Err(self.error(format!("it sent nothing for {} seconds", STALL_TIMEOUT.as_secs())));
                }
                Ok(Err(error)) => {
                    break Err(self.error(format!("the download was cut: {}", error.without_url())));
                }
                Ok(Ok(None)) => break Ok(()),
                Ok(Ok(Some(chunk))) => {
                    done += chunk.len() as u64;
                    if done > total {
                        self.place.drop_part();
                        return self.place.check_size(self.url, done);
                    }
                    hasher.update(&chunk);
                    file.write_all(&chunk).await.map_err(|error| self.file_error(error))?;
                    if told.is_none_or(|told| done - told >= REPORT_BYTES) || done == total {
                        told = Some(done);
                        self.tell(done);
                    }
                }
            }
        };
        file.flush().await.map_err(|error| self.file_error(error))?;
        match ended {
            Ok(()) if done < total => Err(self.error(format!("it ended after {done} of {total} bytes"))),
            other => other,
        }
    }

    fn tell(&mut self, done_bytes: u64) {
        let total_bytes = self.place.model.bytes;
        let source = self.url.to_owned();
        (self.progress)(Progress { step: Step::Fetching, source, done_bytes, total_bytes });
    }

    async fn open(&self, start: u64) -> Result<File, PullError> {
        let mut options = OpenOptions::new();
        options.create(true).write(true);
        let options = if start == 0 { options.truncate(true) } else { options.append(true) };
        options.open(&self.place.part).await.map_err(|error| self.file_error(error))
    }

    /// Asks for the bytes from `have` on and follows where the source points to.
    async fn ask(&self, have: u64) -> Result<Response, PullError> {
        let mut url = Url::parse(self.url).map_err(|error| self.error(error.to_string()))?;
        for _ in 0..=MAX_REDIRECTS {
            let client = self.http.for_address(url.as_str()).map_err(|reason| self.error(reason))?;
            let mut request = client.get(url.clone());
            if have > 0 {
                request = request.header(RANGE, format!("bytes={have}-"));
            }
            let sent = timeout(STALL_TIMEOUT, request.send()).await;
            let sent = sent.map_err(|_| self.error("it did not answer"))?;
            let response = sent.map_err(|error| self.error(chain(&error.without_url())))?;
            let status = response.status();
            if status.is_redirection() {
                url = self.next(&url, response.headers())?;
            } else if status == StatusCode::OK || (status == StatusCode::PARTIAL_CONTENT && have > 0) {
                return Ok(response);
            } else {
                return Err(PullError::Status { url: self.url.to_owned(), status: status.as_u16() });
            }
        }
        Err(self.error(format!("it points on more than {MAX_REDIRECTS} times")))
    }

    /// Where a redirect leads. A source that is reached safely may not lead to one that is not.
    fn next(&self, url: &Url, headers: &HeaderMap) -> Result<Url, PullError> {
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        match next {
            Some(next) if next.scheme() == "https" || next.scheme() == url.scheme() => Ok(next),
            Some(_) => Err(self.error("it points on to an address that is not https")),
            None => Err(self.error("it points on to no address")),
        }
    }
}

/// Whether a source that answers so may do better in a moment.
fn may_pass(status: u16) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS.as_u16() || (500..600).contains(&status)
}

/// An error with its causes, for people: the outermost alone says too little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// `bytes 200-999/1000`: 200.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

/// `bytes 200-999/1000`: 1000.
fn declared_total(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.split_once('/')?.1.trim().parse().ok()
}
