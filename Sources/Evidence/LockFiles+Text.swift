extension ComponentList {
  /// Whether a file of this name is the lock file of a package manager that is known.
  public static func isLockFile(named name: String) -> Bool {
    let known: Set = [
      "package-lock.json", "npm-shrinkwrap.json", "composer.lock", "Package.resolved", "Cargo.lock",
      "poetry.lock", "uv.lock", "go.sum", "Gemfile.lock",
    ]
    return known.contains(name) || name.hasPrefix("requirements") && name.hasSuffix(".txt")
  }

  /// Lists what the lock file of a package manager pins, by the file's name; `nil` for a name that is
  /// not known.
  ///
  /// - Throws: ``ReportFailure`` for a file that is not what its name says.
  public static func lockFile(
    named name: String, _ bytes: [UInt8]
  ) throws(ReportFailure) -> ComponentList? {
    switch name {
    case "package-lock.json", "npm-shrinkwrap.json": return try npmLock(bytes)
    case "composer.lock": return try composerLock(bytes)
    case "Package.resolved": return try swiftResolved(bytes)
    case "Cargo.lock", "poetry.lock", "uv.lock": return try tomlLock(named: name, bytes)
    case "go.sum": return goSum(bytes)
    case "Gemfile.lock": return try gemfileLock(bytes)
    case _ where name.hasPrefix("requirements") && name.hasSuffix(".txt"):
      return pythonRequirements(bytes)
    default: return nil
    }
  }

  /// Reads the pins of pip's requirements (pip documentation, "Requirements File Format"). A package
  /// that is not pinned to one version is listed without one: nothing can be said of it, which is
  /// not an all-clear.
  public static func pythonRequirements(_ bytes: [UInt8]) -> ComponentList {
    var list = ComponentList()
    var pending = ""
    for line in lines(bytes) {
      pending += line
      if pending.hasSuffix("\\") {
        pending = pending.dropLast() + " "
        continue
      }
      let requirement = pending.prefix(while: { $0 != "#" && $0 != ";" }).drop { $0.isWhitespace }
      pending = ""
      let name = requirement.prefix { $0.isLetter || $0.isNumber || "._-".contains($0) }
      guard let first = name.first, first.isLetter || first.isNumber else { continue }
      var rest = requirement[name.endIndex...].drop { $0.isWhitespace }
      if rest.first == "[" { rest = rest.drop { $0 != "]" }.dropFirst().drop { $0.isWhitespace } }
      let version = rest.drop { $0 == "=" }.drop { $0.isWhitespace }
        .prefix { !$0.isWhitespace && $0 != "," }
      let isPinned = rest.hasPrefix("==") && !version.isEmpty && !version.contains("*")
      list.add("pypi", String(name), isPinned ? String(version) : nil)
    }
    return list
  }

  /// Reads `go.sum`: the modules whose sources were needed. It may name several versions of one
  /// module; each is listed.
  public static func goSum(_ bytes: [UInt8]) -> ComponentList {
    var list = ComponentList()
    for line in lines(bytes) {
      let words = line.split(separator: " ")
      guard words.count == 3, !words[1].hasSuffix("/go.mod") else { continue }
      list.add("golang", String(words[0]), String(words[1]))
    }
    return list
  }

  /// Reads Bundler's `Gemfile.lock`, without what lies in the repository itself.
  ///
  /// - Throws: ``ReportFailure`` for another format.
  public static func gemfileLock(_ bytes: [UInt8]) throws(ReportFailure) -> ComponentList {
    var list = ComponentList()
    var section: Substring = ""
    var isLock = false
    for line in lines(bytes) {
      if let first = line.first, first != " " {
        section = line
        isLock = isLock || section == "GEM" || section == "DEPENDENCIES"
        continue
      }
      // `    name (1.2.3-x86_64-linux)`; what is indented further is only wanted by that one.
      guard section == "GEM" || section == "GIT", line.hasPrefix("    "),
        !line.hasPrefix("     "), let open = line.firstIndex(of: "("), line.hasSuffix(")")
      else { continue }
      let name = line[..<open].split(separator: " ").first ?? ""
      let version = line[line.index(after: open)...].dropLast().prefix { $0 != "-" }
      if !name.isEmpty { list.add("gem", String(name), String(version)) }
    }
    guard isLock else { throw .invalid(line: 1, reason: "it is not a Gemfile.lock") }
    return list
  }

  /// Reads `Package.resolved` of the Swift package manager, versions 1 to 3. A pin to a branch has no
  /// version.
  ///
  /// - Throws: ``ReportFailure`` for another format.
  public static func swiftResolved(_ bytes: [UInt8]) throws(ReportFailure) -> ComponentList {
    let root = try JSONTree.read(bytes)
    guard root["version"]?.integer != nil, let pins = root["pins"] ?? root["object"]?["pins"] else {
      throw .invalid(line: 1, reason: "it is not a Package.resolved")
    }
    var list = ComponentList()
    for pin in pins.elements {
      guard let location = pin.text("location") ?? pin.text("repositoryURL") else { continue }
      list.add("swift", PackageURL.repository(location), pin["state"]?.text("version"))
    }
    return list
  }

  /// Reads the `[[package]]` tables of `Cargo.lock`, `poetry.lock` and `uv.lock`, without the project
  /// itself.
  ///
  /// - Throws: ``ReportFailure`` for a file without such a table.
  public static func tomlLock(
    named name: String, _ bytes: [UInt8]
  ) throws(ReportFailure) -> ComponentList {
    let tables = PackageTables(lines(bytes)).tables
    guard !tables.isEmpty else {
      throw .invalid(line: 1, reason: "it has no [[package]] and so is not a \(name)")
    }
    var list = ComponentList()
    for table in tables {
      guard let package = table["name"] else { continue }
      let source = table["source"]
      switch name {
      case "Cargo.lock" where source == nil: continue
      case "uv.lock"
      where ["editable", "virtual", "directory"].contains { source?.contains($0) ?? false }:
        continue
      default:
        list.add(name == "Cargo.lock" ? "cargo" : "pypi", package, table["version"])
      }
    }
    return list
  }

  private static func lines(_ bytes: [UInt8]) -> [Substring] {
    String(decoding: bytes, as: UTF8.self)
      .split(omittingEmptySubsequences: true, whereSeparator: \.isNewline)
  }
}

/// The keys of `[[package]]` tables with the texts that they have on one line: as much of TOML as
/// lock files use.
private struct PackageTables {
  var tables: [[Substring: String]] = []

  init(_ lines: [Substring]) {
    var isInside = false
    var isWithinText = false
    for line in lines {
      let quotes = line.ranges(of: "\"\"\"").count
      if isWithinText {
        isWithinText = quotes == 0
        continue
      }
      isWithinText = quotes == 1
      if line.hasPrefix("[") {
        isInside = line == "[[package]]"
        if isInside { tables.append([:]) }
        continue
      }
      guard isInside, let equals = line.firstIndex(of: "="), line.first != " " else { continue }
      let key = line[..<equals].prefix { $0 != " " }
      let value = line[line.index(after: equals)...].drop { $0 == " " }
      let text =
        value.first == "\""
        ? String(value.dropFirst().prefix { $0 != "\"" }) : String(value)
      tables[tables.count - 1][key] = text
    }
  }
}
