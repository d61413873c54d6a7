import CanaryAnalysis
import Foundation

/// What the judges do with simulated hours: false alarms on five nulls, and how soon and at what
/// price worse releases are caught. Everything follows from the seed.
@main enum AnalysisBenchmark {
  private static let nullRuns = 1_000
  private static let effectRuns = 400
  private static let shares = [0.01, 0.05, 0.1, 0.5]
  private static let rates = [10.0, 100, 1_000]
  private static let effects = [1.5, 2, 5, 10, 100]

  /// What came of one cell, of each method in its order.
  private struct Cell: Sendable {
    var index: Int
    var delays: [[Int]] = Method.allCases.map { _ in [] }
    var exposed: [[Int]] = Method.allCases.map { _ in [] }
    var promotions: [Int] = []
    var runs: Int
  }

  static func main() async throws {
    guard !CommandLine.arguments.contains("cost") else { return CostBenchmark.run() }
    var figures: [String: Double] = [:]
    let setups = rates.flatMap { rate in shares.map { (rate: rate, share: $0) } }
    let thresholds = await parallel(setups.count) { index in
      threshold(Traffic(requestsPerSecond: setups[index].rate, share: setups[index].share), index)
    }
    let reference = thresholds[setups.firstIndex { $0.rate == 100 && $0.share == 0.1 } ?? 0]
    let busy = thresholds[setups.firstIndex { $0.rate == 1_000 && $0.share == 0.1 } ?? 0]
    await falseAlarms(at: 100, threshold: reference, into: &figures)
    await falseAlarms(at: 1_000, threshold: busy, into: &figures)
    await LatencyBenchmark.run(into: &figures)
    let cells = await parallel(setups.count * (effects.count + 1)) { index in
      let setup = setups[index / (effects.count + 1)]
      let effect = ([1] + effects)[index % (effects.count + 1)]
      let traffic = Traffic(requestsPerSecond: setup.rate, share: setup.share, ratio: effect)
      return run(
        traffic, index: 2_000 + index, runs: effectRuns,
        threshold: thresholds[index / (effects.count + 1)])
    }
    for (index, setup) in setups.enumerated() {
      let from = index * (effects.count + 1)
      let name = "\(Int(setup.rate)) requests/s, \(Int((setup.share * 100).rounded())) %"
      print("\n" + row([name] + Method.allCases.map(\.rawValue)))
      print(row(Array(repeating: "---", count: Method.allCases.count + 1)))
      for (place, effect) in effects.enumerated() {
        let cell = cells[from + place + 1]
        print(row(["errors x \(effect)"] + Method.allCases.indices.map { text(cell, $0) }))
        note(cell, "\(Int(setup.rate)).\(setup.share).\(effect)", in: &figures)
      }
      let promotions = cells[from].promotions
      let median = middle(promotions, 0.5).map { ", those after \($0) s at the median" } ?? ""
      let promoted = promotions.count * 100 / cells[from].runs
      print("\nOf clean releases \(promoted) % are promoted within the hour\(median).")
      let key = "promotion.\(Int(setup.rate)).\(setup.share)"
      figures[key] = middle(promotions, 0.5).map(Double.init)
    }
    try write(figures)
  }

  private static func falseAlarms(
    at rate: Double, threshold: Double, into figures: inout [String: Double]
  ) async {
    let nulls = await parallel(Null.allCases.count) { index in
      let traffic = Traffic(requestsPerSecond: rate, share: 0.1, null: Null.allCases[index])
      return run(traffic, index: 1_000 + index, runs: nullRuns, threshold: threshold)
    }
    print(row(["false alarms per hour, \(Int(rate)) requests/s"] + Method.allCases.map(\.rawValue)))
    print(row(Array(repeating: "---", count: Method.allCases.count + 1)))
    for (null, cell) in zip(Null.allCases, nulls) {
      let parts = cell.delays.map { Double($0.count) / Double(cell.runs) }
      print(row([null.rawValue] + parts.map { String(format: "%.1f %%", $0 * 100) }))
      for (method, part) in zip(Method.allCases, parts) {
        figures["false_alarms.\(Int(rate)).\(null).\(method)"] = part
      }
    }
    print("")
  }

  private static func threshold(_ traffic: Traffic, _ index: Int) -> Double {
    var generator = SeededGenerator(state: UInt64(index) &* 0x1000_0001)
    let greatest = (0..<nullRuns).map { _ in
      Method.windows(traffic.hour(&generator)).map(\.score).max() ?? 0
    }
    return greatest.sorted()[nullRuns * 99 / 100]
  }

  private static func run(_ traffic: Traffic, index: Int, runs: Int, threshold: Double) -> Cell {
    var generator = SeededGenerator(state: UInt64(index) &* 0x9000_0001)
    var cell = Cell(index: index, runs: runs)
    for _ in 0..<runs {
      var settings = JudgeSettings()
      settings.calibrate(
        by: Calibration(traffic.earlier(&generator)), instances: (1, Traffic.instances))
      let hour = traffic.hour(&generator)
      for (place, method) in Method.allCases.enumerated() {
        guard let alarm = method.alarm(hour, settings: settings, threshold: threshold) else {
          continue
        }
        cell.delays[place].append(alarm)
        cell.exposed[place].append(
          hour[..<alarm].reduce(0) { $0 + Int($1.canaryErrors) })
      }
      if let promotion = Method.promotion(hour, settings) {
        cell.promotions.append(promotion)
      }
    }
    return cell
  }

  private static func note(_ cell: Cell, _ name: String, in figures: inout [String: Double]) {
    for (place, method) in Method.allCases.enumerated() {
      let key = "\(name).\(method)"
      figures["caught.\(key)"] = Double(cell.delays[place].count) / Double(cell.runs)
      figures["median_s.\(key)"] = middle(cell.delays[place], 0.5).map(Double.init)
      figures["p95_s.\(key)"] = middle(cell.delays[place], 0.95).map(Double.init)
      figures["failed.\(key)"] = middle(cell.exposed[place], 0.5).map(Double.init)
    }
  }

  /// Median and 95th percentile of the delay, failing requests exposed, part that was caught.
  private static func text(_ cell: Cell, _ place: Int) -> String {
    guard let median = middle(cell.delays[place], 0.5), let late = middle(cell.delays[place], 0.95),
      let failed = middle(cell.exposed[place], 0.5)
    else { return "never" }
    let caught = cell.delays[place].count * 100 / cell.runs
    return "\(median) s (\(late) s), \(failed) failed, \(caught) %"
  }

  static func middle(_ values: [Int], _ quantile: Double) -> Int? {
    values.isEmpty ? nil : values.sorted()[Int(Double(values.count - 1) * quantile)]
  }

  static func row(_ cells: [String]) -> String {
    "| " + cells.joined(separator: " | ") + " |"
  }

  /// Two at a time, results in order.
  static func parallel<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) -> Value
  ) async -> [Value] {
    await withTaskGroup(of: [(Int, Value)].self) { group in
      for lane in 0..<2 {
        group.addTask { @concurrent in
          stride(from: lane, to: count, by: 2).map { ($0, body($0)) }
        }
      }
      return await group.reduce(into: []) { $0 += $1 }.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private static func write(_ figures: [String: Double]) throws {
    guard CommandLine.arguments.count > 1 else { return }
    let url = URL(fileURLWithPath: CommandLine.arguments[1])
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(figures).write(to: url, options: .atomic)
  }
}
