/// Format 1 of the evidence file: what stands in `evidence.sqlite`.
///
/// Everything in it was told by reports, which can be read again: it holds no decision, and losing it
/// loses no release. So a new format gets a new number, and a file of another one is set aside.
///
/// Texts that repeat (tests, commits, branches, environments, signatures) are kept once and referred
/// to by number, so that one result takes about 20 bytes. `test` holds running aggregates beside each
/// test's name, which is what makes questions about millions of results cheap:
/// - `good_commits`, `good_passes` and `good_failures` are of commits, each in one environment, at
///   which the test passed at least once; every one of these failures is contradicted by a pass;
/// - `broken` counts the other commits, by how often the test failed there.
///
/// Together they are `FlakyModel.Statistics`. They cover what is kept: pruning takes from them what it
/// removes. `first_*`, `last_*` and `row` outlive that.
enum EvidenceFormat {
  /// `SegE`: marks the file as ours (`PRAGMA application_id`).
  static let applicationID: Int32 = 0x5365_6745
  /// `PRAGMA user_version`.
  static let version: Int32 = 1
  static let fileName = "evidence.sqlite"

  static let schema = """
    CREATE TABLE term (
      id INTEGER PRIMARY KEY,
      text TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE run (
      id INTEGER PRIMARY KEY,
      project INTEGER NOT NULL,
      sha INTEGER NOT NULL,
      branch INTEGER NOT NULL,
      environment INTEGER NOT NULL,
      at INTEGER NOT NULL,
      results INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX run_by_commit ON run (project, sha, environment);
    CREATE INDEX run_by_time ON run (at);
    CREATE TABLE test (
      id INTEGER PRIMARY KEY,
      project INTEGER NOT NULL,
      name TEXT NOT NULL,
      first_at INTEGER NOT NULL,
      first_commit INTEGER NOT NULL,
      last_at INTEGER NOT NULL,
      last_commit INTEGER NOT NULL,
      last_status INTEGER NOT NULL,
      row INTEGER NOT NULL,
      row_commit INTEGER,
      signature INTEGER,
      passes INTEGER NOT NULL,
      failures INTEGER NOT NULL,
      skips INTEGER NOT NULL,
      time INTEGER NOT NULL,
      good_commits INTEGER NOT NULL,
      good_passes INTEGER NOT NULL,
      good_failures INTEGER NOT NULL,
      UNIQUE (project, name)
    ) STRICT;
    CREATE INDEX test_by_first ON test (project, first_at);
    CREATE INDEX test_failed ON test (project) WHERE failures > 0;
    CREATE INDEX test_failing ON test (project) WHERE last_status = 1;
    CREATE TABLE broken (
      test INTEGER NOT NULL,
      failures INTEGER NOT NULL,
      commits INTEGER NOT NULL,
      PRIMARY KEY (test, failures)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE result (
      run INTEGER NOT NULL,
      test INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      status INTEGER NOT NULL,
      duration INTEGER NOT NULL,
      signature INTEGER,
      PRIMARY KEY (run, test, attempt)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX result_by_test ON result (test, run);
    CREATE TABLE coverage (
      project TEXT NOT NULL,
      sha TEXT NOT NULL,
      at INTEGER NOT NULL,
      report BLOB NOT NULL,
      PRIMARY KEY (project, sha)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX coverage_by_time ON coverage (at);
    CREATE TABLE finding (
      project TEXT NOT NULL,
      sha TEXT NOT NULL,
      at INTEGER NOT NULL,
      findings BLOB NOT NULL,
      PRIMARY KEY (project, sha)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX finding_by_time ON finding (at);
    CREATE TABLE component (
      release TEXT NOT NULL PRIMARY KEY,
      at INTEGER NOT NULL,
      components BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX component_by_time ON component (at);
    """
}
