import Evidence
import Foundation
import SegueModel

/// How well flaky tests are found, beside calling every test flaky that once passed on a retry; and
/// whether what a commit breaks is ever excused.
@main enum FlakyBenchmark {
  private static let worlds = 20
  private static let lengths = [30, 100, 300, 1_000]

  static func main() throws {
    var figures: [String: Double] = [:]
    for isTroubled in [true, false] {
      print(
        isTroubled
          ? "one run in 200 meets a bad machine, which fails 0.5 % of the tests once"
          : "machines never fail a test")
      print("commits  judge          precision  recall  of those above 0.1 %     F1")
      try measure(isTroubled, &figures)
    }
    excuse(&figures)
    if CommandLine.arguments.count > 1 {
      let url = URL(fileURLWithPath: CommandLine.arguments[1])
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try JSONSerialization.data(
        withJSONObject: figures, options: [.prettyPrinted, .sortedKeys]
      ).write(to: url, options: .atomic)
    }
  }

  // MARK: Which tests are flaky

  private struct Score {
    var found = 0
    var right = 0
    var frequent = 0

    mutating func add(_ test: Int, in world: FlakyWorld) {
      found += 1
      guard world.isFlaky(test) else { return }
      right += 1
      if isFrequent(test, world) { frequent += 1 }
    }
  }

  private static func isFrequent(_ test: Int, _ world: FlakyWorld) -> Bool {
    world.failures(of: test) * 1_000 >= PublishedRates.runs
  }

  private static func measure(_ isTroubled: Bool, _ figures: inout [String: Double]) throws {
    let model = FlakyModel()
    var scores: [Int: (segue: Score, retry: Score)] = [:]
    for seed in 1...worlds {
      var settings = FlakyWorld.Settings()
      if !isTroubled { settings.troubleEvery = nil }
      var world = FlakyWorld(settings, seed: UInt64(seed))
      for commit in 1...(lengths.last ?? 0) {
        _ = world.next()
        guard lengths.contains(commit) else { continue }
        var (segue, retry) = scores[commit] ?? (Score(), Score())
        for test in world.tests where world.statistics[test].contradictedFailures > 0 {
          retry.add(test, in: world)
          let statistics = world.statistics[test]
          if FlakyModel.isCalledFlaky(statistics, model.estimate(statistics)) {
            segue.add(test, in: world)
          }
        }
        scores[commit] = (segue, retry)
      }
    }
    let world = FlakyWorld(FlakyWorld.Settings(), seed: 1)
    let flaky = world.tests.count { world.isFlaky($0) } * worlds
    let frequent = world.tests.count { isFrequent($0, world) } * worlds
    for (commits, pair) in scores.sorted(by: { $0.key < $1.key }) {
      for (name, score) in [("segue", pair.segue), ("pass-on-retry", pair.retry)] {
        let precision = Double(score.right) / Double(max(1, score.found))
        let recall = Double(score.right) / Double(flaky)
        let ofFrequent = Double(score.frequent) / Double(frequent)
        let balance = 2 * precision * recall / max(1e-9, precision + recall)
        let cells = [precision, recall, ofFrequent, balance].map(percent)
        print(
          "\(pad("\(commits)", 9))\(pad(name, 15))\(pad(cells[0], 11))\(pad(cells[1], 8))"
            + "\(pad(cells[2], 20))\(cells[3])")
        let key = "\(isTroubled ? "troubled" : "quiet")_\(commits)_\(name)"
        figures["\(key)_precision"] = precision
        figures["\(key)_recall"] = recall
        figures["\(key)_recall_frequent"] = ofFrequent
      }
    }
  }

  // MARK: What is excused

