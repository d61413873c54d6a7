import SegueModel
import TrafficRouting

/// One report per service out of those of the event loops.
enum ReportMerge {
  /// In the order of their keys; the generation is the oldest any event loop still serves by.
  static func merge(_ parts: [[ServiceReport]]) -> [ServiceReport] {
    var merged: [ServiceKey: ServiceReport] = [:]
    for report in parts.joined() {
      guard var sum = merged[report.key] else {
        merged[report.key] = report
        continue
      }
      sum.mirrored = mirrored(sum, report)
      sum.held = held(sum.held, report.held)
      sum.generation = min(sum.generation, report.generation)
      sum.unavailable += report.unavailable
      if let ejections = report.ejections { sum.ejections = (sum.ejections ?? 0) + ejections }
      for (instance, count) in report.inFlight { sum.inFlight[instance, default: 0] += count }
      for (instance, count) in report.lasting ?? [:] {
        sum.lasting = sum.lasting ?? [:]
        sum.lasting?[instance, default: 0] += count
      }
      for (instance, count) in report.answered ?? [:] {
        sum.answered = sum.answered ?? [:]
        sum.answered?[instance, default: AnswerCounters()].add(count)
      }
      for version in report.versions {
        if let index = sum.versions.firstIndex(where: { $0.release == version.release }) {
          sum.versions[index].add(version)
        } else {
          sum.versions.append(version)
        }
      }
      merged[report.key] = sum
    }
    return merged.values.sorted { $0.key < $1.key }
  }

  /// - Parameter inherited: of proxies that were taken over from: what they did counts, and the
  ///   tables that they go by, as long as they have something in flight.
  static func merge(
    _ parts: [[ServiceReport]], inherited: [[ServiceReport]]
  ) -> [ServiceReport] {
    guard !inherited.isEmpty else { return merge(parts) }
    let own = merge(parts)
    let current = Dictionary(uniqueKeysWithValues: own.map { ($0.key, $0.generation) })
    let before = inherited.joined().map { report in
      var report = report
      let isBusy = report.inFlight.values.contains { $0 > 0 }
      if !isBusy, let generation = current[report.key] { report.generation = generation }
      return report
    }
    return merge([own, before])
  }

  private static func held(_ one: HoldCounters?, _ other: HoldCounters?) -> HoldCounters? {
    guard var sum = one, let other else { return one ?? other }
    sum.released += other.released
    sum.expired += other.expired
    sum.waiting += other.waiting
    sum.longest = max(sum.longest, other.longest)
    return sum
  }

  /// Of two releases, that of the event loop which is further on.
  private static func mirrored(_ one: ServiceReport, _ other: ServiceReport) -> MirrorReport? {
    guard var sum = one.mirrored, let part = other.mirrored else {
      return one.mirrored ?? other.mirrored
    }
    guard sum.release == part.release else {
      return other.generation > one.generation ? part : sum
    }
    sum.compared += part.compared
    sum.equal += part.equal
    sum.status += part.status
    sum.headers += part.headers
    sum.body += part.body
    sum.failed += part.failed
    sum.skipped += part.skipped
    if sum.groups != nil || part.groups != nil {
      sum.groups = DifferenceGroups.merged(sum.groups ?? [], part.groups ?? [])
    }
    // Nobody knows which loop's are later, so each keeps its half, and what the other leaves over.
    let half = MirrorReport.exampleLimit / 2
    let room = MirrorReport.exampleLimit
    sum.examples =
      Array(sum.examples.suffix(max(half, room - part.examples.count)))
      + part.examples.suffix(max(half, room - sum.examples.count))
    return sum
  }
}

extension AnswerCounters {
  fileprivate mutating func add(_ other: AnswerCounters) {
    requests += other.requests
    errors += other.errors
  }
}

extension VersionCounters {
  fileprivate mutating func add(_ other: VersionCounters) {
    for index in responses.indices { responses[index] += other.responses[index] }
    failed += other.failed
    retried += other.retried
    inFlight += other.inFlight
    for index in latency.indices { latency[index] += other.latency[index] }
  }
}
