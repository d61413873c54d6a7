import ControlProtocol
import Foundation
import Ports
import ReleaseCalendar
import RolloutEngine
import SegueModel
import Testing

@testable import ControlPlane

/// Every kind of record that the control plane writes, as it stood in a journal when it was written first.
///
/// A journal lives for years: what was written once must be read for ever, and mean the same. With
/// `SEGUE_WRITE_GOLDENS=1` a kind that is missing in `Fixtures/journal/records.txt` is added, and what is
/// there stays as it is.
@Suite struct RecordFormatTests {
  private struct Sample {
    var name: String
    var payload: String
    /// Whether a payload is read as this event.
    var reads: (String) throws -> Bool

    init<Event: JournalEvent & Equatable>(_ event: Event, _ variant: String = "") throws {
      name = event.kind + variant
      payload = String(decoding: try CanonicalJSON.encode(event), as: UTF8.self)
      reads = { try CanonicalJSON.decode(Event.self, from: Array($0.utf8)) == event }
    }
  }

  private static let at = Instant(milliseconds: 1_795_521_600_000)
  private static let commit = CommitID(String(repeating: "a", count: 40))
  private static let place = ServiceKey(environment: "production", service: "web")
  private static let service = ServiceSpec(name: "web", run: "./web --port $PORT")
  private static let spec = ProjectSpec(project: "shop", services: [service])
  private static let acceptance = CommitAcceptance(
    pipeline: "aaaaaaaaaaaa-1",
    commit: Commit(id: commit, subject: "Sell shoes", author: "Ana <ana@example.com>", height: 7),
    requestedBy: "ana", allowOlder: false, again: false)

  private static var release: Release {
    Release(
      id: "r-1", commit: commit, pipeline: "aaaaaaaaaaaa-1", subject: "Sell shoes",
      author: "Ana <ana@example.com>", height: 7, directory: "/state/builds/1/checkout",
      digest: "00", spec: spec, builtAt: at)
  }

  private static func pipelines() throws -> [Sample] {
    var question = acceptance
    question.asks = true
    let gates = GateRecord(
      answers: [
        GateResult(
          gate: "policy.branch-name", verdict: .fail, reason: "no", evidence: ["a"],
          remedies: ["b"], warnings: ["c"])
      ], base: commit)
    let events: [PipelineEvent] = [
      .commitAccepted(acceptance), .pipelineStarted(spec: spec), .stepStarted(step: "test"),
      .stepInterrupted(step: "test"),
      .stepFinished(
        step: "test",
        result: StepResult(
          outcome: .refused("1 of 2 tests failed"), took: .seconds(1),
          tests: TestSummary(
            passed: 1, failed: 1, failures: [TestFailure(test: "a.b", message: "no")]),
          tail: ["no"])),
      .gatesJudged(gates), .commitRefused(reason: "no"), .pipelineFailed(reason: "disk full"),
      .pipelineCancelled(reason: "enough"), .commitSuperseded(by: commit),
      .questionAnswered(reason: "no"), .releaseSealed(release: release),
      .releaseSigned(release: "r-1", key: "key"), .releaseRemoved(release: "r-1"),
    ]
    return try events.map { try Sample($0) } + [
      Sample(PipelineEvent.commitAccepted(question), " question"),
      Sample(PipelineEvent.questionAnswered(reason: nil), " nothing"),
    ]
  }

  private static func targets() throws -> [Sample] {
    let order = TargetOrder(
      release: "r-1", commit: commit, requestedBy: "ana", allowOlder: false, again: false,
      promotion: Promotion(from: "staging", settled: 3))
    let events: [TargetEvent] = [
      .targetSet(order), .targetCleared(by: "ana", reason: "enough"),
      .startHeld(commit: commit, reason: "Frozen", next: at, needsPeople: true),
      .startOverridden(commit: commit, reason: "li says so"),
      .serviceBegan(service: "web", from: "r-0"), .unwindingBegan(commit: commit, reason: "no"),
      .commitSettled(commit: commit, live: true, summary: "is live", isFinal: true),
    ]
    return try events.map { try Sample($0) }
  }

