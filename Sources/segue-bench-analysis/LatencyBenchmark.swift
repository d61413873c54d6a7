import CanaryAnalysis
import Foundation
import SegueModel

/// How soon a slower release is caught, from histograms alone.
enum LatencyBenchmark {
  /// What the release does to the time that a request takes, which is log-normal around 50 ms.
  enum Effect: String, CaseIterable {
    case none = "nothing is slower"
    case all = "all 20 % slower"
    case tail = "slowest 5 % by 20 %"
    case extreme = "slowest 2 % by 50 %"

    func factor(at quantile: Double) -> Double {
      switch self {
      case .none: 1
      case .all: 1.2
      case .tail: quantile > 0.95 ? 1.2 : 1
      case .extreme: quantile > 0.98 ? 1.5 : 1
      }
    }
  }

  enum Judge: String, CaseIterable {
    case segue
    /// The part beyond the 95th percentile of the hour before, two proportions as with errors.
    case window = "fixed window"
    /// The 99th percentile by the minute.
    case kayenta
    /// The 99th percentile above 500 ms in five checks, as in its documentation's example.
    case flagger
  }

  /// One hour; what each judge makes of it.
  struct Outcome: Sendable {
    var alarms: [Int?] = Judge.allCases.map { _ in nil }
    var greatestWindow = 0.0
  }

  /// Equally likely buckets of ``LatencyHistogram``: sampling is one look into a table.
  private static func table(_ effect: Effect) -> [Int] {
    (0..<65_536).map { index in
      let quantile = (Double(index) + 0.5) / 65_536
      var low = -10.0
      var high = 10.0
      for _ in 0..<60 {
        let middle = (low + high) / 2
        if 0.5 * erfc(-middle / 2.0.squareRoot()) < quantile { low = middle } else { high = middle }
      }
      let microseconds = 50_000 * exp(0.6 * low) * effect.factor(at: quantile)
      return LatencyHistogram.bucket(microseconds: UInt64(microseconds))
    }
  }

  private struct Minute {
    var canary = Array(repeating: UInt64(0), count: LatencyHistogram.bucketCount)
    var baseline = Array(repeating: UInt64(0), count: LatencyHistogram.bucketCount)

    /// Milliseconds; `nil` without requests.
    static func slowest(_ counts: [UInt64]) -> Double? {
      LatencyHistogram.quantile(0.99, of: counts).map { Double($0) / 1_000 }
    }

    func beyond(_ bucket: Int) -> PairedCounts {
      PairedCounts(
        canaryRequests: canary.reduce(0, +), canaryErrors: canary[bucket...].reduce(0, +),
        baselineRequests: baseline.reduce(0, +), baselineErrors: baseline[bucket...].reduce(0, +))
    }
  }

  private static func hour(
    _ rate: Double, _ share: Double, _ tables: (old: [Int], new: [Int]), threshold: Double,
    _ generator: inout SeededGenerator
  ) -> Outcome {
    var outcome = Outcome()
    var test = LatencyTest()
    var minutes: [Minute] = []
    let slow = tables.old[65_536 * 95 / 100]
    var canaryShare = 0.0
    var served: UInt64 = 0
    for minute in 0..<60 {
      var sum = Minute()
      for second in 0..<60 {
        canaryShare += rate * share
        let canary = UInt64(canaryShare) - served
        served += canary
        var block = Minute()
        for _ in 0..<canary { block.canary[tables.new[Int(generator.next() >> 48)]] += 1 }
        for _ in canary..<UInt64(rate) {
          block.baseline[tables.old[Int(generator.next() >> 48)]] += 1
        }
        if outcome.alarms[0] == nil {
          test.add(canary: block.canary, baseline: block.baseline)
          if test.greatestLogEvidence >= log(100) { outcome.alarms[0] = minute * 60 + second + 1 }
        }
        for bucket in block.canary.indices {
          sum.canary[bucket] += block.canary[bucket]
          sum.baseline[bucket] += block.baseline[bucket]
        }
      }
      minutes.append(sum)
    }
    judge(minutes, slow: slow, threshold: threshold, into: &outcome)
    return outcome
  }

