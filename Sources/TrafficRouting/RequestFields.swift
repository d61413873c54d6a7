public import SegueModel

/// Looking up what a table asks about a request.
extension FieldBlock {
  /// Where the value of the first field with this name is.
  ///
  /// - Parameter name: in lower case.
  public func value(of name: [UInt8], in bytes: Span<UInt8>) -> Range<Int>? {
    for field in fields where bytes.spells(name, in: field.name, folding: true) {
      return field.value
    }
    return nil
  }

  /// Where the value of the first cookie with this name is (RFC 6265 section 4.2.1). Names of cookies
  /// are told apart by case.
  public func cookie(_ name: [UInt8], in bytes: Span<UInt8>) -> Range<Int>? {
    var found: Range<Int>?
    forEachCookie(named: name, in: bytes) { value in
      found = value
      return false
    }
    return found
  }

  /// Calls `body` with the value of each cookie of this name until it returns `false`.
  func forEachCookie(
    named name: [UInt8], in bytes: Span<UInt8>, _ body: (Range<Int>) -> Bool
  ) {
    for field in fields where bytes.matches("cookie", in: field.name) {
      var start = field.value.lowerBound
      let end = field.value.upperBound
      while start < end {
        var stop = start
        while stop < end, bytes[stop] != .semicolon { stop += 1 }
        let pair = bytes.trimming(start..<stop)
        start = stop + 1
        let split = pair.lowerBound + name.count
        guard split < pair.upperBound, bytes[split] == .equalsSign,
          bytes.spells(name, in: pair.lowerBound..<split, folding: false)
        else { continue }
        guard body(split + 1..<pair.upperBound) else { return }
      }
    }
  }
}

/// A ``RequestMatch`` made ready to be asked of every request.
public struct RequestTest: Sendable {
  private let isCookie: Bool
  private let name: [UInt8]
  private let value: [UInt8]

  public init(_ match: RequestMatch) {
    switch match {
    case .header(let name, let value):
      isCookie = false
      self.name = name.utf8.map(\.lowercased)
      self.value = Array(value.utf8)
    case .cookie(let name, let value):
      isCookie = true
      self.name = Array(name.utf8)
      self.value = Array(value.utf8)
    }
  }

  /// Whether any field, or any cookie, of the name has exactly the value.
  public func holds(for block: FieldBlock, _ bytes: Span<UInt8>) -> Bool {
    guard isCookie else {
      for field in block.fields
      where bytes.spells(name, in: field.name, folding: true)
        && bytes.spells(value, in: field.value, folding: false)
      {
        return true
      }
      return false
    }
    var holds = false
    block.forEachCookie(named: name, in: bytes) { range in
      holds = bytes.spells(value, in: range, folding: false)
      return !holds
    }
    return holds
  }
}

/// A ``StickySpec`` made ready to be asked of every request.
public struct StickySource: Sendable {
  private enum Kind {
    case address
    case header([UInt8])
    case cookie([UInt8])
  }

  private let kind: Kind
  /// Name of the cookie that a client without one is given.
  public let issuedCookie: String?

  /// - Parameter spec: `nil` is ``StickySpec/address``.
  public init(_ spec: StickySpec?) {
    switch spec {
    case .address, nil:
      kind = .address
      issuedCookie = nil
    case .header(let name):
      kind = .header(name.utf8.map(\.lowercased))
      issuedCookie = nil
    case .cookie(let name, let isIssued):
      kind = .cookie(Array(name.utf8))
      issuedCookie = isIssued ? name : nil
    }
  }

  /// The unit that a request names itself; `nil`: it names none, and its client's address counts.
  public func unit(of block: FieldBlock, _ bytes: Span<UInt8>) -> StickyUnit? {
    let range: Range<Int>?
    switch kind {
    case .address: return nil
    case .header(let name): range = block.value(of: name, in: bytes)
    case .cookie(let name): range = block.cookie(name, in: bytes)
    }
    guard let range, !range.isEmpty else { return nil }
    return StickyUnit(bytes, range)
  }
}

extension Span<UInt8> {
  /// Whether the octets of `range` are `octets`.
  ///
  /// - Parameter folding: in any case; `octets` is then in lower case.
  func spells(_ octets: [UInt8], in range: Range<Int>, folding: Bool) -> Bool {
    guard range.count == octets.count else { return false }
    for index in 0..<octets.count {
      let byte = self[range.lowerBound + index]
      if (folding ? byte.lowercased : byte) != octets[index] { return false }
    }
    return true
  }
}
