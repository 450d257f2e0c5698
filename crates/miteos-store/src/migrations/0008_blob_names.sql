-- Which blobs are still named, so that those that nothing names any more can be collected.

-- Named by records, which stay for ever. Written with each record; older records are read for them once.
CREATE TABLE blobs_of_records (sha256 TEXT PRIMARY KEY NOT NULL);

-- How far the records from before this table have been read.
CREATE TABLE blobs_reading (id BIGINT PRIMARY KEY, log BIGINT NOT NULL, version BIGINT NOT NULL, done BOOLEAN NOT NULL);
INSERT INTO blobs_reading (id, log, version, done) VALUES (1, -9223372036854775807, 0, FALSE);

-- Named by the lists of files of sites. A list is a blob and never changes, so it is read once.
CREATE TABLE blobs_of_sites (
    manifest TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (manifest, sha256)
);
CREATE INDEX blobs_of_sites_blob ON blobs_of_sites (sha256, manifest);
CREATE TABLE sites_read (manifest TEXT PRIMARY KEY NOT NULL);

-- Blobs that nothing named when they were looked at, and since when.
CREATE TABLE blobs_doomed (sha256 TEXT PRIMARY KEY NOT NULL, since BIGINT NOT NULL);

CREATE INDEX deliverables_blob ON deliverables (sha256);
CREATE INDEX previews_manifest ON previews (manifest) WHERE deleted_at IS NULL AND manifest IS NOT NULL;
CREATE INDEX previews_ends ON previews (expires_at) WHERE deleted_at IS NULL AND expires_at IS NOT NULL;
