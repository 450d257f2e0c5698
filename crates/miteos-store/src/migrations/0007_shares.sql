-- Public links to deliverables. Of what stands in a link only the hash is kept.
CREATE TABLE shares (
    id TEXT PRIMARY KEY NOT NULL,
    hash BLOB NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    task TEXT NOT NULL,
    deliverable TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE UNIQUE INDEX shares_hash ON shares (hash);
CREATE INDEX shares_scope ON shares (account, live, id);
