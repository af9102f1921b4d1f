"""The table of the trail: rows can be added, never changed, replaced or taken away."""

from __future__ import annotations

from concertmaster.storage import Migration

__all__ = ["MIGRATIONS"]

# Only the envelope is stored. What queries need is generated from it, so that a column can never
# say something else than the record does. Inserting over an existing row would delete it without
# firing a delete trigger, hence the trigger on insert.
_TRAIL = """
CREATE TABLE audit_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    envelope TEXT NOT NULL,
    id TEXT GENERATED ALWAYS AS (json_extract(envelope, '$.id')) STORED NOT NULL UNIQUE,
    type TEXT GENERATED ALWAYS AS (json_extract(envelope, '$.type')) STORED NOT NULL,
    workspace TEXT GENERATED ALWAYS AS (json_extract(envelope, '$.data.workspace')) STORED NOT NULL,
    thread TEXT GENERATED ALWAYS AS (json_extract(envelope, '$.data.thread')) STORED,
    run TEXT GENERATED ALWAYS AS (json_extract(envelope, '$.data.run')) STORED
) STRICT;
CREATE INDEX audit_events_by_run ON audit_events (run, seq);
CREATE INDEX audit_events_by_thread ON audit_events (thread, seq);
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: an event cannot be changed');
END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: an event cannot be deleted');
END;
CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events
WHEN EXISTS (
    SELECT 1 FROM audit_events
    WHERE id = json_extract(NEW.envelope, '$.id') OR seq = NEW.seq
)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: an event cannot be replaced');
END
"""

# The chain over the events. An event is content beside its link: erasing a thread takes the
# content and its salt away, which only an entry among the erasures makes possible, and leaves the
# link. Verification asks for each missing content whether an erasure that is itself an event of
# the chain accounts for it.
_CHAIN = """
ALTER TABLE audit_events ADD COLUMN salt BLOB;
CREATE TABLE audit_links (
    stream TEXT NOT NULL,
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    time TEXT NOT NULL,
    previous BLOB NOT NULL,
    payload BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (stream, n)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_links_no_update BEFORE UPDATE ON audit_links
BEGIN
    SELECT RAISE(ABORT, 'the chain is append-only: a link cannot be changed');
END;
CREATE TRIGGER audit_links_no_delete BEFORE DELETE ON audit_links
BEGIN
    SELECT RAISE(ABORT, 'the chain is append-only: a link cannot be deleted');
END;
CREATE TABLE audit_erasures (
    id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
DROP TRIGGER audit_events_no_delete;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
WHEN NOT EXISTS (SELECT 1 FROM audit_erasures WHERE id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: an event cannot be deleted');
END
"""

# The last head that was signed of each stream. The heads themselves lie in a file elsewhere; that
# its end was cut off shows against this row.
_SIGNED = """
CREATE TABLE audit_signed (
    stream TEXT PRIMARY KEY,
    n INTEGER NOT NULL,
    head BLOB NOT NULL
) STRICT, WITHOUT ROWID
"""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(room="audit", version=1, sql=_TRAIL),
    Migration(room="audit", version=2, sql=_CHAIN),
    Migration(room="audit", version=3, sql=_SIGNED),
)
