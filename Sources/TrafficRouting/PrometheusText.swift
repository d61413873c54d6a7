public import SegueModel

/// What a proxy knows of itself beside its services. What it does not know is left out of the text,
/// because a zero would be believed.
public struct ProxyGauges: Hashable, Sendable {
  public var connectionsOpen: Int?
  /// Since the start.
  public var connectionsAccepted: UInt64?
  /// Connections that went over to another protocol since the start.
  public var upgrades: UInt64?
  /// The longest that each event loop was late, in microseconds, by its number.
  public var loopLag: [UInt64] = []
  /// The moment each certificate ends, in seconds since 1970, by its name.
  public var certificatesEnd: [String: Int64] = [:]
  /// Instances taken out of rotation for what they answered.
  public var ejections: [ServiceKey: UInt64] = [:]
  /// Lines that the access log had no room for.
  public var accessLogDropped: UInt64?
  /// Since the start, in milliseconds.
  public var uptime: Milliseconds = .zero
  /// Of this build of Segue.
  public var version: String

  public init(version: String) { self.version = version }
}

/// The proxy's figures in Prometheus' text format 0.0.4, whose samples OpenMetrics reads as well.
///
/// Equal figures give equal text: services, releases, instances and labels are sorted.
public struct PrometheusText {
  /// What an HTTP response says of the text.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// The upper bounds of the duration buckets, as buckets of ``LatencyHistogram``: each power of two
  /// from 64 microseconds to 67 seconds, which are bounds of its own, so that nothing is guessed.
  static let bounds = (6...26).map { ($0 - 2) * 8 - 1 }

  private var text = ""

  /// - Parameter reports: in any order; one for each service.
  public static func render(_ reports: [ServiceReport], proxy: ProxyGauges) -> String {
    var writer = PrometheusText()
    let reports = reports.sorted { $0.key < $1.key }
    writer.writeRequests(reports)
    writer.writeDurations(reports)
    writer.writeInFlight(reports)
    writer.writeWaiting(reports)
    writer.writeMirrors(reports)
    writer.writeExperiments(reports)
    writer.writeTables(reports, proxy)
    writer.writeProxy(proxy)
    return writer.text
  }

  // MARK: Services

  private mutating func writeRequests(_ reports: [ServiceReport]) {
    family("segue_requests_total", .counter, "Requests answered by an instance, by status class.")
    each(reports) { writer, labels, version in
      // Interim answers are not counted.
      for (index, count) in version.responses.enumerated() where index > 0 {
        writer.sample("segue_requests_total", labels + [("class", "\(index + 1)xx")], count)
      }
    }
    family(
      "segue_request_failures_total", .counter,
      "Requests that got no whole answer from an instance.")
    each(reports) { writer, labels, version in
      writer.sample("segue_request_failures_total", labels, version.failed)
    }
    family("segue_request_retries_total", .counter, "Requests that were sent to an instance again.")
    each(reports) { writer, labels, version in
      writer.sample("segue_request_retries_total", labels, version.retried)
    }
  }

  private mutating func writeDurations(_ reports: [ServiceReport]) {
    let name = "segue_request_duration_seconds"
    family(
      name, .histogram,
      "From the request's head to the answer's last octet; the sum is known to within 6.25 %.")
    each(reports) { writer, labels, version in
      var seen: UInt64 = 0
      var next = 0
      for bound in Self.bounds {
        while next <= bound, next < version.latency.count {
          seen += version.latency[next]
          next += 1
        }
        let limit = Self.seconds(microseconds: LatencyHistogram.upperBound(ofBucket: bound))
        writer.sample(name + "_bucket", labels + [("le", limit)], seen)
      }
      let count = version.latency.reduce(0, +)
      writer.sample(name + "_bucket", labels + [("le", "+Inf")], count)
      writer.sample(name + "_sum", labels, Self.seconds(microseconds: Self.sum(version.latency)))
      writer.sample(name + "_count", labels, count)
    }
  }

