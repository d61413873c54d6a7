public import SegueModel

/// The most frequent kinds of differences between answers, in bounded memory.
///
/// Space-saving (Metwally, Agrawal and El Abbadi, Efficient computation of frequent and top-k elements
/// in data streams, 2005): a kind that makes up more than one of ``limit`` differences is never missed,
/// and a count is never too small.
public struct DifferenceGroups: Sendable {
  /// Kinds that are counted at once.
  public static let limit = 64

  public private(set) var groups: [MirrorGroup] = []

  public init() {}

  public mutating func add(_ request: String, _ what: String) {
    if let index = groups.firstIndex(where: { $0.request == request && $0.what == what }) {
      groups[index].count += 1
    } else if groups.count < Self.limit {
      groups.append(MirrorGroup(request: request, what: what, count: 1))
    } else if let rarest = groups.indices.min(by: { groups[$0].count < groups[$1].count }) {
      groups[rarest] = MirrorGroup(
        request: request, what: what, count: groups[rarest].count + 1)
    }
  }

  /// The most frequent first; equals in the order in which they came.
  public var sorted: [MirrorGroup] { Self.sorted(groups) }

  /// What two of them have counted together.
  public static func merged(_ one: [MirrorGroup], _ other: [MirrorGroup]) -> [MirrorGroup] {
    var sum = one
    for group in other {
      if let index = sum.firstIndex(where: {
        $0.request == group.request && $0.what == group.what
      }) {
        sum[index].count += group.count
      } else {
        sum.append(group)
      }
    }
    return Array(sorted(sum).prefix(limit))
  }

  private static func sorted(_ groups: [MirrorGroup]) -> [MirrorGroup] {
    groups.enumerated().sorted {
      ($1.element.count, $0.offset) < ($0.element.count, $1.offset)
    }.map(\.element)
  }
}

extension AnswerComparison {
  /// In which way they differ, without the values: what groups go by. `nil`: they are equal.
  public var kind: String? {
    if let status { return status }
    if let headers { return String(headers.prefix { $0 != ":" }) }
    guard let body else { return nil }
    guard body.hasPrefix("body: $") else { return "body" }
    let place = body.dropFirst("body: ".count).prefix { $0 != " " }
    return "body: " + MirrorLabel.pattern(String(place))
  }
}

extension MirrorLabel {
  /// A path with what tells one thing from another of its kind taken out: runs of digits become `{n}`,
  /// and parts that are long identifiers `{id}`.
  public static func pattern(_ path: String) -> String {
    path.split(separator: "/", omittingEmptySubsequences: false).map(part).joined(separator: "/")
  }

  private static func part(_ text: Substring) -> String {
    let octets = text.utf8
    func isDigit(_ octet: UInt8) -> Bool { (0x30...0x39).contains(octet) }
    let isIdentifier =
      octets.count >= 16 && octets.contains(where: isDigit)
      && octets.allSatisfy { $0 == 0x2D || isDigit($0) || (0x61...0x66).contains($0 | 0x20) }
    if isIdentifier { return "{id}" }
    var result = ""
    var isInNumber = false
    for character in text {
      let isNumber = character.utf8.count == 1 && character.utf8.allSatisfy(isDigit)
      if !isNumber { result.append(character) } else if !isInNumber { result += "{n}" }
      isInNumber = isNumber
    }
    return result
  }
}
