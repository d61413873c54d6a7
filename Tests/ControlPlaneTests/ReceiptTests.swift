import ControlProtocol
import Ports
import SegueModel
import Testing

@testable import ControlPlane
@testable import RolloutEngine

/// The account of one rollout, event by event.
@Suite struct ReceiptTests {
  private static let key = ServiceKey(environment: "production", service: "web")
  private static let price = CostSpec(instanceHour: 3_600_000, currency: "EUR")

  private static func at(_ seconds: Int64) -> Instant {
    Instant(milliseconds: 1_000_000 + seconds * 1_000)
  }

  private static func release(_ number: Int, listen: ListenSpec? = nil) -> ServiceRelease {
    ServiceRelease(
      id: ReleaseID("r-\(number)"), commit: CommitID("c\(number)"), height: number,
      spec: ServiceSpec(
        name: "web", run: "serve", instances: 2, listen: listen,
        migrate: MigrateSpec(expand: "expand", contract: "contract", contractAfter: .minutes(60))))
  }

  private static let catalogue: ReleaseCatalogue = {
    let catalogue = ReleaseCatalogue()
    let release = Self.release(2)
    let commit = Commit(id: release.commit, subject: "Two", author: "Ana", height: 2)
    let spec = ProjectSpec(project: "shop", services: [release.spec], cost: price)
    let accepted = CommitAcceptance(
      pipeline: "P", commit: commit, requestedBy: "ana", allowOlder: false, again: false)
    let sealed = Release(
      id: release.id, commit: release.commit, pipeline: "P", subject: "Two", author: "Ana",
      height: 2, directory: "/", digest: "", spec: spec, builtAt: at(0))
    catalogue.apply(.commitAccepted(accepted), of: "P", at: at(-9))
    catalogue.apply(.releaseSealed(release: sealed), of: "P", at: at(-1))
    return catalogue
  }()

