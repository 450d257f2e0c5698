//! Pictures of everything that is drawn, with and without colours, wide and narrow.

use std::time::Duration;

use insta::assert_snapshot;
use miteos_client::api::events::data::{ActionResult, AgentEnded, AgentStarted, Thinking};
use miteos_client::api::{Event, Task};
use serde_json::{Value, json};

use super::approval::{Extent, card};
use super::bar::{Progress, bar};
use super::checks::{Finding, Verdict, report};
use super::paint::{Theme, Tone, painted_width, strip};
use super::serve::{Keys, SignInLink, Started, started};
use super::summary::{self, Written};
use super::{log, show, tree};
use crate::view::RunView;

const WIDE: Theme = Theme { colours: false, columns: 100 };
const NARROW: Theme = Theme { colours: false, columns: 44 };
const COLOURED: Theme = Theme { colours: true, columns: 80 };

/// What a model or a file might hold to take over the terminal.
const ATTACK: &str = "x\u{1b}[2J\u{1b}]0;pwned\u{7}\u{9b}31m\rroot# \u{202e}gpj.exe\u{8}";

fn task(prompt: &str) -> Task {
    serde_json::from_value(json!({
        "id": "task_01", "status": "pending", "prompt": prompt, "workspace_id": "ws_01",
        "config": {"max_agents": 3, "autonomy_level": 50, "auto_deploy": false, "deploy_target": null},
        "result": null, "error": null, "skill_id": null, "cost": 0.042, "total_cost_cents": 5,
        "total_tokens_used": 15500, "deliverables_count": 1, "created_at": "2026-11-22T10:00:00Z",
        "started_at": "2026-11-22T10:00:01Z", "completed_at": null
    }))
    .unwrap()
}

/// A log that is written as a test goes along; each event is a second after the one before.
struct Log {
    view: RunView,
    events: Vec<Event>,
}

impl Log {
    fn new(prompt: &str) -> Self {
        Self { view: RunView::new(&task(prompt)), events: Vec::new() }
    }

    fn push(&mut self, kind: &str, agent: Option<&str>, data: Value) -> &mut Self {
        let seq = self.events.len() as u64 + 1;
        let event: Event = serde_json::from_str(
            &json!({
                "id": format!("evt_{seq}"), "seq": seq, "type": kind, "task_id": "task_01", "agent_id": agent,
                "created_at": format!("2026-11-22T10:00:{seq:02}Z"), "data": data
            })
            .to_string(),
        )
        .unwrap();
        self.view.apply(&event);
        self.events.push(event);
        self
    }

    fn start(&mut self, agent: &str, subtask: &str) -> &mut Self {
        let kind = serde_json::from_value(json!("analyst")).unwrap();
        let data = AgentStarted { subtask_id: subtask.into(), kind, title: None };
        self.push("agent.started", Some(agent), serde_json::to_value(data).unwrap())
    }

    fn think(&mut self, agent: &str, text: &str, tokens: u64, cost: f64) -> &mut Self {
        let usage = miteos_client::api::events::data::Usage { input: tokens, ..Default::default() };
        let data = Thinking { text: text.into(), usage, model: None, cost: Some(cost), progress: None };
        self.push("agent.thinking", Some(agent), serde_json::to_value(data).unwrap())
    }

    fn act(&mut self, agent: &str, tool: &str, input: Value) -> &mut Self {
        self.push(
            "agent.action",
            Some(agent),
            json!({"call_id": tool, "tool": tool, "input": input, "risk": "low"}),
        )
    }

    fn result(&mut self, agent: &str, tool: &str, ok: bool, output: &str) -> &mut Self {
        let data = ActionResult {
            call_id: tool.into(),
            tool: tool.into(),
            ok,
            output: output.into(),
            output_path: None,
            duration_ms: 1_240,
            attempts: None,
        };
        self.push("agent.result", Some(agent), serde_json::to_value(data).unwrap())
    }

