/// A known vulnerability, or a package that is malicious, as an OSV record tells of it
/// (https://ossf.github.io/osv-schema/, version 1.7).
public struct Advisory: Hashable, Sendable {
  /// What a record says of a package.
  public enum Match: Hashable, Sendable {
    /// The version is affected; the fix is the first that comes after it, where there is one.
    case affected(fixedIn: String?)
    /// The package is named, but its version cannot be placed. This is not an all-clear.
    case undecided(reason: String)
  }

  public struct Affected: Hashable, Sendable {
    public var ecosystem: String
    public var name: String
    public var ranges: [Range] = []
    public var versions: Set<String> = []
  }

  /// Where versions begin and cease to be affected.
  public struct Range: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
      case semantic = "SEMVER"
      case ecosystem = "ECOSYSTEM"
      case git = "GIT"
    }

    public enum Event: Hashable, Sendable {
      case introduced(String)
      /// Exclusive: this version is not affected.
      case fixed(String)
      /// Inclusive.
      case lastAffected(String)
      case limit(String)
    }

    public var kind: Kind
    public var events: [Event]
  }

  public var id: String
  public var aliases: Set<String>
  public var summary: String
  /// A withdrawn record matches nothing.
  public var isWithdrawn: Bool
  /// Vector strings, such as `CVSS:3.1/AV:N/...`. Without one the severity is unknown, which is not
  /// low.
  public var severities: [String]
  public var affected: [Affected]

  /// A malicious package blocks, whatever its severity.
  public var isMalicious: Bool { ([id] + aliases).contains { $0.hasPrefix("MAL-") } }

  /// Reads one record.
  ///
  /// - Throws: ``ReportFailure`` for what is no OSV record.
  public static func read(_ bytes: [UInt8]) throws(ReportFailure) -> Advisory {
    let root = try JSONTree.read(bytes)
    guard let id = root.text("id"), root["modified"] != nil else {
      throw .invalid(line: 1, reason: "it is not an OSV record: id or modified is missing")
    }
    var advisory = Advisory(
      id: id, aliases: Set(root.list("aliases").compactMap(\.text)),
      summary: root.text("summary") ?? "", isWithdrawn: root["withdrawn"] != nil,
      severities: root.list("severity").compactMap { $0.text("score") }, affected: [])
    for json in root.list("affected") {
      advisory.severities += json.list("severity").compactMap { $0.text("score") }
      guard let ecosystem = json["package"]?.text("ecosystem"),
        let name = json["package"]?.text("name")
      else { continue }
      advisory.affected.append(
        Affected(
          ecosystem: ecosystem, name: name, ranges: json.list("ranges").compactMap(Range.init),
          versions: Set(json.list("versions").compactMap(\.text))))
    }
    return advisory
  }

  /// What this record says of a package; `nil` when it is not affected.
  public func match(_ package: PackageURL) -> Match? {
    guard !isWithdrawn, let ecosystem = package.ecosystem else { return nil }
    var undecided: Match?
    for affected in affected where affected.names(package, in: ecosystem) {
      switch affected.match(package.version) {
      case .affected(let fix): return .affected(fixedIn: fix)
      case .undecided(let reason): undecided = undecided ?? .undecided(reason: reason)
      case nil: break
      }
    }
    return undecided
  }

  /// Records of the same vulnerability together: those that name each other, or the same other id,
  /// as aliases. Groups and their members are in the order given.
  public static func mergedByAlias(_ advisories: [Advisory]) -> [[Advisory]] {
    var parents = Array(advisories.indices)
    func root(_ index: Int) -> Int {
      var index = index
      while parents[index] != index { index = parents[index] }
      return index
    }
    var owners: [String: Int] = [:]
    for (index, advisory) in advisories.enumerated() {
      for id in [advisory.id] + advisory.aliases.sorted() {
        guard let owner = owners[id] else {
          owners[id] = index
          continue
        }
        let (first, second) = (root(owner), root(index))
        parents[max(first, second)] = min(first, second)
      }
    }
    let groups = Dictionary(grouping: advisories.indices, by: root)
    return groups.sorted { $0.key < $1.key }.map { $0.value.map { advisories[$0] } }
  }
}

