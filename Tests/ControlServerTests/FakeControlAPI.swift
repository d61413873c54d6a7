import ControlProtocol
import SegueModel
import Synchronization

/// Answers with samples, or with one error to everything, and keeps what it was asked.
final class FakeControlAPI: ControlAPI {
  private let asked = Mutex<[String]>([])
  private let failure: ControlError?
  private let feedSource: @Sendable () -> AsyncThrowingStream<FeedItem, any Error>

  init(
    failure: ControlError? = nil,
    feed: @escaping @Sendable () -> AsyncThrowingStream<FeedItem, any Error> = {
      .finished([Samples.item(1), Samples.item(2)])
    }
  ) {
    self.failure = failure
    feedSource = feed
  }

  var questions: [String] { asked.withLock { $0 } }

  private func answer<Value>(_ question: String, _ value: Value) throws -> Value {
    asked.withLock { $0.append(question) }
    if let failure { throw failure }
    return value
  }

  func status() async throws -> StatusReply { try answer("status", Samples.status) }
  func deploy(_ request: DeployRequest) async throws -> DeployReply {
    try answer("\(request)", Samples.deployed)
  }
  func rollback(_ request: RollbackRequest) async throws -> RolloutReply {
    try answer("\(request)", Samples.rollouts)
  }
  func abort(_ request: AbortRequest) async throws -> RolloutReply {
    try answer("\(request)", Samples.rollouts)
  }
  func pause(_ request: PauseRequest) async throws -> RolloutReply {
    try answer("\(request)", Samples.rollouts)
  }
  func resume(_ request: ResumeRequest) async throws -> RolloutReply {
    try answer("\(request)", Samples.rollouts)
  }
  func promote(_ request: PromoteRequest) async throws -> RolloutReply {
    try answer("\(request)", Samples.rollouts)
  }
  func promoteRelease(_ request: PromoteReleaseRequest) async throws -> DeployReply {
    try answer("\(request)", Samples.deployed)
  }
  func facts(_ request: FactsRequest) async throws -> [ServiceFacts] {
    try answer("\(request)", [Samples.facts])
  }
  func pushed(_ request: PushedRequest) async throws -> DeployReply {
    try answer("\(request)", Samples.deployed)
  }
  func history(limit: Int) async throws -> [HistoryEntry] {
    try answer("history \(limit)", [Samples.entry])
  }
  func receipt(_ rollout: RolloutID?) async throws -> Receipt {
    try answer("receipt \(rollout?.rawValue ?? "last")", Samples.receipt)
  }
  func explain(_ subject: String?) async throws -> Explanation {
    try answer("explain \(subject ?? "newest")", Samples.explanation)
  }
  func freeze(_ request: FreezeRequest) async throws -> PeopleReply {
    try answer("\(request)", PeopleReply(freeze: "freeze-1", message: "frozen"))
  }
  func lift(_ request: LiftRequest) async throws -> PeopleReply {
    try answer("\(request)", PeopleReply(freeze: request.freeze, message: "lifted"))
  }
  func approve(_ request: ApproveRequest) async throws -> PeopleReply {
    try answer("\(request)", PeopleReply(message: "recorded"))
  }
  func calendar(_ environment: EnvironmentName?) async throws -> CalendarReply {
    try answer(
      "calendar \(environment?.rawValue ?? "all")",
      CalendarReply(now: Instant(milliseconds: 1_000)))
  }
  func calendarFeed(_ environment: EnvironmentName?) async throws -> String {
    try answer(
      "feed of \(environment?.rawValue ?? "all")", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
  }
  func gates(_ subject: String?) async throws -> GateReply {
    try answer(
      "gates \(subject ?? "newest")",
      GateReply(
        commit: Samples.explanation.commit, passes: false, verdict: "It is stopped by tests.",
        record: GateRecord(
          answers: [GateResult(gate: "tests", verdict: .fail, reason: "1 of 2 tests failed")],
          base: "ab")))
  }
  func experiment(_ request: ExperimentRequest) async throws -> ExperimentReply {
    try answer(
      "\(request)",
      ExperimentReply(
        key: Samples.key, rollout: "R1", isRunning: true, endsAt: nil,
        result: ExperimentLine(state: .noData, sentence: "no data yet", variants: [], rows: [])))
  }
  func reach(_ request: GoalRequest) async throws -> GoalReply {
    try answer("\(request)", GoalReply(rollout: "R1", message: "counted"))
  }
  func tests(_ request: TestsRequest) async throws -> [TestStanding] {
    try answer(
      "tests \(request.question.rawValue) \(request.limit)",
      [
        TestStanding(
          test: "a.b", runs: 3, failures: 1, last: "failed", failingInARow: 1, failingSince: "ab",
          firstSeen: Instant(milliseconds: 1), firstCommit: "ab",
          lastSeen: Instant(milliseconds: 2), flakiness: Permille(12))
      ])
  }
  func testDurations(_ request: DurationsRequest) async throws -> DurationsReply {
    try answer("durations \(request.limit)", DurationsReply(steps: [], tests: []))
  }
  func testTimes() async throws -> TestTimesReply {
    try answer("times", TestTimesReply(times: ["a.b": .seconds(1)]))
  }
  func diagnose() async throws -> [Finding] { try answer("diagnose", [Samples.finding]) }

  func feed(
    after sequence: Int64, follow: Bool, commit: CommitID?
  ) -> AsyncThrowingStream<FeedItem, any Error> {
    do {
      return try answer(
        "feed \(sequence) \(follow) \(commit?.rawValue ?? "all")", feedSource())
    } catch {
      return .failed(error)
    }
  }

  func logs(_ request: LogsRequest) -> AsyncThrowingStream<LogLine, any Error> {
    do {
      return try answer("\(request)", .finished(Samples.lines))
    } catch {
      return .failed(error)
    }
  }
}

extension AsyncThrowingStream where Element: Sendable, Failure == any Error {
  /// The elements, and then the end.
  static func finished(_ elements: [Element]) -> Self {
    Self { continuation in
      for element in elements { continuation.yield(element) }
      continuation.finish()
    }
  }

