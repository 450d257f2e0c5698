//! Uploads: streamed from disk, names kept, repeated whole.

use axum::extract::{FromRequest, Multipart, Request};
use miteos_client::{ClientError, Upload, UploadSource};

use crate::standin::{Standin, json};

#[tokio::test]
async fn files_arrive_with_their_names_even_after_a_refused_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.bin");
    let big: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, &big).unwrap();
    let mut attempts = 0;
    let server = Standin::start(move |_| {
        attempts += 1;
        match attempts {
            1 => json(503, r#"{"detail":"starting"}"#),
            _ => json(201, r#"[{"path":"data/big.bin","type":"file","size_bytes":300000,"modified_at":"2026-11-22T10:00:00Z"}]"#),
        }
    })
    .await;
    let uploads = [
        Upload { name: "data/big.bin".into(), source: UploadSource::Path(path) },
        Upload { name: "notes \u{fc}.txt".into(), source: UploadSource::Bytes("hello".into()) },
    ];
    let files = server.client.upload_files("ws_1", &uploads).await.unwrap();
    assert_eq!(files[0].path, "data/big.bin");
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(request.uri.path(), "/v1/workspaces/ws_1/files");
        let mut again = Request::builder().method("POST");
        again = again.header("content-type", request.header("content-type").unwrap());
        let again = again.body(axum::body::Body::from(request.body.clone())).unwrap();
        let mut form = Multipart::from_request(again, &()).await.unwrap();
        let mut got = Vec::new();
        while let Some(field) = form.next_field().await.unwrap() {
            got.push((field.file_name().unwrap().to_owned(), field.bytes().await.unwrap().to_vec()));
        }
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].0.as_str(), &got[0].1), ("data/big.bin", &big));
        assert_eq!((got[1].0.as_str(), got[1].1.as_slice()), ("notes ü.txt", &b"hello"[..]));
    }
}

#[tokio::test]
async fn a_missing_file_is_named_before_anything_is_sent() {
    let server = Standin::start(|_| json(201, "[]")).await;
    let upload = Upload { name: "a".into(), source: UploadSource::Path("/no/such/file".into()) };
    let error = server.client.upload_files("ws_1", &[upload]).await.unwrap_err();
    assert!(matches!(&error, ClientError::Local { doing, .. } if doing == "read /no/such/file"), "{error:?}");
    let folder = tempfile::tempdir().unwrap();
    let upload = Upload { name: "a".into(), source: UploadSource::Path(folder.path().to_owned()) };
    assert!(matches!(server.client.upload_files("ws_1", &[upload]).await, Err(ClientError::Invalid { .. })));
    assert!(server.seen().is_empty());
}
