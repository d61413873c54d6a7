public import SegueModel

extension VulnerabilityStatement {
  /// Reads an OpenVEX document (version 0.2.0, and those before it).
  ///
  /// - Throws: ``ReportFailure`` for another format, and for a statement that names no vulnerability
  ///   or has no status: a statement that cannot be read may be the one that withdraws another.
  public static func openVEX(
    _ bytes: [UInt8]
  ) throws(ReportFailure) -> [VulnerabilityStatement] {
    let root = try JSONTree.read(bytes)
    guard root.text("@context")?.hasPrefix("https://openvex.dev/ns") ?? false else {
      throw .invalid(line: 1, reason: "it is not an OpenVEX document")
    }
    let time = root.text("last_updated") ?? root.text("timestamp") ?? ""
    var statements: [VulnerabilityStatement] = []
    for (index, json) in root.list("statements").enumerated() {
      guard let statement = VulnerabilityStatement(openVEX: json, time: time) else {
        throw .invalid(
          line: 1, reason: "statement \(index + 1) has no vulnerability or no known status")
      }
      statements.append(statement)
    }
    return statements
  }

  /// The statement that counts for a vulnerability of a package: the newest of those about it, and
  /// of several of one moment the last.
  ///
  /// - Parameter ids: the vulnerability and its aliases.
  public static func current(
    of statements: [VulnerabilityStatement], ids: Set<String>, package: PackageURL
  ) -> VulnerabilityStatement? {
    statements.filter { $0.isAbout(ids, package) }
      .reduce(nil) { newest, next in
        guard let newest, let known = newest.at else { return next }
        return (next.at ?? Instant(milliseconds: .min)) < known ? newest : next
      }
  }

  /// Whether this is about one of the vulnerabilities of a package; see
  /// ``current(of:ids:package:)``. A statement that names no version is about all of them. One that
  /// matches nothing of a release should be shown: it may be misspelt.
  public func isAbout(_ ids: Set<String>, _ package: PackageURL) -> Bool {
    !self.ids.isDisjoint(with: ids)
      && packages.contains {
        $0.type == package.type && $0.namespace == package.namespace
          && $0.packageName == package.packageName
          && ($0.version == nil || $0.version == package.version)
      }
  }

  private init?(openVEX json: JSONTree, time: String) {
    let named = json["vulnerability"]
    ids = Set(
      ([named?.text, named?.text("name"), named?.text("@id")].compactMap { $0 })
        + (named?.list("aliases").compactMap(\.text) ?? []))
    guard !ids.isEmpty else { return nil }
    switch json.text("status") {
    case "not_affected": status = .notAffected
    case "affected": status = .affected
    case "fixed": status = .fixed
    case "under_investigation": status = .underInvestigation
    default: return nil
    }
    packages = json.list("products").flatMap { product in
      // With parts named, the statement is about those, and the product says only where they are.
      let parts = product.list("subcomponents")
      return (parts.isEmpty ? [product] : parts).compactMap(Self.package)
    }
    justification = json.text("justification") ?? json.text("impact_statement")
    at = Instant(
      rfc3339: json.text("last_updated") ?? json.text("timestamp") ?? time)
  }

  private static func package(_ json: JSONTree) -> PackageURL? {
    let address = json.text ?? json["identifiers"]?.text("purl") ?? json.text("@id")
    return address.flatMap { PackageURL($0) }
  }
}

extension Instant {
  /// Reads `2026-01-31T12:00:00.5+02:00` (RFC 3339); `nil` for what is no such time.
  public init?(rfc3339 text: String) {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int64? {
      guard range.upperBound <= bytes.count,
        bytes[range].allSatisfy({ (0x30...0x39).contains($0) })
      else { return nil }
      return bytes[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
      (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61,
      bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[13] == 0x3A, bytes[16] == 0x3A
    else { return nil }
    var end = 19
    var fraction: Int64 = 0
    if end < bytes.count, bytes[end] == UInt8(ascii: ".") {
      end += 1
      var scale: Int64 = 100
      while end < bytes.count, let digit = number(end..<(end + 1)) {
        fraction += digit * scale
        scale /= 10
        end += 1
      }
    }
    var offset: Int64 = 0
    switch end < bytes.count ? bytes[end] : 0 {
    case UInt8(ascii: "Z"), UInt8(ascii: "z"): break
    case UInt8(ascii: "+"), UInt8(ascii: "-"):
      guard let hours = number((end + 1)..<(end + 3)), let minutes = number((end + 4)..<(end + 6))
      else { return nil }
      offset = (hours * 60 + minutes) * (bytes[end] == UInt8(ascii: "-") ? -60 : 60)
    default: return nil
    }
    // Days since 1970 of a date of the Gregorian calendar, with years that begin in March.
    let shifted = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    let days =
      shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
    self.init(milliseconds: seconds * 1_000 + fraction)
  }
}