extension Advisory.Affected {
  fileprivate func names(_ package: PackageURL, in ecosystem: String) -> Bool {
    guard self.ecosystem.prefix(while: { $0 != ":" }) == ecosystem else { return false }
    return PackageURL.comparable(name, in: ecosystem) == package.packageName
  }

  /// Affected by a version that is listed, or by a range: either is enough.
  fileprivate func match(_ version: String?) -> Advisory.Match? {
    guard let version else { return .undecided(reason: "the version is not known") }
    let order = VersionOrder(ecosystem: ecosystem)
    let isListed = versions.contains {
      $0 == version || order?.compare($0, version) == 0
    }
    var undecided: Advisory.Match?
    for range in ranges where range.kind != .git {
      guard let order = range.kind == .semantic ? .semantic : order else {
        // A record that lists versions is complete without its ranges.
        if versions.isEmpty {
          undecided = .undecided(reason: "the versions of \(ecosystem) cannot be compared")
        }
        continue
      }
      switch range.match(version, by: order) {
      case .affected(let fix): return .affected(fixedIn: fix)
      case .undecided(let reason): undecided = .undecided(reason: reason)
      case nil: break
      }
    }
    return isListed ? .affected(fixedIn: nil) : undecided
  }
}

extension Advisory.Range {
  fileprivate init?(_ json: JSONTree) {
    guard let kind = json.text("type").flatMap(Kind.init) else { return nil }
    self.kind = kind
    events = json.list("events").flatMap { event -> [Event] in
      [
        event.text("introduced").map { .introduced($0) }, event.text("fixed").map { .fixed($0) },
        event.text("last_affected").map { .lastAffected($0) },
        event.text("limit").map { .limit($0) },
      ].compactMap { $0 }
    }
  }

  /// The schema's own algorithm: in the order of versions, each event before the version switches.
  fileprivate func match(_ version: String, by order: VersionOrder) -> Advisory.Match? {
    var steps: [(event: Event, against: Int)] = []
    var isWithinLimit: Bool?
    for event in events {
      // "0" is before every version, and "*" a limit that comes after every one.
      let against: Int?
      switch event {
      case .introduced("0"): against = -1
      case .limit("*"): against = 1
      default: against = order.compare(event.version, version)
      }
      guard let against else {
        return .undecided(reason: "\(version) cannot be compared with \(event.version)")
      }
      if case .limit = event {
        isWithinLimit = (isWithinLimit ?? false) || against > 0
      } else {
        steps.append((event, against))
      }
    }
    guard isWithinLimit ?? true else { return nil }
    steps.sort { left, right in
      if left.event.isBeginning != right.event.isBeginning { return left.event.isBeginning }
      let versions = order.compare(left.event.version, right.event.version) ?? 0
      return versions != 0 ? versions < 0 : left.event.rank < right.event.rank
    }
    var isAffected = false
    var fix: String?
    for (event, against) in steps {
      switch event {
      case .introduced: if against <= 0 { isAffected = true }
      case .fixed(let version):
        if against <= 0 { isAffected = false } else if fix == nil { fix = version }
      case .lastAffected: if against < 0 { isAffected = false }
      case .limit: break
      }
    }
    return isAffected ? .affected(fixedIn: fix) : nil
  }
}

extension Advisory.Range.Event {
  fileprivate var version: String {
    switch self {
    case .introduced(let version), .fixed(let version), .lastAffected(let version),
      .limit(let version):
      version
    }
  }

  /// Introduced before every version.
  fileprivate var isBeginning: Bool { self == .introduced("0") }

  /// Of events at one version, in which order they are heeded.
  fileprivate var rank: Int {
    switch self {
    case .fixed: 0
    case .introduced: 1
    case .lastAffected: 2
    case .limit: 3
    }
  }
}
