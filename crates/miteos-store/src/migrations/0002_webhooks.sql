CREATE TABLE webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    description TEXT,
    secret BLOB NOT NULL,
    old_secret BLOB,
    old_secret_until BIGINT,
    status TEXT NOT NULL,
    reason TEXT,
    cursor BIGINT NOT NULL,
    failing_since BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhooks_scope ON webhooks (account, live, id);

-- Rows without a task are of test events, which stand in no journal.
CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY NOT NULL,
    webhook TEXT NOT NULL,
    event TEXT NOT NULL,
    kind TEXT NOT NULL,
    task TEXT,
    seq BIGINT,
    event_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    due_at BIGINT,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    tried_at BIGINT,
    duration_ms BIGINT,
    response BIGINT,
    error TEXT
);
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, due_at, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (webhook, id) WHERE status <> 'pending';
