/// One of the two answers to a request that was copied, as far as it is compared.
public struct ComparedAnswer: Sendable {
  public var status: Int
  /// Empty: there was none.
  public var contentType: [UInt8]
  /// The values of the named fields, in the order of the names; `nil`: it has no such field.
  public var headers: [[UInt8]?]
  /// Without chunks.
  public var body: [UInt8]

  public init(
    status: Int = 0, contentType: [UInt8] = [], headers: [[UInt8]?] = [], body: [UInt8] = []
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = body
  }

  /// `application/json`, or a type that is built upon it (RFC 6839 section 3.1).
  var isJSON: Bool {
    let end = contentType.firstIndex(of: .semicolon) ?? contentType.endIndex
    let span = contentType.span
    let type = span.trimming(0..<end)
    if span.matches("application/json", in: type) { return true }
    return type.count > 5
      && span.matches("+json", in: type.upperBound - 5..<type.upperBound)
  }
}

/// In what the answer of the release under trial, here, differs from the one that the client got,
/// there. Each is a sentence.
public struct AnswerComparison: Hashable, Sendable {
  /// `status: 200 there, 500 here`
  public var status: String?
  /// The first of the named fields whose values differ.
  public var headers: String?
  /// `body: $.items[2].price is 3 there, 4 here`
  public var body: String?

  /// Octets of a body up to which it is compared.
  public static let bodyLimit = 262_144

  public var isEqual: Bool { status == nil && headers == nil && body == nil }

  /// All of the differences, in one line.
  public var sentence: String {
    [status, headers, body].compactMap(\.self).joined(separator: "; ")
  }

  /// Bodies are compared as JSON when both are some: neither the order of members nor blanks matter,
  /// and numbers count by their value. Otherwise each octet matters.
  ///
  /// - Parameter names: of the fields in ``ComparedAnswer/headers``.
  public init(there: ComparedAnswer, here: ComparedAnswer, names: [String]) {
    if there.status != here.status {
      status = "status: \(there.status) there, \(here.status) here"
    }
    for (index, name) in names.enumerated() {
      let one = index < there.headers.count ? there.headers[index] : nil
      let other = index < here.headers.count ? here.headers[index] : nil
      guard one != other else { continue }
      let values = [one, other].map { $0.map { Excerpt.plain($0) } ?? "absent" }
      headers = "header \(name): \(values[0]) there, \(values[1]) here"
      break
    }
    if let difference = Self.difference(there, here) { body = "body: \(difference)" }
  }

  private static func difference(_ there: ComparedAnswer, _ here: ComparedAnswer) -> String? {
    if there.body == here.body { return nil }
    if there.isJSON, here.isJSON, let one = JSONReader.read(there.body),
      let other = JSONReader.read(here.body)
    {
      return JSONDifference.first(there: one, here: other)
    }
    let shorter = min(there.body.count, here.body.count)
    let offset = (0..<shorter).first { there.body[$0] != here.body[$0] } ?? shorter
    return "differs from octet \(offset) on; \(there.body.count) octets there, "
      + "\(here.body.count) here"
  }
}

/// What is shown of a request whose answers differed.
public enum MirrorLabel {
  /// Octets of a path that are shown.
  public static let pathLimit = 200

  /// The path without its query, which may hold secrets, clipped and harmless to a terminal.
  public static func path(_ octets: some Collection<UInt8>) -> String {
    let path = octets.prefix { $0 != 63 && $0 != 35 }.map { (33..<127).contains($0) ? $0 : 63 }
    return Excerpt.plain(path, limit: path.count <= pathLimit ? pathLimit : pathLimit - 3)
  }

  public static func method(_ octets: some Collection<UInt8>) -> String {
    Excerpt.plain(octets, limit: 32)
  }
}
