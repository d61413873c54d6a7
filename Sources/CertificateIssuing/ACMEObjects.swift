/// What an authority says, as far as it is of use here. Unknown members are ignored, as RFC 8555
/// section 7.1 wants it, and so are unknown states: they are waited upon until the deadline.

/// RFC 8555 section 7.1.1.
struct ACMEDirectory: Decodable, Sendable {
  var newNonce: String
  var newAccount: String
  var newOrder: String
  var meta: Meta?

  struct Meta: Decodable, Sendable {
    var termsOfService: String?
    var externalAccountRequired: Bool?
  }
}

/// RFC 8555 section 9.7.7.
struct ACMEIdentifier: Codable, Hashable, Sendable {
  var type = "dns"
  var value: String
}

/// RFC 8555 section 7.1.3.
struct ACMEOrder: Decodable, Sendable {
  var status: String
  var authorizations: [String]
  var finalize: String
  var certificate: String?
  var error: ACMEProblem?
}

/// RFC 8555 section 7.1.4.
struct ACMEAuthorization: Decodable, Sendable {
  var status: String
  var identifier: ACMEIdentifier
  var challenges: [ACMEChallenge]
}

/// RFC 8555 section 8.
struct ACMEChallenge: Decodable, Sendable {
  var type: String
  var url: String
  var status: String?
  var token: String?
  var error: ACMEProblem?
}

struct ACMENewOrder: Encodable {
  var identifiers: [ACMEIdentifier]
}

struct ACMEFinalize: Encodable {
  var csr: String
}

/// RFC 9457, which replaced RFC 7807, with the subproblems of RFC 8555 section 6.7.1.
struct ACMEProblem: Decodable, Hashable, Sendable {
  var type: String?
  var detail: String?
  /// Where a person has to look.
  var instance: String?
  var subproblems: [Subproblem]?

  struct Subproblem: Decodable, Hashable, Sendable {
    var type: String?
    var detail: String?
    var identifier: ACMEIdentifier?
  }

  private static let prefix = "urn:ietf:params:acme:error:"

  /// What kind it is, without the common beginning; nil for kinds of others.
  var kind: String? { type.flatMap { $0.hasPrefix(Self.prefix) ? Self.name($0) : nil } }

  /// As it is told: the detail, and the subproblems behind it.
  var causes: [String] {
    [Self.tell(type, detail, nil)]
      + (subproblems ?? []).prefix(10).map { Self.tell($0.type, $0.detail, $0.identifier?.value) }
  }

  private static func name(_ type: String) -> String {
    String(type.hasPrefix(prefix) ? type.dropFirst(prefix.count) : type[...])
  }

  private static func tell(_ type: String?, _ detail: String?, _ host: String?) -> String {
    let words = [host, detail.map { String(clean($0)) }, type.map { "(\(clean(name($0))))" }]
      .compactMap { $0 }
    return words.isEmpty ? "It gives no reason" : words.joined(separator: " ")
  }

  /// Bounded and in one line, as it comes from elsewhere and goes into logs.
  private static func clean(_ text: String) -> String {
    let short = text.count > 500 ? text.prefix(500) + "…" : text[...]
    return String(short.map { $0.isNewline || $0 == "\u{1B}" ? " " : $0 })
  }
}
