/// How a message body is delimited.
public enum BodyFraming: Hashable, Sendable {
  case none
  case length(UInt64)
  case chunked
  case untilClose
}

/// Follows a body through the octets that carry it, without changing them.
///
/// Chunks are read as strictly as heads (RFC 9112 section 7.1): `0_2e`, `+1`, a bare LF or an endless
/// extension are faults.
public struct BodyFramer: Sendable {
  private enum State: Hashable {
    case done
    case length(UInt64)
    case untilClose
    case sizeStart
    case size(UInt64, digits: UInt8)
    case sizeWhitespace
    case chunkExtension
    case sizeLineFeed
    case data(UInt64)
    case dataCarriageReturn
    case dataLineFeed
    case trailerStart
    case trailer
    case trailerLineFeed
    case endLineFeed
  }

  /// A piece of a body: what ``next(_:at:)`` found.
  public enum Piece: Hashable, Sendable {
    /// Payload.
    case data(Range<Int>)
    /// Chunk sizes, line ends and trailers.
    case framing(Range<Int>)
    /// Nothing more in these octets; the body goes on.
    case needMore
    /// The body is over; octets from the offset on belong to the next message.
    case end
  }

  private var state: State
  private var lineBytes = 0
  private var trailerBytes = 0
  private var size: UInt64 = 0
  private var trailerLine: [UInt8] = []

  /// Octets of one chunk-size line and of all trailers together.
  static let lineLimit = 4_096
  static let trailerLimit = 16_384

  public init(_ framing: BodyFraming) {
    switch framing {
    case .none: state = .done
    case .length(let length): state = length == 0 ? .done : .length(length)
    case .chunked: state = .sizeStart
    case .untilClose: state = .untilClose
    }
  }

  public var isComplete: Bool { state == .done }

  /// Whether the end of the connection is a proper end of the body.
  public var mayEndHere: Bool { state == .done || state == .untilClose }

  /// The next piece from `offset`, which moves behind it.
  ///
  /// - Throws: 400 for framing that two readers could understand differently.
  public mutating func next(
    _ bytes: Span<UInt8>, at offset: inout Int
  ) throws(HTTPFault) -> Piece {
    switch state {
    case .done: return .end
    case .untilClose:
      guard offset < bytes.count else { return .needMore }
      defer { offset = bytes.count }
      return .data(offset..<bytes.count)
    case .length(let left):
      return take(left, bytes.count, &offset) { $0 == 0 ? .done : .length($0) }
    case .data(let left):
      return take(left, bytes.count, &offset) { $0 == 0 ? .dataCarriageReturn : .data($0) }
    case .sizeStart, .size, .sizeWhitespace, .chunkExtension, .sizeLineFeed, .dataCarriageReturn,
      .dataLineFeed, .trailerStart, .trailer, .trailerLineFeed, .endLineFeed:
      let start = offset
      while offset < bytes.count {
        try step(bytes[offset])
        offset += 1
        if case .data = state { break }
        if state == .done { break }
      }
      return start == offset ? .needMore : .framing(start..<offset)
    }
  }

  /// Passes over everything at the start of `bytes` that belongs to the body.
  ///
  /// - Returns: how many octets that is.
  public mutating func advance(over bytes: Span<UInt8>) throws(HTTPFault) -> Int {
    var offset = 0
    while true {
      let piece = try next(bytes, at: &offset)
      if piece == .needMore || piece == .end { return offset }
    }
  }

  private mutating func take(
    _ left: UInt64, _ count: Int, _ offset: inout Int, _ next: (UInt64) -> State
  ) -> Piece {
    let available = count - offset
    guard available > 0 else { return .needMore }
    let taken = left < UInt64(available) ? Int(left) : available
    defer { offset += taken }
    state = next(left - UInt64(taken))
    return .data(offset..<offset + taken)
  }