  /// Every latency taken as the middle of its bucket, whose width is an eighth of its beginning at
  /// most. It never falls, as a counter must not.
  static func sum(_ latency: [UInt64]) -> UInt64 {
    var doubled: UInt64 = 0
    for (bucket, count) in latency.enumerated() where count > 0 {
      let begin = bucket == 0 ? 0 : LatencyHistogram.upperBound(ofBucket: bucket - 1)
      doubled &+= (begin + LatencyHistogram.upperBound(ofBucket: bucket) - 1) &* count
    }
    return doubled / 2
  }

  private mutating func writeInFlight(_ reports: [ServiceReport]) {
    family("segue_requests_in_flight", .gauge, "Requests under way, by release.")
    each(reports) { writer, labels, version in
      writer.sample("segue_requests_in_flight", labels, version.inFlight)
    }
    family("segue_instance_requests_in_flight", .gauge, "Requests under way, by instance.")
    for report in reports {
      for (instance, count) in report.inFlight.sorted(by: { $0.key < $1.key }) {
        sample(
          "segue_instance_requests_in_flight",
          Self.labels(report.key) + [("instance", instance.rawValue)], count)
      }
    }
  }

  private mutating func writeWaiting(_ reports: [ServiceReport]) {
    let held = reports.compactMap { report in report.held.map { (Self.labels(report.key), $0) } }
    family("segue_held_requests", .gauge, "Requests that wait for an instance.")
    for (labels, held) in held { sample("segue_held_requests", labels, held.waiting) }
    family("segue_held_released_total", .counter, "Requests that waited and were passed on.")
    for (labels, held) in held { sample("segue_held_released_total", labels, held.released) }
    family("segue_held_expired_total", .counter, "Requests that waited in vain.")
    for (labels, held) in held { sample("segue_held_expired_total", labels, held.expired) }
    family("segue_held_longest_seconds", .gauge, "The longest that any request waited.")
    for (labels, held) in held {
      sample("segue_held_longest_seconds", labels, Self.seconds(microseconds: held.longest))
    }
    family("segue_unavailable_total", .counter, "Requests that found no instance.")
    for report in reports {
      sample("segue_unavailable_total", Self.labels(report.key), report.unavailable)
    }
  }

  private mutating func writeMirrors(_ reports: [ServiceReport]) {
    let mirrors = reports.compactMap { report in
      report.mirrored.map { (Self.labels(report.key) + [("release", $0.release.rawValue)], $0) }
    }
    let counters: [(String, String, KeyPath<MirrorReport, UInt64>)] = [
      ("compared", "Copied requests whose answers were compared.", \.compared),
      ("equal", "Copied requests whose answers were equal.", \.equal),
      ("failed", "Copies that got no answer in time.", \.failed),
      ("skipped", "Requests that were not copied or not compared, to spare memory.", \.skipped),
    ]
    for (name, help, path) in counters {
      family("segue_mirror_\(name)_total", .counter, help)
      for (labels, mirror) in mirrors {
        sample("segue_mirror_\(name)_total", labels, mirror[keyPath: path])
      }
    }
    let name = "segue_mirror_differences_total"
    family(name, .counter, "Copied requests whose answers differed, by where they did.")
    for (labels, mirror) in mirrors {
      sample(name, labels + [("part", "status")], mirror.status)
      sample(name, labels + [("part", "headers")], mirror.headers)
      sample(name, labels + [("part", "body")], mirror.body)
    }
  }

  private mutating func writeExperiments(_ reports: [ServiceReport]) {
    family(
      "segue_experiment_users", .gauge, "Users whom each release of an experiment answered first.")
    for report in reports {
      for arm in report.experiment?.arms ?? [] {
        sample(
          "segue_experiment_users",
          Self.labels(report.key) + [("release", arm.release.rawValue)], arm.units)
      }
    }
    family(
      "segue_experiment_uncounted_total", .counter,
      "Answers of an experiment that were not counted, to spare memory.")
    for report in reports {
      guard let experiment = report.experiment else { continue }
      sample(
        "segue_experiment_uncounted_total", Self.labels(report.key), experiment.uncounted)
    }
  }

