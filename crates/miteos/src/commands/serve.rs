//! `miteos serve`

use crate::cli;
use crate::context::Context;
use crate::embedded::{Embedded, Flags};
use crate::failure::{Exit, Failure};
use crate::locate::KEYS_FILE;
use crate::logs::{self, Format};
use crate::render::serve::{Keys, SignInLink, Started, started};
use crate::render::text;
use crate::signals::{Signals, Which};

pub async fn serve(context: &Context<'_>, serve: cli::Serve) -> Result<Exit, Failure> {
    let format = Format::asked(&context.settings, serve.log_format.as_deref())?;
    let format = format.unwrap_or_else(Format::of_stderr);
    logs::to_stderr(&context.settings, "warn,miteos=info,miteos_server=info", format)?;
    // A wrong value stops the start below; an unknown key would be passed over in silence.
    for mistake in context.settings.mistakes().into_iter().filter(|mistake| mistake.variable.is_none()) {
        tracing::warn!("{}; {}", mistake.what, mistake.mend);
    }
    let flags = Flags {
        listen: serve.listen,
        database_url: serve.database_url,
        public_url: serve.public_url,
        preview_listen: serve.preview_listen,
        preview_url: serve.preview_url,
        metrics_listen: serve.metrics_listen,
    };
    let mut signals = Signals::new(Which::Stop)?;
    // A start may take long: a big folder is migrated, unfinished tasks are looked at.
    let Some(server) = signals.unless(Box::pin(Embedded::serve(&context.settings, &flags))).await else {
        tracing::info!("asked to stop before it was up");
        return Ok(Exit::Done);
    };
    let server = server?;
    let data_dir = context.settings.data_dir();
    if context.global.json {
        let keys = server.keys().map(|keys| serde_json::json!({"live": keys.live, "test": keys.test}));
        context.terminal.json(&serde_json::json!({
            "url": server.url(), "previews": server.previews(), "data_dir": data_dir, "keys": keys, "model": server.model().1,
            "sandbox": server.sandbox().1
        }))?;
    } else {
        let harmless = |(tone, text): &(_, String)| (*tone, text::line(text));
        let banner = Started {
            version: env!("CARGO_PKG_VERSION"),
            url: server.url().to_owned(),
            previews: server.previews().to_owned(),
            data_dir: text::line(&data_dir.display().to_string()),
            keys: server.keys().map(|keys| Keys {
                live: keys.live.clone(),
                test: keys.test.clone(),
                file: text::line(&data_dir.join(KEYS_FILE).display().to_string()),
            }),
            // Not into a log: whoever reads it within ten minutes could sign in.
            sign_in: server
                .sign_in()
                .filter(|_| context.terminal.is_shown())
                .map(|link| SignInLink(link.to_owned())),
            model: harmless(server.model()),
            sandbox: harmless(server.sandbox()),
        };
        context.terminal.print(&started(&banner, context.terminal.theme()));
    }
    server.run_until(asked_to_stop(signals)).await?;
    Ok(Exit::Done)
}

/// Ends with Ctrl-C or SIGTERM. A second one does not wait.
async fn asked_to_stop(mut signals: Signals) {
    signals.next().await;
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
}
