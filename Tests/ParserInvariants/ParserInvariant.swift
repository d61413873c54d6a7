/// One reader of octets from outside, and what must hold of it whatever they are: not only that it
/// survives them. The fuzzer and the tests check the same.
public struct ParserInvariant: Sendable {
  /// Also the name of its folder in `Fuzzing/Corpus`.
  public var name: String
  /// Longer inputs find nothing that shorter ones do not.
  public var octetLimit: Int
  /// - Throws: ``BrokenInvariant`` when something does not hold.
  public var check: @Sendable ([UInt8]) throws(BrokenInvariant) -> Void

  /// Those of the data plane.
  public static let traffic: [ParserInvariant] = [
    ParserInvariant(name: "http1-requests", octetLimit: 1_024, check: HTTP1Invariants.requests),
    ParserInvariant(name: "http1-responses", octetLimit: 1_024, check: HTTP1Invariants.responses),
    ParserInvariant(name: "chunked-body", octetLimit: 512, check: HTTP1Invariants.chunkedBody),
    ParserInvariant(name: "websocket", octetLimit: 256, check: HTTP1Invariants.websocket),
    ParserInvariant(name: "http2", octetLimit: 2_048, check: HTTP2Invariants.session),
    ParserInvariant(name: "routing-table", octetLimit: 2_048, check: TableInvariants.tables),
  ]

  /// Those of reports and lists.
  public static let evidence: [ParserInvariant] = [
    ParserInvariant(name: "junit", octetLimit: 2_048, check: EvidenceInvariants.junit),
    ParserInvariant(name: "coverage", octetLimit: 2_048, check: EvidenceInvariants.coverage),
    ParserInvariant(name: "json-reports", octetLimit: 2_048, check: EvidenceInvariants.json),
    ParserInvariant(name: "lock-files", octetLimit: 2_048, check: EvidenceInvariants.lockFiles),
    ParserInvariant(name: "diff", octetLimit: 2_048, check: EvidenceInvariants.diff),
    ParserInvariant(name: "versions", octetLimit: 128, check: EvidenceInvariants.versions),
  ]

  public static let all = traffic + evidence
}

/// What did not hold, in words.
public struct BrokenInvariant: Error, Hashable, CustomStringConvertible {
  public var description: String
}

/// - Throws: ``BrokenInvariant`` unless `condition` holds.
func require(
  _ condition: Bool, _ what: @autoclosure () -> String
) throws(BrokenInvariant) {
  guard condition else { throw BrokenInvariant(description: what()) }
}

/// Ways in which octets can come in pieces.
enum Pieces {
  /// Octet by octet, and in two pieces: cut everywhere when there are few octets, else at some places
  /// that depend on nothing but the octets.
  static func ways(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
    let single = bytes.indices.map { bytes[$0...$0] }
    return [single] + cuts(bytes).map { [bytes[..<$0], bytes[$0...]] }
  }

  private static func cuts(_ bytes: [UInt8]) -> [Int] {
    guard bytes.count > 24 else { return Array(0...bytes.count) }
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return (0..<8).map { _ in
      hash = hash &* 6_364_136_223_846_793_005 &+ 1
      return Int(hash >> 33) % bytes.count
    }
  }
}
