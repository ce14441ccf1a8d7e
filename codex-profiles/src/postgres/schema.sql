-- The tables of `codex_profiles::postgres`, version 1. The schema's name is put in by `migrate`.
CREATE TABLE migration (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Never goes back, also for a profile that was removed and stored again.
CREATE SEQUENCE login_version;

-- The logins. `auth_json` is a secret; `token_hash` is the SHA-256 of its refresh token.
CREATE TABLE login (
    profile text PRIMARY KEY,
    version bigint NOT NULL DEFAULT nextval('login_version'),
    auth_json text NOT NULL,
    token_hash text UNIQUE,
    refused text,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Refreshes that were begun and have not come to their end, noted before the token is posted.
CREATE TABLE intent (
    token_hash text PRIMARY KEY,
    attempt text NOT NULL,
    attempts integer NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    replica text NOT NULL,
    under_way boolean NOT NULL,
    patience_ms bigint NOT NULL
);

-- Tokens that must never be posted again.
CREATE TABLE spent (
    token_hash text PRIMARY KEY,
    next_hash text,
    profile text NOT NULL,
    reason text,
    spent_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX spent_next_hash ON spent (next_hash);

INSERT INTO migration (version) VALUES (1);