  private static func judge(
    _ minutes: [Minute], slow: Int, threshold: Double, into outcome: inout Outcome
  ) {
    let scores = minutes.indices.map { index -> Double in
      let seen = minutes[max(0, index - 4)...index].map { $0.beyond(slow) }
      return Method.score(Method.total(seen[...]))
    }
    outcome.greatestWindow = scores.max() ?? 0
    outcome.alarms[1] = scores.firstIndex { $0 > threshold }.map { ($0 + 1) * 60 }
    for end in stride(from: 10, through: minutes.count, by: 10) where outcome.alarms[2] == nil {
      let seen = minutes[max(0, end - 30)..<end]
      let found = KayentaJudge().classify(
        experiment: seen.compactMap { Minute.slowest($0.canary) },
        control: seen.compactMap { Minute.slowest($0.baseline) })
      if found == .high { outcome.alarms[2] = end * 60 }
    }
    let failed = minutes.indices.filter { (Minute.slowest(minutes[$0].canary) ?? 0) > 500 }
    outcome.alarms[3] = failed.dropFirst(4).first.map { ($0 + 1) * 60 }
  }

  private static func cell(
    _ rate: Double, _ share: Double, _ effect: Effect, runs: Int, threshold: Double, seed: UInt64
  ) -> [Outcome] {
    var generator = SeededGenerator(state: seed &* 0x7000_0001)
    let tables = (old: table(.none), new: table(effect))
    return (0..<runs).map { _ in hour(rate, share, tables, threshold: threshold, &generator) }
  }

  static func run(into figures: inout [String: Double]) async {
    let setups: [(Double, Double)] = [10.0, 100, 1_000].flatMap { rate in
      [0.01, 0.05, 0.1, 0.5].map { share in (rate, share) }
    }
    let clean = await AnalysisBenchmark.parallel(setups.count) { index in
      let (rate, share) = setups[index]
      return cell(
        rate, share, .none, runs: rate > 100 ? 50 : 200, threshold: .infinity, seed: UInt64(index))
    }
    let effects = Effect.allCases.dropFirst()
    let cells = await AnalysisBenchmark.parallel(setups.count * effects.count) { index in
      let setup = index / effects.count
      let greatest = clean[setup].map(\.greatestWindow).sorted()
      return cell(
        setups[setup].0, setups[setup].1, effects[effects.startIndex + index % effects.count],
        runs: setups[setup].0 > 100 ? 20 : 50, threshold: greatest[greatest.count * 99 / 100],
        seed: 100 + UInt64(index))
    }
    for (index, setup) in setups.enumerated() {
      let name = "\(Int(setup.0)) requests/s, \(Int((setup.1 * 100).rounded())) %"
      print(AnalysisBenchmark.row([name] + Judge.allCases.map(\.rawValue)))
      print(AnalysisBenchmark.row(Array(repeating: "---", count: Judge.allCases.count + 1)))
      let rows = [clean[index]] + cells[index * effects.count..<(index + 1) * effects.count]
      for (effect, outcomes) in zip(Effect.allCases, rows) {
        let texts = Judge.allCases.enumerated().map { place, judge in
          let delays = outcomes.compactMap { $0.alarms[place] }
          let part = Double(delays.count) / Double(outcomes.count)
          figures["latency.\(Int(setup.0)).\(setup.1).\(effect).\(judge)"] = part
          guard effect != .none else {
            return judge == .window ? "tuned" : String(format: "%.1f %%", part * 100)
          }
          guard let median = AnalysisBenchmark.middle(delays, 0.5),
            let late = AnalysisBenchmark.middle(delays, 0.95)
          else { return "never" }
          return "\(median) s (\(late) s), \(Int((part * 100).rounded())) %"
        }
        print(AnalysisBenchmark.row([effect.rawValue] + texts))
      }
      print("")
    }
  }
}
