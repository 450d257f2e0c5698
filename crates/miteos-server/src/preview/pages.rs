//! The few pages that this server says something of its own with. They load nothing, run nothing, and repeat nothing of
//! the request.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::{headers, media};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// A deployment of the test world.
    Stub,
    NoSuchPreview,
    NoSuchFile,
    /// A link is needed to look at it.
    LinkNeeded,
    LinkEnded,
    BadAddress,
    WrongHost,
    NoHost,
    WrongMethod,
    TooMany,
    Failed,
}

/// The methods that the preview host takes.
pub const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// How long one waits after too many requests (s).
const PAUSE: HeaderValue = HeaderValue::from_static("1");

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto 0;padding:0 1.5em;\
    color:#222;background:#fff}h1{font-size:1.3em}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}";

impl Page {
    fn says(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Stub => (
                StatusCode::OK,
                "This is a test deployment",
                "It was made with a test key, so nothing was published. A live key publishes the site here.",
            ),
            Self::NoSuchPreview => (
                StatusCode::NOT_FOUND,
                "There is no preview here",
                "It never was here, has expired, or was deleted by its owner.",
            ),
            Self::NoSuchFile => {
                (StatusCode::NOT_FOUND, "There is no such page", "The site has no file at this address.")
            }
            Self::LinkNeeded => (
                StatusCode::FORBIDDEN,
                "This preview needs a link",
                "Ask whoever made it for a link, and open it in this browser.",
            ),
            Self::LinkEnded => (
                StatusCode::FORBIDDEN,
                "The link does not work any more",
                "It has expired or was revoked. Ask whoever made the preview for a new one.",
            ),
            Self::BadAddress => (
                StatusCode::BAD_REQUEST,
                "This address cannot be read",
                "It holds something that no file of a site can be called.",
            ),
            Self::WrongHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "There is nothing under this name",
                "This is a server of previews; each is seen under its own host name.",
            ),
            Self::NoHost => (
                StatusCode::BAD_REQUEST,
                "The request names no host",
                "Exactly one header Host with the name of a preview is needed.",
            ),
            Self::WrongMethod => {
                (StatusCode::METHOD_NOT_ALLOWED, "A preview can only be read", "It takes GET and HEAD.")
            }
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
                "This preview was asked too often within a second. Try again.",
            ),
            Self::Failed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The server failed inside", "Its log has the reason.")
            }
        }
    }

    pub fn answer(self) -> Response {
        let (status, title, text) = self.says();
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{text}</p>\n</html>\n"
        );
        let mut response = Response::new(Body::from(html));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media::HTML));
        headers::own_page(fields);
        let more = match self {
            Self::WrongMethod => Some((ALLOW, METHODS)),
            Self::TooMany => Some((RETRY_AFTER, PAUSE)),
            Self::Stub
            | Self::NoSuchPreview
            | Self::NoSuchFile
            | Self::LinkNeeded
            | Self::LinkEnded
            | Self::BadAddress
            | Self::WrongHost
            | Self::NoHost
            | Self::Failed => None,
        };
        if let Some((name, value)) = more {
            fields.insert(name, value);
        }
        response
    }
}
