CREATE TABLE health (id BIGINT PRIMARY KEY, writes BIGINT NOT NULL);

CREATE TABLE accounts (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    prefix TEXT NOT NULL,
    scopes TEXT NOT NULL,
    tier TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);
CREATE INDEX api_keys_scope ON api_keys (account, live, id);

CREATE TABLE idempotency (
    api_key TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status BIGINT NOT NULL,
    body BLOB NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (api_key, method, path, name)
);
CREATE INDEX idempotency_age ON idempotency (at);

CREATE TABLE workspaces (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX workspaces_name ON workspaces (account, live, name);
CREATE INDEX workspaces_scope ON workspaces (account, live, id);

CREATE TABLE notes (
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (workspace, name)
);

-- The journal names tasks and feeds by number: an append touches as little of its indexes as can be.
CREATE TABLE tasks (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    tier TEXT NOT NULL,
    status TEXT NOT NULL,
    workspace TEXT NOT NULL,
    config TEXT NOT NULL,
    detail TEXT NOT NULL,
    feed BIGINT NOT NULL,
    version BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    wake_at BIGINT,
    cost BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    completed_at BIGINT
);
CREATE INDEX tasks_scope ON tasks (account, live, id);
CREATE INDEX tasks_status ON tasks (account, live, status, id);
CREATE INDEX tasks_workspace ON tasks (account, live, workspace, id);
CREATE INDEX tasks_pending ON tasks (account, live, id) WHERE status = 'pending';
CREATE INDEX tasks_unfinished ON tasks (id) WHERE status IN ('pending', 'planning', 'running', 'paused');
CREATE INDEX tasks_wake ON tasks (wake_at, id) WHERE wake_at IS NOT NULL;

CREATE TABLE prompts (
    task TEXT PRIMARY KEY NOT NULL,
    prompt TEXT NOT NULL
);

-- The last cursor given out per account and world.
CREATE TABLE feeds (
    no INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    cursor BIGINT NOT NULL,
    UNIQUE (account, live)
);

-- Rows lie in the order they were committed in, so an append writes at the end.
CREATE TABLE journal (
    task BIGINT NOT NULL,
    version BIGINT NOT NULL,
    seq BIGINT,
    feed BIGINT,
    cursor BIGINT,
    kind TEXT NOT NULL,
    agent TEXT,
    at BIGINT NOT NULL,
    body TEXT NOT NULL
);
-- One index for both orders of a task's records: a record's version is never less than its seq. That a version comes
-- once is the fence's doing.
CREATE UNIQUE INDEX journal_place ON journal (task, version, seq);
CREATE UNIQUE INDEX journal_feed ON journal (feed, cursor) WHERE cursor IS NOT NULL;

CREATE TABLE snapshots (
    task TEXT PRIMARY KEY NOT NULL,
    version BIGINT NOT NULL,
    body BLOB NOT NULL
);

CREATE TABLE agents (
    id TEXT PRIMARY KEY NOT NULL,
    task TEXT NOT NULL
);

CREATE TABLE approvals (
    id TEXT PRIMARY KEY NOT NULL,
    task TEXT NOT NULL,
    agent TEXT NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    decided_at BIGINT
);
CREATE INDEX approvals_scope ON approvals (account, live, id);
CREATE INDEX approvals_status ON approvals (account, live, status, id);

CREATE TABLE deliverables (
    id TEXT PRIMARY KEY NOT NULL,
    task TEXT NOT NULL,
    agent TEXT,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX deliverables_task ON deliverables (task, id);
CREATE INDEX deliverables_workspace ON deliverables (workspace, id);
