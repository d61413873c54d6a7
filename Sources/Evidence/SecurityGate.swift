public import SegueModel

/// Something that a scan found in a commit, or an advisory says of what it consists of.
public struct SecurityFinding: Hashable, Sendable {
  /// The vulnerability or the rule.
  public var id: String
  public var aliases: Set<String>
  /// `nil` when nobody says how bad it is, which is not harmless.
  public var severity: Severity?
  public var isMalicious: Bool
  public var title: String
  /// `web/login.js:12`, or the package with its version.
  public var place: String
  public var package: PackageURL?
  /// The version that mends it, where there is one.
  public var fixedIn: String?

  public init(
    id: String, aliases: Set<String> = [], severity: Severity? = nil, isMalicious: Bool = false,
    title: String = "", place: String = "", package: PackageURL? = nil, fixedIn: String? = nil
  ) {
    self.id = id
    self.aliases = aliases
    self.severity = severity
    self.isMalicious = isMalicious
    self.title = title
    self.place = place
    self.package = package
    self.fixedIn = fixedIn
  }

  /// Finds the same thing again at another commit, where its line may differ.
  public var fingerprint: String {
    let site = package.map { "\($0.type)/\($0.packageName)" } ?? Self.withoutLine(place)
    return "\(id)\u{0}\(site)\u{0}\(package == nil ? FailureSignature.of(title) : "")"
  }

  private static func withoutLine(_ place: String) -> String {
    guard let colon = place.lastIndex(of: ":"),
      place[place.index(after: colon)...].allSatisfy(\.isNumber)
    else { return place }
    return String(place[..<colon])
  }

  /// A result of an analysis; `nil` for one that is suppressed, or that is of level none and so says
  /// that nothing is wrong. Without a score, an error is taken for high, a warning for medium and a
  /// note for low; but what gitleaks finds is a secret that anybody can read, which is high, and
  /// osv-scanner calls everything a warning, which says nothing.
  public init?(_ finding: SARIFReport.Finding) {
    guard !finding.isSuppressed, finding.level != .none || finding.securitySeverity != nil else {
      return nil
    }
    let byLevel: Severity? =
      switch finding.level {
      case .warning where finding.tool == SecurityScanner.gitleaks.rawValue: .high
      case .warning where finding.tool == SecurityScanner.osvScanner.rawValue: nil
      case .error: .high
      case .warning: .medium
      case .note: .low
      case .none: Severity.none
      }
    let place = (finding.path ?? "") + (finding.line.map { ":\($0)" } ?? "")
    self.init(
      id: finding.rule.isEmpty ? finding.tool : finding.rule,
      severity: finding.securitySeverity.map(Severity.init(score:)) ?? byLevel,
      title: finding.message, place: place)
  }
}

/// Whether what was found lets a commit pass.
public struct SecurityGate: Sendable {
  /// What is at least this bad blocks.
  public var level: Severity
  /// Whether what nobody rates blocks too.
  public var blocksUnknown: Bool
  /// Fingerprints of what was there before the commit, when only what is new is to block; `nil` when
  /// everything is.
  public var known: Set<String>?
  public var waivers: [Waiver]
  public var statements: [VulnerabilityStatement]

  public init(
    level: Severity = .high, blocksUnknown: Bool = true, known: Set<String>? = nil,
    waivers: [Waiver] = [], statements: [VulnerabilityStatement] = []
  ) {
    self.level = level
    self.blocksUnknown = blocksUnknown
    self.known = known
    self.waivers = waivers
    self.statements = statements
  }

  /// - Parameters:
  ///   - findings: of all scans; `nil` while they run.
  ///   - problems: why scans cannot be believed: a promised report is missing, a scan itself failed.
  public func answer(
    _ findings: [SecurityFinding]?, problems: [String] = [], at now: Instant
  ) -> GateAnswer {
    if let problem = problems.first {
      return GateAnswer(
        gate: "security", verdict: .fail,
        reason: "a scan did not do its work, so nothing is known: \(problem)", evidence: problems,
        remedies: ["Mend the step that scans; its log says more"])
    }
    guard let findings else {
      return GateAnswer(
        gate: "security", verdict: .wait, reason: "the scans have not ended yet",
        remedies: ["Wait for the steps of the pipeline"])
    }
    var blocking: [(line: String, finding: SecurityFinding)] = []
    var accepted: [String] = []
    var ending: Set<String> = []
    for finding in findings {
      switch judge(finding, at: now) {
      case .blocks(let why): blocking.append((line(finding, why), finding))
      case .accepted(let why): accepted.append(line(finding, why))
      case .acceptedUntil(let why, let warning):
        accepted.append(line(finding, why))
        ending.insert(warning)
      case .below: break
      }
    }
    let warnings = ending.sorted() + unused(findings)
    guard !blocking.isEmpty else {
      return GateAnswer(
        gate: "security", verdict: .pass,
        reason: "none of \(findings.count) findings blocks; \(level) and worse would",
        evidence: accepted, warnings: warnings)
    }
    blocking.sort { Self.rank($0.finding) > Self.rank($1.finding) }
    return GateAnswer(
      gate: "security", verdict: .fail,
      reason: "\(blocking.count) of \(findings.count) findings "
        + "\(blocking.count == 1 ? "blocks" : "block"): "
        + blocking.map(\.finding.id).named(3),
      evidence: blocking.map(\.line) + accepted, remedies: remedies(blocking.map(\.finding)),
      warnings: warnings)
  }

