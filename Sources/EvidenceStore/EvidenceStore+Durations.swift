public import Evidence
internal import GRDB
public import Ports
public import SegueModel

extension EvidenceStore {
  /// What became of the durations of tests, of which at most `limit` are told. Worked out where the
  /// database is read, on a thread of its own.
  public func durationStudies(
    of project: ProjectName, limit: Int
  ) async throws(PortError) -> DurationStudies {
    try await read("studying durations of tests") { database in
      guard let id = try Terms(database).known(project.rawValue) else {
        return DurationStudies(of: DurationHistory(), limit: limit)
      }
      let history = try DurationQuery(database: database, project: id)
        .history(runs: DurationTrend.limit)
      return DurationStudies(of: history, limit: limit)
    }
  }

  /// How long the tests of each step took together, and each test by itself, run by run. Only first
  /// attempts that passed count: a test that fails often takes as long as its timeout. A run with
  /// fewer than half the tests that runs of its step usually have was cut off, and is left out.
  public func durationSeries(
    of project: ProjectName, runs: Int = DurationTrend.limit
  ) async throws(PortError) -> DurationHistory {
    try await read("reading durations of tests") { database in
      guard let id = try Terms(database).known(project.rawValue) else { return DurationHistory() }
      return try DurationQuery(database: database, project: id).history(
        runs: min(max(0, runs), DurationTrend.limit))
    }
  }
}

/// One question about one project, within a transaction.
private struct DurationQuery {
  let database: Database
  let project: Int64

  /// Results that are looked at; with more, fewer runs are.
  private static let mostResults = 1_000_000

  private struct Run {
    var id: Int64
    var step: String
    var commit: CommitID
    var at: Instant
    var results: Int
  }

  func history(runs limit: Int) throws -> DurationHistory {
    var steps: [String: DurationSeries] = [:]
    var tests: [Int64: DurationSeries] = [:]
    let names = try testNames()
    let statement = try database.cachedStatement(
      sql: "SELECT test, duration FROM result WHERE run = ? AND attempt = 1 AND status = 0")
    for run in try latest(limit) {
      var sum: Int64 = 0
      let rows = try Row.fetchCursor(statement, arguments: [run.id])
      while let row = try rows.next() {
        let test: Int64 = row[0]
        let duration: Int64 = row[1]
        sum += duration
        tests[test, default: DurationSeries(subject: names[test] ?? "")].points.append(
          DurationSeries.Point(
            commit: run.commit, at: run.at, duration: Milliseconds(duration)))
      }
      steps[run.step, default: DurationSeries(subject: run.step)].points.append(
        DurationSeries.Point(commit: run.commit, at: run.at, duration: Milliseconds(sum)))
    }
    return DurationHistory(
      steps: steps.values.sorted { $0.subject < $1.subject },
      tests: tests.values.sorted { $0.subject < $1.subject })
  }

  /// The latest runs of each step, the earliest first.
  private func latest(_ limit: Int) throws -> [Run] {
    let rows = try Row.fetchCursor(
      try database.cachedStatement(
        sql: """
          SELECT run.id, e.text, c.text, run.at, run.results FROM run
          JOIN term e ON e.id = run.environment JOIN term c ON c.id = run.sha
          WHERE run.project = ? ORDER BY run.id DESC LIMIT 10000
          """), arguments: [project])
    var runs: [String: [Run]] = [:]
    var results = 0
    while results < Self.mostResults, let row = try rows.next() {
      let run = Run(
        id: row[0], step: row[1], commit: CommitID(row[2]), at: Instant(milliseconds: row[3]),
        results: row[4])
      guard runs[run.step, default: []].count < limit else { continue }
      runs[run.step, default: []].append(run)
      results += run.results
    }
    return runs.values.flatMap { runs in
      let counts = runs.map(\.results).sorted()
      let usual = counts.isEmpty ? 0 : counts[counts.count / 2]
      return runs.filter { $0.results * 2 >= usual }
    }
    .sorted { $0.id < $1.id }
  }

  private func testNames() throws -> [Int64: String] {
    let rows = try Row.fetchCursor(
      try database.cachedStatement(sql: "SELECT id, name FROM test WHERE project = ?"),
      arguments: [project])
    var names: [Int64: String] = [:]
    while let row = try rows.next() { names[row[0]] = row[1] }
    return names
  }
}
