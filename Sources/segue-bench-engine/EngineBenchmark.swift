import Foundation
import Ports
import RolloutEngine
import SegueModel

/// What the engine costs: many services in one process, decided for in turn.
@main
enum EngineBenchmark {
  private static let rounds = 5

  static func main() throws {
    var figures: [(name: String, value: Double, unit: String)] = []
    var perCommand: [Int: Double] = [:]
    for services in [10, 100, 1_000, 10_000] {
      let round = measureRollouts(services: services)
      perCommand[services] = round.seconds / Double(round.commands)
      figures.append(
        ("commands_per_second_\(services)", Double(round.commands) / round.seconds, "commands/s"))
      guard services == 10_000 else { continue }
      figures.append(("events_per_second", Double(round.events) / round.seconds, "events/s"))
      figures.append(("bytes_per_instance", round.bytesPerInstance, "bytes"))
    }
    let growth = (perCommand[10_000] ?? 0) / (perCommand[10] ?? 1)
    figures.append(("growth_10_to_10000", growth, "times a command's cost"))
    figures += try measureReplay()
    for figure in figures {
      print(pad(figure.name, 34), pad(short(figure.value), 16), figure.unit)
    }
    guard let path = CommandLine.arguments.dropFirst().first else { return }
    try write(figures.map { ($0.name, $0.value) }, to: path)
  }

  // MARK: Rollouts

  private struct Round {
    var seconds: Double
    var commands: Int
    var events: Int
    var bytesPerInstance: Double
  }

  /// A rolling deploy of ten instances for each service, a step of each in turn; medians.
  private static func measureRollouts(services: Int) -> Round {
    var times: [Double] = []
    var last = Round(seconds: 0, commands: 0, events: 0, bytesPerInstance: 0)
    // Few services are over in no time: several fleets make a round that can be measured.
    let fleets = max(1, 1_000 / services)
    for _ in 0..<rounds {
      let before = residentBytes()
      var all = (0..<fleets).map { _ in Fleet(services: services) }
      let bytes = residentBytes() - before
      let instances = all.reduce(0) { $0 + $1.instances }
      var commands = 0
      var events = 0
      let clock = ContinuousClock()
      let took = clock.measure {
        for index in all.indices {
          let work = all[index].rollOut(height: 2)
          commands += work.commands
          events += work.events
        }
      }
      times.append(took / .seconds(1))
      last = Round(
        seconds: 0, commands: commands, events: events,
        bytesPerInstance: max(last.bytesPerInstance, Double(bytes) / Double(instances)))
    }
    last.seconds = median(times)
    return last
  }

  // MARK: Replay

  /// A history of 1,000 events for each service, as the journal keeps it; scaled to a million events.
  private static func measureReplay() throws -> [(name: String, value: Double, unit: String)] {
    let history = Fleet.history(events: 1_000)
    let payloads = try history.map { try CanonicalJSON.encode($0.event) }
    let tail = 100
    var state = ServiceState(key: Fleet.key(0))
    for record in history.dropLast(tail) { try state.evolve(record.event, at: record.at) }
    let snapshot = try CanonicalJSON.encode(state)
    let clock = ContinuousClock()
    var inMemory: [Double] = []
    var decoded: [Double] = []
    var fromSnapshot: [Double] = []
    for _ in 0..<rounds {
      inMemory.append(
        try clock.measure {
          for _ in 0..<200 {
            var state = ServiceState(key: Fleet.key(0))
            for record in history { try state.evolve(record.event, at: record.at) }
          }
        } / .seconds(1) * 5)
      decoded.append(
        try clock.measure {
          for _ in 0..<5 {
            var state = ServiceState(key: Fleet.key(0))
            for (payload, record) in zip(payloads, history) {
              let event = try CanonicalJSON.decode(RolloutEvent.self, from: payload)
              try state.evolve(event, at: record.at)
            }
          }
        } / .seconds(1) * 200)
      fromSnapshot.append(
        try clock.measure {
          for _ in 0..<20 {
            var state = try CanonicalJSON.decode(ServiceState.self, from: snapshot)
            for (payload, record) in zip(payloads, history).suffix(tail) {
              let event = try CanonicalJSON.decode(RolloutEvent.self, from: payload)
              try state.evolve(event, at: record.at)
            }
          }
        } / .seconds(1) * 50)
    }
    return [
      ("replay_million_in_memory_seconds", median(inMemory), "s, events as values"),
      ("replay_million_decoded_seconds", median(decoded), "s, from canonical JSON"),
      (
        "replay_million_snapshot_seconds", median(fromSnapshot),
        "s, a snapshot for each 1,000 events, and 100 after it"
      ),
      ("snapshot_bytes", Double(snapshot.count), "bytes"),
    ]
  }

  // MARK: Output

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private static func short(_ value: Double) -> String {
    value >= 100 && value.isFinite
      ? String(Int(value.rounded())) : String((value * 1_000).rounded() / 1_000)
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Resident memory of this process, from `/proc/self/statm` (proc(5)).
  private static func residentBytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
      return 0
    }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * 4_096
  }

  private static func write(_ figures: [(String, Double)], to path: String) throws {
    let url = URL(fileURLWithPath: path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    let data = try JSONSerialization.data(
      withJSONObject: Dictionary(uniqueKeysWithValues: figures),
      options: [.prettyPrinted, .sortedKeys])
    try data.write(to: url, options: .atomic)
  }
}