  private static func others() throws -> [Sample] {
    let traffic = TrafficBaseline(versions: [], unavailable: 1, steady: [1, 2])
    var receipt = Receipt(
      number: 1, outcome: .live, reason: nil, commit: acceptance.commit, rollout: "ro-1",
      key: place, strategy: "rolling", from: nil, to: "r-1", startedBy: "ana", startedAt: at,
      endedAt: at, steps: [], phases: [], traffic: [], unavailable: 0, cut: 0, latency: nil,
      steadyLatency: nil, extraInstanceTime: .zero, pushToLive: nil, overhead: nil, previous: "0",
      hash: "1")
    receipt.papers = ["/state/builds/1/provenance.json"]
    receipt.words = [
      Receipt.WordLine(
        by: "li", kind: .approval, gate: "approval production", at: at, reason: "fine")
    ]
    let notice = Notice(
      id: "n-1-1", kind: .advisoryHit, project: "shop", environment: "production", service: "web",
      release: "r-1", previousRelease: "r-0", commit: commit, author: "Ana", teams: ["product"],
      text: "It is so", at: at)
    return try [
      Sample(MachineEvent.machineStarted(bootID: "b", before: "a")),
      Sample(DriftEvent.driftFound(subject: "instance i-1", what: "is gone")),
      Sample(
        DriftEvent.advisoryMatched(release: "r-1", places: [place], what: "MAL-1 in left 1.0")),
      Sample(DriftEvent.regressionFound(place: place, release: "r-1", what: "fails more often")),
      Sample(DriftEvent.driftEnded(subject: "instance i-1")),
      Sample(ReceiptEvent.trafficMeasured(rollout: "ro-1", traffic: traffic)),
      Sample(ReceiptEvent.receiptIssued(receipt: receipt)),
      Sample(NoticeEvent.noticePromised(notice: notice, channels: ["chat"], source: 1)),
      Sample(NoticeEvent.noticesDelivered(channel: "chat", sequences: [2])),
      Sample(NoticeEvent.noticesFailed(channel: "chat", sequences: [2], reason: "410")),
      Sample(NoticeEvent.journalRead(upTo: 9)),
    ] + people()
  }

  private static func people() throws -> [Sample] {
    try [
      Sample(
        PeopleEvent.freezeOrdered(
          FreezeOrder(
            id: "freeze-1", environments: .all, from: at, until: at, reason: "fair", by: "ana",
            at: at, zone: "UTC"))),
      Sample(PeopleEvent.freezeLifted(FreezeLift(id: "freeze-1", by: "li", at: at))),
      Sample(
        PeopleEvent.calendarOverridden(
          CommitOverride(
            commit: commit,
            override: CalendarOverride(
              by: "ana", reason: "it is down", from: at, until: at, environments: .all)))),
      Sample(
        PeopleEvent.approvalSaid(
          Approval(
            by: "li", word: .yes, release: "r-1", environment: "production", at: at,
            team: "product", note: "fine"))),
      Sample(
        PeopleEvent.changeAdmitted(
          MilestoneAdmission(by: "mo", milestone: "beta", release: "r-1"))),
    ]
  }

