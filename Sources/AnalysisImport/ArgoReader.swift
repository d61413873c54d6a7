import CanaryAnalysis
import Yams

/// The `spec` of an AnalysisTemplate.
struct ArgoReader {
  var spec: Node?

  func read(into result: inout ImportedAnalysis) {
    let metrics = spec?["metrics"]?.array() ?? []
    if metrics.isEmpty { result.notes.append("The AnalysisTemplate has no metrics.") }
    for metric in metrics { read(metric, into: &result) }
    for key in ["dryRun", "measurementRetention", "templates"] where spec?[key] != nil {
      result.notes.append("`\(key)` has no counterpart and was left out.")
    }
  }

  private func read(_ metric: Node, into result: inout ImportedAnalysis) {
    let name = metric["name"]?.string ?? "metric"
    guard let source = source(of: metric, name, &result.notes),
      var check = check(of: metric, name, &result.notes)
    else { return }
    check.failuresAllowed = max(0, metric["failureLimit"]?.int ?? 0)
    if let interval = metric["interval"]?.string {
      if let seconds = AnalysisImporter.seconds(interval) {
        check.every = seconds
      } else {
        result.notes.append("\(name): the interval \(interval) was not understood; it is 60 s now.")
      }
    }
    for key in ["count", "initialDelay", "consecutiveErrorLimit", "inconclusiveLimit"]
    where metric[key] != nil {
      let instead =
        key == "count" || key == "initialDelay"
        ? "the hold's minimum and maximum do that" : "a missing value holds the release back"
      result.notes.append("\(name): `\(key)` was left out; \(instead).")
    }
    result.metrics.append(.init(name: name, source: source, check: check))
  }

  private func source(
    of metric: Node, _ name: String, _ notes: inout [String]
  ) -> ImportedAnalysis.Source? {
    let provider = metric["provider"]
    if let prometheus = provider?["prometheus"] {
      let filled = AnalysisImporter.filled(prometheus["query"]?.string ?? "", argument)
      AnalysisImporter.note(name, query: filled.text, unknown: filled.unknown, in: &notes)
      return .prometheus(
        address: prometheus["address"]?.string ?? "http://127.0.0.1:9090",
        query: filled.text.trimmed)
    }
    if let web = provider?["web"] {
      let filled = AnalysisImporter.filled(web["url"]?.string ?? "", argument)
      AnalysisImporter.note(name, query: filled.text, unknown: filled.unknown, in: &notes)
      if let method = web["method"]?.string, method != "GET" {
        notes.append("\(name): \(method) has no counterpart, so it was left out.")
        return nil
      }
      if web["headers"] != nil { notes.append("\(name): its header fields were left out.") }
      let path = web["jsonPath"]?.string ?? "$"
      return .json(address: filled.text, path: String(path.filter { $0 != "{" && $0 != "}" }))
    }
    let kind = provider?.mapping?.keys.first?.string ?? "none"
    notes.append(
      "\(name): its provider (\(kind)) has no counterpart, so it was left out; a command that "
        + "prints JSON can ask it.")
    return nil
  }

  /// The argument that names the service becomes Segue's; others need a value.
  private func argument(_ name: String) -> String? {
    guard name.hasPrefix("args.") else { return nil }
    let name = name.dropFirst(5)
    if name == "service-name" || name == "service" { return "{{service}}" }
    let found = spec?["args"]?.array().first { $0["name"]?.string == String(name) }
    return found?["value"]?.string
  }

  /// A comparison of the result with a number, as a success or as a failure.
  private func check(
    of metric: Node, _ name: String, _ notes: inout [String]
  ) -> ThresholdCheck? {
    let success = metric["successCondition"]?.string
    let failure = metric["failureCondition"]?.string
    if success != nil, failure != nil {
      notes.append(
        "\(name): between success and failure there is no third answer here; what is no success "
          + "counts as a failure.")
    }
    guard let condition = success ?? failure else {
      notes.append("\(name): it has no condition, so it was left out.")
      return nil
    }
    guard let check = Self.check(condition, isFailure: success == nil) else {
      notes.append(
        "\(name): the condition `\(condition.trimmed)` is more than one comparison of the result "
          + "with a number, so it was left out.")
      return nil
    }
    return check
  }

  static func check(_ condition: String, isFailure: Bool) -> ThresholdCheck? {
    let pattern = #/^\s*result(?:\[0\])?\s*(>=|<=|>|<)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*$/#
    guard let match = condition.firstMatch(of: pattern), let bound = Double(match.2) else {
      return nil
    }
    let isAbove = match.1.hasPrefix(">") != isFailure
    // Whoever fails at the bound does not succeed there.
    let includes = match.1.hasSuffix("=") != isFailure
    return ThresholdCheck(
      atLeast: isAbove ? bound : nil, atMost: isAbove ? nil : bound, includesBound: includes)
  }
}

extension String {
  /// Without white space at its ends.
  var trimmed: String {
    let front = drop { $0.isWhitespace }
    return String(front.reversed().drop { $0.isWhitespace }.reversed())
  }
}
