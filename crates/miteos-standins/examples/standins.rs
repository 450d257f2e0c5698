//! The stand-ins as a program, for the providers' own tools: `standins NETLIFY_PORT VERCEL_PORT CLOUDFLARE_PORT
//! APPSTORE_PORT SECONDS`. It ends after so many seconds. `GET /__recorded` of each gives what it was asked since the
//! last time.

use std::io::Write as _;
use std::time::Duration;

use miteos_standins::appstore::Appstore;
use miteos_standins::cloudflare::Cloudflare;
use miteos_standins::netlify::{Netlify, Site};
use miteos_standins::vercel::Vercel;

/// 2026-01-01T00:00:00Z, the time of the App Store's stand-in.
const NOW: u64 = 1_767_225_600;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u16>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let netlify = Netlify::listen(next()).await?;
    let vercel = Vercel::listen(next()).await?;
    let cloudflare = Cloudflare::listen(next()).await?;
    let appstore = Appstore::listen(NOW, next()).await?;
    // The official tools want a site and a project to be there.
    netlify.look(|netlify| {
        netlify.sites.insert("site-given".to_owned(), Site { name: "given".to_owned(), ..Site::default() });
    });
    cloudflare.look(|cloudflare| cloudflare.make_project("given"));
    let mut out = std::io::stdout();
    for url in [&netlify.url, &vercel.url, &cloudflare.url, &appstore.url] {
        writeln!(out, "{url}")?;
    }
    out.flush()?;
    tokio::time::sleep(Duration::from_secs(u64::from(next()).max(1))).await;
    Ok(())
}
