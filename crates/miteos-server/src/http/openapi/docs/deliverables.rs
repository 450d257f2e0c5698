//! Deliverables: listed with signed links, downloaded, shared.

use miteos_api::{Deliverable, ListShares, Share, ShareDeliverable, ShareList, Success};
use serde_json::{Value, json};

use super::super::doc::{Doc, Proof, Tag, doc};
use super::super::schemas::Schemas;
use super::super::{examples, parts};

/// The bytes of a file, whatever they are.
pub fn bytes() -> Value {
    json!({"*/*": {"schema": {"description": "The file's bytes, with its own media type."}, "example": "# Summary\n"}})
}

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let list = json!({"type": "array", "items": s.told::<Deliverable>()});
    let shares = json!({"shares": [examples::shared_deliverable()], "total": 1, "limit": 20, "offset": 0});
    vec![
        doc("GET", "/tasks/{id}/deliverables", "listDeliverables", Tag::Deliverables, "List deliverables")
            .text("Each with a `download_url` that works without a header for an hour.")
            .answer(200, "The task's deliverables.", list, json!([examples::deliverable()]))
            .missing("task", "there is no such task"),
        download(),
        share(s),
        doc("DELETE", "/tasks/{id}/deliverables/{file}/share", "revokeShares", Tag::Deliverables, "Revoke all public links to a deliverable")
            .text("Also those whose ids nobody has any more. From the next request on they lead nowhere.")
            .answer(200, "There is none any more.", s.told::<Success>(), examples::success())
            .missing("task or deliverable", "there is no such deliverable"),
        doc("GET", "/shares", "listShares", Tag::Deliverables, "List public links")
            .text(
                "Those of the account that work. What opens a file stands in none of them: it was told when the link was made, and \
                 the server keeps a hash of it.",
            )
            .parameters(s.query::<ListShares>())
            .answer(200, "A page, newest first.", s.told::<ShareList>(), shares)
            .refused("`limit` or `offset` out of range, or `deliverable_id` is no id.", "limit is 0; it must be 1 to 100")
            .link("revokeShare", "id", "/shares/0/id"),
        doc("DELETE", "/shares/{id}", "revokeShare", Tag::Deliverables, "Revoke a public link")
            .text("From the next request on it leads nowhere.")
            .answer(200, "It is gone.", s.told::<Success>(), examples::success())
            .missing("public link", "there is no such share"),
    ]
}

fn share(s: &mut Schemas) -> Doc {
    let example = json!({"expires_in": 604_800});
    let mut body = json!({"content": {"application/json": {"schema": s.asked::<ShareDeliverable>(), "example": example}}});
    body["description"] = "Nothing has to be said, so it may be missing.".into();
    let path = "/tasks/{id}/deliverables/{file}/share";
    doc("POST", path, "shareDeliverable", Tag::Deliverables, "Make a public link")
        .text(
            "Whoever has the link can download the file, without a key, until it expires or is revoked. It is shown here and \
             never again. `Range` works. A browser saves the file and does not show it.",
        )
        .raw_body(body)
        .answer(201, "The link.", s.told::<Share>(), examples::share())
        .missing("task or deliverable", "there is no such deliverable")
        .refused(
            "The time is out of range, or the account has too many links that work.",
            "expires_in is 0; it must be 1 to 316224000",
        )
        .link("revokeShare", "id", "/id")
}

fn download() -> Doc {
    let expires = json!({
        "name": "expires", "in": "query", "required": false,
        "description": "Of a signed link: until when it works (milliseconds since 1970).",
        "schema": {"type": "integer", "format": "int64", "minimum": 0},
    });
    let mut whole = json!({"description": "The file.", "content": bytes()});
    let mut part = json!({"description": "The range that was asked for.", "content": bytes()});
    let usual = ["Content-Disposition", "Content-Length", "ETag", "Accept-Ranges", "Cache-Control"];
    parts::with_headers(&mut whole, &usual);
    parts::with_headers(&mut part, &usual);
    parts::with_headers(&mut part, &["Content-Range"]);
    let mut same = json!({"description": "The file that you have is still the same."});
    parts::with_headers(&mut same, &["ETag"]);
    let mut none = parts::error(
        "No byte of the file is in that range.",
        "the file has 4096 bytes, and none of them is in this range",
    );
    parts::with_headers(&mut none, &["Content-Range"]);
    let path = "/tasks/{id}/deliverables/{file}/download";
    doc("GET", path, "downloadDeliverable", Tag::Deliverables, "Download a deliverable")
        .text(
            "The bytes, as a stream. `Range` works. The `download_url` of a listing is this address with `expires` and \
             `signature`; it needs no header.",
        )
        .proof(Proof::Link)
        .parameters(vec![expires])
        .parameters(["Range", "If-Range", "If-None-Match"].map(parts::parameter).to_vec())
        .raw_answer(200, whole)
        .raw_answer(206, part)
        .raw_answer(304, same)
        .raw_answer(416, none)
        .error(
            403,
            "The key lacks the scope, or the link was altered or has expired.",
            "the link has expired; list the deliverables for a new one",
        )
        .missing("task or deliverable", "there is no such deliverable")
}
