//! Every tool's happy and unhappy ways, and that a call made twice leaves what a call made once does.

mod code;
mod web;

use miteos_core::ids::{AgentId, DeliverableId};
use serde_json::json;
use ulid::Ulid;

use super::*;
use crate::registry::Registry;
use crate::testing::House;
use crate::tool::{Published, ToolEffect};
use miteos_core::event::Recipient;

async fn call(ctx: &ToolContext, name: &str, input: Value) -> Result<ToolOutput, ToolError> {
    let registry = Registry::builtin();
    registry.check(name, &input).unwrap();
    registry.get(name).unwrap().run(ctx, input).await
}

async fn said(ctx: &ToolContext, name: &str, input: Value) -> String {
    call(ctx, name, input).await.unwrap().text
}

async fn failure(ctx: &ToolContext, name: &str, input: Value) -> String {
    match call(ctx, name, input).await {
        Err(ToolError::Failed(text)) => text,
        other => panic!("{name} did not fail as it should: {other:?}"),
    }
}

#[tokio::test]
async fn files_are_listed_written_and_read() {
    let house = House::new();
    let ctx = &house.ctx;
    assert_eq!(said(ctx, "list_files", json!({})).await, "(no files)\n");
    assert_eq!(
        said(ctx, "write_file", json!({"path": "src/a.txt", "content": "1\n2\n3\n"})).await,
        "wrote src/a.txt (6 bytes)"
    );
    house.put("node_modules/x/y.js", "");
    house.put("b.bin", b"\x00\x01");
    let list = said(ctx, "list_files", json!({})).await;
    assert_eq!(list, "b.bin (2 bytes)\nnode_modules/\nsrc/\nsrc/a.txt (6 bytes)\n");
    assert_eq!(said(ctx, "list_files", json!({"path": "src/"})).await, "src/a.txt (6 bytes)\n");
    assert!(said(ctx, "list_files", json!({"limit": 1})).await.contains("there is more"));
    assert!(failure(ctx, "list_files", json!({"path": "none"})).await.contains("there is no \"none\""));
    assert!(failure(ctx, "list_files", json!({"path": "../"})).await.contains("leads out of the workspace"));

    assert_eq!(
        said(ctx, "read_file", json!({"path": "src/a.txt"})).await,
        "src/a.txt: lines 1 to 3 of 3 (6 bytes)\n1\n2\n3\n"
    );
    let part = said(ctx, "read_file", json!({"path": "src/a.txt", "offset": 2, "limit": 1})).await;
    assert_eq!(part, "src/a.txt: lines 2 to 2 of 3 (6 bytes); go on with offset 3\n2\n");
    let end = said(ctx, "read_file", json!({"path": "src/a.txt", "offset": 3, "limit": 1})).await;
    assert_eq!(end, "src/a.txt: lines 3 to 3 of 3 (6 bytes)\n3\n");
    assert!(
        failure(ctx, "read_file", json!({"path": "src/a.txt", "offset": 4})).await.contains("has 3 lines")
    );
    assert!(
        failure(ctx, "read_file", json!({"path": "b.bin"}))
            .await
            .contains("is not text (application/octet-stream, 2 bytes)")
    );
    assert!(failure(ctx, "read_file", json!({"path": "src"})).await.contains("is a folder"));
    assert!(failure(ctx, "read_file", json!({"path": "/etc/passwd"})).await.contains("it is absolute"));
    house.put("empty", "");
    assert_eq!(said(ctx, "read_file", json!({"path": "empty"})).await, "empty is empty");
    house.put("no-end", "a\nb");
    assert!(
        said(ctx, "read_file", json!({"path": "no-end"}))
            .await
            .starts_with("no-end: lines 1 to 2 of 2 (3 bytes)\n")
    );
}

