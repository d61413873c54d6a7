import CanaryAnalysis
import SegueModel

/// The last hour of one service, second by second, from the router's counts: what a release is held
/// against once nothing serves beside it, and how much its errors vary by themselves.
struct TrafficMemory {
  static let limit = 3_600
  /// Counts that are further apart say nothing about one second.
  private static let longest = Milliseconds.seconds(3)

  private(set) var blocks: [TrafficHistory.Count] = []
  private var last: (at: Instant, total: TrafficHistory.Count)?

  /// Takes in what the router reports.
  ///
  /// - Parameter isSteady: nothing is being rolled out; other seconds are not remembered.
  /// - Returns: what was added since the last report, if the two can be compared.
  @discardableResult
  mutating func add(_ report: ServiceReport, at now: Instant, isSteady: Bool) -> TrafficHistory
    .Count?
  {
    let total = report.versions.reduce(into: TrafficHistory.Count(requests: 0, errors: 0)) {
      let counts = CumulativeCounts($1)
      $0.requests &+= counts.requests
      $0.errors &+= counts.errors
    }
    defer { last = (now, total) }
    guard let last, now > last.at, now - last.at <= Self.longest,
      total.requests >= last.total.requests, total.errors >= last.total.errors
    else { return nil }
    let block = TrafficHistory.Count(
      requests: total.requests - last.total.requests, errors: total.errors - last.total.errors)
    if isSteady {
      blocks.append(block)
      if blocks.count > Self.limit { blocks.removeFirst(blocks.count - Self.limit) }
    }
    return block
  }

  /// Requests a second, and the part of them that fails; `nil`: it was not watched for long enough.
  var today: (rate: Double, failing: Double)? {
    let recent = blocks.suffix(300)
    guard recent.count >= 5 else { return nil }
    let requests = recent.reduce(0.0) { $0 + Double($1.requests) }
    let errors = recent.reduce(0.0) { $0 + Double($1.errors) }
    return (requests / Double(recent.count), requests > 0 ? errors / requests : 0)
  }
}