  private mutating func writeTables(_ reports: [ServiceReport], _ proxy: ProxyGauges) {
    family("segue_ejections_total", .counter, "Instances taken out of rotation for their answers.")
    for (key, count) in proxy.ejections.sorted(by: { $0.key < $1.key }) {
      sample("segue_ejections_total", Self.labels(key), count)
    }
    family("segue_table_generation", .gauge, "The routing table that every event loop goes by.")
    for report in reports {
      sample("segue_table_generation", Self.labels(report.key), report.generation.number)
    }
  }

  // MARK: The proxy

  private mutating func writeProxy(_ proxy: ProxyGauges) {
    family("segue_proxy_connections", .gauge, "Open connections of clients.")
    if let count = proxy.connectionsOpen { sample("segue_proxy_connections", [], count) }
    family("segue_proxy_connections_accepted_total", .counter, "Connections of clients so far.")
    if let count = proxy.connectionsAccepted {
      sample("segue_proxy_connections_accepted_total", [], count)
    }
    family("segue_proxy_upgrades_total", .counter, "Connections that changed their protocol.")
    if let count = proxy.upgrades { sample("segue_proxy_upgrades_total", [], count) }
    family("segue_proxy_loop_lag_seconds", .gauge, "The longest that an event loop was late.")
    for (loop, lag) in proxy.loopLag.enumerated() {
      sample(
        "segue_proxy_loop_lag_seconds", [("loop", "\(loop)")], Self.seconds(microseconds: lag))
    }
    family(
      "segue_proxy_certificate_not_after_seconds", .gauge,
      "When a certificate ends, in seconds since 1970.")
    for (name, end) in proxy.certificatesEnd.sorted(by: { $0.key < $1.key }) {
      sample("segue_proxy_certificate_not_after_seconds", [("certificate", name)], end)
    }
    family("segue_proxy_access_log_dropped_total", .counter, "Lines the access log has lost.")
    if let count = proxy.accessLogDropped {
      sample("segue_proxy_access_log_dropped_total", [], count)
    }
    family("segue_proxy_uptime_seconds", .gauge, "Since the proxy started.")
    let uptime = UInt64(max(proxy.uptime.count, 0)) * 1_000
    sample("segue_proxy_uptime_seconds", [], Self.seconds(microseconds: uptime))
    family("segue_proxy_build_info", .gauge, "Always 1; the label says which build it is.")
    sample("segue_proxy_build_info", [("version", proxy.version)], 1)
  }

  // MARK: Lines

  private enum Kind: String {
    case counter, gauge, histogram
  }

  private typealias Labels = [(String, String)]

  /// A family without samples keeps its two lines, which are allowed to stand alone.
  private mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  private mutating func sample(
    _ name: String, _ labels: Labels, _ value: some CustomStringConvertible
  ) {
    text += name
    if !labels.isEmpty {
      text += "{"
      for (index, (label, value)) in labels.enumerated() {
        if index > 0 { text += "," }
        text += "\(label)=\"\(Self.escaped(value))\""
      }
      text += "}"
    }
    text += " \(value)\n"
  }

  private mutating func each(
    _ reports: [ServiceReport],
    _ body: (inout PrometheusText, Labels, VersionCounters) -> Void
  ) {
    for report in reports {
      for version in report.versions.sorted(by: { $0.release < $1.release }) {
        body(&self, Self.labels(report.key) + [("release", version.release.rawValue)], version)
      }
    }
  }

  private static func labels(_ key: ServiceKey) -> Labels {
    [("service", key.service.rawValue), ("environment", key.environment.rawValue)]
  }

  /// The three characters that a label's value cannot hold as they are.
  static func escaped(_ value: String) -> String {
    guard value.utf8.contains(where: { $0 == 92 || $0 == 34 || $0 == 10 }) else { return value }
    var result = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// `1.5`, `0.000064`, `3`: exact, which a binary fraction would not be.
  static func seconds(microseconds: UInt64) -> String {
    let (whole, part) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    guard part > 0 else { return "\(whole)" }
    var digits = "\(part)"
    digits = String(repeating: "0", count: 6 - digits.utf8.count) + digits
    while digits.hasSuffix("0") { digits.removeLast() }
    return "\(whole).\(digits)"
  }
}
