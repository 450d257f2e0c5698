-- When an account's tasks ask a person. The body is JSON that only the server reads.
CREATE TABLE approval_policies (
    account TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, live)
);
