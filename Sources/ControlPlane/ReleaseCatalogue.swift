import ControlProtocol
import Ports
import SegueModel
import Synchronization

/// What is known of commits and releases: an index over the journal's pipeline streams, kept in
/// memory. Bounded: the oldest records go first, but never one whose release may still be running.
final class ReleaseCatalogue: Sendable {
  static let limit = 500

  /// One run of the pipeline, as its events tell.
  struct Record: Sendable {
    var acceptance: CommitAcceptance
    var acceptedAt: Instant
    var status: PipelineStatus
    var release: Release?
    /// The release's files are gone.
    var isRemoved = false
    var results: [StepName: StepResult] = [:]
    /// When each step began and ended, for the receipt's sum of the user's own time.
    var spans: [(begin: Instant, end: Instant?)] = []
    var interrupted: [StepName] = []
    var spec: ProjectSpec?
    /// What the gates said.
    var gates: GateRecord?
    /// The key that vouches for how the release came to be.
    var signedBy: String?
    var supersededBy: CommitID?
  }

  private struct Storage {
    var records: [PipelineID: Record] = [:]
    var order: [PipelineID] = []
    var byRelease: [ReleaseID: PipelineID] = [:]
  }
  private let storage = Mutex(Storage())

  /// Of the newest commit that has one.
  var newestRelease: Release? {
    storage.withLock { storage in
      storage.order.last { storage.records[$0]?.release != nil }
        .flatMap { storage.records[$0]?.release }
    }
  }

  func record(of release: ReleaseID) -> Record? {
    storage.withLock { storage in storage.byRelease[release].flatMap { storage.records[$0] } }
  }

  func record(_ pipeline: PipelineID) -> Record? {
    storage.withLock { $0.records[pipeline] }
  }

  /// The newest run for a commit that is to be deployed.
  func record(of commit: CommitID) -> Record? {
    storage.withLock { storage in
      storage.order.last { id in
        guard let acceptance = storage.records[id]?.acceptance else { return false }
        return acceptance.commit.id == commit && !acceptance.isQuestion
      }.flatMap { storage.records[$0] }
    }
  }

  /// All runs, oldest first.
  var all: [Record] {
    storage.withLock { storage in storage.order.compactMap { storage.records[$0] } }
  }

  var last: Record? {
    storage.withLock { storage in storage.order.last.flatMap { storage.records[$0] } }
  }

  /// The run that a release id, a commit or the beginning of either names: the newest one, and rather
  /// one that became a release than one by which somebody only asked.
  func find(_ name: String) -> Record? {
    let named = all.filter { record in
      record.acceptance.commit.id.rawValue.hasPrefix(name)
        || record.release?.id.rawValue.hasPrefix(name) == true
        || record.acceptance.pipeline.rawValue == name
    }
    guard let last = named.last, last.acceptance.isQuestion else { return named.last }
    return named.last { $0.release != nil } ?? last
  }

  func apply(_ event: PipelineEvent, of pipeline: PipelineID, at now: Instant) {
    storage.withLock { storage in
      if case .commitAccepted(let acceptance) = event {
        storage.records[pipeline] = Record(
          acceptance: acceptance, acceptedAt: now,
          status: PipelineStatus(
            id: pipeline, commit: acceptance.commit, state: .running, reason: nil,
            startedAt: now, endedAt: nil, release: nil, steps: []))
        storage.order.append(pipeline)
        trim(&storage)
        return
      }
      guard var record = storage.records[pipeline] else { return }
      record.apply(event, at: now)
      storage.records[pipeline] = record
      if let release = record.release { storage.byRelease[release.id] = pipeline }
    }
  }

  private func trim(_ storage: inout Storage) {
    while storage.order.count > Self.limit,
      let oldest = storage.order.firstIndex(where: { storage.records[$0]?.release == nil })
    {
      storage.records[storage.order.remove(at: oldest)] = nil
    }
  }
}

extension ReleaseCatalogue.Record {
  fileprivate mutating func apply(_ event: PipelineEvent, at now: Instant) {
    switch event {
    case .commitAccepted:
      break
    case .pipelineStarted(let spec):
      self.spec = spec
      status.startedAt = now
      status.steps = spec.pipeline.map {
        StepStatus(name: $0.name, state: .waiting, startedAt: nil, took: nil, detail: nil)
      }
    case .stepStarted(let step):
      spans.append((begin: now, end: nil))
      change(step) { status in
        status.state = .running
        status.startedAt = now
      }
    case .stepInterrupted(let step):
      interrupted.append(step)
      change(step) { $0.state = .waiting }
    case .stepFinished(let step, let result):
      results[step] = result
      closeSpan(at: now, took: result.took)
      change(step) { status in
        status.state = result.stepState
        status.took = result.took
        status.detail = result.sentence
      }
    case .gatesJudged(let record):
      gates = record
    case .releaseSigned(_, let key):
      signedBy = key
    case .commitRefused(let reason):
      end(.refused, reason, at: now)
    case .pipelineFailed(let reason):
      end(.failed, reason, at: now)
    case .pipelineCancelled(let reason):
      end(.cancelled, reason, at: now)
    case .commitSuperseded(let commit):
      supersededBy = commit
      end(.cancelled, "superseded by \(commit.short)", at: now)
    case .questionAnswered(let reason):
      end(reason == nil ? .passed : .refused, reason, at: now)
    case .releaseSealed(let release):
      self.release = release
      status.release = release.id
      end(.passed, nil, at: now)
    case .releaseRemoved:
      isRemoved = true
    }
  }

  private mutating func end(_ state: PipelineStatus.State, _ reason: String?, at now: Instant) {
    status.state = state
    status.reason = reason
    status.endedAt = now
  }

  private mutating func closeSpan(at now: Instant, took: Milliseconds) {
    let begin = Instant(milliseconds: now.milliseconds - took.count)
    let open = spans.indices.filter { spans[$0].end == nil }
    let nearest = open.min { left, right in
      abs((spans[left].begin - begin).count) < abs((spans[right].begin - begin).count)
    }
    if let nearest { spans[nearest].end = now }
  }

  private mutating func change(_ step: StepName, _ change: (inout StepStatus) -> Void) {
    guard let index = status.steps.firstIndex(where: { $0.name == step }) else { return }
    change(&status.steps[index])
  }

  /// Wall time in which at least one step was running.
  var stepTime: Milliseconds {
    var total = Milliseconds.zero
    var covered = Instant(milliseconds: 0)
    for span in spans.sorted(by: { $0.begin < $1.begin }) {
      guard let end = span.end else { continue }
      let begin = max(span.begin, covered)
      if end > begin { total = total + (end - begin) }
      covered = max(covered, end)
    }
    return total
  }
}

extension StepResult {
  var stepState: StepStatus.State {
    switch outcome {
    case .passed: .passed
    case .failed, .killed, .timedOut, .refused: .failed
    case .cancelled: .cancelled
    case .skipped: .skipped
    }
  }

  /// What happened, as a person would say it.
  var sentence: String {
    excused == nil ? ending : "\(ending), which may fail for now"
  }

  private var ending: String {
    switch outcome {
    case .passed: tests.map { "\($0.passed) tests passed" } ?? "passed"
    case .failed(let status):
      tests.flatMap { $0.failed > 0 ? "\($0.failed) of \($0.total) tests failed" : nil }
        ?? "exited with status \(status)"
    case .killed(let signal): "was killed by signal \(signal)"
    case .timedOut: "took longer than its timeout"
    case .cancelled: "was cancelled"
    case .skipped: "was skipped, because a step it needs did not pass"
    case .refused(let why): why
    }
  }
}
