"""The tables of users.db."""

from __future__ import annotations

from concertmaster.storage import Migration

__all__ = ["MIGRATIONS"]

# What proves who somebody is lies here as SHA-256 only: keys, sessions, codes.
_FIRST = """
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_by_folded_id ON users (id COLLATE NOCASE);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users (id),
    digest BLOB NOT NULL,
    note TEXT NOT NULL,
    created TEXT NOT NULL,
    expires TEXT,
    used TEXT,
    revoked TEXT
) STRICT;
CREATE INDEX api_keys_by_user ON api_keys (user);

CREATE TABLE seen (
    id TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    issued REAL NOT NULL,
    at TEXT NOT NULL,
    until TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    principal TEXT NOT NULL,
    began TEXT NOT NULL,
    used TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_principal ON sessions (principal);

CREATE TABLE codes (
    digest BLOB PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users (id),
    expires TEXT NOT NULL
) STRICT;

CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
BEGIN SELECT RAISE(ABORT, 'changes of users are only ever added'); END;
CREATE TRIGGER changes_are_kept BEFORE DELETE ON changes
BEGIN SELECT RAISE(ABORT, 'changes of users are only ever added'); END
"""

MIGRATIONS = (Migration("users", 1, _FIRST),)
"""One schema version each, applied in order."""