/// Follows what `read_file` says until the end, as a model would.
async fn read_whole(ctx: &ToolContext, path: &str, key: &str) -> String {
    let mut whole = String::new();
    let mut at = if key == "offset" { 1 } else { 0 };
    loop {
        let text = said(ctx, "read_file", json!({"path": path, key: at, })).await;
        assert!(text.len() <= MAX_FILE_RESULT_BYTES, "{} bytes", text.len());
        let (head, body) = text.split_once('\n').unwrap();
        whole.push_str(body);
        match head.split_once(&format!("go on with {key} ")) {
            Some((_, next)) => at = next.parse().unwrap(),
            None => return whole,
        }
    }
}

#[tokio::test]
async fn long_files_can_be_read_to_their_end() {
    let house = House::new();
    let lines: String = (0..3000).map(|n| format!("line {n} é\n")).collect();
    house.put("lines", &lines);
    assert_eq!(read_whole(&house.ctx, "lines", "offset").await, lines);
    let one = "é".repeat(20_000);
    house.put("one", &one);
    assert_eq!(read_whole(&house.ctx, "one", "from_byte").await, one);
    let text = said(&house.ctx, "read_file", json!({"path": "one"})).await;
    assert!(text.starts_with("one: line 1 of 1 does not fit"), "{}", &text[..80]);
    assert!(
        failure(&house.ctx, "read_file", json!({"path": "one", "from_byte": 40_000}))
            .await
            .contains("only 40000 bytes")
    );
}

#[tokio::test]
async fn files_are_searched() {
    let house = House::new();
    let ctx = &house.ctx;
    house.put("a.rs", "fn one() {}\nfn two() {}\r\n");
    house.put("sub/b.rs", "// FN three\n");
    house.put("bin", b"fn \x00");
    house.put("long", format!("{}needle{}", "x".repeat(5000), "y".repeat(5000)));
    assert_eq!(
        said(ctx, "search_files", json!({"pattern": "^fn \\w+"})).await,
        "a.rs:1: fn one() {}\na.rs:2: fn two() {}\n\
         [1 files were not searched: no text, unreadable, or bigger than 8388608 bytes]\n"
    );
    assert_eq!(
        said(ctx, "search_files", json!({"pattern": "(?i)fn t", "path": "sub"})).await,
        "sub/b.rs:1: // FN three\n"
    );
    assert_eq!(
        said(ctx, "search_files", json!({"pattern": "two", "path": "a.rs"})).await,
        "a.rs:2: fn two() {}\n"
    );
    let nowhere = said(ctx, "search_files", json!({"pattern": "nowhere", "path": "sub"})).await;
    assert_eq!(nowhere, "no line matches");
    let long = said(ctx, "search_files", json!({"pattern": "needle"})).await;
    assert!(long.contains("needle") && long.len() < 400, "{long}");
    assert!(
        said(ctx, "search_files", json!({"pattern": "fn", "limit": 1})).await.contains("there may be more")
    );
    assert!(failure(ctx, "search_files", json!({"pattern": "fn("})).await.contains("unclosed group"));
    assert!(failure(ctx, "search_files", json!({"pattern": "(\\w{900}){900}"})).await.contains("too big"));
    // A pattern that makes a backtracking engine take for ever.
    house.put("evil", "a".repeat(100_000));
    let evil = said(ctx, "search_files", json!({"pattern": "^(a+)+$", "path": "evil"})).await;
    assert_eq!(evil.lines().next().unwrap().len(), "evil:1: ".len() + 240 + 3);
    assert!(evil.contains("of 1 long lines only the first 16384 bytes were searched"), "{evil}");
    assert!(
        failure(ctx, "search_files", json!({"pattern": "x", "path": "none"})).await.contains("there is no")
    );
}

