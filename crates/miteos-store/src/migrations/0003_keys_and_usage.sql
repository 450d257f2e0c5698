-- What an enterprise key may ask a minute; null is the tier's own.
ALTER TABLE api_keys ADD COLUMN requests_per_minute BIGINT;

-- How much of its minute a key had used when it was last written down.
CREATE TABLE key_marks (
    api_key TEXT PRIMARY KEY NOT NULL,
    requests BIGINT NOT NULL,
    at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);

-- Model calls added up: one row for each task, model and day (UTC, counted from 1970).
CREATE TABLE model_usage (
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    day BIGINT NOT NULL,
    task TEXT NOT NULL,
    model TEXT NOT NULL,
    input BIGINT NOT NULL,
    output BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    PRIMARY KEY (account, live, day, task, model)
);
CREATE INDEX deliverables_scope ON deliverables (account, live);
