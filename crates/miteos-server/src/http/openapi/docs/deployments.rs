//! Deployments and the configurations that say where to.

use miteos_api::{
    CreateDeployConfig, CreateDeployment, CreatePreviewLink, DeployConfig, Deployment, DeploymentList,
    DeploymentLogLine, ListDeployments, ListPreviews, Preview, PreviewLink, PreviewLinkList, PreviewList,
    ReadDeploymentLog, Success, UpdateDeployConfig, UpdatePreview,
};
use serde_json::json;

use super::super::doc::{Doc, Tag, doc};
use super::super::schemas::Schemas;
use super::super::{examples, parts};

const MISSING: &str = "there is no such deployment";
const NO_PREVIEW: &str = "there is no such deployment, or no preview of it";
const NO_CONFIG: &str = "there is no such deploy configuration";
const NOT_TAKEN: &str = "Netlify does not accept the credentials (status 401): Access Denied; make a new token and store it \
     in the deploy configuration";
const IN_USE: &str =
    "dep_01jd3kb2c3d4e5f6g7h8j9k0m1 uses this deploy configuration; wait for its end or cancel it";

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let mut all = deployments(s);
    all.push(logs(s));
    all.extend(previews(s));
    all.extend(links(s));
    all.extend(configs(s));
    all
}

fn previews(s: &mut Schemas) -> Vec<Doc> {
    let shown = json!({"previews": [examples::preview()], "total": 1, "limit": 20, "offset": 0});
    let change = json!({"visibility": "link", "expires_in": 2_592_000});
    vec![
        doc("POST", "/tasks/{id}/deliverables/{file}/stage", "stageDeliverable", Tag::Deployments, "Show a deliverable as a site")
            .text(
                "A deployment with target `preview` of one HTML file, or of a `.zip` or `.tar.gz` archive with a site in it. It \
                 needs no workspace any more.",
            )
            .answer(201, "The deployment, queued.", s.told::<Deployment>(), examples::staged_deployment())
            .missing("task or deliverable", "there is no such deliverable")
            .refused(
                "It is neither a page nor an archive, or too large; or a deployment of it is not over.",
                "report.pdf is neither an HTML file nor a .zip or .tar.gz archive with a site in it",
            )
            .link("getDeployment", "id", "/id"),
        doc("GET", "/previews", "listPreviews", Tag::Deployments, "List previews")
            .text(
                "Everything that this server shows of the account now, to whom, and what each takes up. Together with \
                 `GET /shares` it is all of the account that somebody without a key can see.",
            )
            .parameters(s.query::<ListPreviews>())
            .answer(200, "A page, newest first.", s.told::<PreviewList>(), shown)
            .refused("`limit` or `offset` out of range.", "limit is 0; it must be 1 to 100"),
        doc("GET", "/deployments/{id}/preview", "getPreview", Tag::Deployments, "Read a preview")
            .text("What this server shows of a deployment with target `preview`.")
            .answer(200, "The preview.", s.told::<Preview>(), examples::preview())
            .missing("deployment, or no preview of it", NO_PREVIEW),
        doc("PATCH", "/deployments/{id}/preview", "updatePreview", Tag::Deployments, "Change who sees a preview, and until when")
            .text("What is absent stays as it is.")
            .body(s.asked::<UpdatePreview>(), change)
            .answer(200, "The preview as it is now.", s.told::<Preview>(), examples::preview())
            .missing("deployment, or no preview of it", NO_PREVIEW)
            .refused("A visibility that there is none of, or a time out of range.", "expires_in is 0; it must be 1 to 316224000"),
        doc("DELETE", "/deployments/{id}/preview", "deletePreview", Tag::Deployments, "Delete a preview")
            .text("It is not shown any more from the next request on, and cannot be brought back.")
            .answer(200, "It is gone.", s.told::<Success>(), examples::success())
            .missing("deployment, or no preview of it", NO_PREVIEW),
    ]
}