#[tokio::test]
async fn an_edit_is_made_once_however_often_it_is_called() {
    let house = House::new();
    let ctx = &house.ctx;
    house.put("a.txt", "one two one");
    let edit = json!({"path": "a.txt", "old": "two", "new": "two two"});
    assert_eq!(said(ctx, "edit_file", edit.clone()).await, "edited a.txt: replaced once");
    assert_eq!(house.file("a.txt"), "one two two one");
    assert_eq!(said(ctx, "edit_file", edit.clone()).await, "edited a.txt: replaced once");
    assert_eq!(house.file("a.txt"), "one two two one", "the second run of the same call changes nothing");
    assert_eq!(
        said(&house.call(2), "edit_file", json!({"path": "a.txt", "old": "one", "new": "1", "all": true}))
            .await,
        "edited a.txt: replaced 2 times"
    );
    assert!(failure(ctx, "edit_file", edit).await.contains("changed by somebody else"));
    assert_eq!(house.file("a.txt"), "1 two two 1");
    let other = house.call(3);
    assert!(
        failure(&other, "edit_file", json!({"path": "a.txt", "old": "none", "new": ""}))
            .await
            .contains("does not occur")
    );
    assert!(
        failure(&other, "edit_file", json!({"path": "a.txt", "old": "two", "new": "x"}))
            .await
            .contains("occurs 2 times")
    );
    assert!(
        failure(&other, "edit_file", json!({"path": "a.txt", "old": "1", "new": "1"}))
            .await
            .contains("are the same")
    );
    assert!(
        failure(&other, "edit_file", json!({"path": "none", "old": "1", "new": "2"}))
            .await
            .contains("there is no")
    );
    assert!(
        failure(&other, "edit_file", json!({"path": ".miteos/receipts/x", "old": "1", "new": "2"}))
            .await
            .contains("server's")
    );
    house.put("dos.txt", "a\r\nb\r\n");
    assert!(
        failure(&other, "edit_file", json!({"path": "dos.txt", "old": "a\nb", "new": "c"}))
            .await
            .contains("\\r\\n")
    );
    house.put("bytes", b"\xff");
    assert!(
        failure(&other, "edit_file", json!({"path": "bytes", "old": "a", "new": "c"}))
            .await
            .contains("not text")
    );
    let call = house.ctx.call_id;
    crate::calls::forget(&house.ctx.services.calls_dir, &house.ctx.workspace, call).unwrap();
    assert!(!house.folder.path().join("ws/.miteos/receipts").join(call.to_string()).exists());
}

#[tokio::test]
async fn an_edit_that_would_make_a_giant_is_refused_before_it_is_built() {
    let house = House::new();
    house.put("a.txt", "a".repeat(1_000_000));
    let edit = json!({"path": "a.txt", "old": "a", "new": "x".repeat(200_000), "all": true});
    assert!(failure(&house.ctx, "edit_file", edit).await.contains("would have 200000000000 bytes"));
    assert_eq!(house.file("a.txt").len(), 1_000_000);
    let smaller = json!({"path": "a.txt", "old": "aa", "new": "b", "all": true});
    assert_eq!(
        said(&house.call(2), "edit_file", smaller).await,
        "edited a.txt: replaced 500000 times",
        "growing is the trouble, not how often"
    );
}

#[tokio::test]
async fn a_link_is_edited_where_it_leads() {
    let house = House::new();
    house.put("b", "old");
    let ws = house.folder.path().join("ws");
    std::os::unix::fs::symlink("b", ws.join("a")).unwrap();
    std::os::unix::fs::symlink("../outside", ws.join("out")).unwrap();
    std::fs::write(house.folder.path().join("outside"), "old").unwrap();
    let edit = |path: &str| json!({"path": path, "old": "old", "new": "new"});
    assert_eq!(said(&house.ctx, "edit_file", edit("a")).await, "edited b: replaced once");
    assert_eq!(said(&house.ctx, "edit_file", edit("a")).await, "edited b: replaced once", "the same call");
    assert!(ws.join("a").is_symlink());
    assert_eq!(house.file("b"), "new");
    assert!(failure(&house.call(2), "edit_file", edit("out")).await.contains("leads out"));
    house.put(".miteos/tmp/x", "old");
    std::os::unix::fs::symlink(".miteos/tmp/x", ws.join("private")).unwrap();
    assert!(failure(&house.call(3), "edit_file", edit("private")).await.contains("server's"));
}

