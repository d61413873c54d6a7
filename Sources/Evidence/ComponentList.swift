public import SegueModel

/// One package that a release consists of.
public struct Component: Hashable, Sendable {
  /// What the document calls it; empty when it does not.
  public var reference: String
  public var name: String
  public var version: String?
  public var package: PackageURL?

  public init(
    reference: String = "", name: String, version: String? = nil, package: PackageURL? = nil
  ) {
    self.reference = reference
    self.name = name
    self.version = version
    self.package = package
  }
}

/// What a release consists of, as a bill of materials tells, and what that says of vulnerabilities.
public struct ComponentList: Hashable, Sendable {
  /// In the order of the document, nested ones after what they are part of.
  public var components: [Component] = []
  /// A CycloneDX document can say that a vulnerability does not matter here.
  public var statements: [VulnerabilityStatement] = []

  public init(components: [Component] = [], statements: [VulnerabilityStatement] = []) {
    self.components = components
    self.statements = statements
  }

  /// Reads CycloneDX JSON, versions 1.5 to 1.7.
  ///
  /// - Throws: ``ReportFailure`` for another format or version.
  public static func cycloneDX(_ bytes: [UInt8]) throws(ReportFailure) -> ComponentList {
    let root = try JSONTree.read(bytes)
    guard root.text("bomFormat") == "CycloneDX" else {
      throw .invalid(line: 1, reason: "it is not a CycloneDX document")
    }
    let version = root.text("specVersion") ?? "none"
    guard ["1.5", "1.6", "1.7"].contains(version) else {
      throw .invalid(line: 1, reason: "its CycloneDX version is \(version); write 1.5, 1.6 or 1.7")
    }
    var list = ComponentList()
    list.add(root.list("components"))
    let packages = Dictionary(
      list.components.map { ($0.reference, $0.package) }, uniquingKeysWith: { first, _ in first })
    list.statements = root.list("vulnerabilities").compactMap {
      VulnerabilityStatement(cycloneDX: $0, packages: packages)
    }
    return list
  }

  /// Reads SPDX JSON, versions 2.x.
  ///
  /// - Throws: ``ReportFailure`` for another format or version.
  public static func spdx(_ bytes: [UInt8]) throws(ReportFailure) -> ComponentList {
    let root = try JSONTree.read(bytes)
    guard let version = root.text("spdxVersion"), version.hasPrefix("SPDX-2.") else {
      throw .invalid(line: 1, reason: "it is not an SPDX 2 document")
    }
    let components = root.list("packages").compactMap { package -> Component? in
      guard let name = package.text("name") else { return nil }
      let address = package.list("externalRefs").first { $0.text("referenceType") == "purl" }
      let purl = address?.text("referenceLocator").flatMap { PackageURL($0) }
      return Component(
        reference: package.text("SPDXID") ?? "", name: name,
        version: package.text("versionInfo") ?? purl?.version, package: purl)
    }
    return ComponentList(components: components)
  }

  private mutating func add(_ nested: [JSONTree]) {
    for component in nested {
      if let name = component.text("name") {
        let purl = component.text("purl").flatMap { PackageURL($0) }
        let group = component.text("group").map { "\($0)/" } ?? ""
        components.append(
          Component(
            reference: component.text("bom-ref") ?? "", name: group + name,
            version: component.text("version") ?? purl?.version, package: purl))
      }
      add(component.list("components"))
    }
  }
}

/// Whether a vulnerability matters to a package, as somebody has stated.
public struct VulnerabilityStatement: Hashable, Sendable {
  public enum Status: String, Hashable, Sendable {
    case notAffected
    case affected
    case fixed
    case underInvestigation
  }

  /// The vulnerability and its aliases.
  public var ids: Set<String>
  /// What it is about; empty when the statement names nothing, which then is about nothing.
  public var packages: [PackageURL]
  public var status: Status
  /// Why it does not matter; without one, `notAffected` is not believed.
  public var justification: String?
  /// `nil` when the document does not say, which is taken as before all others.
  public var at: Instant?

  /// A vulnerability that need not block: fixed, or not affected with a reason.
  public var excuses: Bool {
    switch status {
    case .fixed: true
    case .notAffected: justification != nil
    case .affected, .underInvestigation: false
    }
  }

  init?(cycloneDX json: JSONTree, packages known: [String: PackageURL?]) {
    guard let id = json.text("id"), let analysis = json["analysis"] else { return nil }
    switch analysis.text("state") {
    case "not_affected", "false_positive": status = .notAffected
    case "resolved", "resolved_with_pedigree": status = .fixed
    case "exploitable": status = .affected
    default: status = .underInvestigation
    }
    ids = [id]
    for other in json.list("references") { if let alias = other.text("id") { ids.insert(alias) } }
    packages = json.list("affects").compactMap { affected in
      guard let reference = affected.text("ref") else { return nil }
      return known[reference].flatMap { $0 } ?? PackageURL(reference)
    }
    // A false positive is its own reason.
    justification =
      analysis.text("justification") ?? analysis.text("detail")
      ?? (analysis.text("state") == "false_positive" ? "false positive" : nil)
    at = (analysis.text("lastUpdated") ?? analysis.text("firstIssued")).flatMap {
      Instant(rfc3339: $0)
    }
  }
}
