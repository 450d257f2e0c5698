//! A look at a published address, as any visitor's: some providers say that a site is ready a while before it is served,
//! and some ask visitors to sign in. What is seen is a note in the log and changes nothing.

use std::time::Duration;

use miteos_core::deployment::{Release, Visibility};
use miteos_tools::http::{Request, Url};
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::log::Log;

/// For one look.
const TIMEOUT: Duration = Duration::from_secs(5);
/// For all of them.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between the first two; each further pause is longer by as much.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Visit<'a> {
    pub parts: &'a Parts,
    pub release: &'a Release,
    pub log: &'a Log,
}

impl Visit<'_> {
    pub async fn make(&self, cancel: &CancellationToken) {
        if tokio::time::timeout(PATIENCE, self.until_served(cancel)).await.is_err() {
            self.log.say("the address has not answered yet; a new one can take some minutes");
        }
    }

    async fn until_served(&self, cancel: &CancellationToken) {
        match self.release.visibility {
            Visibility::Public | Visibility::Perhaps => {}
            // There a sign-in is meant.
            Visibility::Account | Visibility::Link => return,
        }
        let Ok(url) = Url::parse(&self.release.url) else { return };
        for attempt in 1..=self.parts.visits {
            let why = match look(self.parts, &url, cancel).await {
                Seen::Served => return,
                Seen::Closed(code) => format!(
                    "{url} asks visitors to sign in (status {code}); the provider's project decides that"
                ),
                Seen::Elsewhere(host) => format!("{url} sends visitors to {host}"),
                Seen::NotYet(_) if attempt < self.parts.visits => {
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE * attempt) => continue,
                        () = cancel.cancelled() => return,
                    }
                }
                Seen::NotYet(why) => format!(
                    "{url} is not served yet ({why}), though the provider says that it is published; a new address can \
                     take some minutes"
                ),
            };
            return self.log.say(&why);
        }
    }
}

enum Seen {
    Served,
    /// The status with which it refuses.
    Closed(u16),
    /// The host that answered in the end.
    Elsewhere(String),
    NotYet(String),
}

async fn look(parts: &Parts, url: &Url, cancel: &CancellationToken) -> Seen {
    let request = Request::get(url.clone()).timeout(TIMEOUT);
    let answer = match parts.tools.http.send(request, cancel).await {
        Ok(answer) => answer,
        Err(error) => return Seen::NotYet(error.to_string()),
    };
    let status = answer.status();
    let elsewhere = answer.url().host_str().filter(|host| Some(*host) != url.host_str());
    match (status.as_u16(), elsewhere) {
        (code @ (401 | 403), _) => Seen::Closed(code),
        // The site's own domain, or a sign-in.
        (_, Some(host)) if status.is_success() => Seen::Elsewhere(host.to_owned()),
        _ if status.is_success() => Seen::Served,
        (code, _) => Seen::NotYet(format!("status {code}")),
    }
}
