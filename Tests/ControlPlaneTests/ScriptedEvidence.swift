import ControlPlane
import Evidence
import Ports
import SegueModel
import Synchronization

/// Evidence that is as a test says, and a history in memory.
final class ScriptedEvidence: EvidenceReader, EvidenceHistory, AdvisorySource, ReleaseSigner {
  private struct Storage {
    var evidence = CommitEvidence()
    var bases: [CommitID] = []
    var records: [String: TestRecord] = [:]
    var coverage: [CommitID: CoverageReport] = [:]
    var components: [ReleaseID: ComponentList] = [:]
    var batches: [TestBatch] = []
    var advisories: [Advisory] = []
    var stamp = 0
    var quarantines: [Quarantine] = []
    var waivers: [Waiver] = []
    var objection: String?
    var durations = DurationHistory()
    var kept: Set<ReleaseID> = []
    var attested: [String] = []
    var isFull = false
  }
  private let storage = Mutex(Storage())

  func set(_ evidence: CommitEvidence) { storage.withLock { $0.evidence = evidence } }
  func set(_ record: TestRecord) { storage.withLock { $0.records[record.test] = record } }
  func set(_ entries: [Quarantine]) { storage.withLock { $0.quarantines = entries } }
  func set(_ entries: [Waiver]) { storage.withLock { $0.waivers = entries } }
  func object(_ objection: String?) { storage.withLock { $0.objection = objection } }
  func add(_ advisory: Advisory) {
    storage.withLock {
      $0.advisories.append(advisory)
      $0.stamp += 1
    }
  }
  func set(_ durations: DurationHistory) { storage.withLock { $0.durations = durations } }
  var kept: Set<ReleaseID> { storage.withLock { $0.kept } }
  var batches: [TestBatch] { storage.withLock { $0.batches } }
  var bases: [CommitID] { storage.withLock { $0.bases } }

  var desk: EvidenceDesk {
    EvidenceDesk(
      reader: self, history: self, advisories: self,
      readWaivers: { [self] _, _ in storage.withLock { $0.waivers } },
      readQuarantines: { [self] bytes, _ in
        storage.withLock { bytes.isEmpty ? $0.quarantines : [] }
      })
  }

  func evidence(
    of run: PipelineRun, comparedWith bases: [CommitID]
  ) async throws(PortError) -> CommitEvidence {
    storage.withLock {
      $0.bases = bases
      var evidence = $0.evidence
      evidence.base = bases.first
      return evidence
    }
  }

  func stamp(of directory: String) async throws(PortError) -> String {
    storage.withLock { "\($0.stamp)" }
  }
  func advisories(in directory: String) async throws(PortError) -> AdvisoryIndex {
    storage.withLock { AdvisoryIndex($0.advisories) }
  }

  func records(
    of project: ProjectName, tests: Set<String>
  ) async throws(PortError) -> [String: TestRecord] {
    storage.withLock { $0.records.filter { tests.contains($0.key) } }
  }
  func failingRuns(
    of tests: [String], in project: ProjectName, limit: Int
  ) async throws(PortError) -> [String: Set<Int64>] { [:] }
  func tests(
    of project: ProjectName, _ question: TestQuestion, limit: Int
  ) async throws(PortError) -> [JudgedTest] {
    storage.withLock { storage in
      storage.records.values.map {
        JudgedTest(record: $0, estimate: FlakyModel().estimate($0.statistics))
      }
    }
  }
  func coverage(
    of commit: CommitID, in project: ProjectName
  ) async throws(PortError) -> CoverageReport? { storage.withLock { $0.coverage[commit] } }
  func components(of release: ReleaseID) async throws(PortError) -> ComponentList? {
    storage.withLock { $0.components[release] }
  }
  func durations(of project: ProjectName) async throws(PortError) -> [String: Milliseconds] {
    storage.withLock { $0.records.mapValues(\.meanDuration) }
  }
  func durationStudies(
    of project: ProjectName, limit: Int
  ) async throws(PortError) -> DurationStudies {
    DurationStudies(of: storage.withLock { $0.durations }, limit: limit)
  }
  func keep(_ releases: [ReleaseID], at: Instant) async throws(PortError) {
    storage.withLock { $0.kept.formUnion(releases) }
  }
  func record(_ batch: TestBatch) async throws(PortError) {
    storage.withLock { $0.batches.append(batch) }
  }
  func record(
    _ report: CoverageReport, of commit: CommitID, in project: ProjectName, at: Instant
  ) async throws(PortError) { storage.withLock { $0.coverage[commit] = report } }
  func record(
    _ findings: [SecurityFinding], of commit: CommitID, in project: ProjectName, at: Instant
  ) async throws(PortError) {}
  func record(
    _ list: ComponentList, of release: ReleaseID, at: Instant
  ) async throws(PortError) { storage.withLock { $0.components[release] = list } }

  func sign(
    _ release: Release, of run: PipelineRun, from source: String, began: Instant, ended: Instant
  ) async throws(PortError) -> String { "key" }
  func objection(to release: Release) async -> String? { storage.withLock { $0.objection } }
  func attest(
    _ release: Release, objection: String?, at now: Instant
  ) async throws(PortError) {
    let isWritten = storage.withLock { storage in
      if !storage.isFull { storage.attested.append("\(release.id) \(objection ?? "passed")") }
      return !storage.isFull
    }
    guard isWritten else { throw PortError("disk full", fault: .platform, retry: .safe) }
  }
  /// No paper can be written any more.
  func fill() { storage.withLock { $0.isFull = true } }
  func papers(of release: Release) async -> [String] { ["/papers/\(release.id)"] }
  /// Releases that were verified before a rollout, and what came of it.
  var attested: [String] { storage.withLock { $0.attested } }
}
