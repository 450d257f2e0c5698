//! Workspaces and the files in them.

use miteos_api::{CreateWorkspace, Deliverable, ListFiles, Success, Workspace, WorkspaceFile};
use serde_json::json;

use super::super::doc::{Doc, Tag, doc};
use super::super::schemas::Schemas;
use super::super::{examples, parts};
use super::deliverables::bytes;

const MISSING: &str = "there is no such workspace";
const OUTSIDE: &str = "the path \"../keys.json\" leads outside the workspace";

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let mut all = folders(s);
    all.extend(files(s));
    all
}

fn folders(s: &mut Schemas) -> Vec<Doc> {
    let many = json!({"type": "array", "items": s.told::<Workspace>()});
    let handed_over = json!({"type": "array", "items": s.told::<Deliverable>()});
    vec![
        doc("POST", "/workspaces", "createWorkspace", Tag::Workspaces, "Make a workspace")
            .body(s.asked::<CreateWorkspace>(), json!({"name": "pricing", "description": "Everything on our plans"}))
            .answer(201, "The workspace.", s.told::<Workspace>(), examples::workspace())
            .refused(
                "The name is blank, too long, has control characters or is taken, or the description is too long.",
                "there is already a workspace with the name \"pricing\"",
            )
            .link("getWorkspace", "id", "/id")
            .link("deleteWorkspace", "id", "/id")
            .link("listFiles", "id", "/id")
            .link("uploadFiles", "id", "/id"),
        doc("GET", "/workspaces", "listWorkspaces", Tag::Workspaces, "List workspaces")
            .answer(200, "All of the account's, newest first.", many, json!([examples::workspace()])),
        doc("GET", "/workspaces/{id}", "getWorkspace", Tag::Workspaces, "Read a workspace")
            .answer(200, "The workspace.", s.told::<Workspace>(), examples::workspace())
            .missing("workspace", MISSING),
        doc("DELETE", "/workspaces/{id}", "deleteWorkspace", Tag::Workspaces, "Delete a workspace")
            .text("With all its files. Deliverables that tasks published stay.")
            .answer(200, "It is gone.", s.told::<Success>(), examples::success())
            .missing("workspace", MISSING)
            .refused(
                "A task in it is not finished.",
                "the workspace has a task that is not finished; cancel it or wait for its end",
            ),
        doc("GET", "/workspaces/{id}/deliverables", "listWorkspaceDeliverables", Tag::Workspaces, "List a workspace's deliverables")
            .text("Of all the tasks that worked in it.")
            .answer(200, "The deliverables.", handed_over, json!([examples::deliverable()]))
            .missing("workspace", MISSING),
    ]
}

fn files(s: &mut Schemas) -> Vec<Doc> {
    let many = json!({"type": "array", "items": s.told::<WorkspaceFile>()});
    let upload = json!({
        "required": true,
        "content": {"multipart/form-data": {
            "schema": {
                "type": "object", "minProperties": 1,
                "description": "Any number of parts, each a file. What a part is called does not matter; its `filename` does, \
                    and may hold folders.",
                "properties": {"file": {"contentMediaType": "application/octet-stream", "description": "A file's bytes."}},
            },
        }},
    });
    let mut file = json!({"description": "The file.", "content": bytes()});
    parts::with_headers(&mut file, &["Content-Disposition", "Content-Length"]);
    vec![
        doc("GET", "/workspaces/{id}/files", "listFiles", Tag::Workspaces, "List files")
            .text("Sorted by path, folders included, at most 10,000.")
            .parameters(s.query::<ListFiles>())
            .answer(200, "Files and folders.", many.clone(), json!([examples::file()]))
            .missing("workspace or folder", MISSING)
            .refused("`path` leads outside or is no folder.", OUTSIDE),
        doc("POST", "/workspaces/{id}/files", "uploadFiles", Tag::Workspaces, "Upload files")
            .text(
                "Streamed, up to 8 GiB each and 10,000 at once. Each file replaces one of its name, whole or not at all. \
                 Files before one that is refused stay.",
            )
            .raw_body(upload)
            .answer(201, "The files that were written.", many, json!([examples::file()]))
            .missing("workspace", MISSING)
            .refused("A name leads outside or cannot be a file's, or there is no room.", OUTSIDE),
        doc("GET", "/workspaces/{id}/files/{*path}", "downloadFile", Tag::Workspaces, "Download a file")
            .shown_as("/workspaces/{id}/files/{path}/download")
            .text("The bytes, as a stream.")
            .raw_answer(200, file)
            .missing("workspace or file", "there is no file data/plans.csv")
            .refused("The path leads outside or is a folder.", OUTSIDE),
        doc("DELETE", "/workspaces/{id}/files/{*path}", "deleteFile", Tag::Workspaces, "Delete a file or folder")
            .shown_as("/workspaces/{id}/files/{path}")
            .text("A folder goes with all that is in it.")
            .answer(200, "It is gone.", s.told::<Success>(), examples::success())
            .missing("workspace or file", "there is no file data/plans.csv")
            .refused("The path leads outside.", OUTSIDE),
    ]
}
