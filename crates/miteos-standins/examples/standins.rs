//! The stand-ins as a program, for the providers' own tools: `standins NETLIFY_PORT VERCEL_PORT CLOUDFLARE_PORT
//! APPSTORE_PORT SECONDS`. It prints their addresses and, as JSON, what the App Store's takes as credentials, and ends after
//! so many seconds. `GET /__recorded` of each gives what it was asked since the
//! last time.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use miteos_standins::appstore::{Appstore, ISSUER, KEY_ID, PRIVATE_KEY};
use miteos_standins::cloudflare::Cloudflare;
use miteos_standins::netlify::{Netlify, Site};
use miteos_standins::vercel::Vercel;

/// What time it is (seconds since 1970): tokens are checked by it.
#[expect(clippy::disallowed_methods, reason = "an example has no clock that is injected")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u16>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let netlify = Netlify::listen(next()).await?;
    let vercel = Vercel::listen(next()).await?;
    let cloudflare = Cloudflare::listen(next()).await?;
    let appstore = Appstore::listen(now(), next()).await?;
    // The official tools want a site and a project to be there.
    netlify.look(|netlify| {
        netlify.sites.insert("site-given".to_owned(), Site { name: "given".to_owned(), ..Site::default() });
    });
    vercel.look(|vercel| vercel.projects.insert("given".to_owned(), "prj_given".to_owned()));
    cloudflare.look(|cloudflare| cloudflare.make_project("given"));
    let mut out = std::io::stdout();
    for url in [&netlify.url, &vercel.url, &cloudflare.url, &appstore.url] {
        writeln!(out, "{url}")?;
    }
    let key = [("issuer_id", ISSUER), ("key_id", KEY_ID), ("private_key", PRIVATE_KEY)];
    writeln!(out, "{}", serde_json::Value::from_iter(key))?;
    out.flush()?;
    tokio::time::sleep(Duration::from_secs(u64::from(next()).max(1))).await;
    Ok(())
}