  /// Everything that is found flaky is put into quarantine, which is more than anybody should; then
  /// commits break tests, with a failure of their own or, at the worst, with the very failure that the
  /// flaky test is known for.
  private static func excuse(_ figures: inout [String: Double]) {
    print("\nregressions that a quarantine of everything found flaky would have let through")
    let cases = [
      ("other", "with another failure", false, false),
      ("same", "with the failure that is known", true, false),
      ("own", "with that, the entry coming with the commit", true, true),
    ]
    for (key, what, isSameFailure, isOwnEntry) in cases {
      var (broken, sound, excusedSound, excusedFlaky) = (0, 0, 0, 0)
      for seed in 1...worlds {
        var account = ExcuseAccount(
          seed: UInt64(seed), isSameFailure: isSameFailure, isOwnEntry: isOwnEntry)
        account.run(commits: 500)
        broken += account.brokenFlaky
        sound += account.brokenSound
        excusedSound += account.excusedSound
        excusedFlaky += account.excusedFlaky
      }
      print(
        "  broken \(what): \(excusedSound) of \(sound) of sound tests, "
          + "\(excusedFlaky) of \(broken) of flaky tests")
      figures["excused_\(key)_sound"] = Double(excusedSound)
      figures["excused_\(key)_sound_of"] = Double(sound)
      figures["excused_\(key)_flaky"] = Double(excusedFlaky)
      figures["excused_\(key)_flaky_of"] = Double(broken)
    }
  }

  private static func percent(_ share: Double) -> String {
    let tenths = Int((share * 1_000).rounded())
    return "\(tenths / 10).\(tenths % 10) %"
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

/// Counts what the gate makes of tests that a commit broke, in one world.
private struct ExcuseAccount {
  private var world: FlakyWorld
  private let isSameFailure: Bool
  /// Whether each entry comes with the very commit that breaks its test.
  private let isOwnEntry: Bool
  private let model = FlakyModel()
  private var inARow: [Int: Int] = [:]
  private(set) var brokenSound = 0
  private(set) var brokenFlaky = 0
  private(set) var excusedSound = 0
  private(set) var excusedFlaky = 0

  init(seed: UInt64, isSameFailure: Bool, isOwnEntry: Bool) {
    var settings = FlakyWorld.Settings()
    settings.breakEvery = 2
    world = FlakyWorld(settings, seed: seed)
    self.isSameFailure = isSameFailure
    self.isOwnEntry = isOwnEntry
  }

  mutating func run(commits: Int) {
    for _ in 0..<commits {
      let before = world.statistics
      let commit = world.next()
      for (test, attempts) in commit.odd where attempts.passes == 0 {
        if commit.broken[test] == true { judge(test, knownBy: before[test]) }
        inARow[test, default: 0] += 1
      }
      for test in inARow.keys where (commit.odd[test]?.passes ?? 1) > 0 { inARow[test] = nil }
    }
  }

  /// The gate's own answer about the commit that broke a test.
  private mutating func judge(_ test: Int, knownBy statistics: FlakyModel.Statistics) {
    let isFlaky = world.isFlaky(test)
    if isFlaky { brokenFlaky += 1 } else { brokenSound += 1 }
    guard FlakyModel.isCalledFlaky(statistics, model.estimate(statistics)) else { return }
    let now = Instant(milliseconds: 0)
    let record = TestRecord(
      test: "t", firstSeen: now, firstCommit: "a", lastSeen: now, lastCommit: "b",
      failingInARow: inARow[test] ?? 0, lastSignature: FailureSignature.of("timed out"),
      statistics: statistics)
    let gate = TestsGate(
      quarantines: [
        Quarantine(
          test: "t", owner: "ana", issue: "SHOP-1", expires: now + Milliseconds(1_000),
          isOfThisCommit: isOwnEntry)
      ], records: ["t": record])
    let failure = TestCase(
      suite: "", className: "", name: "t", status: .failed,
      message: isSameFailure ? "timed out" : "expected 2")
    let answer = gate.answer([TestsGate.Attempt(cases: [failure])], at: now)
    guard answer.verdict == .pass else { return }
    if isFlaky { excusedFlaky += 1 } else { excusedSound += 1 }
  }
}
