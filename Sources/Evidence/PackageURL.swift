/// A package URL (`pkg:npm/%40scope/name@1.0.0`), as lists of components name packages.
public struct PackageURL: Hashable, Sendable {
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
    case "swift": "SwiftURL"
    default: nil
    }
  }

  /// The name by which the ecosystem knows the package.
  public var packageName: String {
    switch type {
    case "pypi": Self.normalizedPython(name)
    case "deb": name
    case "maven": "\(namespace):\(name)"
    default: namespace.isEmpty ? name : "\(namespace)/\(name)"
    }
  }

  /// A Python name with its spelling evened out (PEP 503).
  static func normalizedPython(_ name: String) -> String {
    name.lowercased().split { $0 == "-" || $0 == "_" || $0 == "." }.joined(separator: "-")
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
