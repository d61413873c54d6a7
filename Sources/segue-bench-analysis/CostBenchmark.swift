import CanaryAnalysis
import Foundation
import SegueModel

/// What it costs to judge a thousand rollouts at once, each by the second, with a verdict each time.
enum CostBenchmark {
  private static let rollouts = 1_000
  private static let seconds = 60

  static func run() {
    var generator = SeededGenerator(state: 1)
    var judges = (0..<rollouts).map { _ in ReleaseJudge() }
    let empty = Array(repeating: UInt64(0), count: LatencyHistogram.bucketCount)
    var canary = CumulativeCounts(requests: 0, errors: 0, latency: empty)
    var baseline = canary
    var before = resident()
    var spent = 0.0
    var verdicts = 0
    for second in 0...seconds {
      add(20, to: &canary, &generator)
      add(180, to: &baseline, &generator)
      let now = Instant(milliseconds: Int64(second) * 1_000)
      let start = clock()
      for index in judges.indices {
        judges[index].observe(canary: canary, baseline: baseline, at: now)
        if case .notEnoughEvidence = judges[index].verdict(at: now) { verdicts += 1 }
      }
      // The first round makes what stays.
      if second > 0 { spent += Double(clock() - start) / Double(CLOCKS_PER_SEC) }
      if second == 1 { before = resident() }
    }
    let part = spent / Double(seconds)
    print("1,000 rollouts, 64 boundaries of latency, one block and one verdict a second each:")
    print(String(format: "%.1f %% of one core", part * 100))
    print("\(before / 1_024) MiB after 1 s, \(resident() / 1_024) MiB after \(seconds) s")
    precondition(verdicts > 0, "the work must not be optimised away")
  }

  private static func add(
    _ requests: Int, to counts: inout CumulativeCounts, _ generator: inout SeededGenerator
  ) {
    counts.requests += UInt64(requests)
    counts.errors += generator.uniform() < 0.2 ? 1 : 0
    for _ in 0..<requests {
      let microseconds = 50_000 * generator.heterogeneity(0.6)
      counts.latency[LatencyHistogram.bucket(microseconds: UInt64(microseconds))] += 1
    }
  }

  /// Kibibytes; 0 where the system does not tell.
  private static func resident() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
  }
}