  private enum Judgement {
    case blocks(String)
    case accepted(String)
    case acceptedUntil(String, warning: String)
    case below
  }

  private func judge(_ finding: SecurityFinding, at now: Instant) -> Judgement {
    // Neither waivers nor statements help: this is no flaw, it is an attack.
    if finding.isMalicious { return .blocks("the package is malicious, which always blocks") }
    if let severity = finding.severity {
      guard severity >= level else { return .below }
    } else if !blocksUnknown {
      return .accepted("its severity is unknown")
    }
    if let known, known.contains(finding.fingerprint) {
      return .accepted("it was there before this commit")
    }
    let ids = finding.aliases.union([finding.id])
    if let package = finding.package,
      let statement = VulnerabilityStatement.current(of: statements, ids: ids, package: package),
      statement.excuses
    {
      return .accepted("stated: \(statement.justification ?? "fixed")")
    }
    let own = waivers.filter { ids.contains($0.id) }
    guard let waiver = own.max(by: { $0.expires < $1.expires }) else {
      return .blocks(finding.severity == nil ? "nobody says how severe it is" : "")
    }
    switch waiver.standing(at: now) {
    case .holds: return .accepted("waived by \(waiver.owner): \(waiver.reason)")
    case .endsSoon:
      return .acceptedUntil(
        "waived by \(waiver.owner): \(waiver.reason)",
        warning: "the waiver of \(waiver.id) by \(waiver.owner) ends on \(waiver.expires.day)")
    case .expired:
      return .blocks("its waiver by \(waiver.owner) expired on \(waiver.expires.day)")
    }
  }

  private func line(_ finding: SecurityFinding, _ why: String) -> String {
    var parts = ["\(finding.id) (\(finding.severity?.description ?? "unknown"))"]
    if !finding.place.isEmpty { parts[0] += " in \(finding.place)" }
    if !finding.title.isEmpty { parts.append(finding.title) }
    if let fix = finding.fixedIn { parts.append("fixed in \(fix)") }
    if !why.isEmpty { parts.append(why) }
    return parts.joined(separator: "; ")
  }

  private func remedies(_ findings: [SecurityFinding]) -> [String] {
    var remedies: [String] = []
    for finding in findings where finding.isMalicious {
      remedies.append("Remove \(finding.place), and change every secret that it could have read")
    }
    for finding in findings where !finding.isMalicious {
      if let fix = finding.fixedIn, let package = finding.package {
        remedies.append("Update \(package.packageName) to \(fix)")
      }
    }
    if findings.contains(where: { !$0.isMalicious }) {
      remedies.append(
        "Mend what is named, or add a waiver with a reason, an owner and an end to the repository")
    }
    var seen: Set<String> = []
    return Array(remedies.filter { seen.insert($0).inserted }.suffix(6))
  }

  /// Waivers and statements that match nothing may be misspelt.
  private func unused(_ findings: [SecurityFinding]) -> [String] {
    let ids = findings.reduce(into: Set<String>()) { $0.formUnion($1.aliases.union([$1.id])) }
    let waiving = waivers.filter { !ids.contains($0.id) }.map {
      "the waiver of \($0.id) by \($0.owner) matches nothing"
    }
    let stating = statements.filter { statement in
      !findings.contains { finding in
        finding.package.map { statement.isAbout(finding.aliases.union([finding.id]), $0) } ?? false
      }
    }
    return waiving
      + stating.map { "the statement about \($0.ids.sorted().named(2)) matches nothing" }
  }

  /// Malicious first, then unknown, since it may be anything, then the worst.
  private static func rank(_ finding: SecurityFinding) -> Int {
    finding.isMalicious ? 9 : finding.severity?.rawValue ?? 8
  }
}
