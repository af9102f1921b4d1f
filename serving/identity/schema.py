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

# Of somebody who was removed a salted digest of the id stays; the log may put a tag in place of an
# id that nobody has any more, and leave things out of such a line, and is otherwise as it was.
_REMOVED = """
CREATE TABLE removed (
    tag TEXT PRIMARY KEY,
    salt BLOB NOT NULL,
    digest BLOB NOT NULL,
    at TEXT NOT NULL
) STRICT;
DROP TRIGGER changes_stay;
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
WHEN new.seq IS NOT old.seq OR new.at IS NOT old.at OR new.what IS NOT old.what
    OR (new.detail IS NOT old.detail AND new.subject IS old.subject)
    OR (new.subject IS NOT old.subject AND (
        new.subject NOT IN (SELECT tag FROM removed)
        OR old.subject IN (SELECT id FROM users UNION SELECT id FROM seen)))
    OR (new.by IS NOT old.by AND (
        new.by NOT IN (SELECT tag FROM removed)
        OR old.by IN (SELECT id FROM users UNION SELECT id FROM seen)))
BEGIN SELECT RAISE(ABORT, 'changes of users are only ever added'); END
"""

MIGRATIONS = (Migration("users", 1, _FIRST), Migration("users", 2, _REMOVED))
"""One schema version each, applied in order."""
