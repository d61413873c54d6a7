/// The field with which a client, or whoever stands before the router, names its request.
public enum RequestID: Hashable, Sendable {
  /// The client's own; where it is in the head.
  case given(Range<Int>)
  /// Ours: 128 bits, high half first.
  case made(UInt64, UInt64)

  public static let fieldName: StaticString = "X-Request-Id"
  /// Octets of an id that is taken from a client.
  public static let limit = 128

  /// A trusted peer's id stands if it is the only one and 1 to 128 visible ASCII characters, which
  /// can be written into a log and a header line as they are.
  ///
  /// - Parameter words: 128 random bits.
  public static func choose(
    _ head: Span<UInt8>, _ fields: FieldBlock, isTrusted: Bool, words: (UInt64, UInt64)
  ) -> RequestID {
    guard isTrusted, let value = fields.single("x-request-id", head), isAcceptable(head, value)
    else { return .made(words.0, words.1) }
    return .given(value)
  }

  static func isAcceptable(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard (1...limit).contains(range.count) else { return false }
    for index in range where !(33...126).contains(bytes[index]) { return false }
    return true
  }

  /// The id's own octets.
  public func write(_ head: Span<UInt8>, to out: inout [UInt8]) {
    switch self {
    case .given(let range): for index in range { out.append(head[index]) }
    case .made(let high, let low):
      Hexadecimal.write(high, to: &out)
      Hexadecimal.write(low, to: &out)
    }
  }
}

/// The trace a request belongs to (W3C Trace Context, level 1).
public enum TraceContext: Hashable, Sendable {
  /// The client's `traceparent` is passed on as it is, and its `tracestate` with it.
  case passedOn(Range<Int>)
  /// A trace begins here. What the client said in `traceparent` and `tracestate` is dropped
  /// (section 3.3.1: whoever cannot read the one must not pass on the other).
  case begun(Beginning)

  public struct Beginning: Hashable, Sendable {
    public let traceHigh, traceLow, parent: UInt64
    /// An application whose sampler follows its caller records what is said to be sampled, and only
    /// that.
    public let isSampled: Bool
  }

  public static let fieldName: StaticString = "traceparent"

  /// - Parameters:
  ///   - words: 192 random bits.
  ///   - samples: what a trace that begins here says of itself.
  public static func choose(
    _ head: Span<UInt8>, _ fields: FieldBlock, words: (UInt64, UInt64, UInt64), samples: Bool
  ) -> TraceContext {
    if let value = fields.single("traceparent", head), isWellFormed(head, value) {
      return .passedOn(value)
    }
    // Zeros alone would be no id (sections 3.2.2.3 and 3.2.2.4).
    let isZero = words.0 == 0 && words.1 == 0
    return .begun(
      Beginning(
        traceHigh: words.0, traceLow: isZero ? 1 : words.1, parent: words.2 == 0 ? 1 : words.2,
        isSampled: samples))
  }

  /// Section 3.2: `00-<32 hex>-<16 hex>-<2 hex>` in lower case. A later version may have more behind
  /// another hyphen; version ff is none.
  static func isWellFormed(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard range.count >= 55 else { return false }
    let start = range.lowerBound
    var lengths = [(0, 2), (3, 32), (36, 16), (53, 2)][...]
    var sums: [UInt64] = []
    while let (offset, length) = lengths.popFirst() {
      var sum: UInt64 = 0
      for index in start + offset..<start + offset + length {
        guard let value = bytes[index].lowercaseHexadecimalValue else { return false }
        sum += value
      }
      sums.append(sum)
      if !lengths.isEmpty, bytes[start + offset + length] != 45 { return false }
    }
    let isFirstVersion = sums[0] == 0
    // Two digits that add up to thirty are ff.
    guard sums[0] < 30, sums[1] > 0, sums[2] > 0 else { return false }
    return isFirstVersion ? range.count == 55 : range.count == 55 || bytes[start + 55] == 45
  }