  private mutating func step(_ byte: UInt8) throws(HTTPFault) {
    switch state {
    case .sizeStart:
      guard let value = byte.hexadecimalValue else { throw Self.malformedSize }
      lineBytes = 1
      state = .size(value, digits: 1)
    case .size(let value, let digits):
      try stepInSize(byte, value, digits)
    case .sizeWhitespace, .chunkExtension, .sizeLineFeed:
      try stepAfterSize(byte)
    case .dataCarriageReturn:
      guard byte == .carriageReturn else { throw HTTPFault(400, "chunk longer than its size") }
      state = .dataLineFeed
    case .dataLineFeed:
      guard byte == .lineFeed else { throw HTTPFault(400, "bare CR after a chunk") }
      state = .sizeStart
    case .trailerStart, .trailer, .trailerLineFeed, .endLineFeed:
      try stepInTrailers(byte)
    case .done, .length, .untilClose, .data:
      preconditionFailure("not a framing state")
    }
  }

  private mutating func stepInSize(
    _ byte: UInt8, _ value: UInt64, _ digits: UInt8
  ) throws(HTTPFault) {
    if let digit = byte.hexadecimalValue {
      guard digits < 15 else { throw Self.malformedSize }
      state = .size(value << 4 | digit, digits: digits + 1)
      return
    }
    size = value
    switch byte {
    case .carriageReturn: state = .sizeLineFeed
    case 59: state = .chunkExtension
    case .space, .tab: state = .sizeWhitespace
    default: throw Self.malformedSize
    }
  }

  private mutating func stepAfterSize(_ byte: UInt8) throws(HTTPFault) {
    lineBytes += 1
    guard lineBytes <= Self.lineLimit else { throw HTTPFault(400, "chunk extension too long") }
    switch state {
    case .sizeWhitespace:
      // Blanks are allowed only in front of an extension (RFC 9112 section 7.1.1).
      if byte == 59 {
        state = .chunkExtension
      } else if !byte.isWhitespace {
        throw Self.malformedSize
      }
    case .chunkExtension:
      if byte == .carriageReturn {
        state = .sizeLineFeed
      } else if !byte.isFieldContent {
        throw HTTPFault(400, "control character in a chunk extension")
      }
    case .sizeLineFeed, .sizeStart, .size, .dataCarriageReturn, .dataLineFeed, .trailerStart,
      .trailer, .trailerLineFeed, .endLineFeed, .done, .length, .untilClose, .data:
      guard byte == .lineFeed else { throw HTTPFault(400, "bare CR in a chunk size") }
      lineBytes = 0
      state = size == 0 ? .trailerStart : .data(size)
    }
  }

  private mutating func stepInTrailers(_ byte: UInt8) throws(HTTPFault) {
    trailerBytes += 1
    guard trailerBytes <= Self.trailerLimit else { throw HTTPFault(431, "trailers too long") }
    switch state {
    case .trailerStart:
      if byte == .carriageReturn {
        state = .endLineFeed
      } else if byte == .lineFeed {
        throw HTTPFault(400, "bare LF in the trailers")
      } else {
        trailerLine.append(byte)
        state = .trailer
      }
    case .trailer:
      trailerLine.append(byte)
      if byte == .carriageReturn { state = .trailerLineFeed }
      if byte == .lineFeed { throw HTTPFault(400, "bare LF in the trailers") }
    case .trailerLineFeed:
      trailerLine.append(byte)
      try checkTrailer()
      trailerLine.removeAll(keepingCapacity: true)
      state = .trailerStart
    case .endLineFeed, .sizeStart, .size, .sizeWhitespace, .chunkExtension, .sizeLineFeed,
      .dataCarriageReturn, .dataLineFeed, .done, .length, .untilClose, .data:
      guard byte == .lineFeed else { throw HTTPFault(400, "bare CR in the trailers") }
      state = .done
    }
  }

  /// A trailer must not bring in what a head decides (RFC 9110 section 6.5.1).
  private func checkTrailer() throws(HTTPFault) {
    var block = FieldBlock()
    var offset = 0
    guard try block.readLine(trailerLine.span, &offset, limit: 1) == .field,
      offset == trailerLine.count
    else { throw HTTPFault(400, "malformed trailer") }
    guard block.fields[0].kind == .other else {
      throw HTTPFault(400, "framing or routing field in the trailers")
    }
  }

  private static var malformedSize: HTTPFault { HTTPFault(400, "malformed chunk size") }
}
