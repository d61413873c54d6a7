import Foundation
import LoadGenerator

/// A report in words.
struct Summary {
  private let report: LoadReport

  init(_ report: LoadReport) { self.report = report }

  /// One line for a run that is still going on.
  static func progress(_ report: LoadReport) -> String {
    let second = report.timeline.dropLast().last
    return "\(report.elapsedMicroseconds / 1_000_000) s: \(report.requests) requests, "
      + "\(report.failed) failed, \(second?.requests ?? report.requests) in the last second, "
      + "p99 \(milliseconds(report.latency.p99))"
      + (newestVersion(in: report).map { ", version \($0)" } ?? "")
  }

  /// One line for a period that has ended.
  static func line(_ period: LoadPeriod) -> String {
    "period of \(seconds(period.endedAt - period.beganAt)): \(period.requests) requests, "
      + "\(period.failed) failed, p50 \(milliseconds(period.p50)), "
      + "p99 \(milliseconds(period.p99)), slowest \(milliseconds(period.largest)), longest stall "
      + "\(milliseconds(UInt64(period.longestStall.microseconds)))"
  }

  private static func newestVersion(in report: LoadReport) -> String? {
    report.versions.max { $0.lastSeenAt < $1.lastSeenAt }?.version
  }

  var text: String {
    var lines = [
      "\(report.requests) requests, \(report.failed) failed",
      "  in \(Self.seconds(report.elapsedMicroseconds)): "
        + "\(Int(report.requestsPerSecond)) a second, \(report.gets) GET, \(report.posts) POST",
      "  latency: p50 \(Self.milliseconds(report.latency.p50)), "
        + "p99 \(Self.milliseconds(report.latency.p99)), "
        + "p99.9 \(Self.milliseconds(report.latency.p999)), "
        + "slowest \(Self.milliseconds(report.latency.largest))",
      "  longest time without a good answer: "
        + "\(Self.milliseconds(UInt64(report.longestStallMicroseconds))), "
        + "until \(Self.seconds(report.longestStallEndedAt))",
      "  connections: \(report.connects) opened, \(report.announcedCloses) announced their end, "
        + "\(report.closedWhileIdle) closed while idle",
    ]
    if report.kinds.contains(where: { $0.kind == .chunkedPost || $0.kind == .websocket }) {
      for kind in report.kinds {
        lines.append(
          "  \(kind.kind.rawValue): \(kind.requests) requests, \(kind.failed) failed, "
            + "p50 \(Self.milliseconds(kind.p50)), p99 \(Self.milliseconds(kind.p99)), "
            + "slowest \(Self.milliseconds(kind.largest))")
      }
    }
    if report.unsolicited > 0 {
      lines.append("  connections with bytes that belong to no request: \(report.unsolicited)")
    }
    let statuses = report.statuses.map { "\($0.requests) × \($0.status)" }
    if !statuses.isEmpty { lines.append("  statuses: " + statuses.joined(separator: ", ")) }
    for version in report.versions {
      lines.append(
        "  version \(version.version): \(version.requests) answers, first after "
          + "\(Self.seconds(version.firstSeenAt)), last after \(Self.seconds(version.lastSeenAt))")
    }
    let kinds = report.failureKinds.map { "\($0.requests) \($0.kind.rawValue)" }
    if !kinds.isEmpty { lines.append("  failures: " + kinds.joined(separator: ", ")) }
    for failure in report.failures.prefix(5) {
      lines.append("  failed after \(Self.seconds(failure.at)): \(failure.what)")
    }
    if report.failures.count > 5 { lines.append("  (more of them in the report in JSON)") }
    return lines.joined(separator: "\n")
  }

  private static func milliseconds(_ microseconds: UInt64) -> String {
    String(format: "%.1f ms", Double(microseconds) / 1_000)
  }

  private static func seconds(_ microseconds: Int64) -> String {
    String(format: "%.2f s", Double(microseconds) / 1_000_000)
  }
}
