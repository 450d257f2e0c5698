-- Sites that the preview host shows, each under a label that nobody can guess. Without a manifest: a page that says that
-- nothing was published. A deleted one stays as a row, so that nothing publishes it again.
CREATE TABLE previews (
    deployment TEXT PRIMARY KEY NOT NULL,
    label TEXT NOT NULL,
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    manifest TEXT,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    visibility TEXT NOT NULL,
    single_page BOOLEAN NOT NULL,
    link_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX previews_label ON previews (label);
