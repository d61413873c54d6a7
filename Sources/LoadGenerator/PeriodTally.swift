/// What has been counted since a moment: the whole run, or the period that goes on.
struct PeriodTally: Sendable {
  private struct Kind: Sendable {
    var requests = 0
    var failed = 0
    var latency = LatencyHistogram()
  }

  private(set) var beganAt: Int64
  private(set) var requests = 0
  private(set) var failed = 0
  private(set) var latency = LatencyHistogram()
  private var byKind = [Kind](repeating: Kind(), count: TrafficKind.allCases.count)
  private(set) var longestStall = LoadStall(microseconds: 0, endedAt: 0, connection: 0)

  init(beganAt: Int64) { self.beganAt = beganAt }

  mutating func add(_ ending: Tally.Ending) {
    requests += 1
    byKind[ending.kind.position].requests += 1
    if ending.failure != nil {
      failed += 1
      byKind[ending.kind.position].failed += 1
      return
    }
    latency.record(microseconds: ending.microseconds)
    byKind[ending.kind.position].latency.record(microseconds: ending.microseconds)
  }

  mutating func note(_ stall: LoadStall) {
    if stall.microseconds > longestStall.microseconds { longestStall = stall }
  }

  var kinds: [LoadKind] {
    TrafficKind.allCases.compactMap { kind in
      let counted = byKind[kind.position]
      guard counted.requests > 0 else { return nil }
      return LoadKind(
        kind: kind, requests: counted.requests, failed: counted.failed,
        p50: counted.latency.percentile(permyriad: 5_000),
        p99: counted.latency.percentile(permyriad: 9_900), largest: counted.latency.largest)
    }
  }

  func period(endedAt: Int64) -> LoadPeriod {
    LoadPeriod(
      beganAt: beganAt, endedAt: endedAt, requests: requests, failed: failed,
      p50: latency.percentile(permyriad: 5_000), p99: latency.percentile(permyriad: 9_900),
      largest: latency.largest, longestStall: longestStall, kinds: kinds)
  }
}
