//! How the wire types look as JSON. A change of a snapshot is a change of the contract.

use miteos_api::events::data::{Action, ActionResult, AgentEnded, TaskData, Thinking, Totals, Usage};
use miteos_api::{
    Agent, AgentStatus, AgentType, ApiKey, Approval, ApprovalList, ApprovalStatus, Asked, Check,
    CompletedTask, CreateTask, CreateTaskConfig, CreatedApiKey, CreatedWebhook, DecideApproval, Deliverable,
    Delivery, DeliveryList, DeliveryStatus, Environment, ErrorBody, Event, EventPage, EventType, FileKind,
    Guide, Health, Readiness, Risk, RotatedSecret, Share, Subtask, SubtaskStatus, Success, Task, TaskConfig,
    TaskList, TaskStatus, Tier, UpdateTask, UpdateWebhook, Webhook, WebhookStatus, WebhookTest, Workspace,
    WorkspaceFile, WorkspaceStatus, ws,
};
use serde_json::json;
use serde_json::value::RawValue;

/// With maps sorted: whether they keep their order depends on what else is built beside this crate.
macro_rules! assert_json_snapshot {
    ($name:expr, $value:expr $(,)?) => {
        insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!($name, $value) })
    };
}

fn approval() -> Approval {
    Approval {
        id: "appr_1".into(),
        task_id: "task_1".into(),
        agent_id: "agnt_1".into(),
        call_id: Some("call_1".into()),
        asked: Some(Asked::Policy),
        attempts: None,
        tool: "send_email".into(),
        input: json!({"to": ["a@example.org"], "subject": "Hi"}),
        risk: Risk::High,
        summary: "Send an e-mail to 1 recipient: Hi".into(),
        status: ApprovalStatus::Pending,
        reason: None,
        created_at: "2026-11-22T10:00:00Z".into(),
        expires_at: Some("2026-11-29T10:00:00Z".into()),
        decided_at: None,
    }
}

fn agent() -> Agent {
    Agent {
        id: "agnt_1".into(),
        task_id: "task_1".into(),
        subtask_id: Some("st_1".into()),
        kind: AgentType::Researcher,
        status: AgentStatus::Acting,
        current_tool: Some("web_search".into()),
        progress: 45,
        pending_approval: None,
        tokens_used: 812,
        cost: 0.004,
    }
}

fn subtask() -> Subtask {
    Subtask {
        acceptance: Vec::new(),
        id: "st_1".into(),
        agent_type: AgentType::Researcher,
        title: None,
        prompt: "Look it up".into(),
        status: SubtaskStatus::Running,
        depends_on: vec![],
        agent_id: Some("agnt_1".into()),
        tokens_used: 812,
        model_used: Some("anthropic/claude".into()),
    }
}

fn task() -> Task {
    Task {
        id: "task_1".into(),
        status: TaskStatus::Running,
        prompt: "Do it".into(),
        workspace_id: Some("ws_1".into()),
        config: TaskConfig {
            max_agents: 3,
            autonomy_level: 50,
            auto_deploy: false,
            deploy_target: None,
            deploy_config_id: None,
            model: None,
            budget_cents: Some(200),
            skill_id: None,
        },
        agents: Some(vec![agent()]),
        subtasks: Some(vec![subtask()]),
        approvals: Some(vec![approval()]),
        result: None,
        error: None,
        skill_id: None,
        cost: 0.042,
        uncertain_cost: 0.01,
        total_cost_cents: 5,
        total_tokens_used: 4521,
        deliverables_count: 0,
        created_at: "2026-11-22T10:00:00Z".into(),
        started_at: Some("2026-11-22T10:00:01Z".into()),
        completed_at: None,
    }
}

fn row() -> Task {
    Task { agents: None, subtasks: None, approvals: None, ..task() }
}

