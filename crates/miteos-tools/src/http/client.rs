//! The client: judges every address of a call, makes it, and follows where it is sent.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_LENGTH, HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::address::EgressPolicy;
use super::error::{HttpError, RefusedAddress};
use super::request::{Content, Redirects, Request};
use super::resolve::{Judge, JudgedNames, Names, SystemNames};
use super::response::Response;

/// Looking the name up, connecting and TLS together may take this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections are kept this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// At most this many idle connections are kept to one host.
const MAX_IDLE_PER_HOST: usize = 4;
/// How much of a streamed body is read at once.
const UPLOAD_CHUNK_BYTES: usize = 64 * 1024;
/// A call is sent elsewhere at most this often.
pub const MAX_REDIRECTS: usize = 5;
/// Longer addresses are refused (bytes).
const MAX_URL_BYTES: usize = 8 * 1024;
/// How much of an address is repeated in an error (characters).
const SHOWN_URL_CHARS: usize = 200;
const USER_AGENT: &str = concat!("miteos/", env!("CARGO_PKG_VERSION"));

/// The client for outgoing calls. Cheap to clone; one for the whole process.
#[derive(Clone)]
pub struct Guarded {
    guarded: Arc<Side>,
    owner: Arc<Side>,
    active: Which,
}

#[derive(Clone, Copy)]
enum Which {
    Guarded,
    Owner,
}

/// A client and the judge that its connections are subject to.
struct Side {
    /// Built at the first call: reading the machine's certificates takes a while.
    client: OnceLock<Result<reqwest::Client, String>>,
    names: JudgedNames,
}

impl Guarded {
    pub fn new(policy: EgressPolicy) -> Self {
        Self::with_names(policy, Arc::new(SystemNames))
    }

    /// With another way of looking names up.
    pub fn with_names(policy: EgressPolicy, names: Arc<dyn Names>) -> Self {
        let judge = Judge::Policy(Arc::new(policy));
        Self {
            guarded: Arc::new(Side::new(JudgedNames { names: Arc::clone(&names), judge })),
            owner: Arc::new(Side::new(JudgedNames { names, judge: Judge::Owner })),
            active: Which::Guarded,
        }
    }

    /// The same client for addresses that the server's owner wrote into the configuration, which may be private.
    /// Never for an address that came from a client, a model, a page or a redirect: so it follows none.
    pub fn for_owner(&self) -> Self {
        Self { active: Which::Owner, ..self.clone() }
    }

    /// Why no call can be made on this machine; `None` when calls can be made.
    pub fn unusable(&self) -> Option<&str> {
        self.side().client().as_ref().err().map(String::as_str)
    }

    /// Parses and judges an address as a call would, looking its name up, without calling it.
    pub async fn vet(&self, url: &str) -> Result<Url, HttpError> {
        let url = parse_url(url)?;
        self.judge_url(&url)?;
        if let Some(Host::Domain(host)) = url.host() {
            self.vet_name(host).await?;
        }
        Ok(url)
    }

    /// Makes the call. The answer's body is still to be read, under the same time-out and cancellation.
    pub async fn send(&self, request: Request, cancel: &CancellationToken) -> Result<Response, HttpError> {
        let Request { method, url, headers, content, timeout, redirects } = request;
        let deadline = tokio::time::Instant::now() + timeout;
        let follow = match (redirects, self.active) {
            (Redirects::Follow, Which::Guarded) => true,
            (Redirects::Follow, Which::Owner) | (Redirects::Return, _) => false,
        };
        let mut hop = Hop { method, url, headers, content };
        let mut redirects = 0;
        loop {
            let host = host_of(&hop.url);
            let (again, built) = self.build(hop)?;
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let answer = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(HttpError::Cancelled),
                answer = built.timeout(left).send() => {
                    answer.map_err(|error| HttpError::of(&host, timeout.as_secs(), error))?
                }
            };
            let target = if follow { redirect_target(&answer, &again.url)? } else { None };
            let Some(target) = target else {
                let (url, cancel, seconds) = (again.url, cancel.clone(), timeout.as_secs());
                return Ok(Response { inner: answer, url, redirects, seconds, cancel });
            };
            if redirects == MAX_REDIRECTS {
                return Err(HttpError::TooManyRedirects { host, limit: MAX_REDIRECTS });
            }
            redirects += 1;
            hop = again.sent_to(target, answer.status())?;
        }
    }

    async fn vet_name(&self, host: &str) -> Result<(), HttpError> {
        let no_such_name = |source| HttpError::NoSuchName { host: host.to_owned(), source };
        let names = &self.side().names;
        let Ok(found) = tokio::time::timeout(CONNECT_TIMEOUT, names.addresses(host)).await else {
            return Err(no_such_name(None));
        };
        match found {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.downcast_ref::<RefusedAddress>() {
                Some(refused) => HttpError::Refused { host: host.to_owned(), what: refused.what },
                None => no_such_name(Some(error)),
            }),
        }
    }

    /// Who looks names up for this client, and judges what they lead to.
    pub(super) fn names(&self) -> &JudgedNames {
        &self.side().names
    }

    fn side(&self) -> &Side {
        match self.active {
            Which::Guarded => &self.guarded,
            Which::Owner => &self.owner,
        }
    }

    /// An address with a literal IP never asks for a name, so it is judged here, before each hop.
    fn judge_url(&self, url: &Url) -> Result<(), HttpError> {
        check_url(url)?;
        let address = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        match self.side().names.judge.refusal(address) {
            Some(what) => Err(HttpError::Refused { host: host_of(url), what }),
            None => Ok(()),
        }
    }

    /// The request, and what would be sent elsewhere if the answer asks for it.
    fn build(&self, hop: Hop) -> Result<(Hop, reqwest::RequestBuilder), HttpError> {
        self.judge_url(&hop.url)?;
        let client = self.side().client().as_ref().map_err(|why| HttpError::Unusable { why: why.clone() })?;
        let mut builder = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        let mut again = Content::None;
        match hop.content {
            Content::None => {}
            Content::Bytes(bytes) => {
                builder = builder.body(bytes.clone());
                again = Content::Bytes(bytes);
            }
            Content::Reader { reader, bytes } => {
                builder = builder.header(CONTENT_LENGTH, bytes).body(reqwest::Body::wrap_stream(
                    ReaderStream::with_capacity(reader, UPLOAD_CHUNK_BYTES),
                ));
            }
        }
        Ok((Hop { content: again, ..hop }, builder))
    }
}

