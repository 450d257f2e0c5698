-- Links that open previews, so that they are listed and taken back one by one. A link itself is kept nowhere: it is signed.
-- Those from before this table are not in it; they end with their time, or when all links of their preview are revoked.
CREATE TABLE preview_links (
    id TEXT PRIMARY KEY NOT NULL,
    deployment TEXT NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX preview_links_preview ON preview_links (deployment, id);
CREATE INDEX preview_links_scope ON preview_links (account, live, expires_at);

CREATE INDEX previews_scope ON previews (account, live, deployment) WHERE deleted_at IS NULL;
CREATE INDEX shares_deliverable ON shares (deliverable, id);
