/// Which of two versions comes first, by the rules of an ecosystem.
public enum VersionOrder: Hashable, Sendable {
  /// Semantic Versioning 2.0.0, section 11; a leading `v` and missing numbers are tolerated.
  case semantic
  /// PEP 440.
  case python
  /// Debian Policy, section 5.6.12.
  case debian
  /// `Gem::Version` of RubyGems.
  case rubyGems
  /// "Version Order Specification" of Maven's POM reference.
  case maven
  /// Composer: up to four numbers and a stability.
  case composer

  /// The order of an ecosystem as OSV names it (`Debian:12`); `nil` for one whose rules are not
  /// known here, of which nothing can be said but by the versions that a record lists.
  public init?(ecosystem: String) {
    switch ecosystem.prefix(while: { $0 != ":" }) {
    case "npm", "Go", "crates.io", "SwiftURL", "NuGet": self = .semantic
    case "RubyGems": self = .rubyGems
    case "Maven": self = .maven
    case "Packagist": self = .composer
    case "PyPI": self = .python
    case "Debian", "Ubuntu": self = .debian
    default: return nil
    }
  }

  /// Negative when `left` comes first, positive when `right` does; `nil` when one is no such
  /// version.
  public func compare(_ left: String, _ right: String) -> Int? {
    switch self {
    case .semantic:
      guard let left = SemanticVersion(left), let right = SemanticVersion(right) else { return nil }
      return left.compare(right)
    case .python:
      guard let left = PythonVersion(left), let right = PythonVersion(right) else { return nil }
      return left.compare(right)
    case .debian: return DebianVersion(left).compare(DebianVersion(right))
    case .rubyGems:
      guard let left = GemVersion(left), let right = GemVersion(right) else { return nil }
      return left.compare(right)
    case .maven: return MavenVersion(left).compare(MavenVersion(right))
    case .composer:
      guard let left = ComposerVersion(left), let right = ComposerVersion(right) else { return nil }
      return left.compare(right)
    }
  }
}

func order<Value: Comparable>(_ left: Value, _ right: Value) -> Int {
  left < right ? -1 : left == right ? 0 : 1
}

/// Compares two runs of digits of any length by their value.
func orderDigits(_ left: some StringProtocol, _ right: some StringProtocol) -> Int {
  let left = left.drop { $0 == "0" }
  let right = right.drop { $0 == "0" }
  let lengths = order(left.utf8.count, right.utf8.count)
  return lengths != 0 ? lengths : order(String(left), String(right))
}

func isDigits(_ text: some StringProtocol) -> Bool {
  !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
}

func orderNumbers(_ left: [Substring], _ right: [Substring]) -> Int {
  for index in 0..<max(left.count, right.count) {
    let result = orderDigits(
      left.indices.contains(index) ? left[index] : "0",
      right.indices.contains(index) ? right[index] : "0")
    if result != 0 { return result }
  }
  return 0
}

private struct SemanticVersion {
  private var numbers: [Substring]
  private var preRelease: [Substring]

  init?(_ text: String) {
    let text = (text.hasPrefix("v") ? text.dropFirst() : text[...]).prefix { $0 != "+" }
    let halves = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard let core = halves.first else { return nil }
    numbers = core.split(separator: ".", omittingEmptySubsequences: false)
    preRelease = halves.count == 2 ? halves[1].split(separator: ".") : []
    guard numbers.allSatisfy({ isDigits($0) }) else { return nil }
  }

  func compare(_ other: SemanticVersion) -> Int {
    let core = orderNumbers(numbers, other.numbers)
    guard core == 0 else { return core }
    guard !preRelease.isEmpty, !other.preRelease.isEmpty else {
      return order(preRelease.isEmpty ? 1 : 0, other.preRelease.isEmpty ? 1 : 0)
    }
    for (left, right) in zip(preRelease, other.preRelease) {
      let result =
        switch (isDigits(left), isDigits(right)) {
        case (true, true): orderDigits(left, right)
        case (true, false): -1
        case (false, true): 1
        case (false, false): order(String(left), String(right))
        }
      if result != 0 { return result }
    }
    return order(preRelease.count, other.preRelease.count)
  }
}

private struct PythonVersion {
  private var epoch: Substring = "0"
  private var release: [Substring]
  /// `a`, `b` or `rc` as 0, 1 or 2.
  private var pre: (kind: Int, number: Substring)?
  private var post: Substring?
  private var dev: Substring?
  private var local: [Substring] = []