#[test]
fn task_in_full_and_as_a_row() {
    assert_json_snapshot!("task", task());
    assert_json_snapshot!("task_list", TaskList { tasks: vec![row()], total: 1, limit: 20, offset: 0 });
    let completed = CompletedTask { task: row(), tools: vec!["web_search".into()], action_count: 1 };
    assert_json_snapshot!("completed_task", completed);
    let text = serde_json::to_string(&completed).unwrap();
    assert_eq!(serde_json::from_str::<CompletedTask>(&text).unwrap(), completed);
    let text = serde_json::to_string(&task()).unwrap();
    assert_eq!(serde_json::from_str::<Task>(&text).unwrap(), task());
}

#[test]
fn create_task_says_only_what_was_set() {
    assert_json_snapshot!("create_task_bare", CreateTask { prompt: "Do it".into(), ..CreateTask::default() });
    let full = CreateTask {
        prompt: "Do it".into(),
        workspace_id: Some("ws_1".into()),
        config: Some(CreateTaskConfig {
            max_agents: Some(5),
            autonomy_level: Some(70),
            auto_deploy: Some(true),
            deploy_target: Some("preview".into()),
            deploy_config_id: Some("cfg_1".into()),
            model: Some("openai/gpt".into()),
            budget_cents: Some(150),
            skill_id: Some("skl_1".into()),
        }),
    };
    assert_json_snapshot!("create_task_full", full);
}

#[test]
fn requests_leave_ranges_and_words_to_the_server_but_not_types() {
    let odd: CreateTask = serde_json::from_value(json!({
        "prompt": "", "workspace_id": null, "new_field": 1,
        "config": {"max_agents": -7, "autonomy_level": 9_000_000_000_i64, "deploy_target": "the moon", "model": null}
    }))
    .unwrap();
    let config = odd.config.unwrap();
    assert_eq!(config.max_agents, Some(-7));
    assert_eq!(config.deploy_target.as_deref(), Some("the moon"));
    for malformed in [
        json!({}),
        json!({"prompt": 7}),
        json!({"prompt": "x", "config": {"max_agents": "three"}}),
        json!({"prompt": "x", "config": {"max_agents": 1.5}}),
        json!({"prompt": "x", "config": []}),
    ] {
        if let Ok(read) = serde_json::from_value::<CreateTask>(malformed.clone()) {
            // A struct may be read from a sequence; the empty one is the only such case and sets nothing.
            assert_eq!(malformed["config"], json!([]), "{malformed} was read as {read:?}");
        }
    }
}

#[test]
fn a_budget_can_be_changed_taken_away_or_left() {
    let read = |value| serde_json::from_value::<UpdateTask>(value).unwrap().config.budget_cents;
    assert_eq!(read(json!({"config": {"budget_cents": 5}})), Some(Some(5)));
    assert_eq!(read(json!({"config": {"budget_cents": null}})), Some(None));
    assert_eq!(read(json!({"config": {}})), None);
    assert_eq!(read(json!({})), None);
    let gone = UpdateTask {
        config: miteos_api::UpdateTaskConfig { autonomy_level: None, budget_cents: Some(None) },
    };
    assert_eq!(serde_json::to_value(gone).unwrap(), json!({"config": {"budget_cents": null}}));
}

#[test]
fn agents_approvals_and_guidance() {
    let waiting = Agent { status: AgentStatus::Waiting, pending_approval: Some(approval()), ..agent() };
    assert_json_snapshot!("agent_waiting", waiting);
    assert_json_snapshot!(
        "approval_list",
        ApprovalList { approvals: vec![approval()], total: 1, limit: 20, offset: 0 }
    );
    let decide = DecideApproval { approved: false, reason: Some("no".into()), input: None };
    assert_eq!(serde_json::to_value(decide).unwrap(), json!({"approved": false, "reason": "no"}));
    for field in ["message", "instructions"] {
        assert_eq!(serde_json::from_value::<Guide>(json!({field: "left"})).unwrap().message, "left");
    }
    assert!(serde_json::from_value::<DecideApproval>(json!({"approved": true, "input": [1]})).is_err());
}

