public import Evidence
internal import GRDB
public import Ports
public import SegueModel

extension EvidenceStore: EvidenceHistory {
  /// The tests of a project that fit a question, at most `limit` of them.
  public func tests(
    of project: ProjectName, _ question: TestQuestion, limit: Int = 100
  ) async throws(PortError) -> [JudgedTest] {
    let limit = max(0, limit)
    let records = try await read("reading the test history") { database in
      try Asking(database, project)?.records(question, limit: limit) ?? []
    }
    let model = FlakyModel()
    let judged = records.map {
      JudgedTest(record: $0, estimate: model.estimate($0.statistics))
    }
    guard question == .flaky else { return judged }
    return Array(
      judged.filter { FlakyModel.isCalledFlaky($0.record.statistics, $0.estimate) }
        .sorted {
          ($1.estimate.flakiness, $0.record.test) < ($0.estimate.flakiness, $1.record.test)
        }
        .prefix(limit))
  }

  /// What is known of tests by name; those never seen are left out.
  public func records(
    of project: ProjectName, tests: Set<String>
  ) async throws(PortError) -> [String: TestRecord] {
    try await read("reading the test history") { database in
      guard let asking = try Asking(database, project) else { return [:] }
      var records: [String: TestRecord] = [:]
      for test in tests { records[test] = try asking.record(test) }
      return records
    }
  }

  /// The attempts at one test, the latest first; at most `limit`.
  public func runs(
    of test: String, in project: ProjectName, limit: Int = 200
  ) async throws(PortError) -> [TestRun] {
    try await read("reading the runs of a test") { database in
      try Asking(database, project)?.runs(test, limit: max(0, limit)) ?? []
    }
  }

  /// How long each test of a project takes on the average: what ``ShardPlan`` splits by.
  public func durations(of project: ProjectName) async throws(PortError) -> [String: Milliseconds] {
    try await read("reading durations of tests") { database in
      guard let asking = try Asking(database, project) else { return [:] }
      return try asking.durations()
    }
  }

  /// For each of these tests, the runs in which it failed, among the latest `limit` runs: tests with
  /// the same runs have probably one cause.
  public func failingRuns(
    of tests: [String], in project: ProjectName, limit: Int = 50
  ) async throws(PortError) -> [String: Set<Int64>] {
    try await read("reading failures of tests") { database in
      guard let asking = try Asking(database, project) else { return [:] }
      var runs: [String: Set<Int64>] = [:]
      for test in tests { runs[test] = try asking.failingRuns(test, limit: max(0, limit)) }
      return runs
    }
  }
}

/// Questions about one project, within a transaction.
private struct Asking {
  private let database: Database
  private let project: Int64

  init?(_ database: Database, _ name: ProjectName) throws {
    guard let project = try Terms(database).known(name.rawValue) else { return nil }
    self.database = database
    self.project = project
  }

  private static let columns = """
    SELECT test.id, name, first_at, f.text, last_at, l.text, last_status, row, r.text, s.text,
      passes, failures, skips, time, good_commits, good_passes, good_failures
    FROM test JOIN term f ON f.id = first_commit JOIN term l ON l.id = last_commit
    LEFT JOIN term r ON r.id = row_commit LEFT JOIN term s ON s.id = signature
    WHERE project = ?
    """

  func records(_ question: TestQuestion, limit: Int) throws -> [TestRecord] {
    switch question {
    case .flaky: try fetch("AND failures > 0", [])
    case .slow:
      try fetch(
        "AND passes + failures > 0 ORDER BY time / (passes + failures) DESC, name LIMIT ?",
        [limit])
    case .new(let since):
      try fetch(
        "AND first_at >= ? ORDER BY first_at DESC, name LIMIT ?", [since.milliseconds, limit])
    case .failing: try fetch("AND last_status = 1 ORDER BY row DESC, name LIMIT ?", [limit])
    }
  }

  func record(_ test: String) throws -> TestRecord? { try fetch("AND name = ?", [test]).first }

  private func fetch(_ rest: String, _ arguments: StatementArguments) throws -> [TestRecord] {
    let statement = try database.cachedStatement(sql: "\(Self.columns) \(rest)")
    let rows = try Row.fetchCursor(
      statement, arguments: StatementArguments([project]) + arguments)
    let broken = try database.cachedStatement(
      sql: "SELECT failures, commits FROM broken WHERE test = ?")
    var records: [TestRecord] = []
    while let row = try rows.next() {
      var record = Self.record(row)
      let counts = try Row.fetchCursor(broken, arguments: [row[0] as Int64])
      while let count = try counts.next() { record.statistics.broken[count[0]] = count[1] }
      records.append(record)
    }
    return records
  }

  private static func record(_ row: Row) -> TestRecord {
    let runs: Int = row[10] + row[11]
    let time: Int64 = row[13]
    var statistics = FlakyModel.Statistics()
    statistics.goodCommits = row[14]
    statistics.passes = row[15]
    statistics.contradictedFailures = row[16]
    return TestRecord(
      test: row[1], firstSeen: Instant(milliseconds: row[2]), firstCommit: CommitID(row[3]),
      lastSeen: Instant(milliseconds: row[4]), lastCommit: CommitID(row[5]), runs: runs,
      failures: row[11], skips: row[12],
      lastStatus: TestResult.Status(rawValue: row[6]) ?? .failed, failingInARow: row[7],
      lastSignature: row[9] ?? "", failingSince: (row[8] as String?).map { CommitID($0) },
      meanDuration: Milliseconds(runs == 0 ? 0 : time / Int64(runs)), statistics: statistics)
  }

  func runs(_ test: String, limit: Int) throws -> [TestRun] {
    let rows = try Row.fetchAll(
      try database.cachedStatement(
        sql: """
          SELECT c.text, b.text, e.text, result.attempt, result.status, result.duration, run.at
          FROM test JOIN result ON result.test = test.id JOIN run ON run.id = result.run
          JOIN term c ON c.id = run.sha JOIN term b ON b.id = run.branch
          JOIN term e ON e.id = run.environment
          WHERE test.project = ? AND test.name = ? AND result.status < 2
          ORDER BY result.run DESC, result.attempt DESC LIMIT ?
          """), arguments: [project, test, limit])
    return rows.map { row in
      TestRun(
        test: test, commit: row[0], branch: row[1], environment: row[2], attempt: row[3],
        passed: row[4] == TestResult.Status.passed.rawValue, duration: Milliseconds(row[5]),
        at: Instant(milliseconds: row[6]))
    }
  }

  func durations() throws -> [String: Milliseconds] {
    let rows = try Row.fetchCursor(
      try database.cachedStatement(
        sql: """
          SELECT name, time / (passes + failures) FROM test
          WHERE project = ? AND passes + failures > 0
          """), arguments: [project])
    var durations: [String: Milliseconds] = [:]
    while let row = try rows.next() { durations[row[0]] = Milliseconds(row[1]) }
    return durations
  }

  func failingRuns(_ test: String, limit: Int) throws -> Set<Int64> {
    let statement = try database.cachedStatement(
      sql: """
        SELECT DISTINCT result.run FROM test JOIN result ON result.test = test.id
        WHERE test.project = ? AND test.name = ? AND result.status = 1
        ORDER BY result.run DESC LIMIT ?
        """)
    return Set(try Int64.fetchAll(statement, arguments: [project, test, limit]))
  }
}
