internal import Evidence
internal import GRDB
public import Ports
public import SegueModel

extension EvidenceStore {
  /// What is removed, and when.
  public struct Retention: Hashable, Sendable {
    /// Evidence older than this goes.
    public var age = Milliseconds(400 * 24 * 3_600_000)
    /// Of more results than this, the oldest go.
    public var results = 10_000_000

    public init() {}
  }

  /// Removes what is older than it needs to be, whole commits at a time, and takes it out of the
  /// aggregates. Works in small transactions, so that recording is never held up for long.
  ///
  /// - Returns: how many results went.
  @discardableResult
  public func prune(
    _ retention: Retention = Retention(), now: Instant
  ) async throws(PortError) -> Int {
    let cutoff = now.milliseconds - max(0, retention.age.count)
    var removed = 0
    while true {
      let count = try await write("pruning evidence") { database -> Int? in
        let kept =
          try Int.fetchOne(database, sql: "SELECT coalesce(sum(results), 0) FROM run") ?? 0
        return try Pruning(database).removeOldest(
          before: kept > retention.results ? nil : cutoff)
      }
      guard let count else { break }
      removed += count
    }
    try await write("pruning evidence") { database in
      for table in ["coverage", "finding", "component"] {
        try database.execute(sql: "DELETE FROM \(table) WHERE at < ?", arguments: [cutoff])
      }
      try database.execute(
        sql: """
          DELETE FROM test WHERE last_at < ?
            AND NOT EXISTS (SELECT 1 FROM result WHERE result.test = test.id)
          """, arguments: [cutoff])
      try database.execute(
        sql: """
          DELETE FROM term WHERE id NOT IN (
            SELECT project FROM run UNION SELECT sha FROM run UNION SELECT branch FROM run
            UNION SELECT environment FROM run UNION SELECT project FROM test
            UNION SELECT first_commit FROM test UNION SELECT last_commit FROM test
            UNION SELECT row_commit FROM test WHERE row_commit IS NOT NULL
            UNION SELECT signature FROM test WHERE signature IS NOT NULL
            UNION SELECT signature FROM result WHERE signature IS NOT NULL)
          """)
    }
    return removed
  }
}

private struct Pruning {
  let database: Database

  init(_ database: Database) { self.database = database }

  /// Removes the commit with the oldest run, in the environment of that run.
  ///
  /// - Parameter cutoff: only if all its runs are from before; `nil` for anyway.
  /// - Returns: how many results went; `nil` when there was nothing to remove.
  func removeOldest(before cutoff: Int64?) throws -> Int? {
    let oldest = try Row.fetchOne(
      database,
      sql: """
        SELECT project, sha, environment FROM run AS old WHERE at < ?1 AND (?2 OR NOT EXISTS (
          SELECT 1 FROM run WHERE project = old.project AND sha = old.sha
            AND environment = old.environment AND at >= ?1))
        ORDER BY at LIMIT 1
        """, arguments: [cutoff ?? .max, cutoff == nil])
    guard let oldest else { return nil }
    let place = Place(project: oldest[0], commit: oldest[1], environment: oldest[2])
    var changes: [Int64: TestChange] = [:]
    for (test, count) in try place.counts(database) {
      changes[test, default: TestChange()].statistics.add(count.attempts, count: -1)
    }
    let runs = try Int64.fetchAll(
      database, sql: "SELECT id FROM run WHERE project = ? AND sha = ? AND environment = ?",
      arguments: [place.project, place.commit, place.environment])
    var removed = 0
    for run in runs {
      let rows = try Row.fetchCursor(
        database, sql: "SELECT test, status, duration FROM result WHERE run = ?",
        arguments: [run])
      while let row = try rows.next() {
        removed += 1
        changes[row[0], default: TestChange()].subtract(status: row[1], duration: row[2])
      }
      try database.execute(sql: "DELETE FROM result WHERE run = ?", arguments: [run])
      try database.execute(sql: "DELETE FROM run WHERE id = ?", arguments: [run])
    }
    for (test, change) in changes { try change.apply(to: test, database) }
    return removed
  }
}

extension TestChange {
  fileprivate mutating func subtract(status: Int, duration: Int64) {
    switch TestResult.Status(rawValue: status) {
    case .passed: passes -= 1
    case .failed: failures -= 1
    case .skipped, nil: skips -= 1
    }
    if status != TestResult.Status.skipped.rawValue { time -= duration }
  }
}