impl Side {
    fn new(names: JudgedNames) -> Self {
        Self { client: OnceLock::new(), names }
    }

    fn client(&self) -> &Result<reqwest::Client, String> {
        self.client.get_or_init(|| build_client(self.names.clone()).map_err(|error| unusable(&error)))
    }
}

/// The only client of the project that is built for addresses from outside.
#[expect(clippy::disallowed_methods, reason = "this is the guarded client that the rule asks for")]
fn build_client(names: JudgedNames) -> Result<reqwest::Client, reqwest::Error> {
    // Fails only if the process has chosen its cryptography already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .dns_resolver(names)
        // A proxy of the environment would resolve the name past the judge.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .build()
}

fn unusable(error: &reqwest::Error) -> String {
    tracing::error!(error = ?error, "no client for outgoing calls could be made");
    "the machine's TLS set-up cannot be used, most often because it has no certificates of authorities; install the \
     package ca-certificates"
        .to_owned()
}

/// One request of a call.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    content: Content,
}

impl Hop {
    /// The next request of the call. What was meant for one origin is not given to another.
    fn sent_to(self, target: Url, status: StatusCode) -> Result<Self, HttpError> {
        let Self { mut method, url, mut headers, mut content } = self;
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let same_origin = url.origin() == target.origin();
        if !keeps_method && method != Method::GET && method != Method::HEAD {
            method = Method::GET;
            content = Content::None;
        }
        if !same_origin {
            if matches!(content, Content::Bytes(_)) {
                return Err(HttpError::BadRedirect { host: host_of(&url) });
            }
            let kept = [ACCEPT, ACCEPT_LANGUAGE];
            let strange: Vec<_> = headers.keys().filter(|name| !kept.contains(name)).cloned().collect();
            for name in strange {
                headers.remove(name);
            }
        }
        Ok(Self { method, url: target, headers, content })
    }
}

/// Where an answer sends, if it does.
fn redirect_target(answer: &reqwest::Response, from: &Url) -> Result<Option<Url>, HttpError> {
    let sends = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = answer.headers().get(LOCATION).filter(|_| sends) else { return Ok(None) };
    let bad = || HttpError::BadRedirect { host: host_of(from) };
    let mut target = from.join(location.to_str().map_err(|_| bad())?).map_err(|_| bad())?;
    check_url(&target).map_err(|_| bad())?;
    if target.fragment().is_none() {
        target.set_fragment(from.fragment());
    }
    Ok(Some(target))
}

/// Reads an address as people and models write it.
pub(crate) fn parse_url(text: &str) -> Result<Url, HttpError> {
    let bad = |why| HttpError::BadUrl { url: text.chars().take(SHOWN_URL_CHARS).collect(), why };
    if text.len() > MAX_URL_BYTES {
        return Err(bad("it is longer than 8192 bytes"));
    }
    let url = Url::parse(text.trim())
        .map_err(|_| bad("it is no address; one looks like https://example.org/page"))?;
    check_url(&url)?;
    Ok(url)
}

fn check_url(url: &Url) -> Result<(), HttpError> {
    let bad = |why| Err(HttpError::BadUrl { url: shown(url), why });
    if !matches!(url.scheme(), "http" | "https") {
        return bad("only http and https can be used");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("it has a user name or password in front of the host; leave them out");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return bad("it has no host");
    }
    Ok(())
}

/// An address for an error: without what may be secret in it.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().chars().take(SHOWN_URL_CHARS).collect()
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
