-- The journal's format 1. Rows are only ever added, at the end, without a gap.
PRAGMA application_id = 0x70677263;  -- "pgrc"

CREATE TABLE event (
    seq   INTEGER PRIMARY KEY,
    at    TEXT NOT NULL,
    actor TEXT NOT NULL,
    kind  TEXT NOT NULL,
    event TEXT NOT NULL
);

CREATE TRIGGER event_update BEFORE UPDATE ON event
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER event_delete BEFORE DELETE ON event
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

-- Also what keeps INSERT OR REPLACE from replacing, which fires no delete trigger.
CREATE TRIGGER event_insert BEFORE INSERT ON event
WHEN new.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT raise(ABORT, 'the journal is appended to by another process'); END;

PRAGMA user_version = 1;