    fn end(&mut self, agent: &str, kind: &str, error: Option<&str>) -> &mut Self {
        let data = AgentEnded { error: error.map(str::to_owned), ..AgentEnded::default() };
        self.push(kind, Some(agent), serde_json::to_value(data).unwrap())
    }
}

fn subtask(id: &str, kind: &str, title: &str, after: &[&str]) -> Value {
    json!({"id": id, "agent_type": kind, "title": title, "prompt": "p", "status": "pending", "depends_on": after})
}

fn approval(risk: &str, input: Value) -> Value {
    json!({
        "id": "appr_01", "task_id": "task_01", "agent_id": "agnt_3", "tool": "send_email", "input": input,
        "risk": risk, "summary": "Send an e-mail to 2 recipients: Pricing report", "status": "pending",
        "created_at": "2026-11-22T10:00:00Z", "expires_at": "2026-11-29T10:00:00Z"
    })
}

fn mail() -> Value {
    json!({
        "to": ["ada@example.org", "grace@example.org"], "subject": "Pricing report",
        "body": "Dear Ada, dear Grace,\n\nthe report is attached. Notion is cheaper for small teams, and dearer from 50 seats on.\n\nRegards",
        "attachments": [{"path": "report.md"}]
    })
}

/// A run in full swing: one done, one working, one waiting for a person, one not begun.
fn busy() -> Log {
    let mut log = Log::new("Research competitors and build a pricing dashboard");
    log.push("task.created", None, json!({"status": "pending", "prompt": "Research"}));
    log.push("task.planning", None, json!({"status": "planning"}));
    let plan = [
        subtask("st_1", "researcher", "Research competitor pricing pages", &[]),
        subtask("st_2", "analyst", "Extract and structure pricing data", &["st_1"]),
        subtask("st_3", "email", "Tell the team", &["st_1"]),
        subtask("st_4", "builder", "Build interactive dashboard component", &["st_2", "st_3"]),
    ];
    log.push("task.planned", None, json!({"status": "running", "subtasks": plan}));
    log.start("agnt_1", "st_1").think("agnt_1", "I look at the pages first.", 12_400, 0.021);
    log.act("agnt_1", "web_search", json!({"query": "notion pricing", "limit": 5}));
    log.result("agnt_1", "web_search", true, "…").end("agnt_1", "agent.complete", None);
    log.start("agnt_2", "st_2").think("agnt_2", "", 3_100, 0.006);
    log.act(
        "agnt_2",
        "code_exec",
        json!({"language": "python", "code": "import pandas as pd\ndf = pd.read_csv('prices.csv')"}),
    );
    log.start("agnt_3", "st_3").think("agnt_3", "", 900, 0.0012);
    log.push("approval.required", Some("agnt_3"), approval("high", mail()));
    log
}

fn lines(lines: &[String]) -> String {
    lines.join("\n")
}

/// Shows escape sequences as text.
fn visible(lines: &[String]) -> String {
    lines.join("\n").replace('\u{1b}', "⎋")
}

fn frame() -> tree::Frame {
    tree::Frame::Live { turn: 2, elapsed: Duration::from_secs(72) }
}

#[test]
fn the_tree_in_full_swing() {
    let log = busy();
    assert_snapshot!("tree_wide", lines(&tree::live(&log.view, WIDE, frame(), 40)));
    assert_snapshot!("tree_narrow", lines(&tree::live(&log.view, NARROW, frame(), 40)));
    assert_snapshot!("tree_coloured", visible(&tree::live(&log.view, COLOURED, frame(), 40)));
    assert_snapshot!("tree_still", lines(&tree::tree(&log.view, WIDE, tree::Frame::Still)));
}