#[tokio::test]
async fn a_search_says_what_it_has_not_searched() {
    let house = House::new();
    let ctx = &house.ctx;
    house.put("bin", b"needle\x00");
    house.put("big", "needle\n".repeat(2_000_000));
    house.put("long", format!("{}needle\n", "x".repeat(100_000)));
    let told = said(ctx, "search_files", json!({"pattern": "needle"})).await;
    assert!(told.starts_with("no line matches in what was searched\n"), "{told}");
    assert!(told.contains("2 files were not searched") && told.contains("of 1 long lines"), "{told}");
    for (path, why) in [("bin", "no text"), ("big", "more than 8388608 bytes")] {
        let told = failure(ctx, "search_files", json!({"pattern": "needle", "path": path})).await;
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn an_edit_whose_receipt_was_written_and_whose_file_was_not_is_made() {
    let house = House::new();
    house.put("a.txt", "before");
    let edit = json!({"path": "a.txt", "old": "before", "new": "after"});
    said(&house.ctx, "edit_file", edit.clone()).await;
    // As after a crash between receipt and file.
    house.put("a.txt", "before");
    said(&house.ctx, "edit_file", edit).await;
    assert_eq!(house.file("a.txt"), "after");
}

#[tokio::test]
async fn edits_of_many_agents_are_all_kept() {
    let house = House::new();
    house.put("sum", "0 0 0 0 0 0 0 0 ");
    let edits = (0..8).map(|n| {
        let ctx = house.call(n);
        tokio::spawn(async move {
            loop {
                let text =
                    ctx.workspace.read_text(&crate::workspace::Name::parse("sum").unwrap(), 1000).unwrap();
                let input = json!({"path": "sum", "old": text, "new": format!("{text}{n} ")});
                if call(&ctx, "edit_file", input).await.is_ok() {
                    return;
                }
            }
        })
    });
    for edit in edits.collect::<Vec<_>>() {
        tokio::time::timeout(std::time::Duration::from_secs(20), edit).await.unwrap().unwrap();
    }
    let text = house.file("sum");
    assert!((0..8).all(|n| text.contains(&format!("{n} "))) && text.len() == 32, "{text}");
}

#[tokio::test]
async fn writing_and_deleting_twice_is_the_same_as_once() {
    let house = House::new();
    let write = json!({"path": "x", "content": "c"});
    assert_eq!(
        said(&house.ctx, "write_file", write.clone()).await,
        said(&house.ctx, "write_file", write).await
    );
    assert_eq!(said(&house.ctx, "delete_file", json!({"path": "x"})).await, "deleted x");
    assert_eq!(said(&house.ctx, "delete_file", json!({"path": "x"})).await, "deleted x", "the same call");
    assert!(failure(&house.call(5), "delete_file", json!({"path": "x"})).await.contains("there is no"));
    assert!(failure(&house.ctx, "delete_file", json!({"path": "y"})).await.contains("there is no"));
    house.put("full/a/x", "");
    assert!(failure(&house.call(6), "delete_file", json!({"path": "full"})).await.contains("set recursive"));
    let whole = json!({"path": "full", "recursive": true});
    assert_eq!(said(&house.call(6), "delete_file", whole.clone()).await, "deleted full");
    assert_eq!(said(&house.call(6), "delete_file", whole).await, "deleted full");
    assert!(!house.folder.path().join("ws/full").exists());
    assert!(failure(&house.ctx, "delete_file", json!({"path": "../x"})).await.contains("leads out"));
    assert!(
        failure(&house.ctx, "delete_file", json!({"path": ".miteos/tmp", "recursive": true}))
            .await
            .contains("server's")
    );
}

#[tokio::test]
async fn publishing_copies_the_file() {
    let house = House::new();
    house.put("out/r.csv", "a,b\n");
    let output = call(&house.ctx, "publish", json!({"path": "out/r.csv"})).await.unwrap();
    let [ToolEffect::Publish(published)] = &output.effects[..] else { panic!("{output:?}") };
    let Published { id, name, media_type, sha256, bytes } = published;
    assert_eq!((name.as_str(), media_type.as_str(), *bytes), ("r.csv", "text/csv", 4));
    assert_eq!(*id, DeliverableId(house.ctx.call_id.0));
    assert_eq!(house.blobs.0.lock().unwrap()[sha256.as_str()], b"a,b\n");
    assert_eq!(
        call(&house.ctx, "publish", json!({"path": "out/r.csv"})).await.unwrap(),
        output,
        "the same again"
    );
    let named = call(
        &house.ctx,
        "publish",
        json!({"path": "out/r.csv", "name": "../../evil.sh", "type": "text/x-custom"}),
    )
    .await;
    let ToolEffect::Publish(named) = &named.unwrap().effects[0] else { panic!("no file") };
    assert_eq!((named.name.as_str(), named.media_type.as_str()), (".._.._evil.sh", "text/x-custom"));
    assert!(failure(&house.ctx, "publish", json!({"path": "none"})).await.contains("there is no"));
    assert!(failure(&house.ctx, "publish", json!({"path": "out"})).await.contains("is a folder"));
    let kept = serde_json::to_string(&output).unwrap();
    assert_eq!(serde_json::from_str::<ToolOutput>(&kept).unwrap(), output);
}

#[tokio::test]
async fn messages_are_addressed() {
    let house = House::new();
    let other = AgentId(Ulid::from_parts(1, 9));
    let output = call(&house.ctx, "message_agent", json!({"agent_id": other.to_string(), "text": "hi"}))
        .await
        .unwrap();
    assert_eq!(output.effects, [ToolEffect::Message { to: Recipient::Agent(other), text: "hi".to_owned() }]);
    let output = call(&house.ctx, "message_agent", json!({"agent_id": "all", "text": "hi"})).await.unwrap();
    assert_eq!(output.effects, [ToolEffect::Message { to: Recipient::All, text: "hi".to_owned() }]);
    assert!(
        failure(&house.ctx, "message_agent", json!({"agent_id": "bob", "text": "hi"}))
            .await
            .contains("or write all")
    );
    let own = house.ctx.agent.to_string();
    assert!(
        failure(&house.ctx, "message_agent", json!({"agent_id": own, "text": "hi"}))
            .await
            .contains("your own")
    );
}

#[tokio::test]
async fn memory_is_kept_and_found() {
    let house = House::new();
    assert_eq!(
        said(&house.ctx, "recall", json!({"query": "city"})).await,
        "nothing is remembered about that"
    );
    assert_eq!(
        said(&house.ctx, "remember", json!({"key": " city ", "value": "Bern"})).await,
        "remembered city"
    );
    said(&house.ctx, "remember", json!({"key": "city", "value": "Basel"})).await;
    assert_eq!(said(&house.ctx, "recall", json!({"query": "city"})).await, "city: Basel\n");
    assert!(
        failure(&house.ctx, "remember", json!({"key": "k", "value": "too much"}))
            .await
            .contains("the memory is full")
    );
    let error = call(&house.ctx, "recall", json!({"query": "broken"})).await.unwrap_err();
    assert!(
        matches!(error, ToolError::Internal { .. }) && !error.for_model().contains("secret"),
        "{error:?}"
    );
}

#[test]
fn what_tools_say_of_themselves_fits_the_contract() {
    let registry = Registry::builtin();
    let about = |name: &str| {
        let tool = registry.get(name).unwrap();
        (tool.risk(&Value::Null), tool.read_only(), tool.retry())
    };
    for name in ["list_files", "read_file", "search_files", "web_fetch", "web_search", "recall"] {
        assert_eq!(about(name), (Risk::Low, true, RetryClass::Repeatable), "{name}");
    }
    for name in ["publish", "message_agent", "remember"] {
        assert_eq!(about(name), (Risk::Low, false, RetryClass::Repeatable), "{name}");
    }
    for name in ["write_file", "edit_file", "delete_file"] {
        assert_eq!(about(name), (Risk::Medium, false, RetryClass::Repeatable), "{name}");
    }
    assert_eq!(about("code_exec"), (Risk::Medium, false, RetryClass::Once));
}
