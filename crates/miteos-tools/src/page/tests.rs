//! Reading pages: structure, character sets, and pages made to hurt the reader.

use super::*;

fn url() -> Url {
    Url::parse("https://example.org/dir/page.html").unwrap()
}

const ARTICLE: &str = r#"<!doctype html><html><head><title>  The
  Title </title><style>body{}</style><script>var hidden = 1;</script></head><body>
<nav><a href="/home">Home</a></nav>
<article><h1>Rivers</h1>
<p>The first paragraph speaks of rivers, of their sources, of their mouths and of everything that lies between them,
at a length that lets it be found. It has a <a href="../other.html">link</a>, and commas, many commas, more commas.</p>
<h2>Second</h2><ul><li>one</li><li>two</li></ul>
<p>The second paragraph is as long as the first one, speaks of the same, has as many words and as many commas, and ends
where the main part ends, which is here, and it says <code>let x = 1;</code> so that there is code, too.</p>
</article><footer>© nobody</footer></body></html>"#;

#[test]
fn the_main_part_becomes_markdown() {
    let page = read(ARTICLE, &url(), Format::Markdown);
    assert_eq!(page.title.as_deref(), Some("The Title"));
    assert!(page.text.contains("## Second"), "{}", page.text);
    assert!(page.text.contains("[link](https://example.org/other.html)"), "{}", page.text);
    assert!(page.text.contains("one") && page.text.contains("`let x = 1;`"), "{}", page.text);
    assert!(!page.text.contains("hidden") && !page.text.contains("Home"), "{}", page.text);
    assert!(!page.cut);
}

#[test]
fn text_has_no_marks_and_html_is_the_source() {
    let page = read(ARTICLE, &url(), Format::Text);
    assert!(page.text.contains("Rivers") || page.text.contains("first paragraph"));
    assert!(!page.text.contains("](") && !page.text.contains('#'), "{}", page.text);
    assert_eq!(read(ARTICLE, &url(), Format::Html).text, ARTICLE);
}

#[test]
fn a_page_without_a_main_part_is_given_whole() {
    let page = read(
        "<title>t</title><p>Short.</p><a href='x'>more</a><script>no()</script>",
        &url(),
        Format::Markdown,
    );
    assert_eq!(page.text, "Short.\n\n[more](https://example.org/dir/x)");
    assert_eq!(read("", &url(), Format::Markdown).text, "");
    assert_eq!(read("", &url(), Format::Text).text, "");
}

#[test]
fn deep_and_big_pages_do_no_harm() {
    let deep = format!("{}core{}", "<div>".repeat(1900), "</div>".repeat(1900));
    assert!(read(&deep, &url(), Format::Markdown).text.contains("core"));
    assert!(read(&deep, &url(), Format::Text).text.contains("core"));
    // Hundreds of thousands of open tags, however they are hidden from a counter: the clock ends it.
    let time = Duration::from_millis(100);
    for hostile in ["<div><b>", "<div><!--</div>-->", "<svg><div>", "<div a='</div>'>", "<div></x>"] {
        let page = read_within(&format!("core{}", hostile.repeat(300_000)), &url(), Format::Markdown, time);
        assert!(page.text.contains("core") && page.cut, "{hostile}");
    }
    let wide = format!("<ul>{}</ul>", "<li>item".repeat(MAX_ELEMENTS + 1));
    assert!(read(&wide, &url(), Format::Markdown).text.contains("item"));
    let long = format!("<p>{}</p>", "é".repeat(MAX_HTML_BYTES));
    let page = read(&long, &url(), Format::Html);
    assert!(page.cut && page.text.len() <= MAX_HTML_BYTES);
    let formatting = format!("{}x", "<p><b><i><u>".repeat(400));
    assert!(read(&formatting, &url(), Format::Markdown).text.contains('x'));
}

#[test]
fn character_sets() {
    assert_eq!(decode("text/html; charset=ISO-8859-1", b"caf\xe9"), "café");
    assert_eq!(decode("text/plain; charset=\"shift_jis\"", b"\x93\xfa\x96{"), "日本");
    assert_eq!(decode("text/html", b"<meta charset=windows-1251>\xcf\xf0"), "<meta charset=windows-1251>Пр");
    let meta = b"<meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-2\">\xb1";
    assert!(decode("text/html", meta).ends_with('ą'));
    assert_eq!(decode("text/html", "grün".as_bytes()), "grün");
    assert_eq!(decode("text/html", b"gr\xfcn"), "grün");
    assert_eq!(decode("text/html; charset=nonsense", "grün".as_bytes()), "grün");
    assert_eq!(decode("text/html", b"\xff\xfeh\x00i\x00"), "hi");
    assert_eq!(decode("text/html", b"<meta charset=utf-16>ok"), "<meta charset=utf-16>ok");
    assert_eq!(decode("", b""), "");
}

#[test]
fn kinds() {
    assert_eq!(kind("text/html; charset=utf-8", b""), Kind::Html);
    assert_eq!(kind("application/ld+json", b"{}"), Kind::Text);
    assert_eq!(kind("application/pdf", b"%PDF-1.7"), Kind::Binary);
    assert_eq!(kind("", b"\n <!DOCTYPE HTML><p>"), Kind::Html);
    assert_eq!(kind("application/octet-stream", b"plain"), Kind::Text);
    assert_eq!(kind("application/octet-stream", b"\x7fELF\x00"), Kind::Binary);
    assert_eq!(kind("image/png", b"\x89PNG"), Kind::Binary);
}

#[test]
fn a_page_that_multiplies_itself_is_read_no_further() {
    let mut html = String::from("<p>");
    for number in 0..1000 {
        html.push_str(&format!("<b a={number}>"));
    }
    html.push_str(&"<p>x".repeat(10_000));
    let (document, cut) = parse_within(&html, Duration::from_secs(600), 50_000);
    assert!(cut);
    let nodes = document.tree.len();
    assert!(nodes > 50_000 && nodes < 2 * 50_000, "{nodes} nodes");
}

#[test]
fn a_long_title_is_cut() {
    let page = read(&format!("<title>{}</title><p>x", "é ".repeat(100_000)), &url(), Format::Markdown);
    assert!(page.title.unwrap().len() <= MAX_TITLE_BYTES);
}
