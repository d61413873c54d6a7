public import Evidence
internal import Foundation
internal import GRDB
public import Ports
public import SegueModel

extension EvidenceStore {
  // MARK: Coverage

  /// Keeps which lines the tests of a commit run, in place of what was kept of it before.
  public func record(
    _ report: CoverageReport, of commit: CommitID, in project: ProjectName, at: Instant
  ) async throws(PortError) {
    let stored = report.spans.mapValues { spans in
      // Three numbers for each span; a dictionary of arrays keeps the text short.
      spans.flatMap { [$0.first, $0.count, $0.isRun ? 1 : 0] }
    }
    try await put(stored, of: commit, in: project, at: at, table: "coverage", column: "report")
  }

  /// What was kept of the coverage of a commit; `nil` when nothing was.
  public func coverage(
    of commit: CommitID, in project: ProjectName
  ) async throws(PortError) -> CoverageReport? {
    let stored: [String: [Int]]? = try await get(
      of: commit, in: project, table: "coverage", column: "report")
    return stored.map { files in
      CoverageReport(
        spans: files.mapValues { numbers in
          stride(from: 0, to: numbers.count - numbers.count % 3, by: 3).map {
            CoverageReport.Span(
              first: numbers[$0], count: numbers[$0 + 1], isRun: numbers[$0 + 2] == 1)
          }
        })
    }
  }

  // MARK: Findings

  /// Keeps what the scans of a commit found, in place of what was kept of it before.
  public func record(
    _ findings: [SecurityFinding], of commit: CommitID, in project: ProjectName, at: Instant
  ) async throws(PortError) {
    try await put(
      findings.map(StoredFinding.init), of: commit, in: project, at: at, table: "finding",
      column: "findings")
  }

  /// What the scans of a commit found; `nil` when they have not told.
  public func findings(
    of commit: CommitID, in project: ProjectName
  ) async throws(PortError) -> [SecurityFinding]? {
    let stored: [StoredFinding]? = try await get(
      of: commit, in: project, table: "finding", column: "findings")
    return stored?.map(\.finding)
  }

  // MARK: Components

  /// Keeps what a release consists of, in place of what was kept of it before.
  public func record(
    _ list: ComponentList, of release: ReleaseID, at: Instant
  ) async throws(PortError) {
    let stored = Data(try CanonicalJSON.encode(list.components.map(StoredComponent.init)))
    try await write("recording components") { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO component (release, at, components) VALUES (?, ?, ?)",
        arguments: [release.rawValue, at.milliseconds, stored])
    }
  }

  /// What a release consists of; `nil` when that is not known, which is no all-clear.
  public func components(of release: ReleaseID) async throws(PortError) -> ComponentList? {
    let data = try await read("reading components") { database in
      try Data.fetchOne(
        database, sql: "SELECT components FROM component WHERE release = ?",
        arguments: [release.rawValue])
    }
    guard let data else { return nil }
    let stored = try CanonicalJSON.decode([StoredComponent].self, from: Array(data))
    return ComponentList(components: stored.map(\.component))
  }

  /// Says that releases are live, so that pruning leaves their components.
  public func keep(_ releases: [ReleaseID], at: Instant) async throws(PortError) {
    let names = releases.map(\.rawValue)
    try await write("keeping components of live releases") { database in
      for name in names {
        try database.execute(
          sql: "UPDATE component SET at = max(at, ?) WHERE release = ?",
          arguments: [at.milliseconds, name])
      }
    }
  }

  // MARK: Access

  private func put(
    _ value: some Encodable, of commit: CommitID, in project: ProjectName, at: Instant,
    table: String, column: String
  ) async throws(PortError) {
    let data = Data(try CanonicalJSON.encode(value))
    try await write("recording evidence of a commit") { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO \(table) (project, sha, at, \(column)) VALUES (?, ?, ?, ?)",
        arguments: [project.rawValue, commit.rawValue, at.milliseconds, data])
    }
  }

  private func get<Value: Decodable & Sendable>(
    of commit: CommitID, in project: ProjectName, table: String, column: String
  ) async throws(PortError) -> Value? {
    let data = try await read("reading evidence of a commit") { database in
      try Data.fetchOne(
        database, sql: "SELECT \(column) FROM \(table) WHERE project = ? AND sha = ?",
        arguments: [project.rawValue, commit.rawValue])
    }
    guard let data else { return nil }
    return try CanonicalJSON.decode(Value.self, from: Array(data))
  }
}

private struct StoredFinding: Codable, Sendable {
  var id: String
  var aliases: [String]
  var severity: Int?
  var isMalicious: Bool
  var title: String
  var place: String
  var package: String?
  var fixedIn: String?

  init(_ finding: SecurityFinding) {
    id = finding.id
    aliases = finding.aliases.sorted()
    severity = finding.severity?.rawValue
    isMalicious = finding.isMalicious
    title = finding.title
    place = finding.place
    package = finding.package?.description
    fixedIn = finding.fixedIn
  }

  var finding: SecurityFinding {
    SecurityFinding(
      id: id, aliases: Set(aliases), severity: severity.flatMap(Severity.init(rawValue:)),
      isMalicious: isMalicious, title: title, place: place,
      package: package.flatMap { PackageURL($0) }, fixedIn: fixedIn)
  }
}

private struct StoredComponent: Codable, Sendable {
  var reference: String
  var name: String
  var version: String?
  var package: String?

  init(_ component: Component) {
    reference = component.reference
    name = component.name
    version = component.version
    package = component.package?.description
  }

  var component: Component {
    Component(
      reference: reference, name: name, version: version,
      package: package.flatMap { PackageURL($0) })
  }
}