  init?(_ text: String) {
    let lower = text.lowercased()
    var rest = lower[...].drop { $0 == "v" || $0 == " " }
    if let plus = rest.firstIndex(of: "+") {
      local = rest[rest.index(after: plus)...].split { $0 == "." || $0 == "-" || $0 == "_" }
      rest = rest[..<plus]
    }
    if let mark = rest.firstIndex(of: "!") {
      epoch = rest[..<mark]
      rest = rest[rest.index(after: mark)...]
      guard isDigits(epoch) else { return nil }
    }
    let core = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    release = core.split(separator: ".")
    guard !release.isEmpty, release.allSatisfy({ isDigits($0) }) else { return nil }
    rest = rest[core.endIndex...]
    guard readSuffixes(&rest) else { return nil }
  }

  private mutating func readSuffixes(_ rest: inout Substring) -> Bool {
    func separator(_ character: Character) -> Bool {
      character == "." || character == "-" || character == "_"
    }
    while !rest.isEmpty {
      let wasDash = rest.first == "-"
      rest = rest.drop(while: separator)
      let word = rest.prefix { $0.isASCII && $0.isLetter }
      rest = rest[word.endIndex...].drop(while: separator)
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest[digits.endIndex...]
      let number = digits.isEmpty ? "0" : digits
      switch word {
      case "a", "alpha": pre = (0, number)
      case "b", "beta": pre = (1, number)
      case "rc", "c", "pre", "preview": pre = (2, number)
      case "post", "rev", "r": post = number
      case "dev": dev = number
      case "" where wasDash && !digits.isEmpty: post = number
      default: return false
      }
    }
    return true
  }

  func compare(_ other: PythonVersion) -> Int {
    let results = [
      orderDigits(epoch, other.epoch), orderNumbers(release, other.release),
      order(preRank, other.preRank),
      orderDigits(pre?.number ?? "0", other.pre?.number ?? "0"),
      order(post == nil ? 0 : 1, other.post == nil ? 0 : 1),
      orderDigits(post ?? "0", other.post ?? "0"),
      order(dev == nil ? 1 : 0, other.dev == nil ? 1 : 0),
      orderDigits(dev ?? "0", other.dev ?? "0"),
    ]
    return results.first { $0 != 0 } ?? compareLocal(other)
  }

  /// `1.0.dev1` comes before `1.0a1`, and that before `1.0`.
  private var preRank: Int {
    if let pre { return pre.kind }
    return dev != nil && post == nil ? -1 : 3
  }

  private func compareLocal(_ other: PythonVersion) -> Int {
    for (left, right) in zip(local, other.local) {
      let result =
        switch (isDigits(left), isDigits(right)) {
        case (true, true): orderDigits(left, right)
        case (true, false): 1
        case (false, true): -1
        case (false, false): order(String(left), String(right))
        }
      if result != 0 { return result }
    }
    return order(local.count, other.local.count)
  }
}

private struct DebianVersion {
  private var epoch: Substring = "0"
  private var upstream: Substring
  private var revision: Substring = "0"

  init(_ text: String) {
    upstream = text[...]
    if let colon = upstream.firstIndex(of: ":"), isDigits(upstream[..<colon]) {
      epoch = upstream[..<colon]
      upstream = upstream[upstream.index(after: colon)...]
    }
    if let dash = upstream.lastIndex(of: "-") {
      revision = upstream[upstream.index(after: dash)...]
      upstream = upstream[..<dash]
    }
  }

  func compare(_ other: DebianVersion) -> Int {
    let results = [
      orderDigits(epoch, other.epoch), Self.orderPart(upstream, other.upstream),
      Self.orderPart(revision, other.revision),
    ]
    return results.first { $0 != 0 } ?? 0
  }

  /// By turns what is not digits, character by character, and what is, by value. `~` sorts before
  /// everything, even the end; letters before all else.
  private static func orderPart(_ left: Substring, _ right: Substring) -> Int {
    var left = left.utf8[...]
    var right = right.utf8[...]
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    func rank(_ byte: UInt8?) -> Int {
      guard let byte, !isDigit(byte) else { return 0 }
      switch byte {
      case UInt8(ascii: "~"): return -1
      case 0x41...0x5A, 0x61...0x7A: return Int(byte)
      default: return Int(byte) + 256
      }
    }
    while !left.isEmpty || !right.isEmpty {
      while !(left.first.map(isDigit) ?? true) || !(right.first.map(isDigit) ?? true) {
        let result = order(rank(left.first), rank(right.first))
        if result != 0 { return result }
        left = left.dropFirst()
        right = right.dropFirst()
      }
      let (a, b) = (left.prefix(while: isDigit), right.prefix(while: isDigit))
      let result = orderDigits(
        String(decoding: a, as: UTF8.self), String(decoding: b, as: UTF8.self))
      if result != 0 { return result }
      left = left.dropFirst(a.count)
      right = right.dropFirst(b.count)
    }
    return 0
  }
}