fn links(s: &mut Schemas) -> Vec<Doc> {
    let mut body = json!({"content": {"application/json": {"schema": s.asked::<CreatePreviewLink>(), "example": {"expires_in": 86_400}}}});
    body["description"] = "Nothing has to be said, so it may be missing.".into();
    let listed = json!({"links": [examples::listed_preview_link()], "total": 1, "limit": 20, "offset": 0});
    vec![
        doc("GET", "/deployments/{id}/preview/links", "listPreviewLinks", Tag::Deployments, "List links to a preview")
            .text(
                "Those that work. What opens the preview was told when each was made, and is not told again. Links that a \
                 version without this list made are not in it; all links together can be revoked.",
            )
            .parameters(s.query::<ListPreviews>())
            .answer(200, "A page, newest first.", s.told::<PreviewLinkList>(), listed)
            .missing("deployment, or no preview of it", NO_PREVIEW)
            .refused("`limit` or `offset` out of range.", "limit is 0; it must be 1 to 100"),
        doc("DELETE", "/deployments/{id}/preview/links/{link}", "revokePreviewLink", Tag::Deployments, "Revoke a link to a preview")
            .text("From the next request on it opens nothing, and whoever followed it needs a new one.")
            .answer(200, "It is gone.", s.told::<Success>(), examples::success())
            .missing("deployment, no preview of it, or no such link", "there is no such link to this preview"),
        doc("POST", "/deployments/{id}/preview/links", "linkPreview", Tag::Deployments, "Make a link to a preview")
            .text("A signed link opens the preview whatever its visibility is, until it expires or all links are revoked.")
            .raw_body(body)
            .answer(201, "The link.", s.told::<PreviewLink>(), examples::preview_link())
            .missing("deployment, or no preview of it", NO_PREVIEW)
            .refused(
                "The time is out of range, the account has too many links that work, or the preview is taken away just now.",
                "expires_in is 0; it must be 1 to 316224000",
            ),
        doc("DELETE", "/deployments/{id}/preview/links", "revokePreviewLinks", Tag::Deployments, "Revoke all links to a preview")
            .text("Those who followed one need a new one, too.")
            .answer(200, "They open nothing any more.", s.told::<Success>(), examples::success())
            .missing("deployment, or no preview of it", NO_PREVIEW),
    ]
}

fn deployments(s: &mut Schemas) -> Vec<Doc> {
    let asked = json!({
        "workspace_id": examples::WORKSPACE, "target": "netlify", "config_id": examples::DEPLOY_CONFIG,
    });
    let list = json!({"data": [examples::deployment()], "has_more": false});
    vec![
        doc("POST", "/deployments", "createDeployment", Tag::Deployments, "Deploy a workspace")
            .text(
                "It is queued, built, uploaded and switched on; follow it with its log, the account's events or a webhook. \
                 `preview` publishes on this server and needs no account anywhere.",
            )
            .body(s.asked::<CreateDeployment>(), asked)
            .answer(201, "The deployment, queued.", s.told::<Deployment>(), examples::new_deployment())
            .missing("workspace or deploy configuration", "there is no such workspace")
            .refused(
                "An unknown target, a configuration of another target, none for this target or more than one; or a deployment of \
                 this workspace to this target is not over.",
                "there is no deploy configuration for netlify; make one with POST /v1/deploy-configs, or deploy to preview",
            )
            .link("getDeployment", "id", "/id")
            .link("readDeploymentLog", "id", "/id")
            .link("cancelDeployment", "id", "/id")
            .link("rollBackDeployment", "id", "/id"),
        doc("GET", "/deployments", "listDeployments", Tag::Deployments, "List deployments")
            .parameters(s.query::<ListDeployments>())
            .answer(200, "A page, newest first.", s.told::<DeploymentList>(), list)
            .refused("`limit` or `offset` out of range, or `workspace_id` is no id.", "limit is 0; it must be 1 to 100"),
        doc("GET", "/deployments/{id}", "getDeployment", Tag::Deployments, "Read a deployment")
            .answer(200, "The deployment.", s.told::<Deployment>(), examples::deployment())
            .missing("deployment", MISSING),
        doc("POST", "/deployments/{id}/cancel", "cancelDeployment", Tag::Deployments, "Cancel a deployment")
            .text(
                "Answers when its build is dead and the provider was told. It is `failed` then, with the code `canceled`. One \
                 that goes live in that moment stays live, and the answer is 422.",
            )
            .answer(200, "It is over, or was already cancelled.", s.told::<Success>(), examples::success())
            .missing("deployment", MISSING)
            .refused("It is live, perhaps since this very moment, or has failed.", "the deployment is live; it cannot be cancelled any more"),
        doc("POST", "/deployments/{id}/rollback", "rollBackDeployment", Tag::Deployments, "Go back to a deployment")
            .text("Makes an older deployment the live one of its project again. Nothing is built or uploaded. One more `deployment.live` of \
                   it tells everybody.")
            .answer(200, "It is the live one again.", s.told::<Deployment>(), examples::deployment())
            .missing("deployment", MISSING)
            .refused(
                "It is not live, its target has no such thing, another deployment of the workspace to it is not over, or the \
                 provider refused it.",
                "the deployment is not live, so there is nothing to go back to",
            ),
    ]
}