  static func failed(_ error: any Error) -> Self { Self { $0.finish(throwing: error) } }
}

enum Samples {
  static let commit = CommitID("1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d")
  static let key = ServiceKey(environment: "production", service: "web")
  static let lines = [LogLine(source: "web-1", text: "up: 100 % & \"ready\" \u{1b}[1m…")]
  static let finding = Finding(
    subject: "service web", severity: .warning, message: "no health path", nextStep: "Give it one")
  static let deployed = DeployReply(
    commit: commit, sequence: 7, message: "It is being built", accepted: true)
  static let rollouts = RolloutReply(rollouts: ["R1"], sequence: 8, message: "It goes back")
  static let entry = HistoryEntry(
    outcome: "live", commit: commit, subject: "Fix the basket", author: "Ana <ana@example.com>",
    rollout: "R1", release: "r-0123456789abcdef", key: key, startedAt: Instant(milliseconds: 1_000),
    endedAt: Instant(milliseconds: 2_000), reason: nil)
  static let explanation = Explanation(
    commit: details, release: nil, verdict: "It is not live: a test failed.",
    answers: [.init(question: "step test", result: .fail, why: "It failed.", evidence: ["a", "b"])])
  static let details = Commit(
    id: commit, subject: "Fix the basket", author: "Ana <ana@example.com>", height: 12)

  static let facts = ServiceFacts(
    key: key, spec: ServiceSpec(name: "web", run: "serve", strategy: .canary(CanarySpec())),
    cost: CostSpec(instanceHour: 40_000, currency: "EUR"),
    traffic: .init(requests: 1_200, failures: 3, over: .minutes(1)), boot: .seconds(4))

  static let status = StatusReply(
    segueVersion: "0.1.0", project: "shop", deployBranch: "main", source: "/srv/shop.git",
    now: Instant(milliseconds: 5_000), startedAt: Instant(milliseconds: 1_000), sequence: 41,
    proxy: ProxyStatus(running: true, address: "127.0.0.1:8080", pid: 77, restarts: 0),
    pipeline: nil, queued: [], services: [], problems: [])

  static let receipt = Receipt(
    number: 3, outcome: .live, reason: nil, commit: details, rollout: "R1", key: key,
    strategy: "rolling", from: "r-0000000000000000", to: "r-0123456789abcdef", startedBy: "ana",
    startedAt: Instant(milliseconds: 1_000), endedAt: Instant(milliseconds: 2_000), steps: [],
    phases: [], traffic: [], unavailable: 0, cut: 0, latency: nil, steadyLatency: nil,
    extraInstanceTime: .seconds(3), pushToLive: nil, overhead: nil,
    previous: String(repeating: "0", count: 64), hash: String(repeating: "a", count: 64))

  static func item(_ sequence: Int64, text: String = "passed in 3.2 s") -> FeedItem {
    FeedItem(
      sequence: sequence, at: Instant(milliseconds: sequence * 1_000), kind: "stepFinished",
      level: .success, subject: "step test", text: text, commit: commit)
  }
}