  private static func receipt(
    _ events: [(Int64, RolloutEvent)], before: TrafficBaseline? = nil,
    after: ServiceReport? = nil, mirrored: MirrorReport? = nil, listen: ListenSpec? = nil
  ) throws -> Receipt {
    let stages = [
      RolloutEngine.Stage(
        name: "5%", incoming: 1, outgoing: 2, weight: Permille(50),
        hold: .promotion(limit: .minutes(9))),
      RolloutEngine.Stage(
        name: "100%", incoming: 2, outgoing: 0, weight: .all, keepOutgoing: .minutes(10)),
    ]
    let start = RolloutStart(
      id: "R1", kind: .deploy, from: release(1), to: release(2, listen: listen), requestedBy: "ana",
      reason: nil, stages: stages, expands: true)
    let records = ([(0, .rolloutStarted(start))] + events).enumerated().map { index, item in
      Recorded(
        sequence: Int64(index), version: Int64(index), at: at(item.0), event: item.1)
    }
    return try #require(
      RolloutAccount(key: key, events: records).receipt(
        catalogue: catalogue, before: before, after: after, mirrored: mirrored))
  }

  private static let wholeRollout: [(Int64, RolloutEvent)] = [
    (0, .migrationOrdered(release: "r-2", step: .expand, attempt: 1, by: at(600))),
    (
      3,
      .migrationFinished(release: "r-2", step: .expand, outcome: .succeeded, output: ["2 rows"])
    ),
    (3, .instanceOrdered(instance: "web-3", release: "r-2", readyBy: at(63))),
    (5, .shiftBegan(split: .none)), (6, .retiringBegan),
    (6, .holdBegan(until: at(546), isExtended: false)),
    (10, .rolloutPaused(by: "li", reason: "lunch", until: at(9_000))),
    (20, .holdEnded(.promoted(by: "ana", reason: "fine"))),
    (30, .rolloutResumed(by: "ana")), (30, .stageEntered(index: 1)),
    (30, .instanceOrdered(instance: "web-4", release: "r-2", readyBy: at(90))),
    (32, .shiftBegan(split: .none)), (33, .retiringBegan),
    (33, .keptWarm(release: "r-1", until: at(633))),
    (33, .drainBegan(instance: "web-9", until: at(63))),
    (34, .instanceDrained(instance: "web-9", remaining: 0)),
    (34, .instanceDrained(instance: "web-8", remaining: 3)),
    (35, .rolloutEnded(rollout: "R1", outcome: .live, reason: nil)),
  ]

  @Test func everyPhaseHasItsTimeAndItsEnd() throws {
    let receipt = try Self.receipt(Self.wholeRollout)
    let phases = receipt.phases.map { "\($0.name) \($0.took.count / 1_000) \($0.detail ?? "")" }
    #expect(
      phases == [
        "database: expanding 3 succeeded", "5%: starting 2 ", "5%: shifting traffic 1 ",
        "5%: retiring 0 ", "5%: holding 14 promoted by ana: fine", "5%: paused 10 ",
        "100%: starting 2 ", "100%: shifting traffic 1 ", "100%: retiring 2 ",
      ])
    let pause = try #require(receipt.pauses?.first)
    #expect(pause.took == .seconds(20))
    #expect(pause.resumedBy == "ana")
    #expect(receipt.drained == 1)
    #expect(receipt.cut == 3)
  }

  /// 42 s from the push to all of the traffic. 3 s of them were the database's, and 24 s people's.
  @Test func whatSomebodyAskedForIsNotSeguesOwnTime() throws {
    let receipt = try Self.receipt(Self.wholeRollout)
    #expect(receipt.pushToLive == .seconds(42))
    #expect(receipt.overhead == .seconds(42 - 3 - 24))
  }

  /// Three run for 27 s, where two are the steady number, then four for 5 s: 37 s. At a thousandth of
  /// a EUR a second that is 0.037 EUR. Two more are kept for ten minutes, of which 2 s are over.
  @Test func extraInstancesHaveTheirPrice() throws {
    let receipt = try Self.receipt(Self.wholeRollout)
    #expect(receipt.extraInstanceTime == .seconds(27 + 10))
    #expect(receipt.cost == .init(amount: 37_000, currency: "EUR"))
    #expect(receipt.warm?.release == "r-1")
    #expect(receipt.warm?.instanceTime == .seconds(2 * 598))
    #expect(receipt.warm?.cost?.amount == 1_196_000)
  }

  @Test func whatNobodySawIsNotClaimed() throws {
    let end: [(Int64, RolloutEvent)] = [
      (9, .rolloutEnded(rollout: "R1", outcome: .live, reason: nil))
    ]
    #expect(try Self.receipt(end).uncounted == nil)
    let listen = ListenSpec.inherit(SharedAddress(host: "::1", port: 8_080))
    let receipt = try Self.receipt(end, listen: listen)
    #expect(receipt.uncounted?.contains("accept from one socket at [::1]:8080") == true)
  }

  @Test func changesOfTheDatabaseAreOnRecord() throws {
    let receipt = try Self.receipt(Self.wholeRollout)
    let migration = try #require(receipt.migrations?.first)
    #expect(migration.took == .seconds(3))
    #expect(migration.succeeded)
    #expect(migration.output == ["2 rows"])
    // An hour after the end, which is later than the end of the warm set.
    #expect(receipt.contractDue == Self.at(35 + 3_600))
    let back: [(Int64, RolloutEvent)] = [
      (3, .wayBackBegan(cause: .failure, reason: "no", stages: [], by: Self.at(99))),
      (4, .rolloutEnded(rollout: "R1", outcome: .rolledBack, reason: "no")),
    ]
    let failed = try Self.receipt(back)
    #expect(failed.contractDue == nil)
    #expect(failed.warm == nil)
    #expect(failed.phases.first?.detail == "no")
  }

  @Test(
    arguments: [
      (nil, nil, nil), (HoldCounters(released: 4, longest: 9), nil, nil),
      (
        nil, HoldCounters(released: 2, expired: 1, longest: 9),
        Receipt.HeldLine(
          released: 2, expired: 1, longest: 9, isUpperBound: false)
      ),
      (HoldCounters(released: 4, longest: 9), HoldCounters(released: 4, longest: 9), nil),
      (
        HoldCounters(released: 4, longest: 9), HoldCounters(released: 6, longest: 9),
        Receipt.HeldLine(released: 2, expired: 0, longest: 9, isUpperBound: true)
      ),
      (
        HoldCounters(released: 4, longest: 9), HoldCounters(released: 6, longest: 10),
        Receipt.HeldLine(released: 2, expired: 0, longest: 10, isUpperBound: false)
      ),
      // The router was started anew.
      (
        HoldCounters(released: 4, longest: 9), HoldCounters(released: 1, longest: 2),
        Receipt.HeldLine(released: 1, expired: 0, longest: 2, isUpperBound: true)
      ),
    ] as [(HoldCounters?, HoldCounters?, Receipt.HeldLine?)])
  func onlyWhatWasHeldSinceCounts(
    before: HoldCounters?, after: HoldCounters?, line: Receipt.HeldLine?
  ) {
    #expect(RolloutAccount.held(before, after) == line)
  }

  @Test func onlyWhatWasComparedSinceCounts() {
    let before = MirrorReport(release: "r-2", compared: 10, equal: 8, status: 2)
    let after = MirrorReport(release: "r-2", compared: 30, equal: 27, status: 3)
    let since = RolloutAccount.mirror(of: "r-2", before, after)
    #expect(since?.compared == 20)
    #expect(since?.equal == 19)
    #expect(since?.status == 1)
    #expect(RolloutAccount.mirror(of: "r-3", before, after) == nil)
    #expect(RolloutAccount.mirror(of: "r-2", before, before) == nil)
    #expect(RolloutAccount.mirror(of: "r-2", nil, after) == after)
  }

  /// Old receipts have none of the new fields, and their hashes are still theirs.
  @Test func whatIsNotThereIsNotWritten() throws {
    let receipt = try Self.receipt([
      (4, .rolloutEnded(rollout: "R1", outcome: .aborted, reason: "no"))
    ])
    let text = String(decoding: try CanonicalJSON.encode(receipt), as: UTF8.self)
    for field in ["held", "mirror", "pauses", "migrations", "warm", "contractDue", "kind"] {
      #expect(!text.contains("\"\(field)\":"), "\(field)")
    }
  }
}
