import ControlProtocol
import Foundation
import Glibc
import SegueModel
import Synchronization
import Testing

@testable import Commands

/// Swift Testing has one too.
typealias ExitStatus = Commands.ExitStatus

/// A fresh directory, removed afterwards.
func withDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  var template = Array("/tmp/segue-XXXXXX".utf8CString)
  try #require(mkdtemp(&template) != nil)
  let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try await body(path)
}

struct TimedOut: Error {}

/// Looks until `condition` holds.
func wait(_ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(60)
  while try await !condition() {
    guard ContinuousClock.now < end else { throw TimedOut() }
    try await Task.sleep(for: .milliseconds(5))
  }
}

/// Remembers what it was told to run.
final class RecordingComposition: Composition {
  let served = Mutex<[ServeOptions]>([])
  let proxied = Mutex<[ProxyOptions]>([])

  func serve(_ options: ServeOptions) async throws { served.withLock { $0.append(options) } }
  func proxy(_ options: ProxyOptions) async throws { proxied.withLock { $0.append(options) } }
  func upgradeProxy(state: String, controlSocket: String) async throws -> String {
    "Upgraded \(controlSocket)"
  }
  func keepSockets() async throws {}
  func down(state: String) async throws -> String { "Stopped \(state)" }
}

/// The control plane as the test wants it.
struct ScriptedAPI: ControlAPI {
  var statusReply: @Sendable () throws -> StatusReply = { Samples.status() }
  var deployReply = Samples.deployed
  var gatesReply: @Sendable () throws -> GateReply = { Samples.gates }
  var rolloutReply = RolloutReply(rollouts: ["R1"], sequence: 3, message: "It goes back")
  var entries: [HistoryEntry] = []
  var findings: [Finding] = []
  /// By the sequence asked for.
  var items: @Sendable (Int64) -> AsyncThrowingStream<FeedItem, any Error> = { _ in
    AsyncThrowingStream { $0.finish() }
  }
  var lines: [LogLine] = []
  var failure: ControlError?
  var onPush: @Sendable (PushedRequest) -> Void = { _ in }
  /// What it was asked, of the verbs that have no callback of their own.
  var onRequest: @Sendable (String) -> Void = { _ in }
  var facts: [ServiceFacts] = []

  private func answer<Value>(_ value: Value) throws -> Value {
    if let failure { throw failure }
    return value
  }

