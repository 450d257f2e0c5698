//! Uploads: streamed from disk, names kept, repeated whole.

use std::time::Duration;

use axum::extract::{FromRequest, Multipart, Request};
use miteos_client::{ClientError, Upload, UploadSource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::standin::{Standin, client, json};

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

/// More than the buffers on the way hold, so that a slow reader is felt.
const SLOW_BYTES: usize = 48 * 1024 * 1024;

fn slow_upload() -> [Upload; 1] {
    [Upload { name: "big".into(), source: UploadSource::Bytes(vec![b'x'; SLOW_BYTES].into()) }]
}

/// Reads a mebibyte every four seconds, three minutes in all, and then answers.
async fn read_slowly(mut connection: TcpStream) {
    const END: &[u8] = b"--\r\n\r\n0\r\n\r\n";
    let (mut read, mut tail) = (0, Vec::new());
    let mut chunk = vec![0; 1024 * 1024];
    while !tail.ends_with(END) {
        let n = connection.read(&mut chunk).await.unwrap();
        assert!(n > 0, "it was given up after {read} bytes");
        tail.extend_from_slice(&chunk[n.saturating_sub(END.len())..n]);
        tail.drain(..tail.len().saturating_sub(END.len()));
        if (read + n) / chunk.len() > read / chunk.len() {
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        read += n;
    }
    connection.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n[]").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upload_may_take_as_long_as_it_moves() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let began = tokio::time::Instant::now();
    let server = tokio::spawn(async move { read_slowly(listener.accept().await.unwrap().0).await });
    assert_eq!(client.upload_files("ws_1", &slow_upload()).await.unwrap(), []);
    assert!(began.elapsed() > Duration::from_secs(150), "{:?}", began.elapsed());
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stands_still_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            connections.push(listener.accept().await.unwrap());
        }
    });
    let error = client(&url).upload_files("ws_1", &slow_upload()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable { url: named, source: None } if *named == url));
    server.abort();
}
