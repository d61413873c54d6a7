public import Evidence
internal import GRDB
public import Ports
internal import SegueModel

extension EvidenceStore {
  /// Adds the results of one step at one commit. An attempt that is told twice within the batch
  /// counts once, as it was told first.
  ///
  /// - Throws: as ``PortError`` says; nothing is recorded then.
  public func record(_ batch: TestBatch) async throws(PortError) {
    try await write("recording test results") { try Recording($0, batch).run() }
  }
}

/// What is known of one commit in one environment about one test.
struct AttemptCount: Sendable {
  var failures = 0
  var passes = 0

  var attempts: FlakyModel.Attempts { FlakyModel.Attempts(failures: failures, passes: passes) }
}

/// By how much a test's aggregates change.
struct TestChange: Sendable {
  var passes = 0
  var failures = 0
  var skips = 0
  var time: Int64 = 0
  var statistics = FlakyModel.Statistics()
}

/// One batch while it is written, within a transaction.
private struct Recording {
  private let database: Database
  private let batch: TestBatch
  private let terms: Terms

  init(_ database: Database, _ batch: TestBatch) {
    self.database = database
    self.batch = batch
    terms = Terms(database)
  }

  func run() throws {
    let project = try terms.id(of: batch.project.rawValue)
    let commit = try terms.id(of: batch.commit.rawValue)
    let environment = try terms.id(of: batch.environment)
    let before = try Place(project: project, commit: commit, environment: environment)
      .counts(database)
    try database.cachedStatement(
      sql: """
        INSERT INTO run (project, sha, branch, environment, at, results) VALUES (?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      project, commit, try terms.id(of: batch.branch), environment, batch.at.milliseconds,
      batch.results.count,
    ])
    let run = database.lastInsertedRowID
    for results in grouped() {
      try add(results, run: run, project: project, commit: commit, before: before)
    }
  }

  /// The results by test, each with its attempts in order, in the order in which tests are first met.
  private func grouped() -> [[TestResult]] {
    var places: [String: Int] = [:]
    var groups: [[TestResult]] = []
    for result in batch.results {
      if let place = places[result.test] {
        groups[place].append(result)
      } else {
        places[result.test] = groups.count
        groups.append([result])
      }
    }
    return groups.map { group in
      var attempts: Set<Int> = []
      return group.filter { attempts.insert($0.attempt).inserted }
        .sorted { $0.attempt < $1.attempt }
    }
  }

  private func add(
    _ results: [TestResult], run: Int64, project: Int64, commit: Int64,
    before: [Int64: AttemptCount]
  ) throws {
    guard let last = results.last else { return }
    let test = try identify(last.test, project: project, commit: commit)
    var change = TestChange()
    var signature: Int64?
    let insert = try database.cachedStatement(
      sql: """
        INSERT INTO result (run, test, attempt, status, duration, signature)
        VALUES (?, ?, ?, ?, ?, ?)
        """)
    var count = before[test] ?? AttemptCount()
    change.statistics.add(count.attempts, count: -1)
    for result in results {
      var own: Int64?
      switch result.status {
      case .passed:
        change.passes += 1
        count.passes += 1
      case .failed:
        change.failures += 1
        count.failures += 1
        own = try terms.id(of: FailureSignature.of(result.message))
        signature = own
      case .skipped: change.skips += 1
      }
      if result.status != .skipped { change.time += clamped(result.duration) }
      try insert.execute(arguments: [
        run, test, result.attempt, result.status.rawValue, clamped(result.duration), own,
      ])
    }
    change.statistics.add(count.attempts)
    try change.apply(to: test, database)
    try noteLast(last.status, signature: signature, of: test, commit: commit)
  }

  private func clamped(_ duration: Milliseconds) -> Int64 { min(max(0, duration.count), 1 << 40) }

  private func identify(_ name: String, project: Int64, commit: Int64) throws -> Int64 {
    let known = try database.cachedStatement(
      sql: "SELECT id FROM test WHERE project = ? AND name = ?")
    if let id = try Int64.fetchOne(known, arguments: [project, name]) { return id }
    try database.cachedStatement(
      sql: """
        INSERT INTO test (project, name, first_at, first_commit, last_at, last_commit, last_status,
          row, passes, failures, skips, time, good_commits, good_passes, good_failures)
        VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        """
    ).execute(arguments: [
      project, name, batch.at.milliseconds, commit, batch.at.milliseconds, commit,
    ])
    return database.lastInsertedRowID
  }

  /// The order of recording counts here, not that of the clock.
  private func noteLast(
    _ status: TestResult.Status, signature: Int64?, of test: Int64, commit: Int64
  ) throws {
    let row =
      switch status {
      case .passed: "row = 0, row_commit = NULL"
      case .failed: "row = row + 1, row_commit = coalesce(row_commit, :commit)"
      case .skipped: "row = row"
      }
    try database.cachedStatement(
      sql: """
        UPDATE test SET last_at = :at, last_commit = :commit, last_status = :status,
          signature = coalesce(:signature, signature), \(row) WHERE id = :test
        """
    ).execute(arguments: [
      "at": batch.at.milliseconds, "commit": commit, "status": status.rawValue,
      "signature": signature, "test": test,
    ])
  }
}

extension TestChange {
  func apply(to test: Int64, _ database: Database) throws {
    try database.cachedStatement(
      sql: """
        UPDATE test SET passes = passes + ?, failures = failures + ?, skips = skips + ?,
          time = time + ?, good_commits = good_commits + ?, good_passes = good_passes + ?,
          good_failures = good_failures + ? WHERE id = ?
        """
    ).execute(arguments: [
      passes, failures, skips, time, statistics.goodCommits, statistics.passes,
      statistics.contradictedFailures, test,
    ])
    for (count, commits) in statistics.broken {
      try database.cachedStatement(
        sql: """
          INSERT INTO broken (test, failures, commits) VALUES (?, ?, ?)
          ON CONFLICT (test, failures) DO UPDATE SET commits = commits + excluded.commits
          """
      ).execute(arguments: [test, count, commits])
      try database.cachedStatement(
        sql: "DELETE FROM broken WHERE test = ? AND failures = ? AND commits = 0"
      ).execute(arguments: [test, count])
    }
  }
}

/// One commit in one environment.
struct Place {
  var project: Int64
  var commit: Int64
  var environment: Int64

  /// What is recorded of each test here.
  func counts(_ database: Database) throws -> [Int64: AttemptCount] {
    let statement = try database.cachedStatement(
      sql: """
        SELECT result.test, result.status, count(*) FROM run JOIN result ON result.run = run.id
        WHERE run.project = ? AND run.sha = ? AND run.environment = ?
          AND result.status < 2 GROUP BY result.test, result.status
        """)
    var counts: [Int64: AttemptCount] = [:]
    let rows = try Row.fetchCursor(statement, arguments: [project, commit, environment])
    while let row = try rows.next() {
      let count: Int = row[2]
      if row[1] == TestResult.Status.failed.rawValue {
        counts[row[0], default: AttemptCount()].failures = count
      } else {
        counts[row[0], default: AttemptCount()].passes = count
      }
    }
    return counts
  }
}

/// Texts that are kept once.
struct Terms {
  private let database: Database

  init(_ database: Database) { self.database = database }

  func id(of text: String) throws -> Int64 {
    if let known = try known(text) { return known }
    try database.cachedStatement(sql: "INSERT INTO term (text) VALUES (?)")
      .execute(arguments: [text])
    return database.lastInsertedRowID
  }

  func known(_ text: String) throws -> Int64? {
    try Int64.fetchOne(
      try database.cachedStatement(sql: "SELECT id FROM term WHERE text = ?"), arguments: [text])
  }
}