  func status() async throws -> StatusReply { try answer(try statusReply()) }
  func deploy(_ request: DeployRequest) async throws -> DeployReply {
    onRequest("\(request)")
    return try answer(deployReply)
  }
  func rollback(_ request: RollbackRequest) async throws -> RolloutReply {
    onRequest("\(request)")
    return try answer(rolloutReply)
  }
  func abort(_ request: AbortRequest) async throws -> RolloutReply {
    onRequest("\(request)")
    return try answer(rolloutReply)
  }
  func pause(_ request: PauseRequest) async throws -> RolloutReply {
    onRequest("\(request)")
    return try answer(rolloutReply)
  }
  func resume(_ request: ResumeRequest) async throws -> RolloutReply {
    onRequest("\(request)")
    return try answer(rolloutReply)
  }
  func promote(_ request: PromoteRequest) async throws -> RolloutReply {
    onRequest("\(request)")
    return try answer(rolloutReply)
  }
  func promoteRelease(_ request: PromoteReleaseRequest) async throws -> DeployReply {
    onRequest("\(request)")
    return try answer(deployReply)
  }
  func facts(_ request: FactsRequest) async throws -> [ServiceFacts] {
    onRequest("\(request)")
    return try answer(facts)
  }
  func history(limit: Int) async throws -> [HistoryEntry] { try answer(entries) }
  func receipt(_ rollout: RolloutID?) async throws -> Receipt { try answer(Samples.receipt()) }
  func explain(_ subject: String?) async throws -> Explanation {
    try answer(
      Explanation(commit: Samples.commit, release: nil, verdict: "It is live.", answers: []))
  }
  func gates(_ subject: String?) async throws -> GateReply {
    try answer(try gatesReply())
  }
  func experiment(_ request: ExperimentRequest) async throws -> ExperimentReply {
    onRequest("\(request)")
    return try answer(Samples.experiment)
  }
  func reach(_ request: GoalRequest) async throws -> GoalReply {
    onRequest("\(request)")
    return try answer(GoalReply(rollout: "R1", message: "counted"))
  }
  func tests(_ request: TestsRequest) async throws -> [TestStanding] {
    try answer(Samples.tests)
  }
  func testDurations(_ request: DurationsRequest) async throws -> DurationsReply {
    try answer(Samples.durations)
  }
  func testTimes() async throws -> TestTimesReply { try answer(Samples.times) }
  func feed(
    after sequence: Int64, follow: Bool, commit: CommitID?
  ) -> AsyncThrowingStream<FeedItem, any Error> {
    if let failure { return AsyncThrowingStream { $0.finish(throwing: failure) } }
    return items(sequence)
  }
  func logs(_ request: LogsRequest) -> AsyncThrowingStream<LogLine, any Error> {
    AsyncThrowingStream { continuation in
      for line in lines { continuation.yield(line) }
      continuation.finish()
    }
  }
  func freeze(_ request: FreezeRequest) async throws -> PeopleReply {
    onRequest("\(request)")
    return try answer(PeopleReply(freeze: "freeze-1", message: "frozen"))
  }
  func lift(_ request: LiftRequest) async throws -> PeopleReply {
    onRequest("\(request)")
    return try answer(PeopleReply(freeze: request.freeze, message: "lifted"))
  }
  func approve(_ request: ApproveRequest) async throws -> PeopleReply {
    onRequest("\(request)")
    return try answer(PeopleReply(message: "recorded"))
  }
  func calendar(_ environment: EnvironmentName?) async throws -> CalendarReply {
    try answer(Samples.calendar)
  }
  func calendarFeed(_ environment: EnvironmentName?) async throws -> String {
    try answer("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
  }
  func diagnose() async throws -> [Finding] { try answer(findings) }
  func pushed(_ request: PushedRequest) async throws -> DeployReply {
    onPush(request)
    return try answer(deployReply)
  }
}

/// What a command printed, and how it ended.
struct Outcome {
  var status: ExitStatus
  var output: String
  var errors: String
}

/// Runs `segue ARGUMENTS` against a scripted control plane, away from every terminal.
func segue(
  _ arguments: String..., api: ScriptedAPI = ScriptedAPI(),
  composition: any Composition = RecordingComposition(), environment: [String: String] = [:],
  directory: String = "/", input: String = "",
  interrupts: @escaping @Sendable () -> AsyncStream<Void> = { AsyncStream { _ in } }
) async throws -> Outcome {
  try await segue(
    arguments, api: api, composition: composition, environment: environment,
    directory: directory, input: input, interrupts: interrupts)
}

func segue(
  _ arguments: [String], api: ScriptedAPI = ScriptedAPI(),
  composition: any Composition = RecordingComposition(), environment: [String: String] = [:],
  directory: String = "/", input: String = "",
  interrupts: @escaping @Sendable () -> AsyncStream<Void> = { AsyncStream { _ in } }
) async throws -> Outcome {
  try await withDirectory { folder in
    let output = open(folder + "/output", O_RDWR | O_CREAT, 0o600)
    let errors = open(folder + "/errors", O_RDWR | O_CREAT, 0o600)
    defer {
      close(output)
      close(errors)
    }
    var surroundings = [
      "SEGUE_STATE": "/nowhere/state", "USER": "ana", "PATH": "/usr/bin:/bin", "TZ": "Asia/Tokyo",
    ]
    surroundings.merge(environment) { $1 }
    let context = Context(
      composition: composition, environment: surroundings, arguments: arguments,
      directory: directory, output: output, errors: errors, interrupts: interrupts,
      input: { input }, connect: { _, body in try await body(api) })
    let status = await SegueCommand.run(arguments, in: context)
    return Outcome(
      status: status, output: try String(contentsOfFile: folder + "/output", encoding: .utf8),
      errors: try String(contentsOfFile: folder + "/errors", encoding: .utf8))
  }
}

extension AsyncThrowingStream where Element: Sendable, Failure == any Error {
  static func of(_ elements: [Element], then error: (any Error)? = nil) -> Self {
    Self { continuation in
      for element in elements { continuation.yield(element) }
      continuation.finish(throwing: error)
    }
  }

  /// The elements, and then nothing, for ever.
  static func open(_ elements: [Element]) -> Self {
    Self { continuation in
      for element in elements { continuation.yield(element) }
    }
  }
}
