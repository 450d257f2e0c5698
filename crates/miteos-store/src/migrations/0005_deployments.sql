-- One row each: what lists show, the fence, and the folded state. Its records lie in the journal, whose column `task`
-- holds `-no` for them.
CREATE TABLE deployments (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    workspace TEXT NOT NULL,
    -- What is published: the workspace, or a deliverable in its place.
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    config TEXT,
    status TEXT NOT NULL,
    state TEXT NOT NULL,
    feed BIGINT NOT NULL,
    version BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    completed_at BIGINT
);
CREATE INDEX deployments_scope ON deployments (account, live, id);
CREATE INDEX deployments_workspace ON deployments (account, live, workspace, id);
CREATE INDEX deployments_active ON deployments (id) WHERE status IN ('pending', 'building', 'deploying');
CREATE INDEX deployments_config ON deployments (config) WHERE status IN ('pending', 'building', 'deploying');
CREATE UNIQUE INDEX deployments_one ON deployments (source, target)
    WHERE status IN ('pending', 'building', 'deploying');

CREATE TABLE deployment_logs (
    deployment BIGINT NOT NULL,
    no BIGINT NOT NULL,
    at BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (deployment, no)
);

-- The credentials are sealed: only the master key can read them.
CREATE TABLE deploy_configs (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    settings TEXT NOT NULL,
    credentials BLOB NOT NULL,
    provider_account TEXT,
    provider_project TEXT,
    verified_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX deploy_configs_name ON deploy_configs (account, live, name);
CREATE INDEX deploy_configs_scope ON deploy_configs (account, live, id);