#[test]
fn the_tree_before_the_plan_and_after_the_end() {
    let mut log = Log::new("Say hello");
    assert_snapshot!("tree_empty", lines(&tree::live(&log.view, WIDE, frame(), 40)));
    log.push("task.planned", None, json!({"status": "running", "subtasks": [subtask("st_1", "researcher", "Say hello", &[]), subtask("st_2", "builder", "Build", &["st_1"])]}));
    log.start("agnt_1", "st_1").end("agnt_1", "agent.error", Some("the model refused\nthree times"));
    let skipped = [
        json!({"id": "st_1", "agent_type": "researcher", "title": "Say hello", "prompt": "p", "status": "failed"}),
        json!({"id": "st_2", "agent_type": "builder", "title": "Build", "prompt": "p", "status": "skipped", "depends_on": ["st_1"]}),
    ];
    log.push("task.failed", None, json!({"status": "failed", "error": "step 1 failed", "subtasks": skipped}));
    assert_snapshot!("tree_failed", lines(&tree::live(&log.view, WIDE, frame(), 40)));
}

#[test]
fn a_tree_that_is_too_tall_shows_who_works() {
    let mut log = Log::new("Many things");
    let plan: Vec<Value> =
        (1..=20).map(|n| subtask(&format!("st_{n}"), "builder", &format!("Part {n}"), &[])).collect();
    log.push("task.planned", None, json!({"status": "running", "subtasks": plan}));
    log.start("agnt_7", "st_7").act("agnt_7", "write_file", json!({"path": "a.txt"}));
    let drawn = tree::live(&log.view, WIDE, frame(), 10);
    assert_snapshot!("tree_short", lines(&drawn));
    for rows in 0..30 {
        assert!(tree::live(&log.view, WIDE, frame(), rows).len() <= rows.max(2), "{rows} rows");
    }
}

#[test]
fn no_line_is_ever_wider_than_the_terminal() {
    let mut log = busy();
    log.view.prompt = "日本語のプロンプト 👩‍👩‍👧‍👦 ".repeat(20);
    log.view.nodes[1].title = "価格データを抽出して構造化する".repeat(5);
    for columns in 30..140 {
        for colours in [false, true] {
            let theme = Theme { colours, columns };
            for line in tree::live(&log.view, theme, frame(), 40) {
                assert!(painted_width(&line) <= columns, "{columns}: {line:?}");
            }
            let (card, _) = card(Some(&log.view), &log.view.approvals[0], theme, Extent::Whole);
            for line in &card {
                assert_eq!(painted_width(line), columns.min(100), "{columns}: {line:?}");
            }
        }
    }
}

#[test]
fn the_log_as_lines() {
    let mut log = busy();
    log.push("approval.resolved", Some("agnt_3"), {
        let mut resolved = approval("high", mail());
        resolved["status"] = json!("rejected");
        resolved["reason"] = json!("too many recipients");
        resolved
    });
    log.push("agent.guided", Some("agnt_2"), json!({"message": "use euros"}));
    log.push("agent.message", Some("agnt_2"), json!({"to": "all", "text": "prices are in prices.csv"}));
    log.result("agnt_2", "code_exec", false, "ModuleNotFoundError: pandas");
    log.push("deliverable.created", Some("agnt_2"), json!({"id": "dlvr_1", "name": "report.md", "type": "text/markdown", "size_bytes": 14823, "created_at": "2026-11-22T10:00:00Z"}));
    log.push("billing.credit_low", None, json!({"budget_cents": 100, "left": 0.08}));
    log.push("agent.dreaming", None, json!({"of": "sheep"}));
    log.push("task.complete", None, json!({"status": "complete", "result": "Done"}));
    let Log { view, events } = log;
    let draw =
        |theme| -> Vec<String> { events.iter().filter_map(|event| log::line(&view, event, theme)).collect() };
    assert_snapshot!("log_wide", lines(&draw(WIDE)));
    assert_snapshot!("log_narrow", lines(&draw(NARROW)));
    assert_snapshot!("log_coloured", visible(&draw(COLOURED)[..6]));
}