  private static func rollouts() throws -> [Sample] {
    let release = ServiceRelease(id: "r-1", commit: commit, height: 7, spec: service)
    let stage = RolloutEngine.Stage(name: "5%", incoming: 1, outgoing: 2, weight: Permille(50))
    let table = ServiceTable(
      key: place, generation: Generation(3), route: RouteSpec(host: "shop.example.com"),
      versions: [])
    let side = Split.Side(release: "r-1", weight: Permille(50), instances: 1)
    let events: [RolloutEvent] = [
      .rolloutStarted(
        RolloutStart(
          id: "ro-1", kind: .deploy, from: nil, to: release, requestedBy: "ana", reason: "go",
          stages: [stage], expands: true)),
      .deployQueued(order: DeployOrder(release: release, requestedBy: "ana")),
      .deploySuperseded(release: "r-1", by: "r-2"), .stageEntered(index: 1),
      .shiftBegan(split: Split(sides: [side])), .retiringBegan,
      .holdBegan(until: at, isExtended: true), .holdEnded(.promoted(by: "ana", reason: "fine")),
      .rolloutPaused(by: "ana", reason: "look", until: at),
      .rolloutResumed(by: "ana", reason: "fine"),
      .promotedToTheEnd(by: "ana", reason: "it cannot wait"),
      .wayBackBegan(cause: .failure, reason: "no", stages: [stage], by: at),
      .abortRequested(by: "ana", reason: "no"),
      .rolloutEnded(rollout: "ro-1", outcome: .live, reason: nil),
      .keptWarm(release: "r-0", until: at), .warmExpired(release: "r-0"),
      .releaseBlocked(release: "r-1", reason: "no"), .releaseUnblocked(release: "r-1"),
      .migrationOrdered(release: "r-1", step: .expand, attempt: 1, by: at),
      .migrationFinished(release: "r-1", step: .expand, outcome: .failed("no"), output: ["x"]),
      .contractScheduled(release: "r-1", due: at), .contractDropped(release: "r-1"),
      .instanceOrdered(instance: "i-1", release: "r-1", readyBy: at),
      .instanceStarted(instance: "i-1", endpoint: Endpoint(instance: "i-1", port: 8080)),
      .instanceBecameReady(instance: "i-1", booted: .seconds(1)),
      .instanceCheckFailed(instance: "i-1", reason: "503"),
      .instanceBecameUnready(instance: "i-1", reason: "503"),
      .instanceDied(instance: "i-1", reason: "exited with status 1"),
      .instanceVanished(instance: "i-1", restoringUntil: at), .restored(isComplete: true),
      .drainBegan(instance: "i-1", until: at), .instanceDrained(instance: "i-1", remaining: 0),
      .stopOrdered(instance: "i-1", by: at), .instanceStopped(instance: "i-1", killed: false),
      .instanceAbandoned(instance: "i-1"), .tableProposed(table: table, acknowledgeBy: at),
      .tableAcknowledged(generation: Generation(3)),
      .tableFailed(generation: Generation(3), reason: "no"),
    ]
    return try events.map { try Sample($0) }
  }

  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private static let golden = root.appending(path: "Tests/Fixtures/journal/records.txt")

  /// By name; the name and the payload stand apart by a tab.
  private static func recorded() throws -> [String: String] {
    let text = (try? String(contentsOf: golden, encoding: .utf8)) ?? ""
    return Dictionary(
      text.split(separator: "\n").map { line in
        let parts = line.split(separator: "\t", maxSplits: 1).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : "")
      }, uniquingKeysWith: { first, _ in first })
  }

  @Test func everyRecordThatWasEverWrittenIsReadAndMeansTheSame() throws {
    let samples = try Self.pipelines() + Self.targets() + Self.others() + Self.rollouts()
    let known = try Self.recorded()
    if ProcessInfo.processInfo.environment["SEGUE_WRITE_GOLDENS"] == "1" {
      let new = samples.filter { known[$0.name] == nil }.map { "\($0.name)\t\($0.payload)\n" }
      let text = (try? String(contentsOf: Self.golden, encoding: .utf8)) ?? ""
      try (text + new.joined()).write(to: Self.golden, atomically: true, encoding: .utf8)
    }
    let written = try Self.recorded()
    for sample in samples {
      let payload = try #require(
        written[sample.name], "\(sample.name): run the tests with SEGUE_WRITE_GOLDENS=1")
      #expect(try sample.reads(payload), "\(sample.name): \(payload)")
    }
    #expect(Set(written.keys) == Set(samples.map(\.name)), "no record is forgotten")
  }

  /// A kind that is new has to be among the samples.
  @Test func noKindIsLeftOut() throws {
    let known = Set(try Self.recorded().keys.map { $0.prefix { $0 != " " } }.map(String.init))
    for path in [
      "ControlPlane/Events.swift", "ControlPlane/PeopleKeeper.swift",
      "ControlPlane/NoticeKeeper.swift", "RolloutEngine/RolloutEvent.swift",
    ] {
      let source = try String(
        contentsOf: Self.root.appending(path: "Sources/" + path), encoding: .utf8)
      let kinds = source.matches(of: /case \.\w+: "(\w+)"/).map { String($0.1) }
      #expect(!kinds.isEmpty)
      #expect(kinds.filter { !known.contains($0) } == [], "\(path)")
    }
  }
}
