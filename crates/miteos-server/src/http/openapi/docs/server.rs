//! The server itself.

use miteos_api::{Health, Readiness};
use serde_json::{Value, json};

use super::super::doc::{Doc, Tag, doc};
use super::super::parts;
use super::super::schemas::Schemas;

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let checks = |storage: bool| {
        let mut storage_check = json!({"name": "storage", "ok": storage});
        if !storage {
            storage_check["detail"] = "it does not take writes; the log has the reason".into();
        }
        let word = if storage { "ready" } else { "unavailable" };
        json!({"status": word, "checks": [storage_check, {"name": "engine", "ok": true}]})
    };
    vec![
        doc("GET", "/healthz", "health", Tag::Server, "Is the process up?").answer(
            200,
            "It is.",
            s.told::<Health>(),
            json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}),
        ),
        doc("GET", "/readyz", "readiness", Tag::Server, "Can it take work?")
            .text("Storage takes writes and the engine turns.")
            .answer(200, "It can.", s.told::<Readiness>(), checks(true))
            .answer(503, "It cannot; the checks say what is wrong.", s.told::<Readiness>(), checks(false)),
        metrics(),
        document(),
    ]
}

fn metrics() -> Doc {
    let text = json!({"schema": {"type": "string"}, "example": "# HELP miteos_build_info …\n# TYPE miteos_build_info gauge\n"});
    let mut whole = json!({
        "description": "The figures.",
        "content": {"text/plain": text.clone(), "application/openmetrics-text": text},
    });
    parts::with_headers(&mut whole, &["Cache-Control"]);
    doc("GET", "/metrics", "metrics", Tag::Server, "The server's own figures")
        .text("Text for Prometheus, or OpenMetrics where `Accept` asks for it. They tell of all accounts together.")
        .raw_answer(200, whole)
        .error(
            401,
            "The request does not show the token.",
            "the figures need the header Authorization: Bearer <token>, with the token of MITEOS_METRICS_TOKEN",
        )
        .error(
            404,
            "The figures are turned off, or have an address of their own.",
            "the figures are not at this address; MITEOS_METRICS_TOKEN or MITEOS_METRICS_LISTEN turns them on",
        )
}

fn document() -> Doc {
    let schema: Value = json!({
        "type": "object",
        "properties": {
            "openapi": {"type": "string", "pattern": "^3\\.1\\."}, "info": {"type": "object"}, "paths": {"type": "object"},
        },
        "required": ["openapi", "info", "paths"],
    });
    let example = json!({"openapi": "3.1.0", "info": {"title": "Miteos", "version": "0.1.0"}, "paths": {}});
    let mut whole = json!({
        "description": "The document.", "content": {"application/json": {"schema": schema, "example": example}},
    });
    parts::with_headers(&mut whole, &["ETag", "Cache-Control"]);
    let mut same = json!({"description": "The document that you have is still the same."});
    parts::with_headers(&mut same, &["ETag", "Cache-Control"]);
    doc("GET", "/openapi.json", "openapi", Tag::Server, "This document")
        .text("OpenAPI 3.1, made from the server's own code. `/docs` shows it to people.")
        .parameters(vec![parts::parameter("If-None-Match")])
        .raw_answer(200, whole)
        .raw_answer(304, same)
}