#[test]
fn the_approval_card() {
    let log = busy();
    let asked = &log.view.approvals[0];
    assert_snapshot!("card_wide", lines(&card(Some(&log.view), asked, WIDE, Extent::Beginning).0));
    assert_snapshot!("card_narrow", lines(&card(Some(&log.view), asked, NARROW, Extent::Beginning).0));
    let long: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
    let asked = serde_json::from_value(approval("critical", json!({"code": long.join("\n")}))).unwrap();
    let (beginning, hidden) = card(None, &asked, WIDE, Extent::Beginning);
    assert_eq!(hidden, 60);
    assert!(beginning.iter().any(|line| line.contains("60 more lines")));
    let (whole, hidden) = card(None, &asked, WIDE, Extent::Whole);
    assert_eq!(hidden, 0);
    assert!(whole.iter().any(|line| line.contains("line 99")));
    for (input, said) in [(json!({}), "no arguments"), (json!([1, {"a": 2}]), "\"a\": 2")] {
        let asked = serde_json::from_value(approval("low", input)).unwrap();
        assert!(lines(&card(None, &asked, WIDE, Extent::Whole).0).contains(said));
    }
}

/// What an action does to a file is seen as lines that go and lines that come; nothing of its arguments is left out.
#[test]
fn the_card_of_a_changed_file() {
    let ask = |tool: &str, input: Value| {
        let mut asked = approval("medium", input);
        (asked["tool"], asked["summary"]) = (json!(tool), json!("Change notes/prices.md"));
        serde_json::from_value(asked).unwrap()
    };
    let edit = ask(
        "edit_file",
        json!({"path": "notes/prices.md", "old": "Notion: 10\nSlack: 8", "new": "Notion: 12, since the prices of all plans went up in November\n- Slack: 8\n", "all": true}),
    );
    assert_snapshot!("card_edit", lines(&card(None, &edit, NARROW, Extent::Beginning).0));
    assert_snapshot!("card_edit_coloured", visible(&card(None, &edit, COLOURED, Extent::Beginning).0));
    let write = ask("write_file", json!({"path": "notes/prices.md", "content": "# Prices\n\nNotion: 10"}));
    assert_snapshot!("card_write", lines(&card(None, &write, NARROW, Extent::Beginning).0));
    let odd = ask("write_file", json!({"path": "a", "content": 5}));
    assert!(lines(&card(None, &odd, NARROW, Extent::Beginning).0).contains("content  5"));
}

#[test]
fn a_card_of_a_megabyte_is_drawn_at_once() {
    let asked = serde_json::from_value(approval("high", json!({"body": "x".repeat(1_000_000)}))).unwrap();
    let began = std::time::Instant::now();
    let (beginning, hidden) = card(None, &asked, WIDE, Extent::Beginning);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(beginning.len() < 60 && hidden > 10_000, "{hidden}");
}