#[test]
fn events_keep_their_payload_word_for_word() {
    let text = r#"{"id":"evt_1","seq":17,"type":"agent.action","task_id":"task_1","agent_id":"agnt_1","created_at":"2026-11-22T10:00:00Z","data":{"call_id":"call_1","tool":"web_search","input":{"q":1.50},"risk":"low"}}"#;
    let event: Event = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), text, "1.50 must not become 1.5");
    let action: Action = event.data_as().unwrap();
    assert_eq!((action.tool.as_str(), action.risk), ("web_search", Risk::Low));
    assert_json_snapshot!("event_page", EventPage { events: vec![event], next_after: 17, has_more: false });

    let unknown = Event {
        id: "evt_2".into(),
        seq: 18,
        kind: EventType::Other("agent.dreaming".into()),
        task_id: Some("task_1".into()),
        deployment_id: None,
        agent_id: None,
        created_at: "2026-11-22T10:00:00Z".into(),
        data: RawValue::from_string("{}".into()).unwrap(),
    };
    assert_json_snapshot!("event_unknown", unknown);
}

#[test]
fn event_payloads() {
    let totals = Totals { cost: 0.042, total_cost_cents: 5, total_tokens_used: 4521, deliverables_count: 2 };
    let complete = TaskData {
        status: TaskStatus::Complete,
        prompt: None,
        workspace_id: None,
        config: None,
        subtasks: None,
        replaces: None,
        skill_id: None,
        result: Some("Done".into()),
        error: None,
        took_effect: None,
        interrupted: None,
        totals: Some(totals),
    };
    assert_json_snapshot!("data_task_complete", complete);
    let text = serde_json::to_string(&complete).unwrap();
    assert_eq!(serde_json::from_str::<TaskData>(&text).unwrap(), complete);
    let bare: TaskData = serde_json::from_str(r#"{"status":"running"}"#).unwrap();
    assert_eq!(bare.totals, None);
    assert_json_snapshot!(
        "data_thinking",
        Thinking {
            text: "Let me see".into(),
            usage: Usage { input: 900, output: 12, cache_read: 800, ..Usage::default() },
            model: Some("anthropic/claude".into()),
            cost: Some(0.001),
            progress: Some(10),
        }
    );
    assert_json_snapshot!(
        "data_result",
        ActionResult {
            call_id: "call_1".into(),
            tool: "read_file".into(),
            ok: true,
            output: "text".into(),
            output_path: None,
            duration_ms: 12,
            attempts: None,
        }
    );
    assert_json_snapshot!(
        "data_agent_error",
        AgentEnded { error: Some("gave up".into()), ..AgentEnded::default() }
    );
}

#[test]
fn the_small_ones() {
    assert_json_snapshot!(
        "small",
        json!({
            "error": ErrorBody { detail: "prompt is missing".into() },
            "success": Success::YES,
            "health": Health { status: "ok".into(), version: "0.1.0".into() },
            "readiness": Readiness { status: "unavailable".into(), checks: vec![
                Check { name: "storage".into(), ok: false, detail: Some("disk full".into()) },
            ] },
            "workspace": Workspace { id: "ws_1".into(), name: "apex".into(), description: None,
                status: WorkspaceStatus::Active, file_count: 0, created_at: "2026-11-22T10:00:00Z".into() },
            "file": WorkspaceFile { path: "a/b.txt".into(), kind: FileKind::File, size_bytes: 3,
                modified_at: "2026-11-22T10:00:00Z".into() },
            "deliverable": Deliverable { id: "dlvr_1".into(), name: "report.md".into(),
                media_type: "text/markdown".into(), size_bytes: 14823, sha256: Some("ab".into()),
                download_url: Some("http://127.0.0.1/x".into()), created_at: "2026-11-22T10:00:00Z".into() },
            "share": Share { id: "shr_1".into(), url: "http://127.0.0.1/s".into(), expires_at: None },
        })
    );
}

#[test]
fn a_created_key_shows_its_secret_to_the_wire_and_not_to_the_log() {
    let created = CreatedApiKey {
        api_key: ApiKey {
            prefix: "mt_live_0123ab".into(),
            requests_per_minute: None,
            id: "key_1".into(),
            name: "laptop".into(),
            environment: Environment::Live,
            scopes: vec!["*".into()],
            tier: Tier::Enterprise,
            created_at: "2026-11-22T10:00:00Z".into(),
            expires_at: None,
            last_used_at: None,
        },
        key: "mt_live_secret".into(),
    };
    assert_json_snapshot!("created_key", created);
    assert!(!format!("{created:?}").contains("mt_live_secret"));
}

#[test]
fn socket_messages() {
    let subscribe: ws::ClientMessage =
        serde_json::from_value(json!({"type": "subscribe", "task_id": "task_1", "after": 3})).unwrap();
    assert_eq!(
        subscribe,
        ws::ClientMessage::Subscribe { task_id: Some("task_1".into()), after: Some(3), types: None }
    );
    let auth = ws::ClientMessage::Auth { token: "mt_live_secret".into() };
    assert!(!format!("{auth:?}").contains("secret"));
    assert_json_snapshot!(
        "socket_messages",
        [
            ws::ServerMessage::Authenticated,
            ws::ServerMessage::Subscribed {
                task_id: None,
                after: 9,
                types: Some(vec!["task.complete".into()])
            },
            ws::ServerMessage::Cursor { task_id: None, after: 12 },
            ws::ServerMessage::Unsubscribed { task_id: Some("task_1".into()) },
            ws::ServerMessage::Pong,
            ws::ServerMessage::Error { detail: "no such message".into() },
        ]
    );
}

#[test]
fn webhooks() {
    let webhook = Webhook {
        id: "wh_1".into(),
        url: "https://example.org/hook".into(),
        events: vec!["task.complete".into()],
        description: None,
        status: WebhookStatus::Disabled,
        disabled_reason: Some("every attempt of five days has failed".into()),
        failing_since: Some("2026-11-17T10:00:00Z".into()),
        previous_secret_expires_at: None,
        created_at: "2026-11-01T10:00:00Z".into(),
    };
    let made = CreatedWebhook { webhook: webhook.clone(), secret: "whsec_c2VjcmV0".into() };
    assert!(!format!("{made:?}").contains("whsec_"));
    assert_json_snapshot!("created_webhook", made);
    let delivery = Delivery {
        id: "whd_1".into(),
        webhook_id: "wh_1".into(),
        event_id: "evt_1".into(),
        kind: "task.complete".into(),
        task_id: Some("task_1".into()),
        deployment_id: None,
        seq: Some(17),
        status: DeliveryStatus::Pending,
        attempts: 1,
        created_at: "2026-11-22T10:00:00Z".into(),
        last_attempt_at: Some("2026-11-22T10:00:00Z".into()),
        next_attempt_at: Some("2026-11-22T10:00:05Z".into()),
        response_status: Some(500),
        duration_ms: Some(12),
        error: Some("the answer was 500; 200 to 299 would mean that it was taken".into()),
    };
    let list = DeliveryList { deliveries: vec![delivery], total: 1, limit: 20, offset: 0 };
    assert_json_snapshot!("delivery_list", list);
    let test = WebhookTest {
        ok: true,
        response_status: Some(204),
        duration_ms: 31,
        error: None,
        delivery_id: "whd_2".into(),
    };
    let rotated = RotatedSecret {
        secret: "whsec_bmV3".into(),
        previous_secret_expires_at: "2026-11-23T10:00:00Z".into(),
    };
    assert_json_snapshot!("webhook_answers", json!([test, rotated]));
}

#[test]
fn a_change_of_a_webhook_tells_null_from_absent() {
    let read = |text: &str| serde_json::from_str::<UpdateWebhook>(text).unwrap();
    assert_eq!(read("{}"), UpdateWebhook::default());
    assert_eq!(read(r#"{"description":null}"#).description, Some(None));
    assert_eq!(read(r#"{"description":"x"}"#).description, Some(Some("x".into())));
    for text in ["{}", r#"{"description":null}"#, r#"{"url":"u","events":["*"],"status":"enabled"}"#] {
        assert_eq!(serde_json::to_string(&read(text)).unwrap(), text);
    }
}
