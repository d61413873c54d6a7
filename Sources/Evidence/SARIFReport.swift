/// What an analysis found, by its SARIF 2.1.0 log (OASIS standard, 2020).
public struct SARIFReport: Hashable, Sendable {
  public enum Level: String, Hashable, Comparable, Sendable, CaseIterable {
    case none
    case note
    case warning
    case error

    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    private var rank: Int {
      switch self {
      case .none: 0
      case .note: 1
      case .warning: 2
      case .error: 3
      }
    }
  }

  public struct Finding: Hashable, Sendable {
    public var tool: String
    /// Empty when the result names no rule.
    public var rule: String
    public var level: Level
    /// CVSS-like, from 0 to 10; `nil` when the rule has none, which says nothing about how bad it
    /// is.
    public var securitySeverity: Double?
    public var message: String
    public var path: String?
    /// From 1 on.
    public var line: Int?
    /// Somebody has accepted it, and nobody has rejected or is still reviewing that.
    public var isSuppressed: Bool

    public init(
      tool: String, rule: String, level: Level, securitySeverity: Double? = nil, message: String,
      path: String? = nil, line: Int? = nil, isSuppressed: Bool = false
    ) {
      self.tool = tool
      self.rule = rule
      self.level = level
      self.securitySeverity = securitySeverity
      self.message = message
      self.path = path
      self.line = line
      self.isSuppressed = isSuppressed
    }
  }

  public var findings: [Finding] = []
  /// Why the analysis itself failed; findings do not mean anything unless this is empty.
  public var scanFailures: [String] = []

  /// Reads a log. Results that are absent compared with the baseline are left out.
  ///
  /// - Throws: ``ReportFailure`` for what is no SARIF 2.1.0, and for a log without a run: it says
  ///   nothing, least of all that nothing was found.
  public static func read(_ bytes: [UInt8]) throws(ReportFailure) -> SARIFReport {
    let root = try JSONTree.read(bytes)
    guard root.text("version") == "2.1.0", let runs = root["runs"]?.elements else {
      throw .invalid(line: 1, reason: "it is not a SARIF 2.1.0 log")
    }
    guard !runs.isEmpty else { throw .invalid(line: 1, reason: "it holds no run") }
    var report = SARIFReport()
    for run in runs { report.add(SARIFRun(run)) }
    return report
  }

  private mutating func add(_ run: SARIFRun) {
    scanFailures += run.failures
    findings += run.json.list("results").compactMap(run.finding)
  }
}

/// One run of a tool, with what its results refer to.
private struct SARIFRun {
  let json: JSONTree
  private let tool: String
  /// The rules of the driver, then those of each extension.
  private let rules: [[JSONTree]]

  init(_ json: JSONTree) {
    self.json = json
    let driver = json["tool"]?["driver"]
    tool = driver?.text("name") ?? "an analysis without a name"
    rules =
      [driver?.list("rules") ?? []]
      + (json["tool"]?.list("extensions") ?? []).map { $0.list("rules") }
  }

  /// Notifications of errors, and a run that says that it did not succeed.
  var failures: [String] {
    if json["results"] == nil { return ["\(tool) left no results"] }
    return json.list("invocations").flatMap { invocation in
      let notifications =
        invocation.list("toolExecutionNotifications")
        + invocation.list("toolConfigurationNotifications")
      var failures = notifications.filter { $0.text("level") == "error" }.map {
        "\(tool): \($0["message"]?.text("text") ?? "an error without a message")"
      }
      if failures.isEmpty, case .boolean(false)? = invocation["executionSuccessful"] {
        failures.append("\(tool) did not succeed")
      }
      return failures
    }
  }

  func finding(_ result: JSONTree) -> SARIFReport.Finding? {
    guard result.text("baselineState") != "absent" else { return nil }
    let rule = rule(of: result)
    let place = result.list("locations").first?["physicalLocation"]
    let message = result["message"]
    return SARIFReport.Finding(
      tool: tool, rule: identifier(of: result) ?? rule?.text("id") ?? "",
      level: level(of: result, rule: rule), securitySeverity: severity(of: rule),
      message: message?.text("text") ?? stringFor(message, rule: rule) ?? "",
      path: place?["artifactLocation"]?.text("uri"),
      line: place?["region"]?["startLine"]?.integer.flatMap { $0 > 0 ? $0 : nil },
      isSuppressed: isSuppressed(result))
  }

  private func identifier(of result: JSONTree) -> String? {
    result.text("ruleId") ?? result["rule"]?.text("id")
  }

  private func rule(of result: JSONTree) -> JSONTree? {
    let component = result["rule"]?["toolComponent"]?["index"]?.integer.map { $0 + 1 } ?? 0
    let candidates = rules.indices.contains(component) ? rules[component] : []
    let index = result["ruleIndex"]?.integer ?? result["rule"]?["index"]?.integer
    if let index, candidates.indices.contains(index) { return candidates[index] }
    guard let id = identifier(of: result) else { return nil }
    // `CA1000/2` is a case of the rule `CA1000`.
    let parent = id.split(separator: "/").dropLast().joined(separator: "/")
    let all = rules.joined()
    return all.first { $0.text("id") == id } ?? all.first { $0.text("id") == parent }
  }

  /// Section 3.27.10 of the standard: the result's own; none for a kind other than `fail`; what the
  /// invocation overrides; the rule's default; and a warning when nobody says.
  private func level(of result: JSONTree, rule: JSONTree?) -> SARIFReport.Level {
    if let own = result.text("level").flatMap(SARIFReport.Level.init) { return own }
    guard (result.text("kind") ?? "fail") == "fail" else { return .none }
    let configured = override(of: result, rule: rule) ?? rule?["defaultConfiguration"]
    return configured?.text("level").flatMap(SARIFReport.Level.init) ?? .warning
  }

  private func override(of result: JSONTree, rule: JSONTree?) -> JSONTree? {
    let invocations = json.list("invocations")
    let index = result["provenance"]?["invocationIndex"]?.integer
    guard let index = index ?? (invocations.count == 1 ? 0 : nil),
      invocations.indices.contains(index)
    else { return nil }
    let id = rule?.text("id") ?? identifier(of: result)
    let ruleIndex = result["ruleIndex"]?.integer ?? result["rule"]?["index"]?.integer
    let match = invocations[index].list("ruleConfigurationOverrides").first {
      if let named = $0["descriptor"]?.text("id") { return named == id }
      return ruleIndex != nil && $0["descriptor"]?["index"]?.integer == ruleIndex
    }
    guard let configuration = match?["configuration"], configuration.text("level") != nil else {
      return nil
    }
    return configuration
  }

  private func severity(of rule: JSONTree?) -> Double? {
    guard let value = rule?["properties"]?.text("security-severity").flatMap({ Double($0) }),
      (0...10).contains(value)
    else { return nil }
    return value
  }

  private func stringFor(_ message: JSONTree?, rule: JSONTree?) -> String? {
    guard let id = message?.text("id") else { return nil }
    return rule?["messageStrings"]?[id]?.text("text") ?? id
  }

  private func isSuppressed(_ result: JSONTree) -> Bool {
    let statuses = result.list("suppressions").map { $0.text("status") ?? "accepted" }
    return !statuses.isEmpty && !statuses.contains { $0 == "rejected" || $0 == "underReview" }
  }
}
