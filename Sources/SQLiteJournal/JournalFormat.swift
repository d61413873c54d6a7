/// Format 1 of the journal file: what stands in `journal.sqlite`.
///
/// It never changes. A new format gets a new number, a migration from this one, and goldens of its
/// own beside those in `Tests/Fixtures/journal`.
enum JournalFormat {
  /// `Segu`: marks the file as ours (`PRAGMA application_id`), for `file(1)` and for ``SQLiteJournal``.
  static let applicationID: Int32 = 0x5365_6775
  /// `PRAGMA user_version`.
  static let version: Int32 = 1

  static let fileName = "journal.sqlite"

  /// `event` is append-only by its triggers, and by its hash chain (see ``HashChain``). An `outbox`
  /// row stays when it is done, because its id is unique for ever. `position` keeps rows of one
  /// transaction in order.
  static let schema = """
    CREATE TABLE event (
      seq INTEGER PRIMARY KEY CHECK (seq > 0),
      stream TEXT NOT NULL,
      version INTEGER NOT NULL CHECK (version > 0),
      kind TEXT NOT NULL,
      schema INTEGER NOT NULL,
      at INTEGER NOT NULL,
      payload BLOB NOT NULL,
      prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
      hash BLOB NOT NULL CHECK (length(hash) = 32),
      UNIQUE (stream, version)
    ) STRICT;
    CREATE TRIGGER event_is_never_updated BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'an event is never updated'); END;
    CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END;
    CREATE TABLE outbox (
      position INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      stream TEXT NOT NULL,
      kind TEXT NOT NULL,
      payload BLOB NOT NULL,
      done INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
    ) STRICT;
    CREATE INDEX outbox_pending ON outbox (position) WHERE done = 0;
    CREATE TABLE timer (
      name TEXT PRIMARY KEY,
      due INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE snapshot (
      stream TEXT PRIMARY KEY,
      version INTEGER NOT NULL,
      schema INTEGER NOT NULL,
      payload BLOB NOT NULL,
      FOREIGN KEY (stream, version) REFERENCES event (stream, version)
    ) STRICT, WITHOUT ROWID;
    """

  /// Columns in the order in which ``EventRow`` reads them.
  static let eventColumns = "seq, stream, version, kind, schema, at, payload, prev_hash, hash"
}