fn logs(s: &mut Schemas) -> Doc {
    let text = |about: &str| json!({"type": "string", "description": about});
    let line = json!({"at": "2026-11-22T10:05:01.000Z", "text": "5 files, 48213 bytes"});
    let stream = json!({
        "schema": {
            "type": "object",
            "description": "One event of the stream. A comment every 15 s keeps the connection open.",
            "properties": {
                "id": text("Where to go on from: the line's number."),
                "event": {"type": "string", "enum": ["log", "status"], "description": "A line, or a state that was reached."},
                "data": {
                    "type": "string", "contentMediaType": "application/json",
                    "contentSchema": {"oneOf": [s.told::<DeploymentLogLine>(), s.told::<Deployment>()]},
                    "description": "The line or the deployment, as JSON on one line.",
                },
            },
        },
        "example": {"id": "3", "event": "log", "data": line.to_string()},
    });
    let content = json!({
        "text/plain": {
            "schema": text("A line of the log on each line, behind its time."),
            "example": "2026-11-22T10:05:01.000Z 5 files, 48213 bytes\n",
        },
        "text/event-stream": stream,
    });
    doc("GET", "/deployments/{id}/logs", "readDeploymentLog", Tag::Deployments, "Read a deployment's log")
        .text(
            "What it said, as text; or with `Accept: text/event-stream` as it comes: lines as `log`, states as `status`, the \
             last of which ends the stream. `Last-Event-ID` or `after` goes on behind a line. A stream counts as a connection of \
             the tier.",
        )
        .parameters(s.query::<ReadDeploymentLog>())
        .parameters(vec![parts::parameter("Last-Event-ID")])
        .raw_answer(200, json!({"description": "The log, or the stream of it.", "content": content}))
        .raw_answer(204, json!({"description": "A stream was asked for, and nothing follows."}))
        .missing("deployment", MISSING)
        .refused("`after` is negative.", "after is -1; it must be 0 to 9223372036854775807")
}

fn configs(s: &mut Schemas) -> Vec<Doc> {
    let many = json!({"type": "array", "items": s.told::<DeployConfig>()});
    let asked = json!({
        "name": "our site", "target": "netlify", "credentials": {"token": "nfp_0123456789abcdef"},
        "settings": {"site": "pricing.netlify.app", "output": "dist"},
    });
    let own = |path: &'static str, method, id, summary| doc(method, path, id, Tag::Deployments, summary);
    let one = "/deploy-configs/{id}";
    vec![
        own("/deploy-configs", "POST", "createDeployConfig", "Make a deploy configuration")
            .text(
                "It is made only if the provider takes the credentials now. They are encrypted, and never shown again. With a \
                 `mt_test_` key the provider is not asked.",
            )
            .body(s.asked::<CreateDeployConfig>(), asked)
            .answer(201, "The configuration.", s.told::<DeployConfig>(), examples::deploy_config())
            .refused(
                "An unknown target, settings that there are none of, a name that is taken, or credentials that the provider does \
                 not take.",
                NOT_TAKEN,
            )
            .link("getDeployConfig", "id", "/id")
            .link("updateDeployConfig", "id", "/id")
            .link("deleteDeployConfig", "id", "/id"),
        own("/deploy-configs", "GET", "listDeployConfigs", "List deploy configurations")
            .answer(200, "All of the account's, newest first.", many, json!([examples::deploy_config()])),
        own(one, "GET", "getDeployConfig", "Read a deploy configuration")
            .answer(200, "The configuration.", s.told::<DeployConfig>(), examples::deploy_config())
            .missing("deploy configuration", NO_CONFIG),
        own(one, "PATCH", "updateDeployConfig", "Change a deploy configuration")
            .text("What is absent stays as it is. Other credentials or settings are shown to the provider first.")
            .body(s.asked::<UpdateDeployConfig>(), json!({"name": "our site", "credentials": {"token": "nfp_0123456789abcdef"}}))
            .answer(200, "The configuration as it is now.", s.told::<DeployConfig>(), examples::deploy_config())
            .missing("deploy configuration", NO_CONFIG)
            .refused(
                "As when one is made; or other settings while a deployment uses it; or somebody else changed it meanwhile.",
                NOT_TAKEN,
            ),
        own(one, "DELETE", "deleteDeployConfig", "Delete a deploy configuration")
            .text("What was deployed with it stays where it is.")
            .answer(200, "It is gone.", s.told::<Success>(), examples::success())
            .missing("deploy configuration", NO_CONFIG)
            .refused("A deployment that is not over uses it.", IN_USE),
    ]
}
