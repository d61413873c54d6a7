public import SegueModel

/// Advisories by what they are about, so that a release is matched without reading all of them.
public struct AdvisoryIndex: Sendable {
  private struct Key: Hashable {
    var ecosystem: String
    var name: String
  }

  private var advisories: [Key: [Advisory]] = [:]

  public init(_ advisories: some Sequence<Advisory> = []) {
    for advisory in advisories { add(advisory) }
  }

  public mutating func add(_ advisory: Advisory) {
    let keys = advisory.affected.map { affected in
      let ecosystem = String(affected.ecosystem.prefix { $0 != ":" })
      return Key(
        ecosystem: ecosystem,
        name: PackageURL.comparable(affected.name, in: ecosystem))
    }
    for key in Set(keys) { advisories[key, default: []].append(advisory) }
  }

  /// What is known of the components of a release: one finding for each vulnerability of each
  /// package, in the order of the components. Records of one vulnerability count once, with the
  /// worst severity that any of them gives.
  public func findings(in list: ComponentList) -> [SecurityFinding] {
    var seen: Set<PackageURL> = []
    return list.components.compactMap(\.package).filter { seen.insert($0).inserted }
      .flatMap(findings)
  }

  private func findings(of package: PackageURL) -> [SecurityFinding] {
    guard let ecosystem = package.ecosystem else { return [] }
    let key = Key(ecosystem: ecosystem, name: package.packageName)
    let hits = (advisories[key] ?? []).filter { $0.match(package) != nil }
    return Advisory.mergedByAlias(hits).compactMap { finding($0, package) }
  }

  private func finding(_ records: [Advisory], _ package: PackageURL) -> SecurityFinding? {
    guard let first = records.first else { return nil }
    var fix: String?
    var doubt: String?
    for record in records {
      switch record.match(package) {
      case .affected(let version):
        fix = fix ?? version
      case .undecided(let reason): doubt = reason
      case nil: break
      }
    }
    let isCertain = records.contains {
      if case .affected = $0.match(package) { true } else { false }
    }
    let title = records.first { !$0.summary.isEmpty }?.summary ?? ""
    let note = isCertain ? nil : doubt
    return SecurityFinding(
      id: first.id,
      aliases: records.reduce(into: []) { $0.formUnion($1.aliases.union([$1.id])) },
      severity: records.compactMap(\.severity).max(),
      isMalicious: records.contains { $0.isMalicious },
      title: [title, note ?? ""].filter { !$0.isEmpty }.joined(separator: "; "),
      place: "\(package.packageName) \(package.version ?? "(version unknown)")", package: package,
      fixedIn: fix)
  }
}

/// A release that people use now, with what it consists of.
public struct LiveComponents: Hashable, Sendable {
  public var release: String
  /// Where it is live, such as `production/web`.
  public var places: [String]
  /// Who is told.
  public var people: [String]
  public var components: ComponentList
  /// Fingerprints of findings that were there when it went live, or were told since.
  public var known: Set<String>

  public init(
    release: String, places: [String], people: [String], components: ComponentList,
    known: Set<String> = []
  ) {
    self.release = release
    self.places = places
    self.people = people
    self.components = components
    self.known = known
  }
}

/// A release that is live and has become vulnerable, without anybody having changed it.
public struct LiveIncident: Hashable, Sendable, CustomStringConvertible {
  public var release: String
  public var places: [String]
  public var people: [String]
  /// What is new and blocks, the worst first.
  public var findings: [SecurityFinding]
  /// What the security gate would say now.
  public var answer: GateAnswer

  public var description: String {
    let fixes = findings.compactMap { finding in
      finding.fixedIn.map { "\(finding.package?.packageName ?? finding.place) to \($0)" }
    }
    let fix = fixes.isEmpty ? "there is no fixed version yet" : "update \(fixes.named(5))"
    return "release \(release), live in \(places.named(5)): "
      + "\(findings.map { "\($0.id) in \($0.place)" }.named(3)); \(fix)"
      + (people.isEmpty ? "" : "; told: \(people.named(5))")
  }
}

extension AdvisoryIndex {
  /// Matches what is live against these advisories: to be called whenever they change.
  ///
  /// - Parameter gate: decides what is bad enough; its `known` is taken from each release.
  /// - Returns: an incident for each release with something new that blocks.
  public func rematch(
    _ live: [LiveComponents], gate: SecurityGate, at now: Instant
  ) -> [LiveIncident] {
    live.compactMap { release in
      var gate = gate
      gate.known = release.known
      let new = findings(in: release.components).filter { finding in
        !release.known.contains(finding.fingerprint)
          && gate.answer([finding], at: now).verdict == .fail
      }
      guard !new.isEmpty else { return nil }
      return LiveIncident(
        release: release.release, places: release.places, people: release.people,
        findings: new.sorted { ($1.severity ?? .critical) < ($0.severity ?? .critical) },
        answer: gate.answer(new, at: now))
    }
  }
}