  /// The field's value.
  public func write(_ head: Span<UInt8>, to out: inout [UInt8]) {
    switch self {
    case .passedOn(let range): for index in range { out.append(head[index]) }
    case .begun(let beginning):
      out.append(contentsOf: [48, 48, 45])
      Hexadecimal.write(beginning.traceHigh, to: &out)
      Hexadecimal.write(beginning.traceLow, to: &out)
      out.append(45)
      Hexadecimal.write(beginning.parent, to: &out)
      out.append(contentsOf: [45, 48, beginning.isSampled ? 49 : 48])
    }
  }
}

/// What the router says of a request's way in `Forwarded` (RFC 7239).
public enum ForwardedElement {
  /// Writes one element: `for=192.0.2.43;host="shop.test:8080";proto=http`. To a trusted peer's list
  /// it is appended behind a comma.
  ///
  /// - Parameters:
  ///   - client: the literal address, or `nil` when it is not known (section 6.2). A zone, which means
  ///     nothing elsewhere, is left out.
  ///   - host: what the request said; left out when it is empty or no host could be like that.
  public static func write(
    client: [UInt8]?, host: Span<UInt8>, isTLS: Bool, to out: inout [UInt8]
  ) {
    out.append(contentsOf: "for=".utf8)
    if let client = client?.prefix(while: { $0 != 37 }), !client.isEmpty {
      let isSix = client.contains(.colon)
      if isSix { out.append(contentsOf: [34, 91]) }
      out.append(contentsOf: client)
      if isSix { out.append(contentsOf: [93, 34]) }
    } else {
      out.append(contentsOf: "unknown".utf8)
    }
    writeHost(host, to: &out)
    out.append(contentsOf: (isTLS ? ";proto=https" : ";proto=http").utf8)
  }

  /// A token stands as it is, anything else between quotes (section 4).
  private static func writeHost(_ host: Span<UInt8>, to out: inout [UInt8]) {
    guard !host.isEmpty else { return }
    var isToken = true
    for index in 0..<host.count {
      guard host[index].isHostCharacter else { return }
      if !host[index].isToken { isToken = false }
    }
    out.append(contentsOf: ";host=".utf8)
    if !isToken { out.append(34) }
    // No character of a host needs a backslash.
    for index in 0..<host.count { out.append(host[index]) }
    if !isToken { out.append(34) }
  }
}

extension FieldBlock {
  /// The value of the only field of this name, which is in lower case; `nil` when there is none, or
  /// more than one, so that nobody knows which was meant.
  func single(_ name: StaticString, _ head: Span<UInt8>) -> Range<Int>? {
    var found: Range<Int>?
    for field in fields where head.matches(name, in: field.name) {
      guard found == nil else { return nil }
      found = field.value
    }
    return found
  }
}

/// Digits in lower case.
public enum Hexadecimal {
  /// The eight digits of a word, the highest in the highest octet. All at once: each half octet is moved
  /// into an octet of its own, and those from ten on are lifted from the digits to the letters.
  @inlinable
  public static func digits(_ word: UInt32) -> UInt64 {
    var octets = UInt64(word)
    octets = (octets | octets << 16) & 0x0000_FFFF_0000_FFFF
    octets = (octets | octets << 8) & 0x00FF_00FF_00FF_00FF
    octets = (octets | octets << 4) & 0x0F0F_0F0F_0F0F_0F0F
    let letters = ((octets &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
    return octets &+ 0x3030_3030_3030_3030 &+ letters &* 39
  }

  static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }

  static func write(_ word: UInt64, to out: inout [UInt8]) {
    for half in [UInt32(truncatingIfNeeded: word >> 32), UInt32(truncatingIfNeeded: word)] {
      let digits = digits(half)
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        out.append(UInt8(truncatingIfNeeded: digits >> shift))
      }
    }
  }
}

extension UInt8 {
  fileprivate var lowercaseHexadecimalValue: UInt64? {
    (65...70).contains(self) ? nil : hexadecimalValue
  }
}
