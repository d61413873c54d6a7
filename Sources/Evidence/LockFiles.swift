extension ComponentList {
  /// Reads npm's `package-lock.json`, versions 2 and 3.
  ///
  /// - Throws: ``ReportFailure`` for another format or version.
  public static func npmLock(_ bytes: [UInt8]) throws(ReportFailure) -> ComponentList {
    let root = try JSONTree.read(bytes)
    guard root["lockfileVersion"]?.integer ?? 0 >= 2,
      case .object(let packages)? = root["packages"]
    else { throw .invalid(line: 1, reason: "it is not a package-lock.json of version 2 or 3") }
    var list = ComponentList()
    for (path, json) in packages.sorted(by: { $0.key < $1.key }) {
      // The path "" is the project itself, and one outside node_modules a part of it.
      guard let place = path.ranges(of: "node_modules/").last, json["link"] == nil else { continue }
      list.add("npm", json.text("name") ?? String(path[place.upperBound...]), json.text("version"))
    }
    return list
  }

  /// Reads Composer's `composer.lock`.
  ///
  /// - Throws: ``ReportFailure`` for another format.
  public static func composerLock(_ bytes: [UInt8]) throws(ReportFailure) -> ComponentList {
    let root = try JSONTree.read(bytes)
    guard root["packages"] != nil else {
      throw .invalid(line: 1, reason: "it is not a composer.lock")
    }
    var list = ComponentList()
    for json in root.list("packages") + root.list("packages-dev") {
      guard let name = json.text("name") else { continue }
      list.add("composer", name, json.text("version"))
    }
    return list
  }

  /// Reads `/var/lib/dpkg/status`: the packages that are installed, by their *source* package and its
  /// version, since that is what Debian's advisories name.
  public static func dpkgStatus(_ bytes: [UInt8]) -> ComponentList {
    var list = ComponentList()
    var fields: [Substring: Substring] = [:]
    // The last paragraph may end without an empty line.
    let text = String(decoding: bytes, as: UTF8.self) + "\n\n"
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty {
        list.addDebian(fields)
        fields = [:]
      } else if let colon = line.firstIndex(of: ":"), line.first != " ", line.first != "\t" {
        fields[line[..<colon]] = line[line.index(after: colon)...].drop { $0 == " " }
      }
    }
    return list
  }

  private mutating func addDebian(_ fields: [Substring: Substring]) {
    guard let package = fields["Package"], let version = fields["Version"],
      fields["Status"]?.hasSuffix(" installed") ?? false
    else { return }
    // `Source: glibc (2.36-9)` names a version only where it differs.
    let source = (fields["Source"] ?? package).split(separator: " ")
    let own = source.count > 1 ? source[1].dropFirst().dropLast() : version
    add("deb", "debian/\(source.first ?? package)", String(own))
  }

  mutating func add(_ type: String, _ name: String, _ version: String?) {
    let parts = name.split(separator: "/")
    guard let last = parts.last else { return }
    components.append(
      Component(
        name: name, version: version,
        package: PackageURL(
          type: type, namespace: parts.dropLast().joined(separator: "/"), name: String(last),
          version: version)))
  }
}
