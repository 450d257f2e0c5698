//! The reference page of the settings, made of the table. A test keeps the page as it is made; it rewrites the page
//! when it is told to.

use std::path::{Path, PathBuf};

use super::table::{Kind, VARIABLES, Variable};

/// Set to rewrite the page instead of comparing it.
const REWRITE: &str = "REWRITE_PAGES";
const BEGIN: &str = "<!-- begin: settings, made of crates/miteos/src/config/table.rs -->\n";
const END: &str = "<!-- end: settings -->\n";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")
}

fn reference() -> String {
    let mut text = String::from(
        "\n| Variable | In the file | Flag | Type | Default | Meaning |\n|---|---|---|---|---|---|\n",
    );
    for variable in VARIABLES {
        text.push_str(&row(variable));
    }
    text.push('\n');
    text
}

fn row(variable: &Variable) -> String {
    let Variable { name, flag, kind, default, meaning } = variable;
    let flag = flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
    // A cell ends at a bar, and a list in a value is no list of the page.
    let plain = |text: &str| text.replace('|', "\\|");
    format!(
        "| `{name}` | `{}` | {flag} | {} | {} | {} |\n",
        variable.key(),
        words(*kind),
        plain(default),
        plain(meaning)
    )
}

fn words(kind: Kind) -> String {
    match kind {
        Kind::Path => "path".to_owned(),
        Kind::Address => "address and port".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Secret => "secret".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Number(least, most) => format!("{least} to {most}"),
        Kind::List => "list".to_owned(),
        Kind::Reserved => "reserved".to_owned(),
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says by the environment what they are to do"
)]
fn the_reference_page_is_what_the_table_says() {
    let page = std::fs::read_to_string(path()).unwrap();
    let (head, rest) =
        page.split_once(BEGIN).expect("docs/configuration.md has no beginning of the settings");
    let (told, foot) = rest.split_once(END).expect("docs/configuration.md has no end of the settings");
    let made = reference();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(path(), format!("{head}{BEGIN}{made}{END}{foot}")).unwrap();
        return;
    }
    assert_eq!(told, made, "run the test again with {REWRITE}=1, which writes the page anew");
}