#[test]
fn nothing_a_model_says_reaches_the_terminal_as_a_command() {
    let mut log = Log::new(ATTACK);
    log.push(
        "task.planned",
        None,
        json!({"status": "running", "subtasks": [subtask("st_1", "builder", ATTACK, &[])]}),
    );
    log.start("agnt_1", "st_1").think("agnt_1", ATTACK, 5, 0.1).act(
        "agnt_1",
        ATTACK,
        json!({"path": ATTACK, ATTACK: 1}),
    );
    let mut evil =
        approval("high", json!({"to": ATTACK, ATTACK: ATTACK, "nested": {ATTACK: [ATTACK, {"a": ATTACK}]}}));
    for field in ["id", "tool", "summary", "agent_id", "expires_at"] {
        evil[field] = json!(ATTACK);
    }
    log.push("approval.required", Some("agnt_1"), evil);
    log.push("agent.message", Some("agnt_1"), json!({"to": ATTACK, "text": ATTACK}));
    log.push("agent.guided", Some("agnt_1"), json!({"message": ATTACK}));
    log.result("agnt_1", ATTACK, false, ATTACK);
    log.push(
        "deliverable.created",
        None,
        json!({"id": ATTACK, "name": ATTACK, "type": ATTACK, "size_bytes": 1, "created_at": ATTACK}),
    );
    log.push(ATTACK, None, json!({ATTACK: ATTACK}));
    log.push(&format!("{ATTACK}.{ATTACK}"), None, json!({}));
    log.push("agent.error", Some("agnt_1"), json!({"error": ATTACK}));
    log.push("task.failed", None, json!({"status": "failed", "error": ATTACK}));

    let mut drawn = Vec::new();
    for theme in [WIDE, NARROW, COLOURED] {
        drawn.extend(tree::live(&log.view, theme, frame(), 40));
        drawn.extend(log.events.iter().filter_map(|event| log::line(&log.view, event, theme)));
        drawn.extend(summary::result(&log.view, theme));
        drawn.extend(summary::files(&[Written { path: ATTACK.into(), bytes: 1 }], theme));
        let asked =
            log.events.iter().find_map(|event| event.data_as::<miteos_client::api::Approval>().ok()).unwrap();
        drawn.extend(card(Some(&log.view), &asked, theme, Extent::Whole).0);
        drawn.extend(show::approvals(std::slice::from_ref(&asked), theme));
        let mut evil = task(ATTACK);
        for field in [&mut evil.id, &mut evil.created_at] {
            *field = ATTACK.to_owned();
        }
        for field in [&mut evil.result, &mut evil.error, &mut evil.workspace_id] {
            *field = Some(ATTACK.to_owned());
        }
        evil.approvals = Some(vec![asked]);
        drawn.extend(show::task(&evil, theme));
        drawn.extend(show::tasks(&[evil], 9, theme));
        drawn.extend(show::deliverables(&log.view.deliverables, theme));
        drawn.push(bar(
            ATTACK,
            Progress { done: 1, total: None, resumed_from: 0, elapsed: Duration::ZERO },
            theme,
        ));
    }
    assert!(drawn.len() > 80);
    for line in &drawn {
        for bare in strip(line).chars() {
            assert!(!bare.is_control() && bare != '\u{202e}', "{line:?}");
        }
        // What is left of escape sequences is our own paint, and nothing of it is theirs.
        for sequence in line.split('\u{1b}').skip(1) {
            let code = sequence.split('m').next().unwrap();
            assert!(["[0", "[1", "[2", "[31", "[32", "[33", "[35", "[36"].contains(&code), "{line:?}");
        }
    }
}

#[test]
fn the_end_of_a_run() {
    let mut log = busy();
    log.push("task.complete", None, json!({
        "status": "complete", "result": "## Findings\n\nNotion is cheaper for small teams, and dearer from 50 seats on. The dashboard lets you move the number of seats and see all five prices at once.\n\n\t- 5 competitors\n\t- 23 plans",
        "cost": 0.042, "total_cost_cents": 5, "total_tokens_used": 18_500
    }));
    let written = [
        Written { path: "miteos-out/task_01/vector-database-comparison.md".into(), bytes: 14_823 },
        Written { path: "miteos-out/task_01/data.csv".into(), bytes: 320 },
    ];
    for (name, theme) in [("wide", WIDE), ("narrow", NARROW)] {
        let mut all = summary::result(&log.view, theme);
        all.push(String::new());
        all.extend(summary::files(&written, theme));
        all.push(String::new());
        all.push(summary::totals(&log.view, Duration::from_secs(72), theme));
        assert_snapshot!(format!("end_{name}"), lines(&all));
    }
}

