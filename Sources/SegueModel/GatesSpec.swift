/// What the evidence about a commit must come to before the commit becomes a release.
public struct GatesSpec: Hashable, Codable, Sendable {
  public var tests: TestsGateSpec?
  public var coverage: CoverageGateSpec?
  public var security: SecurityGateSpec?

  public init(
    tests: TestsGateSpec? = nil, coverage: CoverageGateSpec? = nil,
    security: SecurityGateSpec? = nil
  ) {
    self.tests = tests
    self.coverage = coverage
    self.security = security
  }
}

/// How failed tests are judged.
public struct TestsGateSpec: Hashable, Codable, Sendable {
  /// How often a step is run again whose tests failed; none by default.
  public var retries: Int
  /// The file of the repository that names tests which may fail for a time.
  public var quarantine: String?

  public init(retries: Int = 0, quarantine: String? = nil) {
    self.retries = retries
    self.quarantine = quarantine
  }
}

/// How much of the code the tests must run.
public struct CoverageGateSpec: Hashable, Codable, Sendable {
  /// The share of the coverable lines among those changed that tests must run; `nil`: any.
  public var changedLines: Permille?
  /// Whether the share of all lines must not be lower than before.
  public var neverFalls: Bool

  public init(changedLines: Permille? = nil, neverFalls: Bool = false) {
    self.changedLines = changedLines
    self.neverFalls = neverFalls
  }
}

/// Which findings of scans, and which known vulnerabilities, block a commit.
public struct SecurityGateSpec: Hashable, Codable, Sendable {
  public enum Level: String, Hashable, Codable, Sendable, CaseIterable {
    case low, medium, high, critical
  }

  /// What is at least this bad blocks.
  public var block: Level
  /// The file of the repository with findings that are accepted for a time.
  public var waivers: String?
  /// A directory of the machine with advisories in the OSV format; absolute.
  public var advisories: String?
  /// Files of the repository that state which vulnerabilities do not matter here, in OpenVEX.
  public var statements: [String]

  public init(
    block: Level = .high, waivers: String? = nil, advisories: String? = nil,
    statements: [String] = []
  ) {
    self.block = block
    self.waivers = waivers
    self.advisories = advisories
    self.statements = statements
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    block = try fields.decode(Level.self, forKey: .block)
    waivers = try fields.decodeIfPresent(String.self, forKey: .waivers)
    advisories = try fields.decodeIfPresent(String.self, forKey: .advisories)
    // Records that were written before these existed have none of them.
    statements = try fields.decodeIfPresent([String].self, forKey: .statements) ?? []
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(block, forKey: .block)
    try fields.encodeIfPresent(waivers, forKey: .waivers)
    try fields.encodeIfPresent(advisories, forKey: .advisories)
    // A spec without them is written as it always was: releases are known by the hash of theirs.
    if !statements.isEmpty { try fields.encode(statements, forKey: .statements) }
  }

  private enum CodingKeys: String, CodingKey {
    case block, waivers, advisories, statements
  }
}

/// Reports that a step promises to leave behind: glob patterns relative to the checkout.
public struct ReportSpec: Hashable, Codable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    case junit, coverage, sarif, sbom
  }

  /// JUnit XML test reports. A promised report that is missing or empty refuses the commit.
  public var junit: [String]
  /// Coverage: LCOV, Cobertura, JaCoCo, or the JSON of `llvm-cov export`.
  public var coverage: [String]
  /// Findings of scans, in SARIF 2.1.0.
  public var sarif: [String]
  /// Lists of components: CycloneDX or SPDX, in JSON.
  public var sbom: [String]

  public init(
    junit: [String] = [], coverage: [String] = [], sarif: [String] = [], sbom: [String] = []
  ) {
    self.junit = junit
    self.coverage = coverage
    self.sarif = sarif
    self.sbom = sbom
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    junit = try fields.decode([String].self, forKey: .junit)
    // Records that were written before these existed have none of them.
    coverage = try fields.decodeIfPresent([String].self, forKey: .coverage) ?? []
    sarif = try fields.decodeIfPresent([String].self, forKey: .sarif) ?? []
    sbom = try fields.decodeIfPresent([String].self, forKey: .sbom) ?? []
  }

  public func patterns(of kind: Kind) -> [String] {
    switch kind {
    case .junit: junit
    case .coverage: coverage
    case .sarif: sarif
    case .sbom: sbom
    }
  }

  public var isEmpty: Bool { Kind.allCases.allSatisfy { patterns(of: $0).isEmpty } }
}
