//! Files packed for the way to the browser. Packing is done when a file is first asked for, off the async threads, and
//! kept for a while: a preview is looked at by few, and publishing should not wait for it.

use std::io::Write;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;
use miteos_core::content::Sha256;
use miteos_store::{Blobs, StoreError};
use tokio::sync::Semaphore;

use super::manifest::Entry;
use super::media;
use super::recent::Recent;

/// Smaller files are not worth it (bytes).
const MIN_BYTES: u64 = 1024;
/// Bigger files are sent as they are (bytes).
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// All packed files that are kept (bytes).
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;
/// Files that are packed at once; who comes meanwhile gets the file as it is.
const MAX_AT_ONCE: usize = 2;

/// Packed files, by the hash of what is in them.
pub struct Packed {
    kept: Recent<Sha256, Bytes>,
    places: Arc<Semaphore>,
}

impl Default for Packed {
    fn default() -> Self {
        Self { kept: Recent::new(MAX_KEPT_BYTES), places: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }
}

/// Whether a file is worth packing at all.
pub fn is_worth_it(entry: &Entry) -> bool {
    media::is_packable(&entry.media_type) && (MIN_BYTES..=MAX_BYTES).contains(&entry.bytes)
}

/// Whether the browser takes packed files.
pub fn is_taken(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "x-gzip");
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map(|q| q.parse::<f32>());
        named && weight.is_none_or(|weight| weight.is_ok_and(|weight| weight > 0.0))
    })
}

impl Packed {
    /// The packed file; `None` if others are being packed, or it does not become smaller.
    pub async fn get(&self, blobs: &Blobs, entry: &Entry) -> Result<Option<Bytes>, StoreError> {
        if let Some(known) = self.kept.get(&entry.sha256) {
            return Ok(Some(known).filter(|packed| !packed.is_empty()));
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Ok(None) };
        let Some(bytes) = blobs.get(&entry.sha256).await? else { return Ok(None) };
        let packing = tokio::task::spawn_blocking(move || {
            let packed = pack(&bytes);
            drop(place);
            packed
        });
        let packed = packing.await.map_err(|_| StoreError::Panicked { doing: "pack a file" })?;
        // Nothing at all is kept of a file that does not become smaller, so that it is not tried again.
        let smaller = packed.filter(|packed| (packed.len() as u64) < entry.bytes).unwrap_or_default();
        let cost = cost(&smaller);
        self.kept.put(entry.sha256.clone(), smaller.clone(), cost);
        Ok(Some(smaller).filter(|packed| !packed.is_empty()))
    }
}

/// What keeping it takes, with its place in the map (bytes).
fn cost(packed: &Bytes) -> usize {
    const PLACE: usize = 256;
    packed.len() + PLACE
}

/// `None` only if memory could not be written to, which does not happen.
fn pack(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_packed_files_says_so() {
        for (header, taken) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5, br", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("gzip;q=x", false),
            ("br", false),
            ("*", false),
            ("identity", false),
            ("gzipped", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, header.parse().unwrap())]);
            assert_eq!(is_taken(&headers), taken, "{header}");
        }
        assert!(!is_taken(&HeaderMap::new()));
    }
}
