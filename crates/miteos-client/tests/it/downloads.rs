//! Downloads: cut anywhere, resumed by range, checked at the end.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use miteos_client::ClientError;
use miteos_client::api::Deliverable;
use sha2::{Digest, Sha256};

use crate::standin::{Seen, Standin, broken};

fn content() -> Vec<u8> {
    (0..3000_u32).flat_map(|n| n.to_le_bytes()).collect()
}

fn deliverable(content: &[u8]) -> Deliverable {
    Deliverable {
        id: "dlvr_1".into(),
        name: "data.bin".into(),
        media_type: "application/octet-stream".into(),
        size_bytes: content.len() as u64,
        sha256: Some(hex::encode(Sha256::digest(content))),
        download_url: None,
        created_at: "2026-11-22T10:00:00Z".into(),
    }
}

/// Serves what the range asks for, at most `leg` bytes before the connection breaks.
fn serve(request: &Seen, content: &[u8], leg: usize, ranges: bool, etag: &str) -> Response<Body> {
    let from = request
        .header("range")
        .filter(|_| ranges)
        .map_or(0, |range| range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap());
    let rest = &content[from..];
    let builder = Response::builder().header("etag", etag);
    let builder = match from {
        0 => builder.status(200),
        _ => builder
            .status(206)
            .header("content-range", format!("bytes {from}-{}/{}", content.len() - 1, content.len())),
    };
    let body = if rest.len() > leg { broken(vec![rest[..leg].to_vec()]) } else { Body::from(rest.to_vec()) };
    builder.body(body).unwrap()
}

#[tokio::test]
async fn many_cuts_one_file() {
    let data = Arc::new(content());
    for leg in [1000, 4096, 11_999, 12_000] {
        let served = data.clone();
        let server = Standin::start(move |request| serve(request, &served, leg, true, "\"v1\"")).await;
        let mut got = Vec::new();
        let bytes = server.client.download("task_1", &deliverable(&data), &mut got).await.unwrap();
        assert_eq!((bytes, &got), (12_000, &*data), "cut every {leg} bytes");
        let seen = server.seen();
        assert_eq!(seen.len(), 12_000_usize.div_ceil(leg));
        assert!(seen[1..].iter().all(|request| request.header("if-range") == Some("\"v1\"")));
        assert_eq!(seen[0].uri.path(), "/v1/tasks/task_1/deliverables/dlvr_1/download");
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_read_again_past_what_is_known() {
    let data = Arc::new(content());
    let served = data.clone();
    let mut connections = 0;
    let server = Standin::start(move |request| {
        connections += 1;
        serve(
            request,
            &served,
            if connections < 3 { 5000 * connections } else { usize::MAX },
            false,
            "\"v1\"",
        )
    })
    .await;
    let mut got = Vec::new();
    server.client.download("task_1", &deliverable(&data), &mut got).await.unwrap();
    assert_eq!(got, *data);
}

#[tokio::test]
async fn a_wrong_file_is_an_error() {
    let data = Arc::new(content());
    let served = data.clone();
    let server = Standin::start(move |request| serve(request, &served, usize::MAX, true, "\"v1\"")).await;
    let mut other = deliverable(&data);
    other.sha256 = Some("00".repeat(32));
    let error = server.client.download("task_1", &other, &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    let mut longer = deliverable(&data);
    longer.size_bytes += 1;
    let error = server.client.download("task_1", &longer, &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("12000 bytes came, 12001 were promised"), "{error}");

    let served = data.clone();
    let mut connections = 0;
    let server = Standin::start(move |request| {
        connections += 1;
        serve(request, &served, 5000, true, &format!("\"v{connections}\""))
    })
    .await;
    let error = server.client.download("task_1", &deliverable(&data), &mut Vec::new()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Protocol { what } if what.contains("changed")), "{error}");
}

#[tokio::test]
async fn a_download_that_gets_nowhere_gives_up() {
    let data = Arc::new(content());
    let served = data.clone();
    let server = Standin::start(move |request| serve(request, &served, 0, true, "\"v1\"")).await;
    let error = server.client.download("task_1", &deliverable(&data), &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 4);
}
