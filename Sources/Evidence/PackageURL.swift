/// A package URL (`pkg:npm/%40scope/name@1.0.0`), as lists of components name packages.
public struct PackageURL: Hashable, Sendable, CustomStringConvertible {
  /// In lower case.
  public var type: String
  /// With `/` between its parts; empty when there is none.
  public var namespace: String
  public var name: String
  public var version: String?

  public init(type: String, namespace: String = "", name: String, version: String? = nil) {
    self.type = type.lowercased()
    self.namespace = namespace
    self.name = name
    self.version = version
  }

  /// Reads a package URL; `nil` for what is none. Qualifiers and the path within the package are
  /// passed over.
  public init?(_ text: String) {
    guard text.lowercased().hasPrefix("pkg:") else { return nil }
    var rest = text.dropFirst(4).drop { $0 == "/" }
    rest = rest.prefix { $0 != "#" && $0 != "?" }
    guard let slash = rest.firstIndex(of: "/") else { return nil }
    let type = rest[..<slash]
    rest = rest[rest.index(after: slash)...]
    var version: String?
    // An `@` before the last `/` belongs to a namespace that was not escaped.
    let lastSlash = rest.lastIndex(of: "/") ?? rest.startIndex
    if let at = rest.lastIndex(of: "@"), at > lastSlash {
      version = Self.unescaped(rest[rest.index(after: at)...])
      rest = rest[..<at]
    }
    let parts = rest.split(separator: "/").map(Self.unescaped)
    guard !type.isEmpty, let name = parts.last else { return nil }
    self.init(
      type: String(type), namespace: parts.dropLast().joined(separator: "/"), name: name,
      version: version)
  }

  /// The package URL itself, without qualifiers.
  public var description: String {
    let parts = namespace.split(separator: "/").map(String.init) + [packagePart]
    let path = parts.map(Self.escaped).joined(separator: "/")
    return "pkg:\(type)/\(path)" + (version.map { "@" + Self.escaped($0) } ?? "")
  }

  /// Python names are written with their spelling evened out (the specification of the type).
  private var packagePart: String { type == "pypi" ? Self.normalizedPython(name) : name }

  private static func escaped(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF")
    return text.utf8.reduce(into: "") { result, byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: ":"):
        result.append(Character(Unicode.Scalar(byte)))
      default:
        result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
  }

  /// `github.com/apple/swift-nio` of any address of that repository.
  static func repository(_ address: String) -> String {
    var rest = address[...]
    if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
    if let at = rest.firstIndex(of: "@"), !rest[..<at].contains("/") {
      rest = rest[rest.index(after: at)...]
    }
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    if rest.hasSuffix(".git") { rest = rest.dropLast(4) }
    // `git@host:owner/name`, as ssh writes it.
    let host = rest.prefix { $0 != "/" }
    guard let colon = host.firstIndex(of: ":") else { return rest.lowercased() }
    let after = rest[rest.index(after: colon)...]
    return after.first.map(\.isNumber) == true
      ? rest.lowercased() : "\(rest[..<colon])/\(after)".lowercased()
  }

  /// What OSV calls the ecosystem; `nil` when it has no name for it.
  public var ecosystem: String? {
    switch type {
    case "pypi": "PyPI"
    case "npm": "npm"
    case "golang": "Go"
    case "maven": "Maven"
    case "deb": namespace == "ubuntu" ? "Ubuntu" : "Debian"
    case "cargo": "crates.io"
    case "gem": "RubyGems"
    case "composer": "Packagist"
    case "nuget": "NuGet"
    case "hex": "Hex"
    case "swift": "SwiftURL"
    default: nil
    }
  }

  /// The name by which the ecosystem knows the package.
  public var packageName: String {
    switch type {
    case "pypi": Self.normalizedPython(name)
    case "deb": name
    case "swift": Self.repository("\(namespace)/\(name)")
    case "maven": "\(namespace):\(name)"
    case "composer", "nuget": (namespace.isEmpty ? name : "\(namespace)/\(name)").lowercased()
    default: namespace.isEmpty ? name : "\(namespace)/\(name)"
    }
  }

  /// A Python name with its spelling evened out (PEP 503).
  static func normalizedPython(_ name: String) -> String {
    name.lowercased().split { $0 == "-" || $0 == "_" || $0 == "." }.joined(separator: "-")
  }

  /// The name as an ecosystem compares it.
  static func comparable(_ name: String, in ecosystem: some StringProtocol) -> String {
    switch ecosystem {
    case "PyPI": normalizedPython(name)
    case "SwiftURL": repository(name)
    case "Packagist", "NuGet": name.lowercased()
    default: name
    }
  }

  private static func unescaped(_ text: Substring) -> String {
    guard text.contains("%") else { return String(text) }
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
