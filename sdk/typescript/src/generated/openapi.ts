// Made from docs/openapi.json by scripts/generate.mjs. Do not edit it: npm run generate

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An agent at work on one subtask. */
        Agent: {
            /**
             * @description `agnt_…`
             * @example agnt_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id: string;
            /**
             * @default null
             * @example st_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            subtask_id: string | null;
            type: components["schemas"]["AgentType"];
            status: components["schemas"]["AgentStatus"];
            /**
             * @description The tool it is using at this moment.
             * @default null
             */
            current_tool: string | null;
            /**
             * Format: uint8
             * @description 0 to 100; never falls.
             */
            progress: number;
            /**
             * @description The approval it waits for.
             * @default null
             */
            pending_approval: components["schemas"]["Approval"] | null;
            /**
             * Format: uint64
             * @description Prompt and answer tokens of its model calls.
             * @default 0
             */
            tokens_used: number;
            /**
             * Format: double
             * @description US dollars.
             * @default 0
             */
            cost: number;
        };
        /** @description `agent.action`: a tool call starts. */
        AgentAction: {
            /**
             * @description Ties it to its result.
             * @example call_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            call_id: string;
            tool: string;
            /**
             * @description The exact arguments.
             * @default null
             */
            input: unknown;
            risk: components["schemas"]["Risk"];
        };
        /** @description `agent.complete`, `agent.error` and `agent.cancelled`. */
        AgentEnded: {
            /** @example st_01jd3k7x8m9p2q4r6s8t0v2w4y */
            subtask_id?: string | null;
            /** @description `agent.complete`. */
            result?: string | null;
            /** @description `agent.error`. */
            error?: string | null;
            /** @description `agent.cancelled`: why. */
            reason?: string | null;
            /** @description `agent.cancelled`: whether it never began, because something it depends on did not complete. */
            skipped?: boolean | null;
            /** @description `agent.cancelled`: the calls that took effect and cannot be undone. */
            took_effect?: components["schemas"]["CallName"][] | null;
            /** @description `agent.cancelled`: the calls that were broken off. */
            interrupted?: components["schemas"]["CallName"][] | null;
            /**
             * Format: uint64
             * @default 0
             */
            tokens_used: number;
            /**
             * Format: double
             * @description US dollars.
             * @default 0
             */
            cost: number;
        };
        /** @description `agent.guided`. */
        AgentGuided: {
            message: string;
        };
        /** @description `agent.message`: one agent wrote to another or to all. */
        AgentMessage: {
            /** @description An agent's id, or `all`. */
            to: string;
            text: string;
        };
        /** @description `agent.result`: a tool call ended. */
        AgentResult: {
            /** @example call_01jd3k7x8m9p2q4r6s8t0v2w4y */
            call_id: string;
            tool: string;
            ok: boolean;
            /**
             * @description At most 8 KiB; the rest is in the file that `output_path` names.
             * @default
             */
            output: string;
            /** @description Where in the workspace the whole output is, when it was cut. */
            output_path?: string | null;
            /**
             * Format: uint64
             * @default 0
             */
            duration_ms: number;
            /**
             * Format: uint32
             * @description Of a call that must not happen twice: how often its start was recorded.
             */
            attempts?: number | null;
        };
        /** @description `agent.started`. */
        AgentStarted: {
            /** @example st_01jd3k7x8m9p2q4r6s8t0v2w4y */
            subtask_id: string;
            type: components["schemas"]["AgentType"];
            title?: string | null;
        };
        /** @description What an agent does at this moment. `complete`, `error` and `cancelled` are final. */
        AgentStatus: ("idle" | "paused" | "complete" | "error" | "cancelled") | "thinking" | "acting" | "waiting";
        /** @description `agent.thinking`: a model call ended. */
        AgentThinking: {
            /**
             * @description What the model said besides its tool calls; may be empty.
             * @default
             */
            text: string;
            /**
             * @default {
             *       "input": 0,
             *       "output": 0,
             *       "cache_read": 0,
             *       "cache_write": 0,
             *       "reasoning": 0
             *     }
             */
            usage: components["schemas"]["TokenUsage"];
            /** @description `provider/model`. */
            model?: string | null;
            /**
             * Format: double
             * @description US dollars, this call alone.
             */
            cost?: number | null;
            /**
             * Format: uint8
             * @description The agent's progress now, 0 to 100.
             */
            progress?: number | null;
        };
        /**
         * @description What an agent is good at; decides which tools it has.
         * @enum {string}
         */
        AgentType: "researcher" | "builder" | "analyst" | "trader" | "email" | "social";
        /** @description A key without its secret. `GET /api-keys` is a bare array of these. */
        ApiKey: {
            /**
             * @description `key_…`
             * @example key_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            name: string;
            /**
             * @description The first characters of the key, to tell it from others.
             * @default
             */
            prefix: string;
            environment: components["schemas"]["Environment"];
            scopes: ("tasks.read" | "tasks.write" | "agents.read" | "agents.write" | "workspaces.read" | "workspaces.write" | "deployments.read" | "deployments.write" | "webhooks.read" | "webhooks.write" | "skills.read" | "skills.write" | "keys.read" | "keys.write" | "usage.read" | "*")[];
            tier: components["schemas"]["Tier"];
            /**
             * Format: uint64
             * @description Where the key has a limit of its own.
             */
            requests_per_minute?: number | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string | null;
            /**
             * Format: date-time
             * @description Known to the second or so.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            last_used_at: string | null;
        };
        /** @description A request for approval. It binds these arguments and no others. */
        Approval: {
            /**
             * @description `appr_…`
             * @example appr_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id: string;
            /** @example agnt_01jd3k7x8m9p2q4r6s8t0v2w4y */
            agent_id: string;
            /**
             * @description The call that waits: the `call_id` of its `agent.action` and `agent.result`, and the key that a provider is
             *     given so that it does the same thing once.
             * @example call_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            call_id?: string | null;
            /** @description Why a person is asked. */
            asked?: components["schemas"]["Asked"] | null;
            /**
             * Format: uint32
             * @description How often the call's start was recorded before: it may have happened.
             */
            attempts?: number | null;
            tool: string;
            /** @description The arguments, exactly as the tool would get them. */
            input: unknown;
            risk: components["schemas"]["Risk"];
            /** @description What would happen, in one sentence. */
            summary: string;
            status: components["schemas"]["ApprovalStatus"];
            /**
             * @description What the person who decided said.
             * @default null
             */
            reason: string | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it counts as rejected if nobody answers.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string | null;
            /**
             * Format: date-time
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            decided_at: string | null;
        };
        /** @description `GET /approvals`, newest first. */
        ApprovalList: {
            approvals: components["schemas"]["Approval"][];
            /**
             * Format: uint64
             * @description How many there are in all.
             */
            total: number;
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
        };
        /** @description `GET` and `PUT /approval-policy`: from which dial setting on a call of each risk runs without asking. */
        ApprovalPolicy: {
            /**
             * Format: uint8
             * @description 101 asks at any setting.
             */
            low: number;
            /** Format: uint8 */
            medium: number;
            /** Format: uint8 */
            high: number;
            /** Format: uint8 */
            critical: number;
            /**
             * @description By the tool's name.
             * @default {}
             */
            tools: {
                [key: string]: components["schemas"]["ToolRule"];
            };
        };
        /** @description What became of a request for approval. */
        ApprovalStatus: ("pending" | "approved" | "rejected") | "expired" | "cancelled";
        /** @description Why a person is asked. */
        Asked: "policy" | "may_have_happened";
        /** @description How the workspace becomes a folder of files. What is absent is found out. */
        BuildSettings: {
            /** @description A line for a shell. Empty: nothing is installed. */
            install?: string | null;
            /** @description A line for a shell. Empty: nothing is built. */
            build?: string | null;
            /** @description The folder that is published, below the workspace. */
            output?: string | null;
        };
        /** @description A tool call, by name. */
        CallName: {
            /** @example call_01jd3k7x8m9p2q4r6s8t0v2w4y */
            call_id: string;
            tool: string;
        };
        /** @description One thing that must work. */
        Check: {
            /** @description E.g. `storage`. */
            name: string;
            ok: boolean;
            /** @description What is wrong, if anything. */
            detail?: string | null;
        };
        /** @description What a client may send. A message that is none of these is answered with an error; the connection stays. */
        ClientMessage: {
            /** @constant */
            type: "auth";
            token: string;
        } | {
            /** @constant */
            type: "subscribe";
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id?: string | null;
            /**
             * Format: int64
             * @description The last `seq` (of a task) or cursor (of the account) already seen. Absent: from now on for the
             *     account, from the beginning for a task.
             */
            after?: number | null;
            /** @description Only these event types. */
            types?: components["schemas"]["EventType"][] | null;
        } | {
            /** @constant */
            type: "unsubscribe";
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id?: string | null;
        } | {
            /** @constant */
            type: "ping";
        };
        /** @description A row of `GET /tasks/completed`: what the skill compiler needs to know. */
        CompletedTask: {
            /**
             * @description `task_…`
             * @example task_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            status: components["schemas"]["TaskStatus"];
            prompt: string;
            /**
             * @description `ws_…`
             * @example ws_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            workspace_id: string | null;
            config: components["schemas"]["TaskConfig"];
            /** @description Its agents, oldest first. Absent in lists. */
            agents?: components["schemas"]["Agent"][] | null;
            /** @description Its plan, in the planner's order. Absent in lists. */
            subtasks?: components["schemas"]["Subtask"][] | null;
            /** @description The approvals that wait for an answer. Absent in lists. */
            approvals?: components["schemas"]["Approval"][] | null;
            /** @description The answer, once complete. */
            result: string | null;
            /** @description Why it failed. */
            error: string | null;
            /**
             * @description The skill it was carried out with, if any.
             * @example skl_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            skill_id: string | null;
            /**
             * Format: double
             * @description US dollars: the exact sum of its model calls.
             */
            cost: number;
            /**
             * Format: double
             * @description US dollars that providers may have billed beside it, at most: for calls that broke off, were cancelled or were
             *     in the air at a crash. A budget counts it.
             * @default 0
             */
            uncertain_cost: number;
            /**
             * Format: uint64
             * @description `cost` rounded up to whole cents.
             */
            total_cost_cents: number;
            /**
             * Format: uint64
             * @description Prompt and answer tokens of all its model calls.
             */
            total_tokens_used: number;
            /** Format: uint64 */
            deliverables_count: number;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When planning began.
             * @example 2026-11-22T10:00:00.000Z
             */
            started_at: string | null;
            /**
             * Format: date-time
             * @description When it became `complete`, `failed` or `cancelled`.
             * @example 2026-11-22T10:00:00.000Z
             */
            completed_at: string | null;
            /** @description The names of the tools it used, in order. */
            tools: string[];
            /**
             * Format: uint64
             * @description How many actions it took.
             */
            action_count: number;
        };
        /** @description `GET /tasks/completed`. */
        CompletedTaskList: {
            tasks: components["schemas"]["CompletedTask"][];
            /** Format: uint64 */
            total: number;
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
        };
        /** @description `POST /api-keys`. */
        CreateApiKey: {
            name: string;
            /** @description `live` or `test`. */
            environment: components["schemas"]["Environment"];
            /** @description E.g. `tasks.read`; `*` is all of them. */
            scopes: ("tasks.read" | "tasks.write" | "agents.read" | "agents.write" | "workspaces.read" | "workspaces.write" | "deployments.read" | "deployments.write" | "webhooks.read" | "webhooks.write" | "skills.read" | "skills.write" | "keys.read" | "keys.write" | "usage.read" | "*")[];
            /** @description `free`, `pro`, `power`, `business` or `enterprise`. */
            tier: components["schemas"]["Tier"];
            /**
             * Format: date-time
             * @description RFC 3339. Absent or null: never.
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at?: string | null;
            /**
             * Format: int64
             * @description With the tier `enterprise` alone: 1 to 1,000,000. Absent or null: without limit.
             */
            requests_per_minute?: number | null;
        };
        /** @description `POST /deploy-configs`. */
        CreateDeployConfig: {
            /** @description 1 to 200 characters, and no other configuration has it. */
            name: string;
            /** @enum {string} */
            target: "vercel" | "netlify" | "cloudflare" | "expo" | "appstore";
            /** @description `{"token": "…"}`; for `appstore` `issuer_id`, `key_id` and `private_key`. Encrypted, and never shown again. */
            credentials: {
                [key: string]: unknown;
            };
            /** @description Depends on the target: the project or site, `environment`, and how to build (`install`, `build`, `output`). */
            settings?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description `POST /deployments`. */
        CreateDeployment: {
            /**
             * @description Whose output is published.
             * @example ws_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            workspace_id: string;
            target: components["schemas"]["DeployTarget"];
            /**
             * @description Absent: the only one for the target. `preview` needs none.
             * @example cfg_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            config_id?: string | null;
            /** @description For this deployment in place of the configuration's. */
            settings?: components["schemas"]["BuildSettings"] | null;
        };
        /** @description `POST /deployments/{id}/preview/links`. */
        CreatePreviewLink: {
            /**
             * Format: int64
             * @description Seconds from now. Absent or null: seven days.
             */
            expires_in?: number | null;
        };
        /** @description `POST /tasks`. */
        CreateTask: {
            /** @description What is to be done, in plain words. 1 to 100,000 characters. */
            prompt: string;
            /**
             * @description The workspace to work in. Absent or null: one is made for the task.
             * @example ws_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            workspace_id?: string | null;
            /** @description How it is to be done. Absent or null: the defaults. */
            config?: components["schemas"]["CreateTaskConfig"] | null;
        };
        /** @description The settings of a new task; what is absent or null has its default. */
        CreateTaskConfig: {
            /**
             * Format: int64
             * @description Agents working at the same time, 1 to 20. Default 3.
             * @default 3
             */
            max_agents?: number | null;
            /**
             * Format: int64
             * @description 0 asks before every action, 100 never asks. Default 50: asks before what leaves the workspace.
             * @default 50
             */
            autonomy_level?: number | null;
            /**
             * @description Deploy the result when the task is complete. Default false; needs `deploy_target`.
             * @default false
             */
            auto_deploy?: boolean | null;
            /** @description `vercel`, `netlify`, `cloudflare`, `expo`, `appstore` or `preview`. */
            deploy_target?: components["schemas"]["DeployTarget"] | null;
            /**
             * @description Which stored deploy configuration. Default: the only one there is for the target.
             * @example cfg_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            deploy_config_id?: string | null;
            /**
             * @description `provider/model`. Default: the server's.
             * @example anthropic/claude-sonnet-4-5
             */
            model?: string | null;
            /**
             * Format: int64
             * @description Hard limit in US cents: no model call starts that could pass it. Default: none.
             */
            budget_cents?: number | null;
            /**
             * @description Use this skill. Default: the one that matches the prompt, if any.
             * @example skl_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            skill_id?: string | null;
        };
        /** @description `POST /webhooks`. */
        CreateWebhook: {
            /**
             * Format: uri
             * @description `https://…` or `http://…`, at most 2,048 characters.
             * @example https://example.com/hooks/miteos
             */
            url: string;
            /** @description Event types such as `task.complete`, or `["*"]` for all. */
            events: ("task.created" | "task.planning" | "task.planned" | "task.running" | "task.paused" | "task.resumed" | "task.complete" | "task.failed" | "task.cancelled" | "agent.started" | "agent.thinking" | "agent.action" | "agent.result" | "agent.message" | "agent.paused" | "agent.resumed" | "agent.guided" | "agent.complete" | "agent.error" | "agent.cancelled" | "approval.required" | "approval.resolved" | "deliverable.created" | "deployment.started" | "deployment.building" | "deployment.deploying" | "deployment.live" | "deployment.failed" | "trading.order_placed" | "trading.kill_triggered" | "billing.credit_low" | "*")[];
            /**
             * @description `whsec_` and base64 of 24 to 64 bytes. Absent: the server makes one.
             * @example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
             */
            secret?: string | null;
            /** @description At most 1,000 characters. */
            description?: string | null;
        };
        /** @description `POST /workspaces`. */
        CreateWorkspace: {
            /** @description Unique in the account. */
            name: string;
            description?: string | null;
        };
        /** @description The answer to `POST /api-keys`: the only time the key itself is shown. */
        CreatedApiKey: {
            /**
             * @description `key_…`
             * @example key_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            name: string;
            /**
             * @description The first characters of the key, to tell it from others.
             * @default
             */
            prefix: string;
            environment: components["schemas"]["Environment"];
            scopes: ("tasks.read" | "tasks.write" | "agents.read" | "agents.write" | "workspaces.read" | "workspaces.write" | "deployments.read" | "deployments.write" | "webhooks.read" | "webhooks.write" | "skills.read" | "skills.write" | "keys.read" | "keys.write" | "usage.read" | "*")[];
            tier: components["schemas"]["Tier"];
            /**
             * Format: uint64
             * @description Where the key has a limit of its own.
             */
            requests_per_minute?: number | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string | null;
            /**
             * Format: date-time
             * @description Known to the second or so.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            last_used_at: string | null;
            /** @description `mt_live_…` or `mt_test_…`. */
            key: string;
        };
        /** @description The answer to `POST /webhooks`: the only time the secret is shown. */
        CreatedWebhook: {
            /**
             * @description `wh_…`
             * @example wh_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            url: string;
            events: ("task.created" | "task.planning" | "task.planned" | "task.running" | "task.paused" | "task.resumed" | "task.complete" | "task.failed" | "task.cancelled" | "agent.started" | "agent.thinking" | "agent.action" | "agent.result" | "agent.message" | "agent.paused" | "agent.resumed" | "agent.guided" | "agent.complete" | "agent.error" | "agent.cancelled" | "approval.required" | "approval.resolved" | "deliverable.created" | "deployment.started" | "deployment.building" | "deployment.deploying" | "deployment.live" | "deployment.failed" | "trading.order_placed" | "trading.kill_triggered" | "billing.credit_low" | "*")[];
            /** @default null */
            description: string | null;
            status: components["schemas"]["WebhookStatus"];
            /**
             * @description Why it is disabled.
             * @default null
             */
            disabled_reason: string | null;
            /**
             * Format: date-time
             * @description Since when every attempt has failed.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            failing_since: string | null;
            /**
             * Format: date-time
             * @description After a rotation: until when the secret before signs, too.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            previous_secret_expires_at: string | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * @description `whsec_…`
             * @example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
             */
            secret: string;
        };
        /** @description `billing.credit_low`. */
        CreditLow: {
            /** Format: uint64 */
            budget_cents: number;
            /**
             * Format: double
             * @description US dollars still left.
             */
            left: number;
        };
        /** @description `POST /agents/{id}/approve/{approval_id}`. */
        DecideApproval: {
            approved: boolean;
            /** @description Told to the agent. */
            reason?: string | null;
            /** @description Arguments to use in place of the proposed ones. */
            input?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description An immutable file that a task published. `GET /tasks/{id}/deliverables` is a bare array of these. */
        Deliverable: {
            /**
             * @description `dlvr_…`
             * @example dlvr_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** @description A plain file name, or a relative one with `/` between its parts. */
            name: string;
            /** @description Its media type. */
            type: string;
            /** Format: uint64 */
            size_bytes: number;
            /** @description Lower-case hexadecimal. */
            sha256?: string | null;
            /**
             * Format: uri
             * @description Works without a header for one hour from this listing. Absent in events.
             */
            download_url?: string | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
        };
        /** @description One event on its way to one webhook. */
        Delivery: {
            /**
             * @description `whd_…`
             * @example whd_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** @example wh_01jd3k7x8m9p2q4r6s8t0v2w4y */
            webhook_id: string;
            /**
             * @description What the header `webhook-id` says on every attempt, and on a redelivery.
             * @example evt_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            event_id: string;
            /** @enum {string} */
            type: "task.created" | "task.planning" | "task.planned" | "task.running" | "task.paused" | "task.resumed" | "task.complete" | "task.failed" | "task.cancelled" | "agent.started" | "agent.thinking" | "agent.action" | "agent.result" | "agent.message" | "agent.paused" | "agent.resumed" | "agent.guided" | "agent.complete" | "agent.error" | "agent.cancelled" | "approval.required" | "approval.resolved" | "deliverable.created" | "deployment.started" | "deployment.building" | "deployment.deploying" | "deployment.live" | "deployment.failed" | "trading.order_placed" | "trading.kill_triggered" | "billing.credit_low" | "webhook.ping";
            /**
             * @description The event's task; a test has none, nor has an event of a deployment.
             * @default null
             * @example task_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            task_id: string | null;
            /**
             * @description The event's deployment.
             * @default null
             * @example dep_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            deployment_id: string | null;
            /**
             * Format: uint64
             * @description The event's place in the log of its task or deployment.
             * @default null
             */
            seq: number | null;
            status: components["schemas"]["DeliveryStatus"];
            /** Format: uint32 */
            attempts: number;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            last_attempt_at: string | null;
            /**
             * Format: date-time
             * @description While it is pending.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            next_attempt_at: string | null;
            /**
             * Format: uint16
             * @description Of the last attempt, as the rest below.
             * @default null
             */
            response_status: number | null;
            /**
             * Format: uint64
             * @default null
             */
            duration_ms: number | null;
            /** @default null */
            error: string | null;
        };
        /** @description `GET /webhooks/{id}/deliveries`, newest first. */
        DeliveryList: {
            deliveries: components["schemas"]["Delivery"][];
            /**
             * Format: uint64
             * @description How many are remembered.
             */
            total: number;
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
        };
        /** @description Where the delivery of an event is. `delivered` and `failed` are final. */
        DeliveryStatus: "pending" | "delivered" | "failed";
        /** @description A deploy configuration without its credentials. `GET /deploy-configs` is a bare array of these, newest first. */
        DeployConfig: {
            /**
             * @description `cfg_…`
             * @example cfg_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            name: string;
            /** @enum {string} */
            target: "vercel" | "netlify" | "cloudflare" | "expo" | "appstore";
            settings: {
                [key: string]: unknown;
            };
            /**
             * @description Whose account it is, as the provider said.
             * @default null
             */
            provider_account: string | null;
            /**
             * @description The project that the settings name, as the provider said.
             * @default null
             */
            provider_project: string | null;
            /**
             * Format: date-time
             * @description When the provider took the credentials. In the test world nobody is asked.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            verified_at: string | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            updated_at: string;
        };
        /** @description Whether a deployment takes the place of what is live. */
        DeployEnvironment: "production" | "preview";
        /** @description Where finished work can be deployed to. */
        DeployTarget: ("vercel" | "netlify" | "cloudflare" | "expo" | "appstore") | "preview";
        /** @description Who can open the address of a deployment. */
        DeployVisibility: "public" | "perhaps" | "account" | "link";
        /** @description A deployment. Also the `data` of `deployment.*` events, as it was then. */
        Deployment: {
            /**
             * @description `dep_…`
             * @example dep_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** @example ws_01jd3k7x8m9p2q4r6s8t0v2w4y */
            workspace_id: string;
            target: components["schemas"]["DeployTarget"];
            status: components["schemas"]["DeploymentStatus"];
            /**
             * @description Once it is live.
             * @default null
             */
            url: string | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it went live or failed.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            completed_at: string | null;
            /**
             * @default null
             * @example cfg_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            config_id: string | null;
            environment: components["schemas"]["DeployEnvironment"];
            /**
             * @description The task that made it, if one did.
             * @default null
             * @example task_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            task_id: string | null;
            /**
             * @description What is published in place of the workspace.
             * @default null
             * @example dlvr_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            deliverable_id: string | null;
            /**
             * @description Who can open `url`.
             * @default null
             */
            visibility: components["schemas"]["DeployVisibility"] | null;
            /**
             * @description The provider's own page about it, for the owner of the account there.
             * @default null
             */
            inspect_url: string | null;
            /**
             * @description Why it failed.
             * @default null
             */
            error: components["schemas"]["DeploymentError"] | null;
            /** @description Where its log is read, on this server. */
            log_url: string;
        };
        /** @description Why a deployment failed. */
        DeploymentError: {
            /** @enum {string} */
            code: "config_invalid" | "auth" | "permission" | "quota" | "name_taken" | "no_output" | "output_refused" | "output_too_large" | "file_too_large" | "install_failed" | "build_failed" | "upload_failed" | "provider_rejected" | "provider_error" | "timeout" | "canceled" | "interrupted";
            /** @description What failed and what would be right. */
            message: string;
            /** @description `prepare`, `install`, `build`, `upload` or `publish`. */
            step: string;
        };
        /** @description `GET /deployments`, newest first. */
        DeploymentList: {
            data: components["schemas"]["Deployment"][];
            has_more: boolean;
        };
        /** @description One line of a deployment's log, as a stream carries it. */
        DeploymentLogLine: {
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            at: string;
            text: string;
        };
        /** @description Where a deployment is in its life. `live` and `failed` are final. */
        DeploymentStatus: "failed" | "pending" | "building" | "deploying" | "live";
        /**
         * @description The world a key opens. Live and test objects never see each other.
         * @enum {string}
         */
        Environment: "live" | "test";
        /** @description The body of every error answer; nothing else stands in it. The request's id is in the `Request-Id` header. */
        ErrorBody: {
            /** @description What is wrong, where, and what would be right, for a person to read. */
            detail: string;
        };
        /** @description One event of the log of a task or a deployment. What `data` holds depends on `type`. */
        Event: {
            /**
             * @description The same on every transport.
             * @example evt_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /**
             * Format: uint64
             * @description Counts from 1 within the task or the deployment, without a gap.
             */
            seq: number;
            type: components["schemas"]["EventType"];
            /**
             * @description The task whose log it stands in; null for an event of a deployment.
             * @example task_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            task_id: string | null;
            /**
             * @description The deployment whose log it stands in. Only there.
             * @example dep_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            deployment_id?: string;
            /**
             * @description The agent it is about, if any.
             * @example agnt_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            agent_id: string | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            data: Record<string, never>;
            /**
             * Format: uint64
             * @description Its place in the account's log. Only there.
             */
            cursor?: number;
        } & ({
            /** @enum {unknown} */
            type?: "task.created" | "task.planning" | "task.planned" | "task.running" | "task.paused" | "task.resumed" | "task.complete" | "task.failed" | "task.cancelled";
            data?: components["schemas"]["TaskData"];
        } | {
            /** @enum {unknown} */
            type?: "agent.started";
            data?: components["schemas"]["AgentStarted"];
        } | {
            /** @enum {unknown} */
            type?: "agent.thinking";
            data?: components["schemas"]["AgentThinking"];
        } | {
            /** @enum {unknown} */
            type?: "agent.action";
            data?: components["schemas"]["AgentAction"];
        } | {
            /** @enum {unknown} */
            type?: "agent.result";
            data?: components["schemas"]["AgentResult"];
        } | {
            /** @enum {unknown} */
            type?: "agent.message";
            data?: components["schemas"]["AgentMessage"];
        } | {
            /** @enum {unknown} */
            type?: "agent.paused" | "agent.resumed" | "trading.order_placed" | "trading.kill_triggered";
            data?: Record<string, never>;
        } | {
            /** @enum {unknown} */
            type?: "agent.guided";
            data?: components["schemas"]["AgentGuided"];
        } | {
            /** @enum {unknown} */
            type?: "agent.complete" | "agent.error" | "agent.cancelled";
            data?: components["schemas"]["AgentEnded"];
        } | {
            /** @enum {unknown} */
            type?: "approval.required" | "approval.resolved";
            data?: components["schemas"]["Approval"];
        } | {
            /** @enum {unknown} */
            type?: "deliverable.created";
            data?: components["schemas"]["Deliverable"];
        } | {
            /** @enum {unknown} */
            type?: "deployment.started" | "deployment.building" | "deployment.deploying" | "deployment.live" | "deployment.failed";
            data?: components["schemas"]["Deployment"];
        } | {
            /** @enum {unknown} */
            type?: "billing.credit_low";
            data?: components["schemas"]["CreditLow"];
        });
        /** @description A page of a task's log, by `seq`. With `types` a page may be empty and still have more behind it. */
        EventPage: {
            events: components["schemas"]["Event"][];
            /**
             * Format: uint64
             * @description Give this as `after` for the next page.
             */
            next_after: number;
            has_more: boolean;
        };
        /**
         * @description What happened. Newer servers may know more: pass over what you do not know.
         * @enum {string}
         */
        EventType: "task.created" | "task.planning" | "task.planned" | "task.running" | "task.paused" | "task.resumed" | "task.complete" | "task.failed" | "task.cancelled" | "agent.started" | "agent.thinking" | "agent.action" | "agent.result" | "agent.message" | "agent.paused" | "agent.resumed" | "agent.guided" | "agent.complete" | "agent.error" | "agent.cancelled" | "approval.required" | "approval.resolved" | "deliverable.created" | "deployment.started" | "deployment.building" | "deployment.deploying" | "deployment.live" | "deployment.failed" | "trading.order_placed" | "trading.kill_triggered" | "billing.credit_low";
        /**
         * @description What a name in a workspace stands for.
         * @enum {string}
         */
        FileKind: "file" | "directory";
        /**
         * @description What a report of usage is grouped by.
         * @enum {string}
         */
        GroupBy: "day" | "task" | "model";
        /** @description Words for an agent. Either `message` or `instructions`, at most 100,000 bytes of UTF-8. */
        Guide: {
            /** @description Given to the agent as a message in its next model call. */
            message?: string;
            /** @description Another name for `message`. */
            instructions?: string;
        } & (unknown | unknown);
        /** @description `GET /healthz`: the process is up. */
        Health: {
            /**
             * @description `ok`.
             * @constant
             */
            status: "ok";
            /**
             * @description The server's version.
             * @default
             */
            version: string;
        };
        /** @description A link to a preview that works, as lists show it. What opens it was told once, when it was made. */
        ListedPreviewLink: {
            /**
             * @description `shr_…`
             * @example shr_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** @example dep_01jd3k7x8m9p2q4r6s8t0v2w4y */
            deployment_id: string;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string;
        };
        /** @description A language model that this server has set up. */
        Model: {
            /** @description `provider/model`, as `config.model` of a task takes it. */
            id: string;
            /** @description Whether a task that names no model runs on it. */
            default: boolean;
            /** @description `default`, `planner` and `fallback`, or nothing. */
            roles: string[];
            /**
             * Format: double
             * @description US dollars for a million tokens of a prompt. Null: unknown, which is not the same as free.
             */
            input_usd_per_mtok: number | null;
            /**
             * Format: double
             * @description US dollars for a million tokens of an answer. Null: unknown, which is not the same as free.
             */
            output_usd_per_mtok: number | null;
            /**
             * Format: uint32
             * @description Tokens of a prompt that fit.
             */
            context_tokens: number;
            /**
             * Format: uint32
             * @description Tokens that one answer may have.
             */
            max_output_tokens: number;
            /** @description Whether it runs on the server's own machines. */
            local: boolean;
        };
        /** @description `GET /models`. Other models of the same providers can be named, too. */
        ModelList: {
            data: components["schemas"]["Model"][];
        };
        /** @description What a deployment with target `preview` is shown as. */
        Preview: {
            /** @example dep_01jd3k7x8m9p2q4r6s8t0v2w4y */
            deployment_id: string;
            /**
             * Format: uri
             * @description Nobody can guess it.
             */
            url: string;
            visibility: components["schemas"]["PreviewVisibility"];
            /** @description Whether an address that names no file shows the first page. */
            single_page: boolean;
            /** Format: uint64 */
            files: number;
            /** Format: uint64 */
            size_bytes: number;
            /**
             * Format: uint64
             * @description Links that were made to it and work.
             */
            links: number;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it ends by itself.
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string | null;
        };
        /** @description A link that opens a preview, whatever its visibility is. */
        PreviewLink: {
            /**
             * @description `shr_…`
             * @example shr_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** Format: uri */
            url: string;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string;
        };
        /** @description `GET /deployments/{id}/preview/links`: the links that work, newest first. */
        PreviewLinkList: {
            links: components["schemas"]["ListedPreviewLink"][];
            /**
             * Format: uint64
             * @description How many there are in all.
             */
            total: number;
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
        };
        /** @description `GET /previews`: those that are shown now, newest first. */
        PreviewList: {
            previews: components["schemas"]["Preview"][];
            /**
             * Format: uint64
             * @description How many there are in all.
             */
            total: number;
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
        };
        /** @description Who may look at a preview. */
        PreviewVisibility: "public" | "link";
        /** @description `GET /readyz`: 200 when every check passes, else 503 with the same body. */
        Readiness: {
            /**
             * @description `ready` or `unavailable`.
             * @enum {string}
             */
            status: "ready" | "unavailable";
            /** @default [] */
            checks: components["schemas"]["Check"][];
        };
        /** @description How much harm an action can do; compared with the task's autonomy level. */
        Risk: "low" | "medium" | "high" | "critical";
        /** @description `POST /webhooks/{id}/rotate-secret`. */
        RotateSecret: {
            /**
             * @description As in [`CreateWebhook`].
             * @example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
             */
            secret?: string | null;
        };
        /** @description The answer to it: the only time the new secret is shown. */
        RotatedSecret: {
            /**
             * @description `whsec_…`
             * @example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
             */
            secret: string;
            /**
             * Format: date-time
             * @description Until then each message is signed with the secret before, too.
             * @example 2026-11-22T10:00:00.000Z
             */
            previous_secret_expires_at: string;
        };
        /** @description What the server sends besides events. `task_id` is null where the account's subscription is meant. */
        ServerMessage: {
            /** @constant */
            type: "authenticated";
        } | {
            /** @constant */
            type: "subscribed";
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id: string | null;
            /** Format: uint64 */
            after: number;
            types: components["schemas"]["EventType"][] | null;
        } | {
            /** @constant */
            type: "unsubscribed";
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id: string | null;
        } | {
            /** @constant */
            type: "cursor";
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id: string | null;
            /** Format: uint64 */
            after: number;
        } | {
            /** @constant */
            type: "ended";
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id: string | null;
            /** Format: uint64 */
            after: number;
        } | {
            /** @constant */
            type: "pong";
        } | {
            /** @constant */
            type: "error";
            detail: string;
        };
        /** @description `PUT /approval-policy`. What is absent has its default. */
        SetApprovalPolicy: {
            /** Format: int64 */
            low?: number | null;
            /** Format: int64 */
            medium?: number | null;
            /** Format: int64 */
            high?: number | null;
            /** Format: int64 */
            critical?: number | null;
            /** @description `always` or `never`, by the tool's name. */
            tools?: {
                [key: string]: components["schemas"]["ToolRule"];
            };
        };
        /** @description A public link. `DELETE /shares/{id}` revokes it. */
        Share: {
            /**
             * @description `shr_…`
             * @example shr_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** Format: uri */
            url: string;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string | null;
        };
        /** @description `POST /tasks/{id}/deliverables/{file_id}/share`. */
        ShareDeliverable: {
            /**
             * Format: int64
             * @description Seconds from now. Absent or null: until it is revoked.
             */
            expires_in?: number | null;
        };
        /** @description `GET /shares`: the links that work, newest first. */
        ShareList: {
            shares: components["schemas"]["SharedDeliverable"][];
            /**
             * Format: uint64
             * @description How many there are in all.
             */
            total: number;
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
        };
        /** @description A public link that works, as lists show it. What opens it was told once, when it was made, and is kept nowhere. */
        SharedDeliverable: {
            /**
             * @description `shr_…`
             * @example shr_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id: string;
            /** @example dlvr_01jd3k7x8m9p2q4r6s8t0v2w4y */
            deliverable_id: string;
            /** @description Of the file that it leads to. */
            name: string;
            /** Format: uint64 */
            size_bytes: number;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description `null`: it works until it is revoked.
             * @example 2026-11-22T10:00:00.000Z
             */
            expires_at: string | null;
        };
        /** @description What the account keeps on the server's disk now. */
        Storage: {
            /** Format: uint64 */
            workspaces: number;
            /**
             * Format: uint64
             * @description Measured at most once a minute.
             */
            workspace_bytes: number;
            /** Format: uint64 */
            deliverables: number;
            /** Format: uint64 */
            deliverable_bytes: number;
            /**
             * Format: uint64
             * @description Previews that take up room.
             */
            previews: number;
            /**
             * Format: uint64
             * @description What their files are together; equal sites count once.
             */
            preview_bytes: number;
            /**
             * Format: uint64
             * @description More of them is not published.
             */
            preview_limit_bytes: number;
        };
        /** @description One node of the plan. */
        Subtask: {
            /**
             * @description `st_…`
             * @example st_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            agent_type: components["schemas"]["AgentType"];
            /** @description A few words, for lists and trees. */
            title?: string | null;
            /** @description What its agent is told, word for word. */
            prompt: string;
            status: components["schemas"]["SubtaskStatus"];
            /**
             * @description Ids of the subtasks that must be complete first.
             * @default []
             */
            depends_on: string[];
            /** @description What its result has to be like. */
            acceptance?: string[];
            /**
             * @description The agent that works on it, once there is one.
             * @default null
             * @example agnt_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            agent_id: string | null;
            /**
             * Format: uint64
             * @description Prompt and answer tokens of its model calls.
             * @default 0
             */
            tokens_used: number;
            /**
             * @description `provider/model` of its latest call.
             * @default null
             */
            model_used: string | null;
        };
        /** @description Where a node of the plan is. */
        SubtaskStatus: ("pending" | "running" | "complete" | "failed" | "cancelled") | "skipped";
        /** @description The body of a command that has nothing else to say. */
        Success: {
            /**
             * @description Always `true`: a command that did not work answers with an error.
             * @constant
             */
            success: true;
        };
        /** @description A task. */
        Task: {
            /**
             * @description `task_…`
             * @example task_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            status: components["schemas"]["TaskStatus"];
            prompt: string;
            /**
             * @description `ws_…`
             * @example ws_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            workspace_id: string | null;
            config: components["schemas"]["TaskConfig"];
            /** @description Its agents, oldest first. Absent in lists. */
            agents?: components["schemas"]["Agent"][] | null;
            /** @description Its plan, in the planner's order. Absent in lists. */
            subtasks?: components["schemas"]["Subtask"][] | null;
            /** @description The approvals that wait for an answer. Absent in lists. */
            approvals?: components["schemas"]["Approval"][] | null;
            /** @description The answer, once complete. */
            result: string | null;
            /** @description Why it failed. */
            error: string | null;
            /**
             * @description The skill it was carried out with, if any.
             * @example skl_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            skill_id: string | null;
            /**
             * Format: double
             * @description US dollars: the exact sum of its model calls.
             */
            cost: number;
            /**
             * Format: double
             * @description US dollars that providers may have billed beside it, at most: for calls that broke off, were cancelled or were
             *     in the air at a crash. A budget counts it.
             * @default 0
             */
            uncertain_cost: number;
            /**
             * Format: uint64
             * @description `cost` rounded up to whole cents.
             */
            total_cost_cents: number;
            /**
             * Format: uint64
             * @description Prompt and answer tokens of all its model calls.
             */
            total_tokens_used: number;
            /** Format: uint64 */
            deliverables_count: number;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When planning began.
             * @example 2026-11-22T10:00:00.000Z
             */
            started_at: string | null;
            /**
             * Format: date-time
             * @description When it became `complete`, `failed` or `cancelled`.
             * @example 2026-11-22T10:00:00.000Z
             */
            completed_at: string | null;
        };
        /** @description The settings a task runs with, defaults filled in. */
        TaskConfig: {
            /**
             * Format: uint32
             * @description Agents working at the same time, 1 to 20.
             */
            max_agents: number;
            /**
             * Format: uint8
             * @description 0 asks before every action, 100 never asks.
             */
            autonomy_level: number;
            auto_deploy: boolean;
            deploy_target: components["schemas"]["DeployTarget"] | null;
            /**
             * @default null
             * @example cfg_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            deploy_config_id: string | null;
            /**
             * @description `provider/model`; null: the server's default at the time of each call.
             * @default null
             */
            model: string | null;
            /**
             * Format: uint64
             * @description US cents; null: no limit.
             * @default null
             */
            budget_cents: number | null;
            /**
             * @default null
             * @example skl_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            skill_id: string | null;
        };
        /** @description `task.*`: the state it is in now, and what changed with it. */
        TaskData: {
            status: components["schemas"]["TaskStatus"];
            /** @description `task.created`. */
            prompt?: string | null;
            /**
             * @description `task.created`.
             * @example ws_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            workspace_id?: string | null;
            /** @description `task.created`. */
            config?: components["schemas"]["TaskConfig"] | null;
            /** @description `task.planned`, and again after a replan: the whole plan. */
            subtasks?: components["schemas"]["Subtask"][] | null;
            /** @description `task.planned`: the failed subtasks that these stand for; empty for the first plan. */
            replaces?: string[] | null;
            /**
             * @description `task.planned`, when a skill is the plan.
             * @example skl_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            skill_id?: string | null;
            /** @description `task.complete`. */
            result?: string | null;
            /** @description `task.failed`. */
            error?: string | null;
            /** @description `task.cancelled`: the calls that took effect and cannot be undone. */
            took_effect?: components["schemas"]["CallName"][] | null;
            /** @description `task.cancelled`: the calls that were broken off. */
            interrupted?: components["schemas"]["CallName"][] | null;
            /**
             * Format: double
             * @description US dollars.
             */
            cost?: number;
            /**
             * Format: uint64
             * @description `cost` rounded up to whole cents.
             */
            total_cost_cents?: number;
            /** Format: uint64 */
            total_tokens_used?: number;
            /**
             * Format: uint64
             * @default 0
             */
            deliverables_count?: number;
        };
        /** @description `GET /tasks`, newest first. */
        TaskList: {
            tasks: components["schemas"]["Task"][];
            /**
             * Format: uint64
             * @description How many there are in all.
             */
            total: number;
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
        };
        /** @description Where a task is in its life. `complete`, `failed` and `cancelled` are final. */
        TaskStatus: "pending" | "planning" | "running" | "paused" | "complete" | "failed" | "cancelled";
        /**
         * @description Decides rate limits and how many tasks run at once.
         * @enum {string}
         */
        Tier: "free" | "pro" | "power" | "business" | "enterprise";
        /** @description Tokens of one model call. `input` counts cached tokens too, `output` reasoning too. */
        TokenUsage: {
            /**
             * Format: uint64
             * @default 0
             */
            input: number;
            /**
             * Format: uint64
             * @default 0
             */
            output: number;
            /**
             * Format: uint64
             * @default 0
             */
            cache_read: number;
            /**
             * Format: uint64
             * @default 0
             */
            cache_write: number;
            /**
             * Format: uint64
             * @default 0
             */
            reasoning: number;
        };
        /**
         * @description Whether a tool's calls are asked for, whatever the dial says.
         * @enum {string}
         */
        ToolRule: "always" | "never";
        /** @description `PATCH /deploy-configs/{id}`: what is absent stays as it is. */
        UpdateDeployConfig: {
            name?: string | null;
            /** @description All of them, in place of those before. */
            credentials?: {
                [key: string]: unknown;
            } | null;
            /** @description All of them, in place of those before. */
            settings?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description `PATCH /deployments/{id}/preview`: what is absent stays as it is. */
        UpdatePreview: {
            visibility?: components["schemas"]["PreviewVisibility"] | null;
            single_page?: boolean | null;
            /**
             * Format: int64
             * @description Seconds from now until it ends. `null`: it does not end by itself.
             */
            expires_in?: number | null;
        };
        /** @description `PATCH /tasks/{id}`: takes effect at the task's next decision. */
        UpdateTask: {
            /** @default {} */
            config?: components["schemas"]["UpdateTaskConfig"];
        };
        /** @description What can be changed while a task runs; what is absent stays as it is. */
        UpdateTaskConfig: {
            /**
             * Format: int64
             * @description 0 to 100.
             */
            autonomy_level?: number | null;
            /**
             * Format: int64
             * @description US cents; null takes the limit away.
             */
            budget_cents?: number | null;
        };
        /** @description `PATCH /webhooks/{id}`: what is absent stays as it is. */
        UpdateWebhook: {
            /**
             * Format: uri
             * @example https://example.com/hooks/miteos
             */
            url?: string | null;
            /** @description Holds for events from now on. */
            events?: ("task.created" | "task.planning" | "task.planned" | "task.running" | "task.paused" | "task.resumed" | "task.complete" | "task.failed" | "task.cancelled" | "agent.started" | "agent.thinking" | "agent.action" | "agent.result" | "agent.message" | "agent.paused" | "agent.resumed" | "agent.guided" | "agent.complete" | "agent.error" | "agent.cancelled" | "approval.required" | "approval.resolved" | "deliverable.created" | "deployment.started" | "deployment.building" | "deployment.deploying" | "deployment.live" | "deployment.failed" | "trading.order_placed" | "trading.kill_triggered" | "billing.credit_low" | "*")[] | null;
            /** @description `null` takes it away. */
            description?: string | null;
            /** @description `enabled` or `disabled`. */
            status?: components["schemas"]["WebhookStatus"] | null;
        };
        /** @description The answer to `GET /usage`: the totals of all days, and the rows they come from. */
        Usage: {
            /**
             * Format: date
             * @example 2026-11-22
             */
            from: string;
            /**
             * Format: date
             * @example 2026-11-22
             */
            to: string;
            group_by: components["schemas"]["GroupBy"];
            /**
             * Format: uint64
             * @description `input_tokens` and `output_tokens` together.
             */
            tokens: number;
            /** Format: uint64 */
            input_tokens: number;
            /** Format: uint64 */
            output_tokens: number;
            /**
             * Format: double
             * @description US dollars: the exact sum of the calls.
             */
            cost: number;
            /**
             * Format: uint64
             * @description Tasks that made at least one of the calls.
             */
            tasks: number;
            /** Format: uint64 */
            model_calls: number;
            /**
             * Format: uint64
             * @description Calls of models without a known price, which `cost` does not hold.
             */
            unpriced_calls: number;
            rows: components["schemas"]["UsageRow"][];
            storage: components["schemas"]["Storage"];
        };
        /** @description One day, task or model: the field that the report is grouped by is set. */
        UsageRow: {
            /**
             * Format: date
             * @description `2026-11-22`, in UTC.
             * @example 2026-11-22
             */
            day?: string | null;
            /** @example task_01jd3k7x8m9p2q4r6s8t0v2w4y */
            task_id?: string | null;
            model?: string | null;
            /**
             * Format: uint64
             * @description `input_tokens` and `output_tokens` together.
             */
            tokens: number;
            /** Format: uint64 */
            input_tokens: number;
            /** Format: uint64 */
            output_tokens: number;
            /**
             * Format: double
             * @description US dollars: the exact sum of the calls.
             */
            cost: number;
            /**
             * Format: uint64
             * @description Tasks that made at least one of the calls.
             */
            tasks: number;
            /** Format: uint64 */
            model_calls: number;
            /**
             * Format: uint64
             * @description Calls of models without a known price, which `cost` does not hold.
             */
            unpriced_calls: number;
        };
        /** @description A webhook without its secret. `GET /webhooks` is a bare array of these, newest first. */
        Webhook: {
            /**
             * @description `wh_…`
             * @example wh_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            url: string;
            events: ("task.created" | "task.planning" | "task.planned" | "task.running" | "task.paused" | "task.resumed" | "task.complete" | "task.failed" | "task.cancelled" | "agent.started" | "agent.thinking" | "agent.action" | "agent.result" | "agent.message" | "agent.paused" | "agent.resumed" | "agent.guided" | "agent.complete" | "agent.error" | "agent.cancelled" | "approval.required" | "approval.resolved" | "deliverable.created" | "deployment.started" | "deployment.building" | "deployment.deploying" | "deployment.live" | "deployment.failed" | "trading.order_placed" | "trading.kill_triggered" | "billing.credit_low" | "*")[];
            /** @default null */
            description: string | null;
            status: components["schemas"]["WebhookStatus"];
            /**
             * @description Why it is disabled.
             * @default null
             */
            disabled_reason: string | null;
            /**
             * Format: date-time
             * @description Since when every attempt has failed.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            failing_since: string | null;
            /**
             * Format: date-time
             * @description After a rotation: until when the secret before signs, too.
             * @default null
             * @example 2026-11-22T10:00:00.000Z
             */
            previous_secret_expires_at: string | null;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
        };
        /** @description Whether events are sent to a webhook. */
        WebhookStatus: "enabled" | "disabled";
        /** @description The answer to `POST /webhooks/{id}/test`: what came of one `webhook.ping`. */
        WebhookTest: {
            /** @description Whether the receiver took it: a status of 200 to 299. */
            ok: boolean;
            /**
             * Format: uint16
             * @description The status of its answer, if there was one.
             * @default null
             */
            response_status: number | null;
            /**
             * Format: uint64
             * @description Until the answer began (milliseconds).
             */
            duration_ms: number;
            /** @default null */
            error: string | null;
            /**
             * @description The delivery it is listed as.
             * @example whd_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            delivery_id: string;
        };
        /** @description A workspace. `GET /workspaces` is a bare array of these. */
        Workspace: {
            /**
             * @description `ws_…`
             * @example ws_01jd3k7x8m9p2q4r6s8t0v2w4y
             */
            id: string;
            name: string;
            description: string | null;
            status: components["schemas"]["WorkspaceStatus"];
            /** Format: uint64 */
            file_count: number;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            created_at: string;
        };
        /**
         * @description A file or folder. `GET /workspaces/{id}/files` is a bare array of these, sorted by path; an upload answers
         *     with those it wrote.
         */
        WorkspaceFile: {
            /** @description Relative to the workspace, `/` between its parts. */
            path: string;
            type: components["schemas"]["FileKind"];
            /**
             * Format: uint64
             * @description 0 for a folder.
             */
            size_bytes: number;
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.000Z
             */
            modified_at: string;
        };
        /**
         * @description Whether a workspace can be used.
         * @enum {string}
         */
        WorkspaceStatus: "active";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