#[test]
fn objects_and_tables() {
    let mut full = task(
        "Research the top 5 open-source vector databases and produce a comparison report as a Markdown file.",
    );
    full.completed_at = Some("2026-11-22T10:03:11Z".into());
    full.result = Some("Done.\nSee the report.".into());
    full.subtasks = Some(serde_json::from_value(json!([
        {"id": "st_1", "agent_type": "researcher", "title": "日本のデータベース", "prompt": "p", "status": "running", "depends_on": [], "agent_id": "agnt_1", "tokens_used": 812}
    ])).unwrap());
    full.approvals = Some(vec![serde_json::from_value(approval("high", mail())).unwrap()]);
    assert_snapshot!("task_wide", lines(&show::task(&full, WIDE)));
    assert_snapshot!("tasks_wide", lines(&show::tasks(&[full.clone(), full.clone()], 7, WIDE)));
    assert_snapshot!("tasks_narrow", lines(&show::tasks(&[full], 1, NARROW)));
    assert_eq!(show::tasks(&[], 0, WIDE), ["no tasks"]);
    let agent = serde_json::from_value(json!({
        "id": "agnt_1", "task_id": "task_1", "type": "researcher", "status": "acting", "current_tool": "web_search",
        "progress": 45, "tokens_used": 812, "cost": 0.004
    }))
    .unwrap();
    assert_snapshot!("agent", lines(&show::agent(&agent, WIDE)));
    let files = serde_json::from_value::<Vec<_>>(json!([
        {"path": "site", "type": "directory", "size_bytes": 0, "modified_at": "2026-11-22T10:00:00Z"},
        {"path": "site/index.html", "type": "file", "size_bytes": 1234, "modified_at": "2026-11-22T10:00:00Z"}
    ]))
    .unwrap();
    assert_snapshot!("files", lines(&show::files(&files, WIDE)));
}

#[test]
fn bars() {
    let at = |done, elapsed| Progress {
        done,
        total: Some(2_500_000_000),
        resumed_from: 100_000_000,
        elapsed: Duration::from_secs(elapsed),
    };
    let drawn = [
        bar("qwen3-4b", at(100_000_000, 0), WIDE),
        bar("qwen3-4b", at(1_300_000_000, 50), WIDE),
        bar("qwen3-4b", at(2_500_000_000, 100), WIDE),
        bar("qwen3-4b", at(1_300_000_000, 50), NARROW),
        bar("qwen3-4b", Progress { total: None, ..at(1_300_000_000, 50) }, WIDE),
    ];
    assert_snapshot!("bars", drawn.join("\n"));
}

#[test]
fn the_banner_and_the_doctor() {
    let first = Started {
        version: "0.1.0",
        url: "http://127.0.0.1:7700".into(),
        previews: "http://*.localhost:7701/".into(),
        data_dir: "/home/ada/.local/share/miteos".into(),
        keys: Some(Keys {
            live: "mt_live_0123456789abcdefghijklmnopqrstuv".into(),
            test: "mt_test_0123456789abcdefghijklmnopqrstuv".into(),
            file: "/home/ada/.local/share/miteos/keys.json".into(),
        }),
        sign_in: Some(SignInLink("http://127.0.0.1:7700/#code=0123456789abcdef0123456789abcdef".into())),
        model: (Tone::Attention, "none yet: set ANTHROPIC_API_KEY, or run `miteos model pull`".into()),
        sandbox: (Tone::Good, "namespaces".into()),
    };
    assert_snapshot!("banner_first", lines(&started(&first, WIDE)));
    let debug = format!("{first:?}");
    assert!(!debug.contains("mt_live_0") && !debug.contains("#code="));
    let again =
        Started { keys: None, sign_in: None, model: (Tone::Good, "anthropic/claude".into()), ..first };
    assert_snapshot!("banner_again", lines(&started(&again, NARROW)));
    let findings = [
        Finding { name: "data folder", verdict: Verdict::Ok, detail: "/data".into(), mend: None },
        Finding {
            name: "disk space",
            verdict: Verdict::Warning,
            detail: "2.0 GB free".into(),
            mend: Some("free some".into()),
        },
        Finding {
            name: "sandbox",
            verdict: Verdict::Failed,
            detail: "this kernel does not let an ordinary user make namespaces".into(),
            mend: Some("install bubblewrap, or set MITEOS_SANDBOX=none to run without isolation".into()),
        },
    ];
    assert_snapshot!("doctor_wide", lines(&report(&findings, WIDE)));
    assert_snapshot!("doctor_narrow", lines(&report(&findings, NARROW)));
}
